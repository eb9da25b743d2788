//! What is written to the socket, and when it is enough.

use std::io::{self, IoSlice};

use dunlin_core::output::Output;
use dunlin_core::time::Time;
use tokio::net::TcpStream;

use super::task::{Inner, Phase};
use crate::worker::Worker;

/// Pieces that one vectored write takes.
const SLICES_MAX: usize = 64;

/// What a flush came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing is left, or what is left waits for the client.
    Done,
    /// More can be sent when others had their turn.
    More,
}

impl Inner {
    /// Sees to it that there is a buffer for what is to be sent; the next flush gives it back.
    pub(super) fn lend_buffer(&mut self, worker: &Worker) {
        if self.out.capacity() == 0 {
            self.out = Output::with_buffer(worker.take_buffer());
        }
    }

    /// Asks the core what waits to be sent, and writes as much as the socket takes.
    pub(super) fn flush(&mut self, worker: &Worker, now: Time) -> Flushed {
        if self.phase == Phase::Gone {
            return Flushed::Done;
        }
        self.lend_buffer(worker);
        let has_more = self.phase == Phase::Open
            && worker.with_core(now, |context| self.core.poll_output(context, &mut self.out));
        if self.out.release(worker.shared.broker.storage()).is_err() {
            // What it is owed cannot be kept, so it must not be told.
            worker.with_core(now, |context| self.core.handle_lost(context));
            self.set_gone();
            return Flushed::Done;
        }
        if !self.is_blocked && self.out.writable() > 0 {
            match write(&self.stream, &mut self.out) {
                Ok(true) => {}
                Ok(false) => {
                    self.is_blocked = true;
                    self.wake();
                }
                Err(_) => self.set_gone(),
            }
        }
        if self.out.is_empty() {
            worker.give_buffer_back(self.out.take_buffer());
        }
        if self.phase != Phase::Open && !self.out.is_held() {
            self.wake();
        }
        // What waits for the store is flushed again when that gets on.
        let out_max = worker.shared.broker.settings().session.outbox_bytes_max;
        let waits = self.is_blocked || (self.out.is_held() && self.out.len() >= out_max);
        if has_more && !waits {
            Flushed::More
        } else {
            Flushed::Done
        }
    }
}

/// Writes until everything that can be is written (true) or the socket takes no more (false).
fn write(stream: &TcpStream, out: &mut Output) -> io::Result<bool> {
    while out.writable() > 0 {
        let written = if let Some(single) = out.as_single() {
            stream.try_write(single)
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = out.slices(&mut slices);
            stream.try_write_vectored(slices.get(..count).unwrap_or_default())
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => out.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
