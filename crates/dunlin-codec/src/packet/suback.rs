//! SUBACK (section 3.9) and UNSUBACK (section 3.11).

use crate::error::{Malformed, ProtocolError};
use crate::property::write_section;
use crate::{
    AckProperties, DecodeError, EncodeError, Limits, PacketIdentifier, PacketType, ProtocolVersion,
    Reader, ReasonCode, Sink,
};

/// SUBACK: the answer to SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suback<'a> {
    /// The Packet Identifier of the SUBSCRIBE.
    pub packet_id: PacketIdentifier,
    /// Properties; empty in 3.x.
    pub properties: AckProperties<'a>,
    /// One for each entry of the SUBSCRIBE, in its order [MQTT-3.8.4-6]. In 3.x every error travels
    /// as 0x80.
    pub reason_codes: Vec<ReasonCode>,
}

/// UNSUBACK: the answer to UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsuback<'a> {
    /// The Packet Identifier of the UNSUBSCRIBE.
    pub packet_id: PacketIdentifier,
    /// Properties; empty in 3.x.
    pub properties: AckProperties<'a>,
    /// One for each entry of the UNSUBSCRIBE, in its order [MQTT-3.11.3-1]; none in 3.x.
    pub reason_codes: Vec<ReasonCode>,
}

type Parts<'a> = (PacketIdentifier, AckProperties<'a>, Vec<ReasonCode>);

fn read_v5<'a>(
    kind: PacketType,
    reader: &mut Reader<'a>,
    limits: &Limits,
) -> Result<Parts<'a>, DecodeError> {
    let packet_id = reader.packet_identifier()?;
    let properties = AckProperties::read(reader, limits)?;
    let reason_codes = read_codes(reader, |code| {
        ReasonCode::from_u8(code).filter(|code| code.is_legal_in(kind))
    })?;
    Ok((packet_id, properties, reason_codes))
}

fn read_codes(
    reader: &mut Reader<'_>,
    parse: impl Fn(u8) -> Option<ReasonCode>,
) -> Result<Vec<ReasonCode>, DecodeError> {
    let codes = reader.bytes(reader.rest().len())?;
    if codes.is_empty() {
        return Err(ProtocolError::EmptyPayload.into());
    }
    codes
        .iter()
        .map(|&code| parse(code).ok_or_else(|| Malformed::ReasonCode(code).into()))
        .collect()
}

pub(crate) fn read_suback<'a>(
    reader: &mut Reader<'a>,
    version: ProtocolVersion,
    limits: &Limits,
) -> Result<Suback<'a>, DecodeError> {
    let (packet_id, properties, reason_codes) = if version.is_v5() {
        read_v5(PacketType::Suback, reader, limits)?
    } else {
        let packet_id = reader.packet_identifier()?;
        let codes = read_codes(reader, |code| match code {
            0..=2 | 0x80 => ReasonCode::from_u8(code),
            _ => None,
        })?;
        (packet_id, AckProperties::default(), codes)
    };
    Ok(Suback {
        packet_id,
        properties,
        reason_codes,
    })
}

pub(crate) fn read_unsuback<'a>(
    reader: &mut Reader<'a>,
    version: ProtocolVersion,
    limits: &Limits,
) -> Result<Unsuback<'a>, DecodeError> {
    let (packet_id, properties, reason_codes) = if version.is_v5() {
        read_v5(PacketType::Unsuback, reader, limits)?
    } else {
        (
            reader.packet_identifier()?,
            AckProperties::default(),
            Vec::new(),
        )
    };
    Ok(Unsuback {
        packet_id,
        properties,
        reason_codes,
    })
}

impl Suback<'_> {
    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        sink.put_u16(self.packet_id.as_u16());
        if version.is_v5() {
            write_section(sink, &self.properties)?;
        }
        for &code in &self.reason_codes {
            let is_3x_failure = !version.is_v5() && code.is_error();
            sink.put_u8(if is_3x_failure { 0x80 } else { code as u8 });
        }
        Ok(())
    }
}

impl Unsuback<'_> {
    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        sink.put_u16(self.packet_id.as_u16());
        if version.is_v5() {
            write_section(sink, &self.properties)?;
            self.reason_codes
                .iter()
                .for_each(|&code| sink.put_u8(code as u8));
        }
        Ok(())
    }
}
