//! The control packets, one file each.

pub(crate) mod ack;
pub(crate) mod auth;
pub(crate) mod connack;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod forward;
pub(crate) mod publish;
pub(crate) mod suback;
pub(crate) mod subscribe;
pub(crate) mod unsubscribe;

use std::slice::from_ref;

use crate::primitive::{Counter, length_to_write, variable_byte_integer_len};
use crate::property::property_struct;
use crate::{
    Ack, Auth, Connack, Connect, Disconnect, EncodeError, ProtocolVersion, Publish, Sink, Suback,
    Subscribe, Unsuback, Unsubscribe,
};

/// The type of a control packet (section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the packet of that name")]
pub enum PacketType {
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// The type of this number, 1 to 15.
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The name that the standard gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// The flags that its fixed header must have (section 2.1.3); PUBLISH has flags of its own.
    pub(crate) const fn required_flags(self) -> u8 {
        match self {
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }
}

impl std::fmt::Display for PacketType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

property_struct! {
    /// The properties of PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
    AckProperties in Ack {
        reason_string: &'a str = ReasonString,
    }
}

/// A control packet, which borrows its texts and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the packet of that name")]
pub enum Packet<'a> {
    Connect(Box<Connect<'a>>),
    Connack(Box<Connack<'a>>),
    Publish(Publish<'a>),
    Puback(Ack<'a>),
    Pubrec(Ack<'a>),
    Pubrel(Ack<'a>),
    Pubcomp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    Suback(Suback<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Unsuback(Unsuback<'a>),
    Pingreq,
    Pingresp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// Which packet it is.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Appends the packet's bytes to `out`, which is unchanged on an error.
    ///
    /// # Errors
    /// If a field or the packet is too long for the protocol, a PUBLISH lacks its packet identifier,
    /// a reason code or a whole packet does not exist in this place or version.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (remaining, length) = self.body_len(version)?;
        out.reserve(length + 5);
        out.put_u8(match self {
            Self::Publish(packet) => publish::first_byte(packet.dup, packet.qos, packet.retain),
            other => (other.packet_type() as u8) << 4 | other.packet_type().required_flags(),
        });
        out.put_variable_byte_integer(remaining);
        self.write_body(version, out)
    }

    /// How many bytes [`Packet::encode`] would append.
    ///
    /// # Errors
    /// As [`Packet::encode`].
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        let (remaining, length) = self.body_len(version)?;
        Ok(1 + variable_byte_integer_len(remaining) + length)
    }

    /// The Remaining Length, as it is written and as Rust counts bytes.
    fn body_len(&self, version: ProtocolVersion) -> Result<(u32, usize), EncodeError> {
        if version.is_v5() || matches!(self, Self::Suback(_)) {
            self.check_reason_codes()?;
        }
        let mut counter = Counter::default();
        self.write_body(version, &mut counter)?;
        Ok((length_to_write(counter.0)?, counter.0))
    }

    /// A packet has only the reason codes that the standard lists for it. In 3.x only SUBACK's travel
    /// as they are.
    fn check_reason_codes(&self) -> Result<(), EncodeError> {
        let codes = match self {
            Self::Connack(packet) => from_ref(&packet.reason_code),
            Self::Puback(packet)
            | Self::Pubrec(packet)
            | Self::Pubrel(packet)
            | Self::Pubcomp(packet) => from_ref(&packet.reason_code),
            Self::Suback(packet) => packet.reason_codes.as_slice(),
            Self::Unsuback(packet) => packet.reason_codes.as_slice(),
            Self::Disconnect(packet) => from_ref(&packet.reason_code),
            Self::Auth(packet) => from_ref(&packet.reason_code),
            _ => &[],
        };
        let packet_type = self.packet_type();
        match codes.iter().find(|code| !code.is_legal_in(packet_type)) {
            Some(&code) => Err(EncodeError::ReasonCode(code, packet_type)),
            None => Ok(()),
        }
    }

    fn write_body(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.write(sink),
            Self::Connack(packet) => packet.write(version, sink),
            Self::Publish(packet) => packet.write(version, sink),
            Self::Puback(packet)
            | Self::Pubrec(packet)
            | Self::Pubrel(packet)
            | Self::Pubcomp(packet) => packet.write(version, sink),
            Self::Subscribe(packet) => packet.write(version, sink),
            Self::Suback(packet) => packet.write(version, sink),
            Self::Unsubscribe(packet) => packet.write(version, sink),
            Self::Unsuback(packet) => packet.write(version, sink),
            Self::Pingreq | Self::Pingresp => Ok(()),
            Self::Disconnect(packet) => packet.write(version, sink),
            Self::Auth(packet) if version.is_v5() => packet.write(sink),
            Self::Auth(_) => Err(EncodeError::NotInVersion),
        }
    }
}
