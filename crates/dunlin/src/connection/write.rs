//! What is written to the socket, and when it is enough.

use dunlin_core::time::Time;
use dunlin_uring::Send;

use super::task::{Inner, Phase};
use crate::worker::Worker;

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
            self.out.set_buffer(worker.take_buffer());
        }
    }

    /// If it `asks`, asks the core what waits to be sent; writes as much as the socket takes.
    pub(super) fn flush(&mut self, worker: &Worker, now: Time, asks: bool) -> Flushed {
        let has_more = self.collect(worker, now, asks);
        self.write();
        self.end_flush(worker, has_more)
    }

    /// If it `asks`, asks the core what waits to be sent; says whether there is more of it.
    pub(super) fn collect(&mut self, worker: &Worker, now: Time, asks: bool) -> bool {
        if self.phase == Phase::Gone {
            return false;
        }
        let has_more = asks
            && self.phase == Phase::Open
            && worker.with_core(now, |context| self.core.poll_output(context, &mut self.out));
        if self.out.release(worker.shared.broker.storage()).is_err() {
            // What it is owed cannot be kept, so it must not be told.
            worker.with_core(now, |context| self.core.handle_lost(context));
            self.set_gone();
            return false;
        }
        has_more
    }

    /// What can be written now to a socket of the operating system, if it lies in one piece.
    pub(super) fn as_send(&self) -> Option<Send<'_>> {
        if self.is_blocked || self.phase == Phase::Gone {
            return None;
        }
        let bytes = self.out.as_single().filter(|bytes| !bytes.is_empty())?;
        let socket = self.transport.as_socket()?;
        Some(Send { socket, bytes })
    }

    /// Writes as much as the socket takes.
    pub(super) fn write(&mut self) {
        if self.is_blocked || self.phase == Phase::Gone || self.out.writable() == 0 {
            return;
        }
        match self.transport.write(&mut self.out, self.waker.as_ref()) {
            Ok(true) => {}
            Ok(false) => {
                self.is_blocked = true;
                self.wake();
            }
            Err(_) => self.set_gone(),
        }
    }

    /// What is to be done once as much is written as the socket takes.
    pub(super) fn end_flush(&mut self, worker: &Worker, has_more: bool) -> Flushed {
        if self.out.is_empty() {
            worker.give_buffer_back(self.out.take_buffer());
        }
        // What waits for the store is flushed again when that gets on.
        let out_max = worker.shared.broker.settings().session.outbox_bytes_max;
        let waits = self.is_blocked || (self.out.is_held() && self.out.len() >= out_max);
        if has_more && !waits && self.phase != Phase::Gone {
            Flushed::More
        } else {
            Flushed::Done
        }
    }
}
