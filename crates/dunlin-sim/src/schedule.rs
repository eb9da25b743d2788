//! What happens in one run, apart from what follows from it: the setup, and steps with their times.

use std::fmt;

use dunlin_codec::{ProtocolVersion, QoS, RetainHandling};
use dunlin_core::settings::Settings;

/// A run: what there is, and what is done to it. All of it follows from the seed.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Where it comes from; what is left to chance during the run follows from it as well.
    pub seed: u64,
    /// What there is.
    pub setup: Setup,
    /// What is done, by time.
    pub steps: Vec<Step>,
}

/// What there is in a run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What holds for the broker.
    pub settings: Settings,
    /// Its workers.
    pub workers: usize,
    /// The clients that follow the standard.
    pub clients: Vec<ClientSetup>,
    /// How many connections that follow nothing there can be.
    pub strangers: usize,
    /// The longest time that a worker takes before it turns to what is there for it, in ms.
    pub worker_lag_max_ms: u64,
    /// The shortest and the longest way of bytes through the network, in ms.
    pub latency_ms: (u64, u64),
    /// The shortest and the longest time that the disk needs, in ms.
    pub sync_ms: (u64, u64),
    /// The sizes of its store.
    pub store: StoreSetup,
    /// Bytes that a socket takes before the client has read some.
    pub socket_bytes: usize,
    /// The longest time before a client acknowledges a message, in ms.
    pub acknowledge_ms_max: u64,
}

/// Sizes so small that what happens rarely happens in a short run.
#[derive(Clone, Copy, Debug)]
pub struct StoreSetup {
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// Bytes of a log that is not written anew yet.
    pub rewrite_bytes_min: u64,
    /// Bytes of messages that are read at a start; the payloads of the rest stay in the log.
    pub memory_bytes_max: usize,
}

/// A client that follows the standard.
#[derive(Clone, Debug)]
pub struct ClientSetup {
    /// Client Identifier.
    pub id: String,
    /// What it speaks.
    pub version: ProtocolVersion,
    /// The shared subscription that it is a member of now and then. Its other filters match none of
    /// the messages of shared subscriptions, so that one knows for which a message came.
    pub shared: Option<String>,
}

/// Something done at a time.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the whole schedule, which it keeps when others are left out.
    pub number: usize,
    /// When, in ms from the beginning of the run.
    pub at_ms: u64,
    /// What.
    pub action: Action,
}

/// What is done. A step that makes no sense when its time comes, such as a publish without a
/// connection, does nothing.
#[derive(Clone, Debug)]
pub enum Action {
    /// The client opens a connection. One that it has is left to itself, or closed.
    Connect(usize, ConnectPlan),
    /// The client publishes.
    Publish(usize, PublishPlan),
    /// The client subscribes.
    Subscribe(usize, SubscribePlan),
    /// The client unsubscribes from a filter.
    Unsubscribe(usize, String),
    /// The client sends DISCONNECT and closes.
    Disconnect(usize, DisconnectPlan),
    /// The client's connection breaks: each side learns it so many ms later.
    Cut(usize, CutPlan),
    /// The client does not read for so many ms.
    Stall(usize, u64),
    /// The client acknowledges nothing for so many ms.
    Hold(usize, u64),
    /// The disk is full, or fails, for so many ms. A store that failed is started again then.
    DiskFails(DiskFault, u64),
    /// The node stops where it is, and starts again.
    Stop(StopPlan),
    /// Someone who follows no standard sends bytes that this number determines.
    Stranger(usize, u64),
}

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ConnectPlan {
    /// Clean Start, or clean session.
    pub clean_start: bool,
    /// Keep Alive, in seconds.
    pub keep_alive: u16,
    /// Session Expiry Interval, in seconds; 5.0 only.
    pub expiry: u32,
    /// Receive Maximum; 5.0 only.
    pub receive_maximum: u16,
    /// Maximum Packet Size; 5.0 only.
    pub packet_bytes_max: Option<u32>,
    /// Topic Alias Maximum; 5.0 only.
    pub topic_alias_maximum: u16,
    /// Will Message.
    pub will: Option<WillPlan>,
    /// Whether a connection that the client still has is closed, rather than forgotten.
    pub closes_other: bool,
}

/// A Will Message.
#[derive(Clone, Copy, Debug)]
pub struct WillPlan {
    /// Will QoS.
    pub qos: QoS,
    /// Will Retain.
    pub retain: bool,
    /// Will Delay Interval, in seconds; 5.0 only.
    pub delay: u32,
}

/// A message.
#[derive(Clone, Debug)]
pub struct PublishPlan {
    /// Topic Name.
    pub topic: String,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// Whether its payload is empty.
    pub is_empty: bool,
    /// Bytes of the payload at least.
    pub bytes: usize,
    /// Message Expiry Interval, in seconds; 5.0 only.
    pub expiry: Option<u32>,
    /// Whether a topic alias is used if the broker allows it; 5.0 only.
    pub uses_alias: bool,
}

/// A SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct SubscribePlan {
    /// Its filters.
    pub requests: Vec<Request>,
    /// Subscription Identifier; 5.0 only.
    pub identifier: Option<u32>,
}

/// A Topic Filter with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Topic Filter.
    pub filter: String,
    /// The highest QoS.
    pub qos: QoS,
    /// No Local; 5.0 only.
    pub no_local: bool,
    /// Retain As Published; 5.0 only.
    pub retain_as_published: bool,
    /// Retain Handling; 5.0 only.
    pub retain_handling: RetainHandling,
}

/// A DISCONNECT.
#[derive(Clone, Copy, Debug)]
pub struct DisconnectPlan {
    /// Reason code 0x04; 5.0 only.
    pub with_will: bool,
    /// Session Expiry Interval, in seconds; 5.0 only.
    pub expiry: Option<u32>,
}

/// When the two sides of a connection learn that it broke, in ms.
#[derive(Clone, Copy, Debug)]
pub struct CutPlan {
    /// The broker.
    pub broker_after_ms: u64,
    /// The client.
    pub client_after_ms: u64,
}

/// How the disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// It has no more room.
    Full,
    /// A write fails, and has written half of what it had to.
    Write,
    /// A sync fails: nobody knows what is on the disk.
    Sync,
}

/// How a node stops, and starts again.
#[derive(Clone, Copy, Debug)]
pub struct StopPlan {
    /// Whether what the operating system did not write is lost or torn; else the process is killed.
    pub is_power_cut: bool,
    /// How many calls to the disk go well before the one in which it stops; `None` if the store does
    /// nothing at the time.
    pub in_commit: Option<u64>,
    /// How long it takes to start again, in ms.
    pub down_ms: u64,
    /// How much older its clock is then, in ms.
    pub clock_back_ms: u64,
    /// The longest time after which clients that had a connection come back; `None` if they do not.
    pub back_ms_max: Option<u64>,
}

/// A line that a person can follow.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>4}  {:>8} ms  {:?}",
            self.number, self.at_ms, self.action
        )
    }
}
