//! What holds for a broker: limits, policies and what it announces.
//!
//! A mirror of those options that concern the rules of MQTT; the shell fills it from its
//! configuration. The defaults are those of the options.

use std::time::Duration;

use dunlin_codec::{QoS, TopicFilter, TopicName};

use crate::message::{Message, STORED_PAYLOAD_BYTES_MIN};
use crate::storage::Durability;

/// What holds for a broker.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What one client may ask for, and what the broker announces.
    pub mqtt: MqttSettings,
    /// What each session may hold.
    pub session: SessionSettings,
    /// Retained messages.
    pub retained: RetainedSettings,
    /// Shared subscriptions.
    pub shared: SharedSettings,
    /// What becomes of what access rules deny.
    pub access: AccessSettings,
    /// The longest Will Delay Interval that is honoured; `None` honours all.
    pub will_delay_max: Option<Duration>,
    /// The longest that any message is kept; `None` sets no limit.
    pub message_expiry_max: Option<Duration>,
    /// How safe what must be kept is before it is acknowledged.
    pub durability: DurabilitySettings,
    /// How long after a start the wills of clients that were connected before wait for those, at
    /// least.
    pub will_grace: Duration,
}

/// How safe what must be kept is before it is acknowledged.
#[derive(Clone, Debug)]
pub struct DurabilitySettings {
    /// If nothing else is said.
    pub usual: Durability,
    /// For messages of some topics; the first rule that matches counts.
    pub topics: Vec<(FilterRule, Durability)>,
    /// How long a client before 5.0, which cannot be told that there was no room for its message, stays
    /// connected without an acknowledgement.
    pub no_room_patience: Duration,
}

impl Default for DurabilitySettings {
    fn default() -> Self {
        Self {
            usual: Durability::default(),
            topics: Vec::new(),
            no_room_patience: Duration::from_secs(10),
        }
    }
}

impl DurabilitySettings {
    /// What holds for a message.
    pub(crate) fn of(&self, message: &Message) -> Durability {
        let mut rules = self.topics.iter();
        rules
            .find(|(rule, _)| rule.matches(message.topic()))
            .map_or(self.usual, |&(_, durability)| durability)
    }
}

/// What holds for the connections of one listener, beside [`Settings`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The largest packet after CONNECT, in bytes; `None` is that of [`MqttSettings`].
    pub packet_bytes_max: Option<u32>,
    /// What stands before the topics of these connections in the rest of the broker. The shell puts it
    /// before what comes from a client; it is taken off what goes to the client.
    pub mount_point: String,
}

impl Terms {
    /// The topic as the client knows it.
    pub(crate) fn unmounted<'a>(&self, topic: &'a [u8]) -> &'a [u8] {
        topic
            .strip_prefix(self.mount_point.as_bytes())
            .filter(|rest| !rest.is_empty())
            .unwrap_or(topic)
    }
}

/// What one client may ask for, and what the broker announces.
#[derive(Clone, Debug)]
pub struct MqttSettings {
    /// The largest packet after CONNECT, in bytes.
    pub packet_bytes_max: u32,
    /// The largest CONNECT, in bytes.
    pub connect_packet_bytes_max: u32,
    /// From the network connection to the whole CONNECT.
    pub connect_timeout: Duration,
    /// The longest Keep Alive; `None` leaves it to the client.
    pub keep_alive_max: Option<Duration>,
    /// What the broker announces as Receive Maximum and holds 3.x clients to; at least 1.
    pub receive_maximum: u16,
    /// What the broker announces as Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// How many topic aliases the broker sets on a connection, if the client allows as many.
    pub outbound_topic_alias_max: u16,
    /// Levels of a topic name or topic filter.
    pub topic_levels_max: usize,
    /// Bytes of a topic name or topic filter.
    pub topic_bytes_max: usize,
    /// Bytes of a client identifier.
    pub client_id_bytes_max: usize,
    /// User Properties of one packet.
    pub user_properties_max: u32,
    /// Maximum QoS.
    pub qos_max: QoS,
    /// Retain Available.
    pub retain_available: bool,
    /// Wildcard Subscription Available.
    pub wildcard_subscription_available: bool,
    /// Shared Subscription Available.
    pub shared_subscription_available: bool,
    /// What a client that asks for Response Information is given, with `%c` for its client
    /// identifier; empty gives none (section 3.2.2.3.15).
    pub response_information: String,
    /// After how long an unacknowledged message is sent again to a connected 3.x client; `None` is
    /// never.
    pub resend_interval: Option<Duration>,
}

impl MqttSettings {
    /// Whether a topic name or filter is within the bounds of length and levels.
    pub(crate) fn allows_topic(&self, topic: &str) -> bool {
        let bytes = topic.as_bytes();
        // A level takes a byte for its slash, so short texts need no count.
        bytes.len() <= self.topic_bytes_max
            && (bytes.len() < self.topic_levels_max
                || bytes.iter().filter(|&&byte| byte == b'/').count() < self.topic_levels_max)
    }
}

impl Default for MqttSettings {
    fn default() -> Self {
        Self {
            packet_bytes_max: 1024 * 1024,
            connect_packet_bytes_max: 64 * 1024,
            connect_timeout: Duration::from_secs(5),
            keep_alive_max: None,
            receive_maximum: 1024,
            topic_alias_maximum: 16,
            outbound_topic_alias_max: 16,
            topic_levels_max: 128,
            topic_bytes_max: 4096,
            client_id_bytes_max: 1024,
            user_properties_max: 64,
            qos_max: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            shared_subscription_available: true,
            response_information: String::new(),
            resend_interval: None,
        }
    }
}

/// What each session may hold, connected or not.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Sessions at once.
    pub count_max: usize,
    /// The longest Session Expiry Interval of a 5.0 client; `None` lets a session never expire.
    pub expiry_interval_max: Option<Duration>,
    /// That of a 3.x client with clean session 0; `None` is for ever.
    pub expiry_interval_3x: Option<Duration>,
    /// Subscriptions of one session.
    pub subscriptions_max: usize,
    /// Unacknowledged QoS 1 and 2 messages to one client; at least 1.
    pub in_flight_max: u16,
    /// Bytes that wait for the socket of a connected client.
    pub outbox_bytes_max: usize,
    /// Bytes of messages that are in memory for clients that are away, all sessions together; the
    /// payloads of the others are read from the store, if that is durable, when it is their turn.
    pub queues_memory_bytes_max: usize,
    /// The smallest payload that this is done with.
    pub stored_payload_bytes_min: usize,
    /// The queue of a session.
    pub queue: QueueSettings,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            count_max: 1_000_000,
            expiry_interval_max: Some(Duration::from_secs(30 * 24 * 3600)),
            expiry_interval_3x: Some(Duration::from_secs(7 * 24 * 3600)),
            subscriptions_max: 10_000,
            in_flight_max: 1024,
            outbox_bytes_max: 256 * 1024,
            queues_memory_bytes_max: 256 * 1024 * 1024,
            stored_payload_bytes_min: STORED_PAYLOAD_BYTES_MIN,
            queue: QueueSettings::default(),
        }
    }
}

/// The queue of a session.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// Messages in it.
    pub messages_max: usize,
    /// Bytes in it.
    pub bytes_max: usize,
    /// What happens at either bound.
    pub policy: QueuePolicy,
    /// The lowest QoS that is queued while the client is away.
    pub offline_qos_min: QoS,
    /// Which messages go before others; the first entry that matches a topic counts.
    pub priorities: Vec<(FilterRule, u8)>,
    /// The topics of which only the newest message is queued.
    pub keep_last: Vec<FilterRule>,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            messages_max: 100_000,
            bytes_max: 16 * 1024 * 1024,
            policy: QueuePolicy::DropOldest,
            offline_qos_min: QoS::AtLeastOnce,
            priorities: Vec::new(),
            keep_last: Vec::new(),
        }
    }
}

/// What happens to a message for a session whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueuePolicy {
    /// The oldest queued message gives way to the new one; one of QoS 0 before all others.
    DropOldest,
    /// The new message is not queued.
    DropNewest,
    /// The new message is not queued, and its publisher is told Quota exceeded.
    Refuse,
}

/// Retained messages.
#[derive(Clone, Debug)]
pub struct RetainedSettings {
    /// How many.
    pub messages_max: usize,
    /// Their bytes together.
    pub bytes_max: u64,
    /// The payload of one.
    pub payload_bytes_max: usize,
    /// What happens at the first two bounds.
    pub policy_at_limit: RetainedPolicy,
}

impl Default for RetainedSettings {
    fn default() -> Self {
        Self {
            messages_max: 1_000_000,
            bytes_max: 256 * 1024 * 1024,
            payload_bytes_max: 1024 * 1024,
            policy_at_limit: RetainedPolicy::Refuse,
        }
    }
}

/// What happens to a message with RETAIN 1 when the retained messages are at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetainedPolicy {
    /// It is not retained, and its publisher is told Quota exceeded.
    Refuse,
    /// The retained messages that were set longest ago give way to it.
    DropOldest,
}

/// Shared subscriptions.
#[derive(Clone, Debug)]
pub struct SharedSettings {
    /// The strategy of `$share` groups without an entry in `groups`.
    pub share_strategy: Strategy,
    /// The strategy of `$queue` groups.
    pub queue_strategy: Strategy,
    /// `$share` groups with a strategy of their own, by a pattern of their name in which `*` stands
    /// for any text; the first entry that matches counts.
    pub groups: Vec<(String, Strategy)>,
    /// Shared subscriptions that keep messages while they have no member.
    pub durable_groups: Vec<FilterRule>,
}

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            share_strategy: Strategy::Random,
            queue_strategy: Strategy::RoundRobin,
            groups: Vec::new(),
            durable_groups: Vec::new(),
        }
    }
}

/// What becomes of what access rules deny.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessSettings {
    /// Whether a publish that is denied ends its connection; otherwise it is refused where the
    /// version can say so, and ignored where it cannot.
    pub denied_publish_disconnects: bool,
    /// Whether a change of the rules that ends one of a client's subscriptions ends its connection
    /// as well; otherwise it goes on, as long as one of them is left.
    pub revoked_disconnects: bool,
}

/// How a member of a shared subscription is chosen for each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Any member.
    Random,
    /// The members take turns.
    RoundRobin,
    /// One member, as long as it can take messages.
    Sticky,
    /// All messages of one publisher go to one member.
    HashClient,
    /// All messages of one topic go to one member.
    HashTopic,
    /// The member with the fewest messages unacknowledged or waiting.
    LeastInFlight,
}

/// A topic filter in a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterRule(Box<str>);

impl FilterRule {
    /// Keeps a filter.
    pub fn new(filter: TopicFilter<'_>) -> Self {
        Self(filter.as_str().into())
    }

    /// The filter.
    pub fn filter(&self) -> Option<TopicFilter<'_>> {
        TopicFilter::parse(&self.0).ok()
    }

    /// Whether it matches this topic.
    pub fn matches(&self, topic: TopicName<'_>) -> bool {
        self.filter().is_some_and(|filter| filter.matches(topic))
    }
}
