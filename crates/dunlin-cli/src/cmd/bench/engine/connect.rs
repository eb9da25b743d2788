//! From nothing to a client that the broker has accepted and subscribed.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use dunlin_codec::{
    Connect, ConnectProperties, DecodeError, Disconnect, EncodeError, Limits, Packet,
    PacketIdentifier, ProtocolVersion, QoS, ReasonCode, Subscribe, SubscribeProperties,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName, UserPropertiesBuf, Will,
    WillProperties, decode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a broker may take over each step.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// Filters in one SUBSCRIBE, at most.
const FILTERS_MAX: usize = 200;

/// Why a client could not be brought up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The host has no address.
    #[error("{host} has no address")]
    NoAddress {
        /// As it was given.
        host: String,
    },
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The broker closed the connection instead of answering.
    #[error("connection closed before {0}")]
    Closed(&'static str),
    /// The broker does not answer.
    #[error("no {0} within {seconds} s", seconds = STEP_TIMEOUT.as_secs())]
    Timeout(&'static str),
    /// CONNACK refuses.
    #[error("connection refused: {0}")]
    Refused(ReasonCode),
    /// SUBACK refuses.
    #[error("subscription to {filter} refused: {reason_code}")]
    SubscriptionRefused {
        /// The first filter that was refused.
        filter: String,
        /// Why.
        reason_code: ReasonCode,
    },
    /// Another packet than the expected one.
    #[error("{got} instead of {expected}")]
    Unexpected {
        /// What should have come.
        expected: &'static str,
        /// What came.
        got: &'static str,
    },
    /// The broker's bytes are no packet.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// What was asked for cannot be put into a packet.
    #[error("{0}")]
    Encode(#[from] EncodeError),
}

/// A Will Message that each client leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct WillOptions {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) delay_interval: Option<u32>,
    pub(crate) payload_format_indicator: Option<bool>,
    pub(crate) message_expiry_interval: Option<u32>,
    pub(crate) content_type: Option<String>,
    pub(crate) response_topic: Option<String>,
    pub(crate) correlation_data: Option<Vec<u8>>,
    pub(crate) user_properties: UserPropertiesBuf,
}

/// What all clients say in their CONNECT.
#[derive(Clone, Debug)]
pub(crate) struct ConnectOptions {
    pub(crate) version: ProtocolVersion,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) session_expiry_interval: Option<u32>,
    pub(crate) receive_maximum: Option<NonZeroU16>,
    pub(crate) maximum_packet_size: Option<NonZeroU32>,
    pub(crate) topic_alias_maximum: Option<u16>,
    pub(crate) request_response_information: Option<bool>,
    pub(crate) request_problem_information: Option<bool>,
    pub(crate) user_properties: UserPropertiesBuf,
    pub(crate) will: Option<WillOptions>,
}

impl ConnectOptions {
    /// A clean start without keep alive, will or properties.
    pub(crate) fn new(version: ProtocolVersion) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 0,
            user_name: None,
            password: None,
            session_expiry_interval: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: None,
            request_response_information: None,
            request_problem_information: None,
            user_properties: UserPropertiesBuf::new(),
            will: None,
        }
    }

    fn encode(&self, client_id: &str) -> Result<Vec<u8>, ConnectError> {
        let will = match &self.will {
            Some(will) => Some(self.will(will)?),
            None => None,
        };
        let properties = ConnectProperties {
            session_expiry_interval: self.session_expiry_interval,
            receive_maximum: self.receive_maximum,
            maximum_packet_size: self.maximum_packet_size,
            topic_alias_maximum: self.topic_alias_maximum,
            request_response_information: self.request_response_information,
            request_problem_information: self.request_problem_information,
            user_properties: self.user_properties.as_view(),
            ..ConnectProperties::default()
        };
        let connect = Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            properties,
            client_id,
            will,
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref(),
        };
        let mut bytes = Vec::new();
        Packet::Connect(Box::new(connect)).encode(self.version, &mut bytes)?;
        Ok(bytes)
    }

    fn will<'a>(&self, will: &'a WillOptions) -> Result<Will<'a>, ConnectError> {
        let topic = |text: &'a str| {
            TopicName::parse(text).map_err(|error| io::Error::other(error.to_string()))
        };
        let response_topic = will.response_topic.as_deref().map(topic).transpose()?;
        Ok(Will {
            qos: will.qos,
            retain: will.retain,
            properties: WillProperties {
                will_delay_interval: will.delay_interval,
                payload_format_indicator: will.payload_format_indicator,
                message_expiry_interval: will.message_expiry_interval,
                content_type: will.content_type.as_deref(),
                response_topic,
                correlation_data: will.correlation_data.as_deref(),
                user_properties: will.user_properties.as_view(),
            },
            topic: topic(&will.topic)?,
            payload: &will.payload,
        })
    }
}

/// The address that `host` answers at.
///
/// # Errors
/// If it has none, or nothing answers.
pub(crate) fn resolve(host: &str, port: u16) -> Result<SocketAddr, ConnectError> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    match addresses.as_slice() {
        [] => Err(ConnectError::NoAddress {
            host: host.to_owned(),
        }),
        [only] => Ok(*only),
        // The first that answers: `localhost` often has one for each IP version, and trying them in
        // turn for each client would be load that nobody asked for.
        several => Ok(std::net::TcpStream::connect(several)?.peer_addr()?),
    }
}

/// Subscriptions of one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriptions {
    /// Filters and their options.
    pub(crate) requests: Vec<(String, SubscriptionOptions)>,
    /// Subscription Identifier.
    pub(crate) identifier: Option<NonZeroU32>,
    /// User Properties of the SUBSCRIBE.
    pub(crate) user_properties: UserPropertiesBuf,
}

impl Subscriptions {
    /// One filter at a QoS.
    pub(crate) fn one(filter: String, qos: QoS) -> Self {
        Self {
            requests: vec![(filter, SubscriptionOptions::with_qos(qos))],
            ..Self::default()
        }
    }
}

/// An accepted client.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket.
    pub(crate) stream: TcpStream,
    /// The version that was agreed.
    pub(crate) version: ProtocolVersion,
    /// Bytes after the last packet that was handled.
    pub(crate) rest: Vec<u8>,
    /// How many QoS 1 and 2 messages the broker takes before it acknowledges.
    pub(crate) receive_maximum: u32,
}

impl Accepted {
    /// Connects, and waits for CONNACK.
    ///
    /// # Errors
    /// If the broker cannot be reached or refuses.
    pub(crate) async fn open(
        address: SocketAddr,
        options: &ConnectOptions,
        client_id: &str,
    ) -> Result<Self, ConnectError> {
        let connect = options.encode(client_id)?;
        let connecting = tokio::time::timeout(STEP_TIMEOUT, TcpStream::connect(address));
        let stream = connecting
            .await
            .map_err(|_| ConnectError::Timeout("connection"))??;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            version: options.version,
            rest: Vec::new(),
            receive_maximum: u32::from(u16::MAX),
        };
        client.stream.write_all(&connect).await?;
        let version = client.version;
        let connack = client.packet("CONNACK", |packet| match packet {
            Packet::Connack(connack) if connack.reason_code.is_error() => {
                Err(ConnectError::Refused(connack.reason_code))
            }
            Packet::Connack(connack) => Ok(connack.properties.receive_maximum),
            other => Err(unexpected("CONNACK", other)),
        });
        if let Some(receive_maximum) = connack.await?.filter(|_| version.is_v5()) {
            client.receive_maximum = u32::from(receive_maximum.get());
        }
        Ok(client)
    }

    /// Subscribes, in several packets if there are many filters.
    ///
    /// # Errors
    /// If the broker refuses one of them.
    pub(crate) async fn subscribe(
        &mut self,
        subscriptions: &Subscriptions,
    ) -> Result<(), ConnectError> {
        for requests in subscriptions.requests.chunks(FILTERS_MAX) {
            let parsed: Result<Vec<_>, _> = requests
                .iter()
                .map(|(filter, options)| {
                    TopicFilter::parse(filter).map(|filter| SubscriptionRequest {
                        filter,
                        options: *options,
                    })
                })
                .collect();
            let subscribe = Subscribe {
                packet_id: PacketIdentifier::MIN,
                properties: SubscribeProperties {
                    subscription_identifier: subscriptions.identifier,
                    user_properties: subscriptions.user_properties.as_view(),
                },
                requests: parsed.map_err(|error| io::Error::other(error.to_string()))?,
            };
            let mut bytes = Vec::new();
            Packet::Subscribe(subscribe).encode(self.version, &mut bytes)?;
            self.stream.write_all(&bytes).await?;
            self.packet("SUBACK", |packet| match packet {
                Packet::Suback(suback) => {
                    let mut granted = suback.reason_codes.iter().zip(requests);
                    match granted.find(|(code, _)| code.is_error()) {
                        Some((&reason_code, (filter, _))) => {
                            Err(ConnectError::SubscriptionRefused {
                                filter: filter.clone(),
                                reason_code,
                            })
                        }
                        None => Ok(()),
                    }
                }
                other => Err(unexpected("SUBACK", other)),
            })
            .await?;
        }
        Ok(())
    }

    /// Waits for the next packet and takes it, if `accept` does. A retained message may come before
    /// SUBACK: PUBLISH is left in front of what is taken.
    async fn packet<T>(
        &mut self,
        expected: &'static str,
        accept: impl Fn(&Packet<'_>) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        let mut skipped = 0;
        loop {
            let unread = self.rest.get(skipped..).unwrap_or_default();
            if let Some((packet, length)) = decode(unread, self.version, &Limits::default())? {
                if matches!(packet, Packet::Publish(_)) {
                    skipped += length;
                    continue;
                }
                let value = accept(&packet)?;
                self.rest.drain(skipped..skipped + length);
                return Ok(value);
            }
            let reading = self.stream.read_buf(&mut self.rest);
            let read = tokio::time::timeout(STEP_TIMEOUT, reading)
                .await
                .map_err(|_| ConnectError::Timeout(expected))?;
            if read? == 0 {
                return Err(ConnectError::Closed(expected));
            }
        }
    }

    /// Says DISCONNECT and waits until the broker has closed its side, so that the next connection
    /// finds it done with this one, and the port's quarantine is not ours.
    ///
    /// # Errors
    /// If it does not close.
    pub(crate) async fn close(mut self) -> Result<(), ConnectError> {
        let mut bytes = Vec::new();
        Packet::Disconnect(Disconnect::new(ReasonCode::Success))
            .encode(self.version, &mut bytes)?;
        self.stream.write_all(&bytes).await?;
        self.wait_for_end().await
    }

    /// Waits until the broker has closed the connection.
    ///
    /// # Errors
    /// If it does not.
    pub(crate) async fn wait_for_end(&mut self) -> Result<(), ConnectError> {
        let mut last_words = [0; 512];
        loop {
            let reading = self.stream.read(&mut last_words);
            let read = tokio::time::timeout(STEP_TIMEOUT, reading)
                .await
                .map_err(|_| ConnectError::Timeout("end of the connection"))?;
            // A reset ends it as well.
            if !matches!(read, Ok(length) if length > 0) {
                return Ok(());
            }
        }
    }
}

fn unexpected(expected: &'static str, packet: &Packet<'_>) -> ConnectError {
    ConnectError::Unexpected {
        expected,
        got: packet.packet_type().name(),
    }
}
