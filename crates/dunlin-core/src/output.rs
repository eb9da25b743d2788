//! What is on its way to a socket: packets as bytes, large payloads by reference.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::storage::{Position, Storage, StorageFault};

/// Bytes for one Network Connection, in their order. Small packets are appended to one buffer; a
/// large payload is kept as the buffer that it came in and written from there.
#[derive(Debug, Default)]
pub struct Output {
    buffer: Vec<u8>,
    /// How much of `buffer` is written.
    written: usize,
    /// Bytes that were written so far.
    total: u64,
    /// What most connections have none of at any time.
    rare: Option<Box<Rare>>,
    /// Whether the store did not take what is to be sent.
    is_broken: bool,
}

/// The size of a new buffer for output; what is kept of those that nobody needs for now, each and
/// all together.
const BUFFER_BYTES: usize = 512;
const SPARE_BUFFER_BYTES_MAX: usize = 64 * 1024;
const SPARE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Buffers that one thread lends to its outputs, so that those which are idle hold none.
#[derive(Debug, Default)]
pub struct Buffers {
    spare: Vec<Vec<u8>>,
    /// Bytes of the spare ones.
    bytes: usize,
}

impl Buffers {
    /// An empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        let Some(buffer) = self.spare.pop() else {
            return Vec::with_capacity(BUFFER_BYTES);
        };
        self.bytes = self.bytes.saturating_sub(buffer.capacity());
        buffer
    }

    /// A buffer that is empty and not needed for now.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty());
        let bytes = self.bytes + buffer.capacity();
        let is_kept = buffer.capacity() > 0 && buffer.capacity() <= SPARE_BUFFER_BYTES_MAX;
        if is_kept && bytes <= SPARE_BYTES_MAX {
            self.bytes = bytes;
            self.spare.push(buffer);
        }
    }
}

#[derive(Debug, Default)]
struct Rare {
    /// Payloads, each after so many bytes of the buffer.
    payloads: VecDeque<(usize, Bytes)>,
    payload_bytes: usize,
    /// What waits for the store: bytes from so many of all on, until that is durable.
    held: VecDeque<(u64, Position)>,
}

impl Output {
    /// Nothing, in this buffer, which is empty.
    pub fn with_buffer(buffer: Vec<u8>) -> Self {
        debug_assert!(buffer.is_empty());
        Self {
            buffer,
            ..Self::default()
        }
    }

    /// Takes this buffer, and what is in it as what is to be written next, in the place of an empty one.
    pub fn set_buffer(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.is_empty());
        self.written = 0;
        self.buffer = buffer;
    }

    /// The buffer, to use it again, once everything is written.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        self.written = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
    }

    /// What is appended from now on is not written before this is durable.
    pub fn hold(&mut self, position: Position) {
        let from = self.total + self.len() as u64;
        let held = &mut self.rare_mut().held;
        match held.back_mut() {
            Some((last, present)) if *last == from => *present = present.later(position),
            _ => held.push_back((from, position)),
        }
    }

    /// As [`Output::hold`], with the answer of the store. If it does not take what has to be
    /// durable, then nothing more is written: [`Output::release`] says so.
    pub(crate) fn hold_for(&mut self, kept: Result<Position, StorageFault>) {
        match kept {
            Ok(position) => self.hold(position),
            Err(_) => self.is_broken = true,
        }
    }

    /// Lets go what is durable by now.
    ///
    /// # Errors
    /// [`StorageFault`] if something cannot become durable any more: the connection must end, since
    /// nothing that was held may be written.
    pub fn release(&mut self, storage: &dyn Storage) -> Result<(), StorageFault> {
        if self.is_broken {
            return Err(StorageFault::Failed);
        }
        let Some(rare) = &mut self.rare else {
            return Ok(());
        };
        while let Some((_, position)) = rare.held.front() {
            if storage.stored(*position)?.is_none() {
                return Ok(());
            }
            rare.held.pop_front();
        }
        self.drop_rare();
        Ok(())
    }

    /// True if something waits for the store.
    pub fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// From which byte of all on something waits for the store.
    fn held(&self) -> Option<u64> {
        Some(self.rare.as_ref()?.held.front()?.0)
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn drop_rare(&mut self) {
        if let Some(rare) = &self.rare
            && rare.payloads.is_empty()
            && rare.held.is_empty()
        {
            self.rare = None;
        }
    }

    /// Bytes that can be written now.
    pub fn writable(&self) -> usize {
        self.held().map_or_else(
            || self.len(),
            |from| usize::try_from(from - self.total).unwrap_or(usize::MAX),
        )
    }

    /// Where small packets are appended.
    pub const fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Memory of the buffer, in bytes.
    pub const fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Appends a payload without a copy.
    pub fn push_payload(&mut self, payload: Bytes) {
        if !payload.is_empty() {
            let at = self.buffer.len();
            let rare = self.rare_mut();
            rare.payload_bytes += payload.len();
            rare.payloads.push_back((at, payload));
        }
    }

    /// Bytes that are not written yet.
    pub fn len(&self) -> usize {
        let payload_bytes = self.rare.as_ref().map_or(0, |rare| rare.payload_bytes);
        self.buffer.len() - self.written + payload_bytes
    }

    /// True if everything is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What can be written now, if it lies in one piece.
    pub fn as_single(&self) -> Option<&[u8]> {
        if self
            .rare
            .as_ref()
            .is_none_or(|rare| rare.payloads.is_empty())
        {
            let end = self.written + self.writable();
            self.buffer.get(self.written..end)
        } else {
            None
        }
    }

    /// The next pieces that can be written now, as many as there is room for in `slices` and
    /// `bytes_max` bytes at most; gives their number.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>], bytes_max: usize) -> usize {
        let mut count = 0;
        let mut from = self.written;
        let mut room = slices.iter_mut();
        let payloads = self.rare.iter().flat_map(|rare| &rare.payloads);
        let last = payloads.clone().last().map_or(0, |(at, _)| *at);
        let tail = self.buffer.get(last.max(self.written)..);
        let pieces = payloads.flat_map(|(at, payload)| {
            let before = self.buffer.get(from..*at).unwrap_or_default();
            from = *at;
            [before, payload.as_ref()]
        });
        let mut left = self.writable().min(bytes_max);
        for piece in pieces.chain(tail).filter(|piece| !piece.is_empty()) {
            let piece = piece.get(..left.min(piece.len())).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            let Some(slot) = room.next() else { break };
            left -= piece.len();
            *slot = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Takes all that can be written now, for those who have no socket.
    pub fn take_writable(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.writable() > 0 {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = self.slices(&mut slices, usize::MAX);
            let before = bytes.len();
            for slice in slices.iter().take(count) {
                bytes.extend_from_slice(slice);
            }
            self.advance(bytes.len() - before);
        }
        bytes
    }

    /// Notes that the first `count` bytes are written.
    pub fn advance(&mut self, mut count: usize) {
        self.total += count as u64;
        while let Some(rare) = &mut self.rare
            && let Some((at, payload)) = rare.payloads.front_mut()
        {
            let before = *at - self.written;
            if count < before {
                self.written += count;
                return;
            }
            self.written = *at;
            count -= before;
            let taken = count.min(payload.len());
            rare.payload_bytes -= taken;
            count -= taken;
            if taken < payload.len() {
                bytes::Buf::advance(payload, taken);
                return;
            }
            rare.payloads.pop_front();
            self.drop_rare();
        }
        self.written = (self.written + count).min(self.buffer.len());
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.written = 0;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        let is_broken = self.is_broken;
        *self = Self::with_buffer({
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            buffer
        });
        self.is_broken = is_broken;
    }
}

#[cfg(test)]
mod tests;
