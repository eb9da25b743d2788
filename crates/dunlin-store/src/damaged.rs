//! Copies of what was set aside, for those who want to look at it.

use std::io;

use crate::disk::Disk;
use crate::report::Damage;

const SUFFIX: &str = ".damaged";
/// Copies that a store keeps at most.
const FILES_MAX: usize = 64;
/// Bytes of a copy at most.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The copies in a directory.
pub(crate) struct DamagedFiles<'a> {
    disk: &'a dyn Disk,
    names: Vec<String>,
}

impl<'a> DamagedFiles<'a> {
    pub(crate) fn new(disk: &'a dyn Disk) -> io::Result<Self> {
        let mut names = disk.list()?;
        names.retain(|name| name.ends_with(SUFFIX));
        Ok(Self { disk, names })
    }

    /// Copies what was set aside, unless that was done before or there are copies enough.
    pub(crate) fn keep(&mut self, damage: &Damage, bytes: &[u8]) {
        let name = format!("{:010}-{:010}{SUFFIX}", damage.segment, damage.offset);
        let is_enough = self.names.len() >= FILES_MAX || self.names.contains(&name);
        if bytes.is_empty() || is_enough {
            return;
        }
        let bytes = bytes.get(..FILE_BYTES_MAX).unwrap_or(bytes);
        let written = self
            .disk
            .create(&name)
            .and_then(|file| file.write_at(0, bytes));
        match written {
            Ok(()) => self.names.push(name),
            Err(error) => {
                tracing::warn!("cannot keep a copy of what is damaged in {name}: {error}")
            }
        }
    }
}
