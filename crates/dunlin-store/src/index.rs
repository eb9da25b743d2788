//! Where in the log messages are, so that payloads need not stay in memory until they are sent.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use dunlin_core::message::{Message, STORED_PAYLOAD_BYTES_MIN};
use dunlin_core::storage::{PublishRecord, Record};
use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile};
use crate::frame::{self, Item, Scan};
use crate::record;
use crate::segment::SegmentName;

/// What is read at once: most frames are smaller.
const READ_BYTES: usize = 4096;

/// Entries that may be out of order before they are sorted in.
const UNSORTED_MAX: usize = 1024;

/// The messages in the log whose payload is worth reading again.
pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    /// Oldest first.
    segments: Mutex<VecDeque<Segment>>,
}

struct Segment {
    name: SegmentName,
    /// Once something was read from it.
    file: Option<Arc<dyn DiskFile>>,
    /// The lower half of each message's number, and where its frame begins: there may be hundreds of
    /// thousands of them.
    places: Vec<(u32, u32)>,
    /// How many of them are in order.
    sorted: usize,
}

/// Where a message may be.
struct Candidate {
    name: SegmentName,
    file: Arc<dyn DiskFile>,
    offset: u64,
}

/// The number of the message in a record that [`Index`] is to know.
pub(crate) fn indexed(record: &Record<'_>) -> Option<u64> {
    let Record::Publish(PublishRecord {
        message: Some(message),
        retains,
        receivers,
        ..
    }) = record
    else {
        return None;
    };
    // Retained messages are in memory.
    let is_retained_alone = *retains && receivers.is_empty();
    let is_meant = message.payload().len() >= STORED_PAYLOAD_BYTES_MIN && !is_retained_alone;
    is_meant.then(|| message.sequence())
}

impl Index {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        let segments = Mutex::default();
        Self { disk, segments }
    }

    /// Notes messages that were written to a segment, with the offsets of their frames.
    pub(crate) fn add(&self, name: SegmentName, messages: impl Iterator<Item = (u64, u64)>) {
        let mut messages = messages.peekable();
        if messages.peek().is_none() {
            return;
        }
        let mut segments = self.segments.lock();
        if segments.back().is_none_or(|last| last.name != name) {
            segments.push_back(Segment {
                name,
                file: None,
                places: Vec::new(),
                sorted: 0,
            });
        }
        if let Some(segment) = segments.back_mut() {
            messages.for_each(|(sequence, offset)| segment.add(sequence, offset));
        }
    }

    /// Forgets the segments before that of this number.
    pub(crate) fn forget_before(&self, number: u64) {
        let mut segments = self.segments.lock();
        while segments
            .pop_front_if(|it| it.name.number < number)
            .is_some()
        {}
    }

    /// Whether there is a message of this number.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        let segments = self.segments.lock();
        let mut newest_first = segments.iter().rev();
        newest_first.any(|segment| segment.offsets(sequence).next().is_some())
    }

    /// Reads a message; `None` if it is unknown or cannot be read, which is said then.
    pub(crate) fn read(&self, sequence: u64) -> Option<Message> {
        let candidates = match self.candidates(sequence) {
            Ok(candidates) => candidates,
            Err(error) => {
                tracing::error!("cannot open the log to read message {sequence}: {error}");
                return None;
            }
        };
        for candidate in &candidates {
            match candidate.read(sequence) {
                Ok(Some(message)) => return Some(message),
                // Of another one, whose number ends alike.
                Ok(None) => {}
                Err(error) => {
                    let (name, offset) = (candidate.name, candidate.offset);
                    tracing::error!(
                        "cannot read message {sequence} at {offset} of {name}: {error}; it is lost: \
                         look at the disk, and at `dunlin store check`"
                    );
                }
            }
        }
        None
    }

    fn candidates(&self, sequence: u64) -> io::Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        // A segment that is deleted meanwhile can still be read.
        for segment in self.segments.lock().iter_mut().rev() {
            let offsets: Vec<_> = segment.offsets(sequence).collect();
            for offset in offsets {
                candidates.push(Candidate {
                    name: segment.name,
                    file: segment.open(&*self.disk)?,
                    offset,
                });
            }
        }
        Ok(candidates)
    }
}

impl Segment {
    fn add(&mut self, sequence: u64, offset: u64) {
        let Ok(offset) = u32::try_from(offset) else {
            return;
        };
        let is_in_order = self.sorted == self.places.len()
            && self
                .places
                .last()
                .is_none_or(|last| *last <= (low(sequence), offset));
        self.places.push((low(sequence), offset));
        if is_in_order {
            self.sorted += 1;
        } else if self.places.len() - self.sorted > UNSORTED_MAX {
            self.places.sort_unstable();
            self.sorted = self.places.len();
        }
    }

    fn offsets(&self, sequence: u64) -> impl Iterator<Item = u64> {
        let low = low(sequence);
        let (sorted, others) = self
            .places
            .split_at_checked(self.sorted)
            .unwrap_or_default();
        let first = sorted.partition_point(|&(present, _)| present < low);
        let sorted = sorted.iter().skip(first);
        let sorted = sorted.take_while(move |&&(present, _)| present == low);
        let others = others.iter().filter(move |&&(present, _)| present == low);
        sorted.chain(others).map(|&(_, offset)| offset.into())
    }

    fn open(&mut self, disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file: Arc<dyn DiskFile> = disk.open(&self.name.to_string())?.into();
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

const fn low(sequence: u64) -> u32 {
    // The lower half is what is meant.
    (sequence & 0xffff_ffff) as u32
}

impl Candidate {
    /// The message of this number, if the frame has it.
    fn read(&self, sequence: u64) -> io::Result<Option<Message>> {
        let damaged = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut bytes = self.bytes(READ_BYTES)?;
        let length = frame::first_frame_bytes(&bytes).unwrap_or_default();
        if length > bytes.len() {
            let left = self.file.length()?.saturating_sub(self.offset);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            bytes = self.bytes(length.min(left))?;
        }
        let Some(Item::Frame { body, .. }) = Scan::new(&bytes, 0, self.name.key, 0).next() else {
            return Err(damaged("there is no whole frame".to_owned()));
        };
        let mut records = Vec::new();
        record::decode(body, &mut records).map_err(|error| damaged(error.to_string()))?;
        let messages = records.iter().filter_map(record::Decoded::message);
        let mut messages = messages.filter(|message| message.sequence() == sequence);
        Ok(messages.next().cloned())
    }

    fn bytes(&self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = self.file.read_at(self.offset, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
