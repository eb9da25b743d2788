//! Reading a store that may be in use, without changing anything.

use std::io;
use std::path::Path;

use dunlin_core::storage::Record;

use crate::disk::{Directory, Disk, LOCK_FILE};
use crate::replay::{self, Opened, ReadError};
use crate::report::Report;

/// How often files may be deleted while they are opened. That happens once for each time that the
/// log was written anew.
const TRIES_MAX: usize = 10;

/// Where in a store a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the segment.
    pub segment: u64,
    /// Where the append begins in it, in bytes.
    pub offset: u64,
    /// The number of the append.
    pub append: u64,
}

/// Gives every record of the store in a directory to `each`, in their order. A broker may have the
/// store open: what it appends meanwhile may be seen or not.
///
/// # Errors
/// [`ReadError`]: never because of what is in a file.
pub fn read(
    directory: &Path,
    each: &mut dyn FnMut(Place, Record<'_>),
) -> Result<Report, ReadError> {
    let files = open_all(&Directory::existing(directory)?)?;
    let contents = replay::replay(
        files.into_iter().map(Ok),
        &mut |append| append.records(&mut |record| each(append.place, record)),
        &mut |_, _| (),
    )?;
    Ok(contents.report)
}

/// Opens all segments. One that is deleted then can still be read.
pub(crate) fn open_all(disk: &dyn Disk) -> Result<Vec<Opened>, ReadError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let opened: io::Result<Vec<_>> = replay::segments(disk)?.collect();
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES_MAX => {}
            Ok(files) if files.is_empty() && !disk.list()?.iter().any(|it| it == LOCK_FILE) => {
                return Err(ReadError::NoStore);
            }
            opened => return Ok(opened?),
        }
    }
}
