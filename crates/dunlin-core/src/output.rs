//! What is on its way to a socket: packets as bytes, large payloads by reference.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// Bytes for one Network Connection, in their order. Small packets are appended to one buffer; a
/// large payload is kept as the buffer that it came in and written from there.
#[derive(Debug, Default)]
pub struct Output {
    buffer: Vec<u8>,
    /// How much of `buffer` is written.
    written: usize,
    /// Payloads, each after so many bytes of `buffer`.
    payloads: VecDeque<(usize, Bytes)>,
    payload_bytes: usize,
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

    /// The buffer, to use it again, once everything is written.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        self.written = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
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
            self.payload_bytes += payload.len();
            self.payloads.push_back((self.buffer.len(), payload));
        }
    }

    /// Bytes that are not written yet.
    pub const fn len(&self) -> usize {
        self.buffer.len() - self.written + self.payload_bytes
    }

    /// True if everything is written.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if all that is not written lies in one piece.
    pub fn as_single(&self) -> Option<&[u8]> {
        if self.payloads.is_empty() {
            self.buffer.get(self.written..)
        } else {
            None
        }
    }

    /// The next pieces to write, as many as there is room for in `slices`; gives their number.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut from = self.written;
        let mut room = slices.iter_mut();
        let pieces = self.payloads.iter().flat_map(|(at, payload)| {
            let before = self.buffer.get(from..*at).unwrap_or_default();
            from = *at;
            [before, payload.as_ref()]
        });
        let mut last = self.payloads.back().map_or(self.written, |(at, _)| *at);
        last = last.max(self.written);
        let tail = self.buffer.get(last..).unwrap_or_default();
        for piece in pieces.chain([tail]).filter(|piece| !piece.is_empty()) {
            let Some(slot) = room.next() else { break };
            *slot = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Notes that the first `count` bytes are written.
    pub fn advance(&mut self, mut count: usize) {
        while let Some((at, payload)) = self.payloads.front_mut() {
            let before = *at - self.written;
            if count < before {
                self.written += count;
                return;
            }
            self.written = *at;
            count -= before;
            let taken = count.min(payload.len());
            self.payload_bytes -= taken;
            count -= taken;
            if taken < payload.len() {
                bytes::Buf::advance(payload, taken);
                return;
            }
            self.payloads.pop_front();
        }
        self.written = (self.written + count).min(self.buffer.len());
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.written = 0;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::with_buffer({
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            buffer
        });
    }
}

#[cfg(test)]
mod tests;
