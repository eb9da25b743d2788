//! What can be seen of a run from outside the broker: at the clients, at the broker's sockets and at
//! its disk. The auditor gets nothing else.

use std::fmt;
use std::rc::Rc;

use dunlin_codec::{QoS, ReasonCode};

use crate::schedule::{ConnectPlan, DisconnectPlan, PublishPlan, Request};

/// The number of a message, which stands in its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(pub usize);

impl MessageId {
    /// The payload of the message, with at least so many bytes.
    pub fn payload(self, bytes: usize) -> Vec<u8> {
        let mut payload = format!("m{};", self.0).into_bytes();
        payload.resize(payload.len().max(bytes), b'.');
        payload
    }

    /// The message that this is the payload of; `None` if it is nobody's.
    pub fn of(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?.strip_prefix('m')?;
        let (number, _) = text.split_once(';')?;
        number.parse().ok().map(Self)
    }
}

/// A message that somebody published, or a Will Message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Topic, QoS and the rest.
    pub plan: PublishPlan,
    /// Who publishes it: a client's place among the clients.
    pub client: usize,
    /// Whether it is a Will Message.
    pub is_will: bool,
}

/// A network connection of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link(pub usize);

/// A packet of a client.
#[derive(Clone, Debug)]
pub enum Said {
    /// CONNECT, with the message of its will.
    Connect(Box<ConnectPlan>, Option<MessageId>),
    /// PUBLISH; packet identifier 0 with QoS 0.
    Publish {
        /// Which message.
        message: MessageId,
        /// Packet Identifier.
        packet_id: u16,
        /// DUP.
        dup: bool,
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Answer, u16),
    /// SUBSCRIBE.
    Subscribe {
        /// Packet Identifier.
        packet_id: u16,
        /// Subscription Identifier.
        identifier: Option<u32>,
        /// What is asked for.
        requests: Vec<Request>,
    },
    /// UNSUBSCRIBE from one filter.
    Unsubscribe {
        /// Packet Identifier.
        packet_id: u16,
        /// The filter.
        filter: String,
    },
    /// PINGREQ.
    Pingreq,
    /// DISCONNECT.
    Disconnect(DisconnectPlan),
}

/// The packets that move a QoS 1 or 2 message on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// PUBACK.
    Puback,
    /// PUBREC.
    Pubrec,
    /// PUBREL.
    Pubrel,
    /// PUBCOMP.
    Pubcomp,
}

/// A packet of the broker.
#[derive(Clone, Debug)]
pub enum Heard {
    /// CONNACK.
    Connack {
        /// Session Present.
        session_present: bool,
        /// Reason Code.
        code: ReasonCode,
        /// The Session Expiry Interval that the broker names.
        expiry: Option<u32>,
        /// Server Keep Alive.
        keep_alive: Option<u16>,
    },
    /// PUBLISH.
    Publish(Copy),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Answer, u16, ReasonCode),
    /// SUBACK.
    Suback(u16, Vec<ReasonCode>),
    /// UNSUBACK.
    Unsuback(u16, ReasonCode),
    /// PINGRESP.
    Pingresp,
    /// DISCONNECT.
    Disconnect(ReasonCode),
    /// Bytes that are no packet, or one that the client cannot make sense of.
    Nonsense(String),
}

/// A message as it came to a client.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Which one; `None` for an empty payload, which does not say.
    pub message: Option<MessageId>,
    /// Topic Name, any alias resolved.
    pub topic: String,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// DUP.
    pub dup: bool,
    /// Packet Identifier; 0 with QoS 0.
    pub packet_id: u16,
    /// Subscription Identifiers.
    pub identifiers: Vec<u32>,
    /// Message Expiry Interval.
    pub expiry: Option<u32>,
    /// Bytes of its payload.
    pub payload_bytes: usize,
}

/// Something that could be seen.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client opened a connection.
    Opened(usize),
    /// A client sent a packet.
    Sent(Rc<Said>),
    /// The broker took a packet from the socket.
    Taken(Rc<Said>),
    /// The broker learned that the connection is over.
    Broke,
    /// The broker gave the connection up: it reads no more from it.
    GivenUp,
    /// A client received a packet that left the broker at `left_ms`, at the latest.
    Received {
        /// The packet.
        heard: Heard,
        /// When its last byte left the broker.
        left_ms: u64,
        /// Whether the socket was full at some time before it, or the store held for long what is owed,
        /// so that it may have waited.
        may_have_waited: bool,
        /// Bytes of the packet.
        bytes: usize,
    },
    /// A client learned that the connection is over.
    Ended,
    /// The node stopped. What the broker took before this place in the trace is on the disk.
    Stopped {
        /// The place.
        safe: usize,
    },
    /// The node started again, and its clock is so much older than it was, in ms.
    Started {
        /// How much.
        back_ms: u64,
    },
}

impl Event {
    /// Whether it is PINGREQ or PINGRESP.
    pub fn is_ping(&self) -> bool {
        match self {
            Self::Sent(said) | Self::Taken(said) => matches!(**said, Said::Pingreq),
            Self::Received { heard, .. } => matches!(heard, Heard::Pingresp),
            _ => false,
        }
    }
}

/// When and where something could be seen. The order of the entries is that in which it happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Virtual time in ms.
    pub at_ms: u64,
    /// The connection.
    pub link: Link,
    /// What.
    pub event: Event,
}

/// Everything that could be seen.
#[derive(Debug, Default)]
pub struct Trace {
    /// In the order in which it happened.
    pub entries: Vec<Entry>,
    /// All messages, by their number.
    pub messages: Vec<Message>,
    /// Whose each connection is: a client's place, or `None` for one whose doings nobody can answer
    /// for.
    pub owners: Vec<Option<usize>>,
    /// When the disk had made a message safe, as a place in `entries`, for each time that it did.
    pub synced: Vec<(MessageId, usize)>,
    /// From when to when the disk failed.
    pub disk_faults: Vec<(u64, u64)>,
    /// When everybody had time to finish and nothing more was done to them, as places in `entries`:
    /// before and after those who were away came back.
    pub quiet: Vec<usize>,
    /// Whom the broker owed an answer then.
    pub unanswered: Vec<String>,
}

impl Trace {
    /// Notes something.
    pub fn add(&mut self, at_ms: u64, link: Link, event: Event) {
        self.entries.push(Entry { at_ms, link, event });
    }

    /// A new message.
    pub fn message(&mut self, message: Message) -> MessageId {
        self.messages.push(message);
        MessageId(self.messages.len() - 1)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at_ms,
            link: Link(link),
            event,
        } = self;
        write!(f, "{at_ms:>8} ms  link {link:<3} ")?;
        match event {
            Event::Opened(client) => write!(f, "opened by client {client}"),
            Event::Sent(said) => write!(f, "-> {said:?}"),
            Event::Taken(said) => write!(f, "   taken by the broker: {said:?}"),
            Event::Broke => f.write_str("   the broker learns that it broke"),
            Event::GivenUp => f.write_str("   the broker gives it up"),
            Event::Received { heard, left_ms, .. } => write!(f, "<- {heard:?} (left at {left_ms})"),
            Event::Stopped { safe } => write!(f, "THE NODE STOPS; all is safe up to {safe}"),
            Event::Started { back_ms } => write!(f, "THE NODE STARTS, {back_ms} ms older"),
            Event::Ended => f.write_str("the client learns that it is over"),
        }
    }
}
