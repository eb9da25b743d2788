//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7): one shape, four names.

use crate::error::Malformed;
use crate::primitive::Counter;
use crate::property::{WriteProperties, write_section};
use crate::{
    AckProperties, DecodeError, EncodeError, Limits, PacketIdentifier, PacketType, ProtocolVersion,
    Reader, ReasonCode, Sink,
};

/// An acknowledgement in the delivery of a QoS 1 or 2 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The Packet Identifier of the PUBLISH.
    pub packet_id: PacketIdentifier,
    /// Reason Code; always [`ReasonCode::Success`] in 3.x.
    pub reason_code: ReasonCode,
    /// Properties; empty in 3.x.
    pub properties: AckProperties<'a>,
}

impl<'a> Ack<'a> {
    /// Success for this packet identifier, without properties.
    pub fn success(packet_id: PacketIdentifier) -> Self {
        Self::new(packet_id, ReasonCode::Success)
    }

    /// This reason code, without properties.
    pub fn new(packet_id: PacketIdentifier, reason_code: ReasonCode) -> Self {
        Self {
            packet_id,
            reason_code,
            properties: AckProperties::default(),
        }
    }

    /// Appends a PUBACK, PUBREC, PUBREL or PUBCOMP that says success and nothing else: the same four
    /// bytes in all versions, which a broker writes by the million.
    pub fn encode_success(packet_type: PacketType, packet_id: PacketIdentifier, out: &mut Vec<u8>) {
        let first = (packet_type as u8) << 4 | packet_type.required_flags();
        let [high, low] = packet_id.as_u16().to_be_bytes();
        out.extend_from_slice(&[first, 2, high, low]);
    }

    /// The bytes of what [`Ack::encode_success`] writes.
    pub const SUCCESS_BYTES: usize = 4;

    /// Type and packet identifier of the packet at the beginning of these bytes, if it is what
    /// [`Ack::encode_success`] writes.
    #[inline]
    pub fn read_success(bytes: &[u8]) -> Option<(PacketType, PacketIdentifier)> {
        let &[first, 2, high, low, ..] = bytes else {
            return None;
        };
        let packet_type = match first {
            0x40 => PacketType::Puback,
            0x50 => PacketType::Pubrec,
            0x62 => PacketType::Pubrel,
            0x70 => PacketType::Pubcomp,
            _ => return None,
        };
        let packet_id = PacketIdentifier::new(u16::from_be_bytes([high, low]))?;
        Some((packet_type, packet_id))
    }

    pub(crate) fn read(
        kind: PacketType,
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let mut ack = Self::success(reader.packet_identifier()?);
        if !version.is_v5() || reader.is_empty() {
            return Ok(ack);
        }
        let code = reader.u8()?;
        ack.reason_code = ReasonCode::from_u8(code)
            .filter(|code| code.is_legal_in(kind))
            .ok_or(Malformed::ReasonCode(code))?;
        if !reader.is_empty() {
            ack.properties = AckProperties::read(reader, limits)?;
        }
        Ok(ack)
    }

    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        sink.put_u16(self.packet_id.as_u16());
        if !version.is_v5() {
            return Ok(());
        }
        write_optional_tail(self.reason_code, &self.properties, sink)
    }
}

/// Writes a reason code and properties, leaving out what the standard lets a sender leave out: the
/// properties if there are none, and then the code as well if it is 0 (section 3.4.2.1).
pub(crate) fn write_optional_tail(
    reason_code: ReasonCode,
    properties: &impl WriteProperties,
    sink: &mut impl Sink,
) -> Result<(), EncodeError> {
    let mut length = Counter::default();
    properties.write_properties(&mut length)?;
    if length.0 > 0 {
        sink.put_u8(reason_code as u8);
        return write_section(sink, properties);
    }
    if reason_code != ReasonCode::Success {
        sink.put_u8(reason_code as u8);
    }
    Ok(())
}
