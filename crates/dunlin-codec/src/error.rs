//! What can be wrong with bytes, and the reason code for each.

use crate::{PacketType, PropertyId, ReasonCode, TopicError};

/// Why bytes are not an acceptable packet. The Network Connection cannot go on after it
/// [MQTT-4.13.1-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes cannot be parsed according to the standard (section 4.13, Malformed Packet).
    #[error("malformed packet: {0}")]
    Malformed(#[from] Malformed),
    /// The bytes parse, and break a rule of the protocol (section 4.13, Protocol Error).
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// The packet is larger than the receiver accepts.
    #[error("packet of {length} bytes is larger than the {maximum} bytes accepted")]
    PacketTooLarge {
        /// Bytes of the whole packet as its fixed header announces.
        length: u32,
        /// The most that is accepted.
        maximum: u32,
    },
    /// A packet has more user properties than the receiver accepts.
    #[error("more than {maximum} user properties")]
    TooManyUserProperties {
        /// The most that is accepted.
        maximum: u32,
    },
    /// CONNECT asks for a protocol version that is not 3.1, 3.1.1 or 5.0.
    #[error("protocol version {level} is not supported")]
    UnsupportedProtocolVersion {
        /// The level that CONNECT names.
        level: u8,
    },
}

/// How bytes fail to be a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Packet type 0, or 15 in a 3.x connection.
    #[error("packet type {0} is reserved")]
    ReservedPacketType(u8),
    /// Flags of the fixed header differ from what the packet type demands.
    #[error("fixed header flags of {0} are not as the standard demands")]
    Flags(PacketType),
    /// Both QoS bits are set.
    #[error("QoS 3 does not exist")]
    QoS,
    /// DUP is set on a QoS 0 message.
    #[error("DUP is set on a QoS 0 message")]
    Dup,
    /// A Variable Byte Integer has more than four bytes, or more than it needs.
    #[error("variable byte integer has too many bytes")]
    VariableByteInteger,
    /// A field ends after the packet does.
    #[error("a field goes past the end of the packet")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("bytes are left after the last field")]
    Trailing,
    /// A string is not UTF-8, or holds U+0000.
    #[error("a string is not well-formed UTF-8 or holds U+0000")]
    Utf8,
    /// The reserved flag of CONNECT is set, or a flag is set without the flag that it needs.
    #[error("flags of CONNECT contradict each other")]
    ConnectFlags,
    /// Reserved bits of CONNACK's flags or of a subscription's options are set.
    #[error("reserved bits are set")]
    ReservedBits,
    /// A property identifier that the standard does not name.
    #[error("property identifier {0:#04x} does not exist")]
    PropertyId(u32),
    /// A property that does not belong in this packet (section 2.2.2.2).
    #[error("property {0:?} does not belong in this packet")]
    PropertyMisplaced(PropertyId),
    /// A reason code that the standard does not allow in this packet.
    #[error("reason code {0:#04x} is not allowed here")]
    ReasonCode(u8),
    /// A topic name or filter that breaks section 4.7.
    #[error("{0}")]
    Topic(TopicError),
}

/// How a packet that parses breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The protocol name of CONNECT is neither `MQTT` nor `MQIsdp`.
    #[error("the protocol name is not MQTT")]
    ProtocolName,
    /// A property that may stand once stands twice.
    #[error("property {0:?} stands more than once")]
    PropertyRepeated(PropertyId),
    /// A property's value is outside what the standard allows.
    #[error("the value of property {0:?} is not allowed")]
    PropertyValue(PropertyId),
    /// AUTH, or authentication data in CONNECT, without an authentication method.
    #[error("the authentication method is missing")]
    NoAuthenticationMethod,
    /// A packet identifier of 0.
    #[error("packet identifier 0 is not allowed")]
    PacketIdentifierZero,
    /// SUBSCRIBE, UNSUBSCRIBE, SUBACK or UNSUBACK without an entry.
    #[error("the payload is empty")]
    EmptyPayload,
    /// PUBLISH with neither topic name nor topic alias.
    #[error("neither topic name nor topic alias")]
    NoTopic,
    /// No Local on a shared subscription [MQTT-3.8.3-4].
    #[error("no local is set on a shared subscription")]
    NoLocalShared,
    /// A subscription's Maximum QoS of 3.
    #[error("maximum QoS 3 does not exist")]
    MaximumQoS,
    /// A Retain Handling of 3.
    #[error("retain handling 3 does not exist")]
    RetainHandling,
}

impl DecodeError {
    /// The reason code for DISCONNECT or CONNACK (sections 2.4 and 4.13).
    pub const fn reason_code(&self) -> ReasonCode {
        match self {
            // Topic Name invalid and Topic Filter invalid are for topics that are correctly formed and
            // not accepted (section 3.14.2.1).
            Self::Malformed(_) => ReasonCode::MalformedPacket,
            Self::Protocol(ProtocolError::ProtocolName) => ReasonCode::UnsupportedProtocolVersion,
            Self::Protocol(ProtocolError::PropertyValue(PropertyId::TopicAlias)) => {
                ReasonCode::TopicAliasInvalid
            }
            Self::Protocol(_) => ReasonCode::ProtocolError,
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::TooManyUserProperties { .. } => ReasonCode::QuotaExceeded,
            Self::UnsupportedProtocolVersion { .. } => ReasonCode::UnsupportedProtocolVersion,
        }
    }
}

/// Why a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A string or binary field is longer than 65 535 bytes.
    #[error("a field of {0} bytes is longer than 65535")]
    FieldTooLong(usize),
    /// The packet would be longer than a Remaining Length can say.
    #[error("a packet of {0} bytes is longer than the protocol allows")]
    PacketTooLong(usize),
    /// A Subscription Identifier is more than a Variable Byte Integer can say.
    #[error("subscription identifier {0} is above 268435455")]
    SubscriptionIdentifier(u32),
    /// The standard does not list this reason code for this packet.
    #[error("reason code {0} is not allowed in {1}")]
    ReasonCode(ReasonCode, PacketType),
    /// A PUBLISH of QoS 1 or 2 has no packet identifier.
    #[error("a PUBLISH of QoS 1 or 2 has no packet identifier")]
    NoPacketIdentifier,
    /// The packet does not exist in this version of the protocol.
    #[error("this packet does not exist in MQTT 3.x")]
    NotInVersion,
}

impl EncodeError {
    /// The reason code that tells the cause to a peer or a user.
    pub const fn reason_code(&self) -> ReasonCode {
        match self {
            Self::FieldTooLong(_) | Self::PacketTooLong(_) => ReasonCode::PacketTooLarge,
            Self::SubscriptionIdentifier(_)
            | Self::ReasonCode(..)
            | Self::NoPacketIdentifier
            | Self::NotInVersion => ReasonCode::ImplementationSpecificError,
        }
    }
}
