//! What the workers are to do: who connects, who publishes what, and who hears whom.

use std::num::NonZeroU32;
use std::time::Duration;

use dunlin_client::{ClientOptions, SubscribeRequest};
use dunlin_codec::QoS;

use super::ledger::Group;
use super::template::Template;

/// What a client does once it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    Idle,
    /// It listens, as a member of this group of its worker; without one it only counts.
    Subscriber {
        /// The group's place in [`WorkerPlan::groups`].
        group: Option<usize>,
    },
    /// It publishes, as this publisher of its worker.
    Publisher(usize),
}

/// One client.
#[derive(Clone, Debug)]
pub(crate) struct LinkPlan {
    pub(crate) client_id: String,
    pub(crate) subscriptions: Vec<SubscribeRequest>,
    pub(crate) role: Role,
}

/// What a publisher sends.
#[derive(Clone, Debug)]
pub(crate) struct PublisherPlan {
    /// Its number in the whole run.
    pub(crate) number: u32,
    /// Its messages, sent in turns.
    pub(crate) templates: Vec<Template>,
    /// How many deliveries each message causes, as far as this process will see them.
    pub(crate) copies: u64,
    /// The number in its topics jumps about below this bound instead of counting up.
    pub(crate) scatter: Option<u64>,
    /// How many messages it sends, at most.
    pub(crate) limit: Option<u64>,
}

/// Connections that are made and ended again and again.
#[derive(Clone, Debug)]
pub(crate) struct CyclePlan {
    /// The client identifiers, one for each connection at a time.
    pub(crate) client_ids: Vec<String>,
    /// The next connection takes over from the one before instead of following its end.
    pub(crate) is_takeover: bool,
}

/// The part of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerPlan {
    pub(crate) links: Vec<LinkPlan>,
    pub(crate) publishers: Vec<PublisherPlan>,
    pub(crate) groups: Vec<Group>,
    pub(crate) cycles: Option<CyclePlan>,
}

/// When a publisher may send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pacing {
    /// As long as fewer messages than this are in flight.
    Window {
        /// Messages of one publisher.
        messages: NonZeroU32,
        /// Whether a message is in flight until its subscribers have it, or only until it is
        /// acknowledged.
        until_received: bool,
        /// Reads what comes at once, instead of letting a part of the window collect.
        is_eager: bool,
    },
    /// When it is due, whatever is in flight: every publisher has this interval.
    Interval {
        /// Between two messages of one publisher, in nanoseconds.
        interval_ns: u64,
        /// The publishers take turns within the interval, instead of each beginning when it is
        /// connected.
        is_spread: bool,
    },
}

/// What to do when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reconnect {
    /// How long to wait before.
    pub(crate) period: Duration,
    /// How often, at most, one after the other.
    pub(crate) times_max: u32,
    /// Whether that is done as well before any client has come up.
    pub(crate) insists: bool,
}

/// A whole run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where the broker is, and what CONNECT says but for the client identifier.
    pub(crate) client: ClientOptions,
    pub(crate) qos: QoS,
    pub(crate) pacing: Pacing,
    /// Payloads begin with a stamp.
    pub(crate) is_stamped: bool,
    /// Between the beginnings of two connections.
    pub(crate) connect_interval: Duration,
    /// Connections that a worker may have under way.
    pub(crate) connecting_max: usize,
    pub(crate) reconnect: Option<Reconnect>,
    /// Messages to publish in all.
    pub(crate) limit: Option<u64>,
    /// The run is over when so many have been delivered.
    pub(crate) deliveries: Option<u64>,
    /// The run's number in the stamps.
    pub(crate) run: u32,
    pub(crate) workers: Vec<WorkerPlan>,
}
