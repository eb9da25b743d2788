//! What a client is told: messages, and what becomes of its connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dunlin_codec::{Connack, Packet, ProtocolVersion, QoS};
use tokio::sync::{Notify, mpsc};

use crate::error::{Cause, ConnectError};
use crate::message::{Message, Received};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message. It is acknowledged once it is taken from [`Events`].
    Message(Message),
    /// A lost connection is there again.
    Connected(Box<Connected>),
    /// The connection ended, though the client did not ask for it.
    Disconnected(Box<Disconnected>),
    /// A try to connect again failed.
    ReconnectFailed(Box<ReconnectFailed>),
}

/// A CONNACK that accepts.
#[derive(Clone, Debug)]
pub struct Connected {
    pub(crate) received: Received,
}

impl Connected {
    /// The CONNACK.
    pub fn connack(&self) -> Connack<'_> {
        connack(&self.received)
    }

    /// The packet, as it was received.
    pub const fn received(&self) -> &Received {
        &self.received
    }
}

/// A CONNACK that refuses. It prints the reason: a reason code of 5.0, or a return code of 3.x.
#[derive(Clone)]
pub struct Refusal {
    pub(crate) received: Received,
    pub(crate) version: ProtocolVersion,
}

impl Refusal {
    /// The CONNACK.
    pub fn connack(&self) -> Connack<'_> {
        connack(&self.received)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connack = self.connack();
        if !self.version.is_v5() {
            let code = connack.reason_code;
            return write!(
                f,
                "{} (return code {})",
                code.name(),
                code.connect_return_code()
            );
        }
        write!(f, "{}", connack.reason_code)?;
        if let Some(text) = connack.properties.reason_string {
            write!(f, ": {text}")?;
        }
        if let Some(server) = connack.properties.server_reference {
            write!(f, "; the server refers to {server}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.received.fmt(f)
    }
}

fn connack(received: &Received) -> Connack<'_> {
    match received.packet() {
        Packet::Connack(connack) => *connack,
        // Only a CONNACK is ever put here.
        _ => Connack {
            session_present: false,
            reason_code: dunlin_codec::ReasonCode::UnspecifiedError,
            properties: dunlin_codec::ConnackProperties::default(),
        },
    }
}

/// The end of a connection.
#[derive(Debug)]
pub struct Disconnected {
    /// Why.
    pub cause: Cause,
    /// Whether another connection is tried for; if not, no more events follow.
    pub reconnects: bool,
}

/// A try to connect again that failed.
#[derive(Debug)]
pub struct ReconnectFailed {
    /// Why.
    pub error: ConnectError,
    /// How many tries in a row failed, this one included.
    pub tries: u32,
    /// Whether there will be another; if not, no more events follow.
    pub reconnects: bool,
}

/// How many messages of QoS 1 and 2 were taken: the connection acknowledges that many.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    count: AtomicU64,
    changed: Notify,
}

impl Taken {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn add(&self, count: u64) {
        if count > 0 {
            self.count.fetch_add(count, Ordering::Release);
            self.changed.notify_one();
        }
    }
}

/// Where events arrive. Once it is dropped, messages are acknowledged and thrown away.
///
/// Take events while a request is awaited: when [`ClientOptions::events_max`] of them wait, nothing
/// is read from the server any more, the answer to the request included.
///
/// [`ClientOptions::events_max`]: crate::ClientOptions::events_max
#[derive(Debug)]
pub struct Events {
    pub(crate) receiver: mpsc::Receiver<Event>,
    pub(crate) taken: Arc<Taken>,
}

fn is_acknowledged(event: &Event) -> bool {
    matches!(event, Event::Message(message) if message.qos() != QoS::AtMostOnce)
}

impl Events {
    /// The next event; `None` once the client has ended and all were taken. No event is lost if the
    /// future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.receiver.recv().await?;
        self.taken.add(u64::from(is_acknowledged(&event)));
        Some(event)
    }

    /// An event that is already there.
    pub fn try_next(&mut self) -> Option<Event> {
        let event = self.receiver.try_recv().ok()?;
        self.taken.add(u64::from(is_acknowledged(&event)));
        Some(event)
    }

    /// Waits for an event and appends it to `events`, with those that are already there: `max` at
    /// most. Gives their number, which is 0 once the client has ended.
    pub async fn next_many(&mut self, events: &mut Vec<Event>, max: usize) -> usize {
        let before = events.len();
        let count = self.receiver.recv_many(events, max).await;
        let taken = events
            .iter()
            .skip(before)
            .filter(|event| is_acknowledged(event));
        self.taken
            .add(u64::try_from(taken.count()).unwrap_or(u64::MAX));
        count
    }
}
