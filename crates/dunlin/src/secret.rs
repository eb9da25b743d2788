//! Files with secrets in them, and who else can get at them.

use std::fs::Metadata;
use std::path::Path;

/// Who may get at a file with secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone.
    Owner,
    /// Its group as well, such as that of the programs that may use a private key.
    Group,
}

/// What is to be said of a file with secrets that others can get at; `None` if nobody else can.
#[cfg(unix)]
pub fn exposure(path: &Path, data: &Metadata, readers: Readers) -> Option<String> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&data.permissions());
    let (others, who, change) = match readers {
        Readers::Owner => (0o077, "other users of this machine", "600"),
        Readers::Group => (0o007, "every user of this machine", "o="),
    };
    (mode & others != 0).then(|| {
        let (path, mode) = (path.display(), mode & 0o777);
        format!(
            "{path} holds secrets, and {who} can get at it (mode {mode:03o}): chmod {change} {path}"
        )
    })
}

/// Elsewhere a mode does not say it.
#[cfg(not(unix))]
pub const fn exposure(_: &Path, _: &Metadata, _: Readers) -> Option<String> {
    None
}

#[cfg(test)]
mod tests;
