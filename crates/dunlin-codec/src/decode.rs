//! From bytes to a packet. Input that is not whole yet is no error; limits are checked on the fixed
//! header, before anything is buffered for the rest.

use crate::error::Malformed;
use crate::packet::{
    ack::Ack, auth::Auth, connack::Connack, connect::Connect, disconnect::Disconnect,
    publish::Publish, suback, subscribe::Subscribe, unsubscribe::Unsubscribe,
};
use crate::{
    DecodeError, Packet, PacketType, ProtocolVersion, Reader, TopicName, variable_byte_integer_len,
};

/// What a decoder accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole packet, at most.
    pub packet_bytes_max: u32,
    /// User properties in one packet, at most.
    pub user_properties_max: u32,
}

impl Default for Limits {
    /// As much as the protocol can express.
    fn default() -> Self {
        Self {
            packet_bytes_max: u32::MAX,
            user_properties_max: u32::MAX,
        }
    }
}

/// A Fixed Header (section 2.1), its flags checked as far as the versions agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// Which packet follows.
    pub packet_type: PacketType,
    /// The low four bits of the first byte.
    pub flags: u8,
    /// Bytes of the header itself: 2 to 5.
    pub header_len: usize,
    /// The Remaining Length: bytes that follow the header.
    pub remaining_len: usize,
}

impl FixedHeader {
    /// Bytes of the whole packet.
    pub const fn packet_len(&self) -> usize {
        self.header_len + self.remaining_len
    }

    /// The rules that differ between the versions.
    fn check(&self, version: ProtocolVersion) -> Result<(), Malformed> {
        let packet_type = self.packet_type;
        // In 3.1 these three have DUP set when they are sent again (section 2.1 there).
        let is_31_repeat = packet_type != PacketType::Publish && self.flags & 0b1000 != 0;
        if is_31_repeat && version != ProtocolVersion::V31 {
            return Err(Malformed::Flags(packet_type));
        }
        if packet_type == PacketType::Auth && !version.is_v5() {
            return Err(Malformed::ReservedPacketType(15));
        }
        // Only 5.0 demands the fewest bytes [MQTT-1.5.5-1].
        let remaining = u32::try_from(self.remaining_len).unwrap_or(u32::MAX);
        let shortest = 1 + variable_byte_integer_len(remaining);
        if version.is_v5() && self.header_len > shortest {
            return Err(Malformed::VariableByteInteger);
        }
        Ok(())
    }
}

/// Reads a Fixed Header; `None` while it is not whole.
///
/// # Errors
/// Reserved types and flags [MQTT-2.1.3-1], a length of more than four bytes, and a packet larger than
/// the limit are told as soon as the bytes that show them are there.
#[inline]
pub fn fixed_header(buffer: &[u8], limits: &Limits) -> Result<Option<FixedHeader>, DecodeError> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let packet_type =
        PacketType::from_u8(first >> 4).ok_or(Malformed::ReservedPacketType(first >> 4))?;
    let flags = first & 0x0f;
    match packet_type {
        PacketType::Publish if flags & 0b0110 == 0b0110 => return Err(Malformed::QoS.into()),
        PacketType::Publish if flags & 0b1110 == 0b1000 => return Err(Malformed::Dup.into()),
        PacketType::Publish => {}
        _ if flags == packet_type.required_flags() => {}
        // With DUP: right in 3.1 alone, see `FixedHeader::check`.
        _ if flags == 0b1010 && packet_type.required_flags() == 0b0010 => {}
        _ => return Err(Malformed::Flags(packet_type).into()),
    }
    let mut remaining = 0_u32;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        remaining |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 != 0 {
            continue;
        }
        let header_len = index + 2;
        let length = remaining.saturating_add(u32::try_from(header_len).unwrap_or(u32::MAX));
        if length > limits.packet_bytes_max {
            let maximum = limits.packet_bytes_max;
            return Err(DecodeError::PacketTooLarge { length, maximum });
        }
        let remaining_len = usize::try_from(remaining).map_err(|_| Malformed::Truncated)?;
        return Ok(Some(FixedHeader {
            packet_type,
            flags,
            header_len,
            remaining_len,
        }));
    }
    if rest.len() >= 4 {
        Err(Malformed::VariableByteInteger.into())
    } else {
        Ok(None)
    }
}

/// Decodes the first packet of `buffer` and says how many bytes it took; `None` while the packet is
/// not whole. `version` is that of the connection; CONNECT brings its own.
///
/// # Errors
/// Whatever makes the bytes no packet of this version, or a larger one than `limits` allow.
pub fn decode<'a>(
    buffer: &'a [u8],
    version: ProtocolVersion,
    limits: &Limits,
) -> Result<Option<(Packet<'a>, usize)>, DecodeError> {
    let Some(header) = fixed_header(buffer, limits)? else {
        return Ok(None);
    };
    let Some(body) = buffer.get(header.header_len..header.packet_len()) else {
        return Ok(None);
    };
    let packet = decode_body(&header, body, version, limits)?;
    Ok(Some((packet, header.packet_len())))
}

/// [`decode_body`] of a PUBLISH, without the enum around it: like acknowledgements, a packet that a
/// broker gets by the million. Many of them follow one another with the same topic: `known` is one that
/// was checked, or [`TopicName::EMPTY`].
///
/// # Errors
/// As [`decode`].
#[inline]
pub fn decode_publish<'a>(
    header: &FixedHeader,
    body: &'a [u8],
    version: ProtocolVersion,
    limits: &Limits,
    known: TopicName<'a>,
) -> Result<Publish<'a>, DecodeError> {
    debug_assert_eq!(header.packet_type, PacketType::Publish);
    header.check(version)?;
    Publish::read(header.flags, body, version, limits, known)
}

/// [`decode_body`] of a PUBACK, PUBREC, PUBREL or PUBCOMP, without the enum around it.
///
/// # Errors
/// As [`decode`].
#[inline]
pub fn decode_ack<'a>(
    header: &FixedHeader,
    body: &'a [u8],
    version: ProtocolVersion,
    limits: &Limits,
) -> Result<Ack<'a>, DecodeError> {
    header.check(version)?;
    let mut reader = Reader::new(body);
    let ack = Ack::read(header.packet_type, &mut reader, version, limits)?;
    if reader.is_empty() {
        Ok(ack)
    } else {
        Err(Malformed::Trailing.into())
    }
}

/// Decodes the rest of a packet whose [`FixedHeader`] was read; `body` is exactly its
/// [`FixedHeader::remaining_len`] bytes.
///
/// # Errors
/// As [`decode`].
pub fn decode_body<'a>(
    header: &FixedHeader,
    body: &'a [u8],
    version: ProtocolVersion,
    limits: &Limits,
) -> Result<Packet<'a>, DecodeError> {
    let mut reader = Reader::new(body);
    let reader = &mut reader;
    let kind = header.packet_type;
    if kind != PacketType::Connect {
        header.check(version)?;
    }
    let packet = match kind {
        PacketType::Connect => {
            let connect = Connect::read(reader, limits)?;
            header.check(connect.version)?;
            Packet::Connect(Box::new(connect))
        }
        PacketType::Connack => Packet::Connack(Box::new(Connack::read(reader, version, limits)?)),
        PacketType::Publish => {
            let known = TopicName::EMPTY;
            return decode_publish(header, body, version, limits, known).map(Packet::Publish);
        }
        PacketType::Puback => {
            return decode_ack(header, body, version, limits).map(Packet::Puback);
        }
        PacketType::Pubrec => {
            return decode_ack(header, body, version, limits).map(Packet::Pubrec);
        }
        PacketType::Pubrel => {
            return decode_ack(header, body, version, limits).map(Packet::Pubrel);
        }
        PacketType::Pubcomp => {
            return decode_ack(header, body, version, limits).map(Packet::Pubcomp);
        }
        PacketType::Subscribe => Packet::Subscribe(Subscribe::read(reader, version, limits)?),
        PacketType::Suback => Packet::Suback(suback::read_suback(reader, version, limits)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::read(reader, version, limits)?),
        PacketType::Unsuback => Packet::Unsuback(suback::read_unsuback(reader, version, limits)?),
        PacketType::Pingreq => Packet::Pingreq,
        PacketType::Pingresp => Packet::Pingresp,
        PacketType::Disconnect => Packet::Disconnect(Disconnect::read(reader, version, limits)?),
        PacketType::Auth => Packet::Auth(Auth::read(reader, limits)?),
    };
    if reader.is_empty() {
        Ok(packet)
    } else {
        Err(Malformed::Trailing.into())
    }
}
