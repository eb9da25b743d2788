//! What a client under load needs of a packet that comes in, and no more.

use dunlin_codec::{
    DecodeError, Limits, Packet, PacketIdentifier, PacketType, ProtocolVersion, QoS, Reader,
    ReasonCode, decode_body, fixed_header,
};

/// A packet from the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// PUBLISH. Its topic is not looked at: the payload's stamp says where it belongs.
    Publish {
        /// QoS of the delivery.
        qos: QoS,
        /// Packet Identifier; 1 where the QoS is 0.
        packet_id: PacketIdentifier,
        /// The payload.
        payload: &'a [u8],
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack {
        /// Which of them.
        kind: PacketType,
        /// Packet Identifier.
        packet_id: PacketIdentifier,
        /// Its reason code is an error.
        is_error: bool,
    },
    /// SUBACK or UNSUBACK; how many of its entries are errors.
    Subscribed {
        /// Entries that were refused.
        refused: u64,
    },
    /// DISCONNECT from the broker.
    Disconnect(ReasonCode),
    /// Anything else.
    Other,
}

/// The first packet of `buffer` and its length; `None` while it is not whole.
///
/// # Errors
/// If the bytes are no packet.
pub(crate) fn next(
    buffer: &[u8],
    version: ProtocolVersion,
) -> Result<Option<(Incoming<'_>, usize)>, DecodeError> {
    let limits = Limits::default();
    let Some(header) = fixed_header(buffer, &limits)? else {
        return Ok(None);
    };
    let Some(body) = buffer.get(header.header_len..header.packet_len()) else {
        return Ok(None);
    };
    let incoming = match header.packet_type {
        PacketType::Publish => publish(header.flags, body, version)?,
        kind @ (PacketType::Puback
        | PacketType::Pubrec
        | PacketType::Pubrel
        | PacketType::Pubcomp) => {
            let mut reader = Reader::new(body);
            let packet_id = reader.packet_identifier()?;
            let code = reader.rest().first().copied().unwrap_or_default();
            Incoming::Ack {
                kind,
                packet_id,
                is_error: version.is_v5() && code >= 0x80,
            }
        }
        _ => match decode_body(&header, body, version, &limits)? {
            Packet::Suback(suback) => subscribed(&suback.reason_codes),
            Packet::Unsuback(unsuback) => subscribed(&unsuback.reason_codes),
            Packet::Disconnect(disconnect) => Incoming::Disconnect(disconnect.reason_code),
            _ => Incoming::Other,
        },
    };
    Ok(Some((incoming, header.packet_len())))
}

fn subscribed(codes: &[ReasonCode]) -> Incoming<'static> {
    let refused = codes.iter().filter(|code| code.is_error()).count();
    Incoming::Subscribed {
        refused: u64::try_from(refused).unwrap_or(u64::MAX),
    }
}

fn publish(flags: u8, body: &[u8], version: ProtocolVersion) -> Result<Incoming<'_>, DecodeError> {
    let qos = QoS::from_u8((flags >> 1) & 0b11).unwrap_or_default();
    let mut reader = Reader::new(body);
    reader.binary()?;
    let packet_id = match qos {
        QoS::AtMostOnce => PacketIdentifier::MIN,
        QoS::AtLeastOnce | QoS::ExactlyOnce => reader.packet_identifier()?,
    };
    if version.is_v5() {
        let length = reader.variable_byte_integer()?;
        reader.bytes(usize::try_from(length).unwrap_or(usize::MAX))?;
    }
    Ok(Incoming::Publish {
        qos,
        packet_id,
        payload: reader.rest(),
    })
}

#[cfg(test)]
mod tests;
