//! How fast a client is read from: not at all for a while, once it sent more than its share.

use std::rc::Rc;
use std::time::Duration;

use dunlin_core::time::Time;

use super::task::{Connection, Inner};
use crate::limits::rate::Sent;
use crate::worker::Worker;

/// The longest pause: a client with a usual Keep Alive outlives it.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a connection knows of its pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Publishes since somebody looked.
    pub(super) published: u64,
    sent: Option<Box<Sent>>,
    /// Nothing of it is handled until then.
    paused_until: Option<Time>,
}

impl Pace {
    /// Whether it is paused, and until when.
    pub(super) const fn paused_until(&self) -> Option<Time> {
        self.paused_until
    }
}

impl Inner {
    /// Whether what the client sends has to wait: for its pause to end, or until it is known who it is.
    pub(super) const fn waits(&self) -> bool {
        self.authentication.is_deciding() || self.pace.paused_until.is_some()
    }

    /// Counts a packet, and pauses when it was one too many.
    pub(super) fn slow_down(
        &mut self,
        worker: &Worker,
        connection: &Connection,
        now: Time,
        packet_bytes: usize,
    ) {
        let messages = std::mem::take(&mut self.pace.published);
        let amounts = (messages, packet_bytes as u64);
        let until = worker
            .shared
            .limits
            .clients
            .note(&mut self.pace.sent, amounts, now);
        self.pause(worker, connection, (now, until));
    }

    /// Pauses after a read with publishes, when memory is short.
    pub(super) fn yield_to_memory(&mut self, worker: &Worker, connection: &Connection, now: Time) {
        if std::mem::take(&mut self.pace.published) == 0
            && !worker.shared.limits.clients.is_limited()
        {
            return;
        }
        let pause = worker.shared.limits.memory.pressure().pause();
        let until = pause.map(|pause| now.after(pause));
        self.pause(worker, connection, (now, until));
    }

    fn pause(
        &mut self,
        worker: &Worker,
        connection: &Connection,
        (now, until): (Time, Option<Time>),
    ) {
        if let Some(until) = until {
            let until = until.min(now.after(PAUSE_MAX));
            self.pace.paused_until = self.pace.paused_until.max(Some(until));
            worker.look_again_by(connection, until);
        }
    }

    /// Goes on, if its pause is over.
    pub(super) fn go_on(&mut self, worker: &Rc<Worker>, connection: &Rc<Connection>) {
        let Some(until) = self.pace.paused_until else {
            return;
        };
        let now = worker.now();
        if until <= now {
            self.pace.paused_until = None;
            self.handle_rest(worker, connection, now);
            worker.pass_on();
            worker.flush_later(connection);
        }
    }
}
