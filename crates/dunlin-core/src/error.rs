//! What can go wrong, by whose fault it is.

use dunlin_codec::{DecodeError, ReasonCode};

use crate::storage::StorageFault;

/// A client broke the protocol; its connection ends [MQTT-4.13.1-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Bytes that are no acceptable packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The first packet was not CONNECT [MQTT-3.1.0-1].
    #[error("the first packet is not CONNECT")]
    NotConnected,
    /// A second CONNECT [MQTT-3.1.0-2].
    #[error("a second CONNECT")]
    SecondConnect,
    /// A packet that only a server sends.
    #[error("a packet that only a server sends")]
    ServerPacket,
    /// AUTH without an exchange that it belongs to (section 4.12).
    #[error("AUTH does not belong to an exchange")]
    UnexpectedAuth,
    /// Another Authentication Method than that of CONNECT [MQTT-4.12.0-5].
    #[error("the authentication method changed")]
    AuthenticationMethodChanged,
    /// More unacknowledged QoS 1 and 2 messages than the Receive Maximum (section 3.3.4).
    #[error("more messages in flight than the receive maximum")]
    ReceiveMaximumExceeded,
    /// A Topic Alias of 0, above the maximum, or not set (section 3.3.2.3.4).
    #[error("topic alias {0} is not valid")]
    TopicAlias(u16),
    /// A Subscription Identifier in a PUBLISH from a client [MQTT-3.3.4-6].
    #[error("a subscription identifier in a PUBLISH of a client")]
    SubscriptionIdentifier,
    /// A QoS above the Maximum QoS [MQTT-3.2.2-11].
    #[error("QoS above the maximum")]
    QoSNotSupported,
    /// RETAIN set where it is not available [MQTT-3.2.2-14].
    #[error("retained messages are not available")]
    RetainNotSupported,
    /// A topic with more bytes or levels than are allowed.
    #[error("the topic is too long or has too many levels")]
    TopicTooLong,
    /// A Session Expiry Interval in DISCONNECT after one of 0 in CONNECT [MQTT-3.14.2-2].
    #[error("a session expiry interval where CONNECT had none")]
    SessionExpiryRaised,
    /// Nothing came for one and a half times the Keep Alive [MQTT-3.1.2-22].
    #[error("nothing came within the keep alive")]
    KeepAlive,
    /// No CONNECT came in time.
    #[error("no CONNECT came in time")]
    ConnectTimeout,
    /// The rest of a packet did not come in time.
    #[error("the rest of a packet did not come in time")]
    PacketTimeout,
}

impl Violation {
    /// The reason code for DISCONNECT or CONNACK.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Decode(error) => error.reason_code(),
            Self::NotConnected
            | Self::SecondConnect
            | Self::ServerPacket
            | Self::UnexpectedAuth
            | Self::AuthenticationMethodChanged
            | Self::SubscriptionIdentifier
            | Self::SessionExpiryRaised => ReasonCode::ProtocolError,
            Self::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAlias(_) => ReasonCode::TopicAliasInvalid,
            Self::QoSNotSupported => ReasonCode::QoSNotSupported,
            Self::RetainNotSupported => ReasonCode::RetainNotSupported,
            Self::TopicTooLong => ReasonCode::TopicNameInvalid,
            Self::KeepAlive => ReasonCode::KeepAliveTimeout,
            Self::ConnectTimeout | Self::PacketTimeout => ReasonCode::UnspecifiedError,
        }
    }
}

/// The answer to something that is well-formed and is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Access rules deny it.
    #[error("not authorized")]
    NotAuthorized,
    /// A bound is reached.
    #[error("quota exceeded")]
    QuotaExceeded,
    /// There is no room for a message that must be kept; there may be later.
    #[error("there is no room to store the message")]
    NoRoom,
    /// The broker cannot make the message durable.
    #[error("the message cannot be stored")]
    NotStored,
}

impl From<StorageFault> for Refusal {
    fn from(fault: StorageFault) -> Self {
        match fault {
            StorageFault::Full => Self::NoRoom,
            StorageFault::Failed => Self::NotStored,
        }
    }
}

impl Refusal {
    /// The reason code for an acknowledgement.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::NotAuthorized => ReasonCode::NotAuthorized,
            Self::QuotaExceeded | Self::NoRoom => ReasonCode::QuotaExceeded,
            Self::NotStored => ReasonCode::UnspecifiedError,
        }
    }
}
