//! The checkout: where it is, which files it tracks, and their text.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The root of the checkout that this program was built from.
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The manifest folder of this crate lies directly below the root.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the xtask folder has no parent")?
            .to_path_buf();
        Ok(Self { root })
    }

    /// The tracked files that exist in the working tree, sorted, as paths relative to the root.
    pub(crate) fn tracked_files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached"])
            .current_dir(&self.root)
            .output()
            .context("run git ls-files")?;
        if !output.status.success() {
            bail!(
                "git ls-files in {}: {}",
                self.root.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let listing = String::from_utf8(output.stdout).context("a tracked path is not UTF-8")?;
        let mut files: Vec<String> = listing
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(String::from)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file, or `None` for one that is not text.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>> {
        let bytes = std::fs::read(self.root.join(path)).with_context(|| format!("read {path}"))?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// The text of a file that must exist and be text.
    pub(crate) fn required_text(&self, path: &str) -> Result<String> {
        self.text(path)?
            .with_context(|| format!("{path} is not UTF-8"))
    }

    pub(crate) fn size(&self, path: &str) -> Result<u64> {
        let metadata =
            std::fs::metadata(self.root.join(path)).with_context(|| format!("look at {path}"))?;
        Ok(metadata.len())
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        std::fs::write(self.root.join(path), text).with_context(|| format!("write {path}"))
    }
}
