//! The end of the log: where frames are written.
//!
//! There is always one segment that is written and, made well before it ends, the next one. So that
//! the disk is full is known while there is still room for what frees it.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::frame::{self, FrameHeader};
use crate::segment::{FORMAT_VERSION, HEADER_BYTES, Header, SegmentName};

/// A segment that replaces one which there is no room for is this much smaller.
const SMALL_SEGMENT_DIVISOR: u64 = 16;

/// Frames could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// There is no room, and nothing was done.
    #[error("{0}")]
    NoRoom(io::Error),
    /// A write failed, and nobody knows what is on the disk.
    #[error("cannot {what} {file}: {error}")]
    Failed {
        what: &'static str,
        file: String,
        error: io::Error,
    },
}

impl WriteError {
    fn failed(what: &'static str, file: impl ToString, error: io::Error) -> Self {
        let file = file.to_string();
        Self::Failed { what, file, error }
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        let kind = match &error {
            WriteError::NoRoom(error) | WriteError::Failed { error, .. } => error.kind(),
        };
        Self::new(kind, error.to_string())
    }
}

/// Frames that were written to one segment.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) segment: SegmentName,
    /// Where in the segment they begin.
    pub(crate) offset: u64,
    /// Which of the bytes that were to be written they are.
    pub(crate) frames: Range<usize>,
}

/// The segment that is written.
struct Current {
    name: SegmentName,
    file: Box<dyn DiskFile>,
    /// Where the next frame goes; 0 until the header is written.
    offset: u64,
    allocated: u64,
}

impl Current {
    fn free(&self) -> u64 {
        let header = if self.offset == 0 {
            HEADER_BYTES as u64
        } else {
            0
        };
        self.allocated.saturating_sub(self.offset + header)
    }
}

/// A segment that is full.
struct Sealed {
    name: SegmentName,
    bytes: u64,
}

/// The segments of a store, and where it is written.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    key: u64,
    segment_bytes: u64,
    sealed: VecDeque<Sealed>,
    current: Option<Current>,
    next: Option<Current>,
    next_number: u64,
    /// Whether a segment was written to its end.
    has_sealed: bool,
}

impl Log {
    /// A log behind segments that were read. `existing` has their names and used bytes.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        key: u64,
        segment_bytes: u64,
        existing: impl Iterator<Item = (SegmentName, u64)>,
        next_number: u64,
    ) -> Self {
        Self {
            disk,
            key,
            segment_bytes,
            sealed: existing
                .map(|(name, bytes)| Sealed { name, bytes })
                .collect(),
            current: None,
            next: None,
            next_number,
            has_sealed: false,
        }
    }

    /// The key of the store.
    pub(crate) const fn key(&self) -> u64 {
        self.key
    }

    /// Bytes that were written and still are there.
    pub(crate) fn bytes(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|sealed| sealed.bytes).sum();
        sealed + self.current.as_ref().map_or(0, |current| current.offset)
    }

    /// How many segments there are, that which is made ahead included.
    pub(crate) fn segments(&self) -> u64 {
        let open = u64::from(self.current.is_some()) + u64::from(self.next.is_some());
        self.sealed.len() as u64 + open
    }

    /// Bytes that can still be written to the segment in use.
    pub(crate) fn room(&self) -> u64 {
        self.current.as_ref().map_or(0, Current::free)
    }

    /// The number of the segment in use.
    pub(crate) fn segment(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.name.number)
    }

    /// Makes the next segment if the one in use has less than half of its room left.
    ///
    /// # Errors
    /// [`WriteError`].
    pub(crate) fn prepare(&mut self) -> Result<(), WriteError> {
        if self.current.is_none() {
            self.roll(0)?;
        }
        let is_early = self.room() >= self.segment_bytes / 2;
        if self.next.is_none() && !is_early {
            self.next = Some(self.make(self.segment_bytes)?);
        }
        Ok(())
    }

    /// A segment of whatever room there is, at the start on a disk that is full: deletions have to be
    /// written somewhere.
    ///
    /// # Errors
    /// [`WriteError`].
    pub(crate) fn begin_small(&mut self) -> Result<(), WriteError> {
        if self.current.is_none() {
            self.current = Some(self.make(self.segment_bytes / SMALL_SEGMENT_DIVISOR)?);
        }
        Ok(())
    }

    fn make(&mut self, length: u64) -> Result<Current, WriteError> {
        let name = SegmentName {
            number: self.next_number,
            key: self.key,
        };
        let text = name.to_string();
        let allocate = || {
            let file = self.disk.create(&text)?;
            file.allocate(length)?;
            Ok(file)
        };
        let file = allocate().map_err(|error| {
            // Whether or not this works, the number is not used again, so that no file is taken for
            // another.
            let _ = self.disk.remove(&text);
            WriteError::NoRoom(error)
        });
        self.next_number += 1;
        let file = file?;
        // A write that is safe is worth nothing if its file is not found again.
        let synced = file.sync_data().and_then(|()| self.disk.sync_dir());
        synced.map_err(|error| WriteError::failed("sync", &text, error))?;
        Ok(Current {
            name,
            file,
            offset: 0,
            allocated: length,
        })
    }

    /// Goes on in a new segment, which takes `frame_bytes` at once.
    ///
    /// # Errors
    /// [`WriteError`]; with [`WriteError::NoRoom`] the old one stays in use.
    pub(crate) fn roll(&mut self, frame_bytes: u64) -> Result<(), WriteError> {
        let length = self.segment_bytes.max(HEADER_BYTES as u64 + frame_bytes);
        match &mut self.next {
            None => self.next = Some(self.make(length)?),
            Some(next) if next.allocated < length => {
                next.file.allocate(length).map_err(WriteError::NoRoom)?;
                next.allocated = length;
            }
            Some(_) => {}
        }
        if let Some(old) = self.current.take() {
            self.seal(old)?;
        }
        self.current = self.next.take();
        Ok(())
    }

    /// Goes on in a new segment, unless nothing is in this one.
    ///
    /// # Errors
    /// [`WriteError`]; with [`WriteError::NoRoom`] the old one stays in use.
    pub(crate) fn begin_segment(&mut self) -> Result<(), WriteError> {
        let is_new = self.current.as_ref().is_some_and(|it| it.offset == 0);
        if is_new { Ok(()) } else { self.roll(0) }
    }

    fn seal(&mut self, old: Current) -> Result<(), WriteError> {
        let name = old.name.to_string();
        let sync = |error| WriteError::failed("sync", &name, error);
        old.file.sync_data().map_err(sync)?;
        // The room that was not needed goes back. Old segments are read as they are, so this is no
        // more than thrift.
        if let Err(error) = self.disk.truncate(&name, old.offset) {
            tracing::warn!("cannot cut {name} to its length: {error}");
        }
        self.has_sealed = true;
        self.sealed.push_back(Sealed {
            name: old.name,
            bytes: old.offset,
        });
        Ok(())
    }

    /// Writes whole frames, the first of which has `first_place`; says how many bytes of them were
    /// written: all, or with an error those that still fit. `placed` is told where each piece of them
    /// lies. Everything before a segment's end is synced when a new one begins.
    pub(crate) fn write(
        &mut self,
        frames: &[u8],
        first_place: u64,
        placed: &mut dyn FnMut(Piece),
    ) -> (usize, Result<(), WriteError>) {
        let (mut written, mut place) = (0, first_place);
        while let Some(rest) = frames.get(written..)
            && let Some(first) = frame::first_frame_bytes(rest)
        {
            let fitting = frame::fitting(rest, self.room());
            if fitting == 0 {
                match self.roll(first as u64) {
                    Ok(()) => continue,
                    Err(error) => return (written, Err(error)),
                }
            }
            let Some(part) = rest.get(..fitting) else {
                break;
            };
            if let Err(error) = self.write_here(part, place) {
                return (written, Err(error));
            }
            if let Some(current) = &self.current {
                placed(Piece {
                    segment: current.name,
                    offset: current.offset - fitting as u64,
                    frames: written..written + fitting,
                });
            }
            written += fitting;
            place += frame::count(part);
        }
        (written, Ok(()))
    }

    fn write_here(&mut self, frames: &[u8], first_place: u64) -> Result<(), WriteError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let failed = |error| WriteError::failed("write", current.name, error);
        if current.offset == 0 {
            let header = Header {
                version: FORMAT_VERSION,
                is_continuation: self.has_sealed,
                number: current.name.number,
                first_place,
                key: self.key,
            };
            current.file.write_at(0, &header.encode()).map_err(failed)?;
            if !header.is_continuation {
                // It alone says that what a stop tore before it was known: frames behind a header that
                // another stop tears would call that lost.
                let failed = |error| WriteError::failed("sync", current.name, error);
                current.file.sync_data().map_err(failed)?;
            }
            current.offset = HEADER_BYTES as u64;
        }
        current
            .file
            .write_at(current.offset, frames)
            .map_err(failed)?;
        current.offset += frames.len() as u64;
        Ok(())
    }

    /// Returns when everything that was written is safe.
    ///
    /// # Errors
    /// [`WriteError::Failed`].
    pub(crate) fn sync(&mut self) -> Result<(), WriteError> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let failed = |error| WriteError::failed("sync", current.name, error);
        current.file.sync_data().map_err(failed)
    }

    /// Deletes all segments before that of this number; says how many.
    ///
    /// # Errors
    /// [`WriteError::Failed`].
    pub(crate) fn delete_before(&mut self, number: u64) -> Result<u64, WriteError> {
        let mut deleted = 0;
        while let Some(oldest) = self.sealed.front().filter(|it| it.name.number < number) {
            let name = oldest.name.to_string();
            if let Err(error) = self.disk.remove(&name) {
                tracing::warn!("cannot delete {name}, which is not needed any more: {error}");
                break;
            }
            // Oldest first, and each for good before the next, so that what a stop leaves of them is
            // an end of the log: a message whose end is gone would come back.
            let synced = self.disk.sync_dir();
            synced.map_err(|error| WriteError::failed("sync the deletion of", name, error))?;
            self.sealed.pop_front();
            deleted += 1;
        }
        Ok(deleted)
    }

    /// Writes that the log, which is synced, ends at `last_place`, and gives back the room that was not needed.
    ///
    /// # Errors
    /// [`WriteError`].
    pub(crate) fn close(&mut self, last_place: u64) -> Result<(), WriteError> {
        if let Some(unused) = self.next.take() {
            let name = unused.name.to_string();
            if let Err(error) = self.disk.remove(&name) {
                tracing::warn!("cannot delete {name}, which was not used: {error}");
            }
        }
        if last_place > 0 && self.room() >= frame::HEADER_BYTES as u64 {
            let end = FrameHeader {
                length: 0,
                is_after_sync: true,
                checksum: crc32c::crc32c(&[]),
                place: last_place,
            };
            self.write_here(&end.encode(self.key), last_place + 1)?;
        }
        match self.current.take() {
            Some(current) if current.offset == 0 => {
                let name = current.name.to_string();
                self.disk
                    .remove(&name)
                    .map_err(|error| WriteError::failed("delete", name, error))
            }
            Some(current) => self.seal(current),
            None => Ok(()),
        }
    }
}
