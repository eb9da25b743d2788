//! The few things that the store asks of a disk.
//!
//! All of the store's files lie in one directory, and names have no slash. The calls are those of the
//! operating system, with its promises and no others: what was written is safe once
//! [`DiskFile::sync_data`] returned, and a file is found again once [`Disk::sync_dir`] did.

mod directory;
#[cfg(any(test, feature = "simulated-disk"))]
mod simulated;

use std::io;

pub use directory::Directory;
pub(crate) use directory::LOCK_FILE;
#[cfg(any(test, feature = "simulated-disk"))]
pub use simulated::{Call, Fault, SimulatedDisk};

/// A directory with files.
pub trait Disk: Send + Sync {
    /// Takes the directory for one store, for as long as what is returned lives.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another has it.
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>>;

    /// The names of all files, in no order.
    ///
    /// # Errors
    /// What the operating system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file that does not exist yet.
    ///
    /// # Errors
    /// What the operating system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// What the operating system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Cuts a file.
    ///
    /// # Errors
    /// What the operating system says.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when files that were made or removed stay so.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_dir(&self) -> io::Result<()>;

    /// A number that nobody can guess.
    ///
    /// # Errors
    /// What the operating system says.
    fn random(&self) -> io::Result<u64>;
}

/// A file.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the operating system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads what is at `offset`, and says how much was.
    ///
    /// # Errors
    /// What the operating system says.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the operating system says; some of it may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes room for `length` bytes, which are zero until they are written.
    ///
    /// # Errors
    /// What the operating system says, above all that there is no room.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Returns when everything that was written is safe.
    ///
    /// # Errors
    /// What the operating system says. Nobody knows then what is on the disk.
    fn sync_data(&self) -> io::Result<()>;
}

/// Whether an error says that there is no room, and nothing worse.
pub(crate) fn is_out_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
