//! The parts of [`Config`](super::Config), each for the component that takes it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use dunlin_codec::QoS;
use dunlin_core::access::Network;

use super::auth::AuthConfig;
use super::bind::Bind;
use super::extract::{FromValue, seconds, seconds_unless, take};
use super::filter::{SharePattern, TopicFilterBuf};
use super::tls::TlsConfig;
use super::value::{Settings, Value};
use super::words::{
    CertificateName, ClientCertificate, Durability, LogFormat, LogLevel, QueuePolicy,
    RetainedPolicy, ShareStrategy,
};

/// The standard's value for an interval that never ends (section 3.1.2.11.2).
const NEVER: u64 = u32::MAX as u64;

/// How many threads serve connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each core that the process may use.
    OnePerCore,
    /// This many.
    Count(NonZeroUsize),
}

impl Workers {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        NonZeroUsize::new(take(settings, "workers")).map_or(Self::OnePerCore, Self::Count)
    }

    /// The number, with the cores counted now.
    pub fn count(self) -> NonZeroUsize {
        match self {
            Self::OnePerCore => thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            Self::Count(count) => count,
        }
    }
}

/// An address that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// What to listen on.
    pub bind: Bind,
    /// How many network connections may be open at once.
    pub max_connections: usize,
    /// Whether clients without a credential may connect here: by `auth.allow_anonymous`, or because
    /// only this machine can reach it.
    pub allow_anonymous: bool,
    /// The largest packet after CONNECT; `None` is what holds for all.
    pub packet_bytes_max: Option<usize>,
    /// What stands before the topics of its clients in the rest of the broker; empty for nothing.
    pub mount_point: String,
    /// How long a connection may take until MQTT begins on it.
    pub handshake_timeout: Duration,
    /// How many connections may be in that state at once; the oldest gives way.
    pub max_handshakes: usize,
    /// The proxies whose word on the address of a client is taken; on a listener that names some
    /// they alone may connect.
    pub proxy_protocol_from: Vec<Network>,
    /// The origins whose pages may connect to a WebSocket; empty is all.
    pub websocket_origins: Vec<String>,
    /// The permissions of a Unix socket's file.
    pub unix_mode: u32,
    /// How TLS is used, where it is.
    pub tls: Option<TlsConfig>,
    /// What a client's certificate says of who it is.
    pub certificate_names: CertificateNames,
}

/// Which parts of a client's certificate say who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames {
    /// Its User Name.
    pub user_name: Option<CertificateName>,
    /// What its Client Identifier must be.
    pub client_id: Option<CertificateName>,
}

impl ListenerConfig {
    /// Whether a certificate is enough for a client to be let in.
    pub fn knows_clients_by_certificate(&self) -> bool {
        self.certificate_names.user_name.is_some() && self.asks_for_certificates()
    }

    /// Whether clients are asked for a certificate.
    pub(super) fn asks_for_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| {
            tls.client_ca_file.is_some() && tls.client_certificate != ClientCertificate::None
        })
    }

    /// The listeners, with what they say themselves and what they take from these parts.
    pub(super) fn all(settings: &Settings, auth: &AuthConfig, tls: &TlsConfig) -> Vec<Self> {
        let tables: Vec<Settings> = take(settings, "listener");
        tables
            .iter()
            .map(|fields| {
                let bind: Bind = take(fields, "bind");
                let mut listener = Self {
                    max_connections: take(fields, "max_connections"),
                    allow_anonymous: auth.allow_anonymous,
                    packet_bytes_max: Some(take(fields, "packet_bytes_max")).filter(|max| *max > 0),
                    mount_point: take(fields, "mount_point"),
                    handshake_timeout: seconds(fields, "handshake_timeout_s"),
                    max_handshakes: take(fields, "max_handshakes"),
                    proxy_protocol_from: take(fields, "proxy_protocol_from"),
                    websocket_origins: take(fields, "websocket_origins"),
                    unix_mode: take(fields, "unix_mode"),
                    tls: bind.is_secure().then(|| tls.of_listener(fields)),
                    certificate_names: CertificateNames {
                        user_name: take(fields, "certificate_user_name"),
                        client_id: take(fields, "certificate_client_id"),
                    },
                    bind,
                };
                // This machine is trusted only as long as nothing else is.
                let is_configured = auth.is_configured() || listener.knows_clients_by_certificate();
                listener.allow_anonymous |= listener.bind.is_loopback() && !is_configured;
                listener
            })
            .collect()
    }
}

/// The keys of a table.
impl FromValue for Settings {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Table(fields) => Some(fields.clone()),
            _ => None,
        }
    }
}

/// Where what must survive a restart is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In memory: nothing survives the process.
    Ephemeral,
    /// In this directory.
    Directory(PathBuf),
}

impl StoreConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let directory: PathBuf = take(settings, "store.data_dir");
        match (
            take(settings, "store.ephemeral"),
            directory.as_os_str().is_empty(),
        ) {
            (true, _) => Self::Ephemeral,
            (false, true) => Self::Directory("dunlin-data".into()),
            (false, false) => Self::Directory(directory),
        }
    }
}

/// How safe what must survive a restart is before it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DurabilityConfig {
    /// If no entry of `topics` says something else.
    pub usual: Durability,
    /// For the messages of some topics; the first entry that matches a topic counts.
    pub topics: Vec<TopicDurability>,
    /// Files of fewer bytes together are not written anew.
    pub rewrite_bytes_min: u64,
    /// Whether the broker ends when it cannot write any more.
    pub exit_on_failure: bool,
}

/// The durability of some topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDurability {
    /// The topics.
    pub filter: TopicFilterBuf,
    /// How safe their messages are.
    pub durability: Durability,
}

impl FromValue for TopicDurability {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Table(fields) = value else {
            return None;
        };
        Some(Self {
            filter: take(fields, "filter"),
            durability: take(fields, "durability"),
        })
    }
}

impl DurabilityConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            usual: take(settings, "store.durability"),
            topics: take(settings, "store.durability_by_topic"),
            rewrite_bytes_min: take(settings, "store.rewrite_bytes_min"),
            exit_on_failure: take(settings, "store.exit_on_failure"),
        }
    }
}

/// What one client may ask for, and what the broker announces.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MqttConfig {
    /// The largest packet after CONNECT.
    pub packet_bytes_max: usize,
    /// The largest CONNECT.
    pub connect_packet_bytes_max: usize,
    /// From the network connection to the whole CONNECT.
    pub connect_timeout: Duration,
    /// From a packet's first byte to its last.
    pub partial_packet_timeout: Duration,
    /// The longest Keep Alive; `None` leaves it to the client. Whole seconds, at most `u16::MAX`.
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
    pub user_properties_max: usize,
    /// Maximum QoS.
    pub qos_max: QoS,
    /// Retain Available.
    pub retain_available: bool,
    /// Wildcard Subscription Available.
    pub wildcard_subscription_available: bool,
    /// Shared Subscription Available.
    pub shared_subscription_available: bool,
    /// What a client that asks for Response Information is given, with `%c` for its client
    /// identifier; empty gives none.
    pub response_information: String,
    /// After how long an unacknowledged message is sent again to a connected 3.x client; `None` is
    /// never.
    pub resend_interval: Option<Duration>,
    /// How often the broker publishes what it says of itself; `None` is never.
    pub sys_interval: Option<Duration>,
}

impl MqttConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            packet_bytes_max: take(settings, "mqtt.packet_bytes_max"),
            connect_packet_bytes_max: take(settings, "mqtt.connect_packet_bytes_max"),
            connect_timeout: seconds(settings, "mqtt.connect_timeout_s"),
            partial_packet_timeout: seconds(settings, "mqtt.partial_packet_timeout_s"),
            keep_alive_max: seconds_unless(settings, "mqtt.keep_alive_max_s", 0),
            receive_maximum: take(settings, "mqtt.receive_maximum"),
            topic_alias_maximum: take(settings, "mqtt.topic_alias_maximum"),
            outbound_topic_alias_max: take(settings, "mqtt.outbound_topic_alias_max"),
            topic_levels_max: take(settings, "mqtt.topic_levels_max"),
            topic_bytes_max: take(settings, "mqtt.topic_bytes_max"),
            client_id_bytes_max: take(settings, "mqtt.client_id_bytes_max"),
            user_properties_max: take(settings, "mqtt.user_properties_max"),
            qos_max: take(settings, "mqtt.qos_max"),
            retain_available: take(settings, "mqtt.retain_available"),
            wildcard_subscription_available: take(settings, "mqtt.wildcard_subscription_available"),
            shared_subscription_available: take(settings, "mqtt.shared_subscription_available"),
            response_information: take(settings, "mqtt.response_information"),
            resend_interval: seconds_unless(settings, "mqtt.resend_interval_s", 0),
            sys_interval: seconds_unless(settings, "mqtt.sys_interval_s", 0),
        }
    }
}

/// What each session may hold, connected or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
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
    /// Of messages for absent clients, all queues together, what is in memory.
    pub queues_memory_bytes_max: usize,
    /// The queue of a session.
    pub queue: QueueConfig,
}

/// The queue of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueConfig {
    /// Messages in it.
    pub messages_max: usize,
    /// Bytes in it.
    pub bytes_max: usize,
    /// What happens at either bound.
    pub policy: QueuePolicy,
    /// The lowest QoS that is queued while the client is away.
    pub offline_qos_min: QoS,
    /// Which messages go before others; the first entry that matches a topic counts.
    pub priorities: Vec<TopicPriority>,
    /// The topics of which only the newest message is queued.
    pub keep_last: Vec<TopicFilterBuf>,
}

/// The priority of some topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPriority {
    /// The topics.
    pub filter: TopicFilterBuf,
    /// The higher goes first; messages without an entry have 0.
    pub priority: u8,
}

impl FromValue for TopicPriority {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Table(fields) = value else {
            return None;
        };
        Some(Self {
            filter: take(fields, "filter"),
            priority: take(fields, "priority"),
        })
    }
}

impl SessionConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            count_max: take(settings, "session.count_max"),
            expiry_interval_max: seconds_unless(settings, "session.expiry_interval_max_s", NEVER),
            expiry_interval_3x: seconds_unless(settings, "session.expiry_interval_3x_s", NEVER),
            subscriptions_max: take(settings, "session.subscriptions_max"),
            in_flight_max: take(settings, "session.in_flight_max"),
            outbox_bytes_max: take(settings, "session.outbox_bytes_max"),
            queues_memory_bytes_max: take(settings, "session.queues_memory_bytes_max"),
            queue: QueueConfig {
                messages_max: take(settings, "session.queue_messages_max"),
                bytes_max: take(settings, "session.queue_bytes_max"),
                policy: take(settings, "session.queue_policy"),
                offline_qos_min: take(settings, "session.offline_qos_min"),
                priorities: take(settings, "session.priorities"),
                keep_last: take(settings, "session.keep_last"),
            },
        }
    }
}

/// Retained messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetainedConfig {
    /// How many.
    pub messages_max: usize,
    /// Their bytes together.
    pub bytes_max: u64,
    /// The payload of one.
    pub payload_bytes_max: usize,
    /// What happens at the first two bounds.
    pub policy_at_limit: RetainedPolicy,
}

impl RetainedConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            messages_max: take(settings, "retained.messages_max"),
            bytes_max: take(settings, "retained.bytes_max"),
            payload_bytes_max: take(settings, "retained.payload_bytes_max"),
            policy_at_limit: take(settings, "retained.policy_at_limit"),
        }
    }
}

/// Shared subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedConfig {
    /// The strategy of `$share` groups without an entry in `groups`.
    pub share_strategy: ShareStrategy,
    /// The strategy of `$queue` groups.
    pub queue_strategy: ShareStrategy,
    /// `$share` groups with a strategy of their own; the first entry that matches counts.
    pub groups: Vec<GroupStrategy>,
    /// Groups that keep messages while they have no member. Each is a shared subscription:
    /// [`TopicFilter::share`](dunlin_codec::TopicFilter::share) gives its parts.
    pub durable_groups: Vec<TopicFilterBuf>,
}

/// The strategy of some `$share` groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStrategy {
    /// Their share names.
    pub group: SharePattern,
    /// How their members are chosen.
    pub strategy: ShareStrategy,
}

impl FromValue for GroupStrategy {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Table(fields) = value else {
            return None;
        };
        Some(Self {
            group: take(fields, "group"),
            strategy: take(fields, "strategy"),
        })
    }
}

impl SharedConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            share_strategy: take(settings, "shared.share_strategy"),
            queue_strategy: take(settings, "shared.queue_strategy"),
            groups: take(settings, "shared.groups"),
            durable_groups: take(settings, "shared.durable_groups"),
        }
    }
}

/// Will messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WillConfig {
    /// The longest Will Delay Interval that is honoured.
    pub delay_max: Duration,
    /// How long wills wait at least for their clients after a restart.
    pub grace_period: Duration,
}

impl WillConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            delay_max: seconds(settings, "will.delay_max_s"),
            grace_period: seconds(settings, "will.grace_period_s"),
        }
    }
}

/// All messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageConfig {
    /// The longest that a message is kept, whatever its Message Expiry Interval; `None` sets no
    /// limit.
    pub expiry_max: Option<Duration>,
}

impl MessageConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            expiry_max: seconds_unless(settings, "message.expiry_max_s", 0),
        }
    }
}

/// What the broker writes about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogConfig {
    /// Which events.
    pub level: LogLevel,
    /// How.
    pub format: LogFormat,
}

impl LogConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            level: take(settings, "log.level"),
            format: take(settings, "log.format"),
        }
    }
}

/// How the broker ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownConfig {
    /// How long the end waits for clients to take what is being sent to them.
    pub timeout: Duration,
}

impl ShutdownConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            timeout: seconds(settings, "shutdown.timeout_s"),
        }
    }
}
