//! What all workers of one broker share, and how they reach each other.

use std::sync::Arc;
use std::time::Duration;

use dunlin_core::broker::Broker;
use dunlin_core::worker::Notice;
use dunlin_store::Store;
use tokio::sync::oneshot;

use crate::auth::Auth;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::listener::Accepted;
use crate::mailbox;
use crate::sys::Sys;

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
    pub(crate) sys: Sys,
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
    /// To be answered once what clients have sent until now is read. Each connection of another worker has at
    /// most one, while it waits to be let in.
    CatchUp(oneshot::Sender<()>),
    /// What clients may do, or who may connect, changed. One is enough for several changes.
    Recheck,
    /// The broker ends.
    ShutDown,
}

/// Where other workers put commands for a worker.
pub(crate) type Mailbox = mailbox::Mailbox<Command>;
