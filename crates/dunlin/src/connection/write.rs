//! What is written to the socket, and when it is enough.

use dunlin_core::time::Time;

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
        if self.phase == Phase::Gone {
            return Flushed::Done;
        }
        let has_more = asks
            && self.phase == Phase::Open
            && worker.with_core(now, |context| self.core.poll_output(context, &mut self.out));
        if self.out.release(worker.shared.broker.storage()).is_err() {
            // What it is owed cannot be kept, so it must not be told.
            worker.with_core(now, |context| self.core.handle_lost(context));
            self.set_gone();
            return Flushed::Done;
        }
        if !self.is_blocked && self.out.writable() > 0 {
            match self.transport.write(&mut self.out, self.waker.as_ref()) {
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
