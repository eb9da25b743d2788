//! What can go wrong, by who has to hear it.

use std::fmt;
use std::io;

use dunlin_codec::{DecodeError, EncodeError, PacketType, ReasonCode, TopicError};

use crate::event::Refusal;
use crate::message::Received;
use crate::scram::ScramError;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be resolved or reached, or the connection broke before CONNACK.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No CONNACK in time.
    #[error("no answer within the time allowed")]
    Timeout,
    /// The server closed the connection without CONNACK.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// CONNACK says no.
    #[error("connection refused: {0}")]
    Refused(Refusal),
    /// The server's answer breaks the protocol.
    #[error("the server broke the protocol: {0}")]
    Violation(#[from] Violation),
    /// The server speaks another protocol.
    #[error("the server speaks {0} here")]
    Foreign(Foreign),
    /// The options do not fit into a CONNECT.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// The will's topic or response topic is none.
    #[error("will: {0}")]
    Topic(#[from] TopicError),
    /// The exchange of SCRAM failed.
    #[error("authentication: {0}")]
    Scram(#[from] ScramError),
}

impl ConnectError {
    /// Whether trying again, without any change, can help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Io(_) | Self::Timeout | Self::Closed => true,
            Self::Refused(refusal) => is_passing(refusal.connack().reason_code),
            Self::Violation(_)
            | Self::Foreign(_)
            | Self::Encode(_)
            | Self::Topic(_)
            | Self::Scram(_) => false,
        }
    }
}

/// A protocol that answers in place of MQTT where the transport was mistaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// TLS: the answer is a fatal alert.
    Tls,
    /// HTTP, which a WebSocket may be opened through.
    Http,
}

impl Foreign {
    /// Which protocol these first bytes are of, if they are no MQTT.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            // A record of an alert (RFC 8446, section 5.1), of whatever version 3.x of SSL.
            [0x15, 3, ..] => Some(Self::Tls),
            _ if bytes.starts_with(b"HTTP/") => Some(Self::Http),
            _ => None,
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS",
            Self::Http => "HTTP",
        })
    }
}

/// How a server breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Its bytes are no acceptable packet.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// A packet that may not come now, or never from a server.
    #[error("{0} is not expected here")]
    Unexpected(PacketType),
    /// AUTH that was not asked for, or does not belong to the exchange.
    #[error("AUTH is not expected here")]
    Authentication,
    /// More unacknowledged messages than the client's Receive Maximum [MQTT-3.3.4-9].
    #[error("more messages in flight than the receive maximum of {0}")]
    ReceiveMaximumExceeded(u16),
    /// A Topic Alias that is 0 or above the client's Topic Alias Maximum, or was never set.
    #[error("topic alias {0} is not allowed or not set")]
    TopicAlias(u16),
    /// Session Present in the answer to a CONNECT with Clean Start [MQTT-3.2.2-2].
    #[error("a session is present although a clean start was asked for")]
    SessionPresent,
}

impl Violation {
    /// The reason code for the client's DISCONNECT.
    pub const fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Decode(error) => error.reason_code(),
            Self::Unexpected(_) | Self::Authentication | Self::SessionPresent => {
                ReasonCode::ProtocolError
            }
            Self::ReceiveMaximumExceeded(_) => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAlias(_) => ReasonCode::TopicAliasInvalid,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The server closed it without a word.
    #[error("the server closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing came back after PINGREQ.
    #[error("no answer to PINGREQ in time")]
    PingTimeout,
    /// The server sent this DISCONNECT.
    #[error("the server disconnected: {}", reason(.0))]
    Server(Received),
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Violation(#[from] Violation),
}

/// The reason that a DISCONNECT gives, with its Reason String.
fn reason(received: &Received) -> String {
    let dunlin_codec::Packet::Disconnect(disconnect) = received.packet() else {
        return String::new();
    };
    let code = match disconnect.reason_code {
        ReasonCode::Success => "Normal disconnection (0x00)".to_owned(),
        code => code.to_string(),
    };
    match disconnect.properties.reason_string {
        Some(text) => format!("{code}: {text}"),
        None => code,
    }
}

impl Cause {
    /// The reason code of the server's DISCONNECT.
    pub fn server_reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Server(received) => match received.packet() {
                dunlin_codec::Packet::Disconnect(disconnect) => Some(disconnect.reason_code),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether connecting again, without any change, can help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Closed | Self::Io(_) | Self::PingTimeout => true,
            Self::Server(_) => self.server_reason().is_some_and(is_passing),
            Self::Violation(_) => false,
        }
    }
}

/// Codes of a server that may answer otherwise later. All others blame the client, or give its place
/// to another: trying again would repeat the mistake, or fight.
const fn is_passing(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::Success
            | ReasonCode::UnspecifiedError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::ServerUnavailable
            | ReasonCode::ServerBusy
            | ReasonCode::ServerShuttingDown
            | ReasonCode::KeepAliveTimeout
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::ConnectionRateExceeded
            | ReasonCode::MaximumConnectTime
    )
}

/// Why a request was not carried out, apart from what the server answers in a reason code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The client has ended.
    #[error("the client is closed")]
    Closed,
    /// There is no connection now; another one is being tried for.
    #[error("not connected")]
    NotConnected,
    /// The connection was lost before the answer.
    #[error("the connection was lost before the server answered")]
    ConnectionLost,
    /// A new connection came without the session in which the message was being delivered, so
    /// whether it arrived is unknown.
    #[error("the server lost the session before the message was acknowledged")]
    SessionLost,
    /// A topic name or filter is none.
    #[error("{0}")]
    Topic(#[from] TopicError),
    /// The request has no topic filter.
    #[error("no topic filter is given")]
    NoFilter,
    /// A field or the packet is too long for the protocol.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// The packet is larger than the server takes [MQTT-3.2.2-15].
    #[error("a packet of {length} bytes is larger than the {maximum} bytes that the server takes")]
    PacketTooLarge {
        /// Bytes of the packet.
        length: usize,
        /// The server's Maximum Packet Size.
        maximum: u32,
    },
    /// The QoS is above the server's Maximum QoS [MQTT-3.2.2-11].
    #[error("the server takes no messages of QoS {0}")]
    QoSNotSupported(dunlin_codec::QoS),
    /// The server keeps no retained messages [MQTT-3.2.2-14].
    #[error("the server takes no retained messages")]
    RetainNotSupported,
    /// The topic alias is 0 or above the server's maximum [MQTT-3.3.2-9].
    #[error("topic alias {alias} is not within the server's maximum of {maximum}")]
    TopicAlias {
        /// The alias of the request.
        alias: u16,
        /// The server's Topic Alias Maximum.
        maximum: u16,
    },
    /// All 65 535 packet identifiers are in use.
    #[error("every packet identifier is in use")]
    NoPacketIdentifier,
}
