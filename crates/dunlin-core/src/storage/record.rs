//! What is written down, so that a broker can be made again from it.
//!
//! Records name sessions and messages by numbers that are never used again, so one that speaks of
//! something that is gone, or was never written, changes nothing: no order is needed between the
//! records of different sessions.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use dunlin_codec::{PacketIdentifier, QoS, SubscriptionOptions};

use crate::id::SessionNumber;
use crate::message::Message;
use crate::time::Time;

/// One change.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A session begins, or what it is besides its subscriptions and messages changed.
    Session(SessionRecord<'a>),
    /// A session is over, and with it everything that was its own.
    Ended {
        /// Which.
        session: SessionNumber,
    },
    /// A will is to be published now, whatever becomes of its session.
    WillDue {
        /// Whose.
        session: SessionNumber,
        /// The will.
        will: WillRecord<'a>,
    },
    /// A session subscribed, or subscribed again.
    Subscribed(SubscriptionRecord<'a>),
    /// A session unsubscribed.
    Unsubscribed {
        /// Which.
        session: SessionNumber,
        /// The filter as it was subscribed.
        filter: &'a str,
    },
    /// A message was published.
    Publish(PublishRecord<'a>),
    /// A message that was published is to be given to one more session.
    Given {
        /// [`Message::sequence`].
        sequence: u64,
        /// To whom.
        receiver: Receiver<'a>,
    },
    /// A message is sent to a client: its packet identifier is taken.
    Sent {
        /// Whose.
        session: SessionNumber,
        /// [`Message::sequence`].
        sequence: u64,
        /// The number of the sending, which the packet identifier follows from.
        send: u64,
    },
    /// PUBREC came: the message of this sending is with its client, PUBREL follows.
    Released {
        /// Whose.
        session: SessionNumber,
        /// The number of the sending.
        send: u64,
    },
    /// PUBCOMP came: the packet identifier of this sending is free.
    Completed {
        /// Whose.
        session: SessionNumber,
        /// The number of the sending.
        send: u64,
    },
    /// A session needs a message no more: it was acknowledged, or dropped.
    Done {
        /// Whose.
        session: SessionNumber,
        /// [`Message::sequence`].
        sequence: u64,
    },
    /// A client released a QoS 2 message that it published [MQTT-4.3.3-11].
    Freed {
        /// Whose.
        session: SessionNumber,
        /// The packet identifier.
        packet_id: PacketIdentifier,
    },
    /// Retained messages were read for a new subscription.
    Page(PageRecord<'a>),
    /// The message of this publish is not the retained one of its topic: the limits said so, or it
    /// gave way to others.
    NotRetained {
        /// [`Message::sequence`].
        sequence: u64,
    },
    /// From here on everything that is needed is written again.
    RewriteBegun {
        /// The number of the rewriting.
        number: u64,
        /// A number above those of all sessions so far.
        next_session: u64,
        /// A number above those of all publishes so far.
        next_sequence: u64,
    },
    /// Everything that is needed has been written since [`Record::RewriteBegun`]: nothing before that
    /// is needed any more.
    RewriteDone {
        /// The number of the rewriting.
        number: u64,
    },
}

/// What a session is besides its subscriptions and messages.
#[derive(Clone, Copy, Debug)]
pub struct SessionRecord<'a> {
    /// Which.
    pub session: SessionNumber,
    /// Client Identifier.
    pub client_id: &'a str,
    /// Whether everything that was written of this session before is void: it follows anew.
    pub is_whole: bool,
    /// Whether it has a Network Connection.
    pub is_connected: bool,
    /// Session Expiry Interval; `None` is for ever.
    pub expiry_interval: Option<Duration>,
    /// When its last connection ended.
    pub disconnected_at: Option<Time>,
    /// How many messages its client takes unacknowledged.
    pub window: u32,
    /// Its will, if that may have to be published.
    pub will: Option<WillRecord<'a>>,
    /// When the will is due, if its connection is gone.
    pub will_due: Option<Time>,
}

/// A Will Message.
#[derive(Clone, Copy, Debug)]
pub struct WillRecord<'a> {
    /// The message, without expiry. Its [`Message::sequence`] tells the will from all others.
    pub message: &'a Message,
    /// Its Message Expiry Interval.
    pub expiry_interval: Option<Duration>,
    /// Will Delay Interval.
    pub delay: Duration,
    /// The User Name of its client.
    pub user_name: Option<&'a str>,
    /// Where its client connected from.
    pub address: Option<IpAddr>,
    /// What the rules said of it that came with the authentication of its client.
    pub own_rules: OwnRules,
}

/// What the rules of one client alone say of its will. They end with its connection, and the question
/// is always the same: so the answer is kept, not the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnRules {
    /// There are none, or they leave it to those of the broker.
    #[default]
    None,
    /// One of them allows it.
    Allow,
    /// None of them allows it: it takes a rule of the broker.
    Silent,
}

/// A subscription.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionRecord<'a> {
    /// Whose.
    pub session: SessionNumber,
    /// The filter as it was subscribed.
    pub filter: &'a str,
    /// Subscription Options.
    pub options: SubscriptionOptions,
    /// Subscription Identifier.
    pub identifier: Option<NonZeroU32>,
    /// The publish up to which retained messages are to be sent for it; `None` if none are.
    pub retained_as_of: Option<u64>,
}

/// A publish.
#[derive(Clone, Copy, Debug)]
pub struct PublishRecord<'a> {
    /// The message; `None` if nobody is to keep it.
    pub message: Option<&'a Message>,
    /// Whether it becomes, or deletes, the retained message of its topic.
    pub retains: bool,
    /// Who is to be given it and keeps it until then.
    pub receivers: &'a [Receiver<'a>],
    /// The session and packet identifier that it came by, if that has to be known until PUBREL.
    pub received: Option<(SessionNumber, PacketIdentifier)>,
    /// The session whose will this was, and which: it is not to be published any more.
    pub will_of: Option<(SessionNumber, u64)>,
}

/// A session that has to be given a message.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'a> {
    /// Which.
    pub session: SessionNumber,
    /// The QoS for it.
    pub qos: QoS,
    /// The RETAIN flag for it.
    pub retain: bool,
    /// The Subscription Identifiers for it.
    pub identifiers: &'a [NonZeroU32],
    /// The filter of the shared subscription that chose it.
    pub group: Option<&'a str>,
}

/// Retained messages that were read for a new subscription, and how far. The messages of QoS 1 and 2
/// are appended with it: [`Record::Given`] and [`Record::Sent`].
#[derive(Clone, Copy, Debug)]
pub struct PageRecord<'a> {
    /// Whose.
    pub session: SessionNumber,
    /// The filter of the subscription.
    pub filter: &'a str,
    /// The topic after which the next page begins; `None` if this was the last one.
    pub next: Option<&'a str>,
}
