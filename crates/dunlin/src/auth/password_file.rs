//! Password files: one line for each user, with a hash of the password.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hash::{HashError, MakeError, PasswordScheme, StoredHash};
use crate::files::WatchedFile;

/// The largest password file that is read: a million users.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 20;

/// The name of the password file that a broker keeps in its data directory, with `auth.stored_users`.
pub const STORED_USERS: &str = "users";

/// A password file, with its comments, such as `dunlin passwd` changes it.
///
/// A line is a User Name, a colon and a hash: `ada:$argon2id$…`. Empty lines and those that begin with
/// `#` mean nothing. Files of `mosquitto_passwd` are such files.
#[derive(Clone, Debug, Default)]
pub struct PasswordFile {
    lines: Vec<Line>,
}

#[derive(Clone)]
enum Line {
    Comment(String),
    Entry { user: String, text: String },
}

/// Not the hash.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comment(text) => text.fmt(f),
            Self::Entry { user, .. } => user.fmt(f),
        }
    }
}

/// What is wrong with a password file. It shows no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", path.display(), line.map_or_else(String::new, |line| format!(":{line}")))]
pub struct PasswordFileError {
    path: PathBuf,
    line: Option<usize>,
    what: String,
}

/// Why a user cannot be in a password file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The name.
    #[error("user name {0:?}: it must not be empty, begin with # or hold a colon or a line break")]
    Name(String),
    /// The password.
    #[error("the password of {0:?} is empty")]
    EmptyPassword(String),
    /// It cannot be hashed.
    #[error(transparent)]
    Hash(#[from] MakeError),
}

impl PasswordFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`PasswordFileError`], with the line if it is one.
    pub fn read(path: &Path) -> Result<Self, PasswordFileError> {
        let text = WatchedFile::new(path.into()).read(FILE_BYTES_MAX, false);
        let text = text.map_err(|what| PasswordFileError {
            path: path.into(),
            line: None,
            what,
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file, which `path` names in errors.
    ///
    /// # Errors
    /// [`PasswordFileError`], with the line.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PasswordFileError> {
        let mut lines = Vec::new();
        let mut users = BTreeSet::new();
        for (index, line) in text.lines().enumerate() {
            let error = |what| PasswordFileError {
                path: path.into(),
                line: Some(index + 1),
                what,
            };
            if line.trim().is_empty() || line.starts_with('#') {
                lines.push(Line::Comment(line.to_owned()));
                continue;
            }
            let Some((user, hash)) = line.split_once(':') else {
                let what = "expected USER:HASH, such as `dunlin passwd` writes it";
                return Err(error(what.to_owned()));
            };
            checked_name(user).map_err(|wrong| error(wrong.to_string()))?;
            let hash = hash.trim_end();
            StoredHash::parse(hash).map_err(|wrong| error(format!("user {user:?}: {wrong}")))?;
            if !users.insert(user) {
                return Err(error(format!("user {user:?} stands in the file twice")));
            }
            lines.push(Line::Entry {
                user: user.to_owned(),
                text: hash.to_owned(),
            });
        }
        Ok(Self { lines })
    }

    /// Adds a user, or gives it another password; true if there was one.
    ///
    /// # Errors
    /// [`UserError`]; nothing is changed then.
    pub fn set(
        &mut self,
        user: &str,
        password: &[u8],
        scheme: PasswordScheme,
    ) -> Result<bool, UserError> {
        checked_name(user)?;
        if password.is_empty() {
            return Err(UserError::EmptyPassword(user.to_owned()));
        }
        let made = StoredHash::make(scheme, password)?;
        for line in &mut self.lines {
            if let Line::Entry {
                user: present,
                text,
            } = line
                && present == user
            {
                *text = made;
                return Ok(true);
            }
        }
        self.lines.push(Line::Entry {
            user: user.to_owned(),
            text: made,
        });
        Ok(false)
    }

    /// Removes a user; false if there is none.
    pub fn remove(&mut self, user: &str) -> bool {
        let before = self.lines.len();
        self.lines
            .retain(|line| !matches!(line, Line::Entry { user: present, .. } if present == user));
        self.lines.len() < before
    }

    /// The users, in the order of the file.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entry { user, .. } => Some(user.as_str()),
            Line::Comment(_) => None,
        })
    }

    /// Writes the file whole: a reader sees what was there before or what is there after. A new file
    /// is for its owner alone; another keeps who may read it. What root writes belongs to whom the file
    /// belonged before, or its directory: a broker that is somebody else must be able to read it.
    ///
    /// # Errors
    /// What the operating system says; the file is as before then.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        // A link stays one.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = path.with_file_name(name);
        let written = self.write_new(&path, &new);
        if written.is_err() {
            // The error is the news, whether this works or not.
            let _ = std::fs::remove_file(&new);
        }
        written
    }

    fn write_new(&self, path: &Path, new: &Path) -> io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(new)?;
        let present = std::fs::metadata(path);
        #[cfg(unix)]
        keep_owner(&file, present.as_ref().ok(), path)?;
        if let Ok(present) = present {
            file.set_permissions(present.permissions())?;
        }
        file.write_all(self.to_string().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, path)
    }
}

/// The text of the file.
impl fmt::Display for PasswordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| match line {
            Line::Comment(text) => writeln!(f, "{text}"),
            Line::Entry { user, text } => writeln!(f, "{user}:{text}"),
        })
    }
}

/// Gives a file that root made to whom it was before, or to whom its directory is.
#[cfg(unix)]
fn keep_owner(file: &File, before: Option<&Metadata>, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    if file.metadata()?.uid() != 0 {
        return Ok(());
    }
    let directory = path.parent().and_then(|parent| parent.metadata().ok());
    match before.or(directory.as_ref()) {
        Some(owner) => fchown(file, Some(owner.uid()), Some(owner.gid())),
        None => Ok(()),
    }
}

fn checked_name(user: &str) -> Result<(), UserError> {
    if user.is_empty() || user.starts_with('#') || user.contains([':', '\n', '\r', '\0']) {
        return Err(UserError::Name(user.to_owned()));
    }
    Ok(())
}

/// The users of some files, ready to be asked.
pub(super) struct Users {
    by_name: BTreeMap<Box<str>, Arc<StoredHash>>,
    /// What is held against the passwords of users that there are not, so that they take as long.
    decoy: Option<Arc<StoredHash>>,
}

impl Users {
    pub(super) fn new(files: &[PasswordFile]) -> Result<Self, HashError> {
        let mut by_name = BTreeMap::new();
        let mut costs: BTreeMap<String, (usize, Arc<StoredHash>)> = BTreeMap::new();
        for line in files.iter().flat_map(|file| &file.lines) {
            if let Line::Entry { user, text } = line {
                let hash = Arc::new(StoredHash::parse(text)?);
                let (count, _) = costs
                    .entry(hash.cost())
                    .or_insert_with(|| (0, Arc::clone(&hash)));
                *count += 1;
                by_name.entry(user.as_str().into()).or_insert(hash);
            }
        }
        // The most frequent cost, which is that of every user unless the file is mixed.
        let decoy = costs.into_values().max_by_key(|(count, _)| *count);
        Ok(Self {
            by_name,
            decoy: decoy.map(|(_, hash)| hash),
        })
    }

    pub(super) fn get(&self, user: &str) -> Option<&Arc<StoredHash>> {
        self.by_name.get(user)
    }

    pub(super) fn decoy(&self) -> Option<&Arc<StoredHash>> {
        self.decoy.as_ref()
    }

    pub(super) fn count(&self) -> usize {
        self.by_name.len()
    }
}

#[cfg(test)]
mod tests;
