//! Everything a client is told before it connects.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dunlin_codec::{
    Connect, ConnectProperties, Packet, ProtocolVersion, QoS, TopicError, TopicName,
    UserPropertiesBuf, Will, WillProperties,
};

use crate::Endpoint;
use crate::scram::ScramCredentials;

/// What a client does, and the bounds of its queues.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where the server is.
    pub endpoint: Endpoint,
    /// What CONNECT says.
    pub connect: ConnectOptions,
    /// Whether a lost connection is tried for again.
    pub reconnect: Reconnect,
    /// How long connecting may take, until CONNACK.
    pub connect_timeout: Duration,
    /// How long nothing may come after PINGREQ.
    pub ping_timeout: Duration,
    /// Messages of QoS 1 and 2 in flight to the server, at most; its Receive Maximum may be lower.
    pub in_flight_max: NonZeroU16,
    /// Messages that wait to be sent, at most; then publishing waits.
    pub queue_messages_max: usize,
    /// Events that wait to be taken, at most; then no more is read from the server.
    pub events_max: usize,
    /// Sees every packet in both directions.
    pub observer: Option<PacketObserver>,
}

impl ClientOptions {
    /// The defaults for a server: MQTT 5.0, a clean start, an identifier that the server assigns,
    /// 60 seconds of keep alive, no credentials, no will, no reconnecting.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            connect: ConnectOptions::default(),
            reconnect: Reconnect::default(),
            connect_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            in_flight_max: NonZeroU16::new(1024).unwrap_or(NonZeroU16::MAX),
            queue_messages_max: 1024,
            events_max: 1024,
            observer: None,
        }
    }
}

/// When a lost connection is tried for again. The first connection is tried for once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconnect {
    /// The time before each try; zero switches reconnecting off.
    pub period: Duration,
    /// How many tries in a row may fail.
    pub tries_max: u32,
}

impl Reconnect {
    pub(crate) const fn is_on(self) -> bool {
        !self.period.is_zero() && self.tries_max > 0
    }
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Sent,
    /// From the server to the client.
    Received,
}

type Observe = dyn Fn(Direction, &Packet<'_>) + Send + Sync;

/// A function that sees every packet.
#[derive(Clone)]
pub struct PacketObserver(Arc<Observe>);

impl PacketObserver {
    /// Calls `observe` for each packet, from the task of the connection: it must be quick.
    pub fn new(observe: impl Fn(Direction, &Packet<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(crate) fn call(&self, direction: Direction, packet: &Packet<'_>) {
        (self.0)(direction, packet);
    }
}

impl fmt::Debug for PacketObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacketObserver")
    }
}

/// What CONNECT says (section 3.1). The password is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Protocol version.
    pub version: ProtocolVersion,
    /// Client Identifier; empty to have one assigned.
    pub client_id: String,
    /// Clean Start (3.x: Clean Session).
    pub clean_start: bool,
    /// Keep Alive, in seconds; 0 switches it off.
    pub keep_alive: u16,
    /// User Name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<Bytes>,
    /// Will Message.
    pub will: Option<WillOptions>,
    /// Enhanced authentication with SCRAM. Nothing of it is in 3.x; its user name and password are
    /// not sent in their fields.
    pub scram: Option<ScramCredentials>,
    /// Properties; not sent in 3.x.
    pub settings: ConnectSettings,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| format_args!("(secret)"));
        f.debug_struct("ConnectOptions")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("user_name", &self.user_name)
            .field("password", &password)
            .field("will", &self.will)
            .field("scram", &self.scram)
            .field("settings", &self.settings)
            .finish()
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            version: ProtocolVersion::V5,
            client_id: String::new(),
            clean_start: true,
            keep_alive: 60,
            user_name: None,
            password: None,
            will: None,
            scram: None,
            settings: ConnectSettings::default(),
        }
    }
}

/// The properties of CONNECT (section 3.1.2.11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectSettings {
    /// Session Expiry Interval, in seconds.
    pub session_expiry_interval: Option<u32>,
    /// Receive Maximum.
    pub receive_maximum: Option<NonZeroU16>,
    /// Maximum Packet Size, in bytes.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: Option<u16>,
    /// Request Response Information.
    pub request_response_information: Option<bool>,
    /// Request Problem Information.
    pub request_problem_information: Option<bool>,
    /// User Properties.
    pub user_properties: UserPropertiesBuf,
}

/// A Will Message (section 3.1.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WillOptions {
    /// Will Topic.
    pub topic: String,
    /// Will Payload.
    pub payload: Bytes,
    /// Will QoS.
    pub qos: QoS,
    /// Will Retain.
    pub retain: bool,
    /// Will Delay Interval, in seconds; not sent in 3.x.
    pub will_delay_interval: Option<u32>,
    /// The other Will Properties; not sent in 3.x.
    pub properties: MessageProperties,
}

/// The properties that a message keeps on its way (section 3.3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageProperties {
    /// Payload Format Indicator: true if the payload is UTF-8.
    pub payload_format_indicator: Option<bool>,
    /// Message Expiry Interval, in seconds.
    pub message_expiry_interval: Option<u32>,
    /// Content Type.
    pub content_type: Option<String>,
    /// Response Topic.
    pub response_topic: Option<String>,
    /// Correlation Data.
    pub correlation_data: Option<Bytes>,
    /// User Properties, in their order.
    pub user_properties: UserPropertiesBuf,
}

impl MessageProperties {
    pub(crate) fn response_topic(&self) -> Result<Option<TopicName<'_>>, TopicError> {
        self.response_topic
            .as_deref()
            .map(TopicName::parse)
            .transpose()
    }
}

impl WillOptions {
    fn packet(&self) -> Result<Will<'_>, TopicError> {
        Ok(Will {
            qos: self.qos,
            retain: self.retain,
            properties: WillProperties {
                will_delay_interval: self.will_delay_interval,
                payload_format_indicator: self.properties.payload_format_indicator,
                message_expiry_interval: self.properties.message_expiry_interval,
                content_type: self.properties.content_type.as_deref(),
                response_topic: self.properties.response_topic()?,
                correlation_data: self.properties.correlation_data.as_deref(),
                user_properties: self.properties.user_properties.as_view(),
            },
            topic: TopicName::parse(&self.topic)?,
            payload: &self.payload,
        })
    }
}

impl ConnectOptions {
    /// The CONNECT of these options; `first` is what SCRAM says in it.
    pub(crate) fn packet<'a>(&'a self, first: Option<&'a str>) -> Result<Connect<'a>, TopicError> {
        let mechanism = self.scram.as_ref().map(|scram| scram.mechanism.name());
        let settings = &self.settings;
        Ok(Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            properties: ConnectProperties {
                session_expiry_interval: settings.session_expiry_interval,
                receive_maximum: settings.receive_maximum,
                maximum_packet_size: settings.maximum_packet_size,
                topic_alias_maximum: settings.topic_alias_maximum,
                request_response_information: settings.request_response_information,
                request_problem_information: settings.request_problem_information,
                authentication_method: first.and(mechanism),
                authentication_data: first.map(str::as_bytes),
                user_properties: settings.user_properties.as_view(),
            },
            client_id: &self.client_id,
            will: self.will.as_ref().map(WillOptions::packet).transpose()?,
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref(),
        })
    }

    /// Makes later connections go on with the session of the first: Clean Start is about the first,
    /// unless the session ends with each connection anyway.
    pub(crate) fn resume(&mut self) {
        let outlives = self.settings.session_expiry_interval.unwrap_or(0) > 0;
        if self.version.is_v5() && outlives {
            self.clean_start = false;
        }
    }
}
