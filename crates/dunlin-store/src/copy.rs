//! Copies of a store: a backup, and a store from a backup.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Directory, Disk};
use crate::frame::Scan;
use crate::read::{open_all, read};
use crate::replay::{self, ReadError};
use crate::report::Report;
use crate::segment::HEADER_BYTES;

/// What the name of a directory ends with while it is written.
const PARTIAL: &str = ".partial";

/// A store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The store cannot be read.
    #[error("cannot read the store in {directory}: {source}", directory = .directory.display())]
    Read {
        /// Where it is.
        directory: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// There is something where the copy is to be.
    #[error(
        "{directory} is not empty, and nothing is written over what is there: choose another \
         directory, or move this one away",
        directory = .0.display()
    )]
    NotEmpty(PathBuf),
    /// An earlier copy was interrupted.
    #[error(
        "{directory} is what a copy that was interrupted has left: delete it, then try again",
        directory = .0.display()
    )]
    Interrupted(PathBuf),
    /// The copy cannot be written.
    #[error("cannot write {path}: {source}", path = .path.display())]
    Write {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Copies the store in the directory `from` to the directory `to`, which does not exist or is empty. A
/// broker may have the store open: the copy is what the log was at some moment since the call. It is on
/// disk when this returns, and is there as a whole or not at all.
///
/// The report says what was read of the copy: damage is copied as it is.
///
/// # Errors
/// [`CopyError`].
pub fn copy(from: &Path, to: &Path) -> Result<Report, CopyError> {
    let unread = |source| CopyError::Read {
        directory: from.to_owned(),
        source,
    };
    let source = Directory::existing(from).map_err(|error| unread(error.into()))?;
    let files = open_all(&source).map_err(unread)?;
    if !is_free(to)? {
        return Err(CopyError::NotEmpty(to.to_owned()));
    }
    let mut partial = OsString::from(to);
    partial.push(PARTIAL);
    let partial = PathBuf::from(partial);
    if !is_free(&partial)? {
        return Err(CopyError::Interrupted(partial));
    }
    let copy = Directory::create(&partial).map_err(|error| unwritten(&partial, error))?;
    for (name, file) in files {
        let (bytes, _) = replay::bytes(&*file).map_err(|error| unread(error.into()))?;
        if bytes.iter().all(|&byte| byte == 0) {
            continue;
        }
        // The room that is made ahead is no part of the copy; zeros that a frame ends with are.
        let mut scan = Scan::new(&bytes, HEADER_BYTES, name.key, 0);
        scan.by_ref().for_each(drop);
        let name = name.to_string();
        let bytes = bytes.get(..scan.used()).unwrap_or(&bytes);
        let write = || {
            let file = copy.create(&name)?;
            file.write_at(0, bytes)?;
            file.sync_data()
        };
        write().map_err(|error| unwritten(&partial.join(&name), error))?;
    }
    // An empty store is one as well.
    let lock = copy.lock().map_err(|error| unwritten(&partial, error))?;
    drop(lock);
    let publish = || {
        copy.sync_dir()?;
        fs::rename(&partial, to)?;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
    };
    publish().map_err(|error| unwritten(to, error))?;
    read(to, &mut |_, _| ()).map_err(|source| CopyError::Read {
        directory: to.to_owned(),
        source,
    })
}

fn unwritten(path: &Path, source: io::Error) -> CopyError {
    let path = path.to_owned();
    CopyError::Write { path, source }
}

/// Whether nothing is there, or an empty directory.
fn is_free(directory: &Path) -> Result<bool, CopyError> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(unwritten(directory, error)),
    }
}
