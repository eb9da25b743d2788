//! Reading from the socket.

use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use dunlin_codec::fixed_header;
use dunlin_core::message::SHARED_PAYLOAD_BYTES_MIN;
use dunlin_core::time::Time;
use tokio::io::ReadBuf;

use super::handle::Turn;
use super::task::{Connection, Inner, Phase};
use crate::worker::Worker;

/// Memory that is taken for a packet before more of its bytes are there.
const STEP_BYTES: usize = 64 * 1024;

/// The bytes of a packet that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) rest: Vec<u8>,
    /// When its first bytes came.
    pub(super) since: Option<Time>,
}

impl Input {
    /// Since when the rest of a packet is awaited.
    pub(super) const fn partial_since(&self) -> Option<Time> {
        self.since
    }
}

impl Inner {
    /// Reads once and handles what came. `Ready(true)` to read again, `Ready(false)` when others
    /// should have their turn first.
    pub(super) fn read(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        context: &mut TaskContext<'_>,
    ) -> Poll<bool> {
        if let Some(missing) = self.missing_of_large() {
            return self.read_large(worker, connection, context, missing);
        }
        let mut buffer = worker.read_buffer();
        let mut read = ReadBuf::new(&mut buffer);
        match self.transport.poll_read(context, &mut read) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
            // The end of the stream, or of the connection.
            Poll::Ready(_) => {
                self.lose(worker);
                return Poll::Ready(true);
            }
        }
        self.lend_buffer(worker);
        let is_full = read.remaining() == 0;
        let now = worker.now();
        let filled = read.filled();
        let is_quiet = if self.input.rest.is_empty() {
            let handled = self.handle_bytes(Turn::new(worker, connection, now), filled);
            let rest = filled.get(handled.consumed..).unwrap_or_default();
            if handled.goes_on && !rest.is_empty() {
                self.keep_rest(worker, connection, now, rest);
            }
            handled.is_quiet
        } else {
            let mut bytes = std::mem::take(&mut self.input.rest);
            bytes.extend_from_slice(filled);
            let handled = self.handle_bytes(Turn::new(worker, connection, now), &bytes);
            let rest = bytes.get(handled.consumed..).unwrap_or_default();
            if !handled.goes_on || rest.is_empty() {
                self.input.since = None;
            } else if handled.consumed == 0 && !self.waits() {
                self.input.rest = bytes;
            } else {
                self.keep_rest(worker, connection, now, rest);
            }
            handled.is_quiet
        };
        drop(buffer);
        self.yield_to_memory(worker, connection, now);
        worker.pass_on();
        if !is_quiet {
            worker.flush_later(connection);
        } else if self.out.is_empty() && !self.out.is_held() {
            worker.give_buffer_back(self.out.take_buffer());
        } else {
            worker.write_later(connection);
        }
        Poll::Ready(!is_full)
    }

    /// Handles what came while nothing was to be handled.
    pub(super) fn handle_rest(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
    ) {
        let bytes = std::mem::take(&mut self.input.rest);
        self.input.since = None;
        if self.phase == Phase::Open && !bytes.is_empty() {
            let handled = self.handle_bytes(Turn::new(worker, connection, now), &bytes);
            let rest = bytes.get(handled.consumed..).unwrap_or_default();
            if handled.goes_on && !rest.is_empty() {
                self.keep_rest(worker, connection, now, rest);
            }
        }
    }

    pub(super) fn keep_rest(
        &mut self,
        worker: &Worker,
        connection: &Connection,
        now: Time,
        rest: &[u8],
    ) {
        self.input.rest = Vec::with_capacity(rest.len());
        self.input.rest.extend_from_slice(rest);
        if self.waits() {
            // It may be whole: it is not the client who lets it wait.
            return;
        }
        self.input.since = Some(now);
        let deadline = now.after(worker.shared.timeouts.partial_packet);
        // Its own deadline is asked for again when this one comes up.
        worker.look_again_by(connection, deadline);
    }

    /// Of a packet that is large enough for a buffer of its own: what of it is missing.
    fn missing_of_large(&self) -> Option<usize> {
        let rest = &self.input.rest;
        if rest.is_empty() {
            return None;
        }
        let header = fixed_header(rest, &dunlin_codec::Limits::default()).ok()??;
        let missing = header.packet_len().checked_sub(rest.len())?;
        (header.remaining_len >= SHARED_PAYLOAD_BYTES_MIN && missing > 0).then_some(missing)
    }

    /// Reads the rest of a large packet to where it stays: its payload is not copied again.
    fn read_large(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        context: &mut TaskContext<'_>,
        missing: usize,
    ) -> Poll<bool> {
        // Memory is taken as bytes come, not as they are announced.
        let rest = &mut self.input.rest;
        if rest.capacity() == rest.len() {
            rest.reserve_exact(missing.min(rest.len().max(STEP_BYTES)));
        }
        let room = missing.min(rest.capacity() - rest.len());
        match self.transport.poll_read_to_end_of(context, rest, room) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => self.lose(worker),
            Poll::Ready(Ok(count)) if count == missing => {
                let now = worker.now();
                let packet = Bytes::from(std::mem::take(&mut self.input.rest));
                self.input.since = None;
                self.handle_large(Turn::new(worker, connection, now), &packet);
                if worker.shared.limits.clients.is_limited() {
                    self.slow_down(worker, connection, now, packet.len());
                }
                self.yield_to_memory(worker, connection, now);
                worker.pass_on();
                worker.flush_later(connection);
            }
            Poll::Ready(Ok(_)) => {}
        }
        Poll::Ready(true)
    }
}
