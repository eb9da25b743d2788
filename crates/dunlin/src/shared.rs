//! What all workers of one broker share, and how they reach each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dunlin_core::broker::Broker;
use dunlin_core::worker::Notice;
use dunlin_store::Store;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::auth::Auth;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::listener::Accepted;

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) broker: Broker,
    /// What the broker keeps its records in, if it is not only memory.
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    /// One for each worker.
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) timeouts: Timeouts,
}

impl Shared {
    /// Has every worker ask again about what its connections were granted.
    pub(crate) fn recheck(&self) {
        for mailbox in &self.mailboxes {
            mailbox.put([Command::Recheck]);
        }
    }
}

/// How long the shell waits for what the core does not see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For the rest of a packet.
    pub(crate) partial_packet: Duration,
    /// For a closing connection to take what is written to it.
    pub(crate) close: Duration,
}

/// Something for another worker.
pub(crate) enum Command {
    /// News for one of its connections. There is at most one of each kind for each connection, so
    /// their number is bounded by that of connections.
    Notice(Notice),
    /// A connection to serve from now on; their number is bounded by the limit of the listener.
    Serve(Accepted),
    /// What clients may do, or who may connect, changed. One is enough for several changes.
    Recheck,
    /// The broker ends.
    ShutDown,
}

/// Where other workers put commands for a worker.
#[derive(Default)]
pub(crate) struct Mailbox {
    commands: Mutex<Vec<Command>>,
    /// Whether the store got on.
    has_progress: AtomicBool,
    notify: Notify,
}

impl Mailbox {
    /// Adds commands, and wakes the worker once if there were none.
    pub(crate) fn put(&self, commands: impl IntoIterator<Item = Command>) {
        let was_empty = {
            let mut waiting = self.commands.lock();
            let was_empty = waiting.is_empty();
            waiting.extend(commands);
            was_empty
        };
        if was_empty {
            self.notify.notify_one();
        }
    }

    /// Tells the worker that the store got on, or failed.
    pub(crate) fn put_progress(&self) {
        if !self.has_progress.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Waits for commands and takes them all; true if the store got on as well.
    pub(crate) async fn take(&self, into: &mut Vec<Command>) -> bool {
        loop {
            let notified = self.notify.notified();
            std::mem::swap(into, &mut *self.commands.lock());
            let has_progress = self.has_progress.swap(false, Ordering::AcqRel);
            if has_progress || !into.is_empty() {
                return has_progress;
            }
            notified.await;
        }
    }
}
