//! DISCONNECT (section 3.14).

use super::ack::write_optional_tail;
use crate::error::Malformed;
use crate::property::property_struct;
use crate::{
    DecodeError, EncodeError, Limits, PacketType, ProtocolVersion, Reader, ReasonCode, Sink,
};

property_struct! {
    /// The properties of DISCONNECT (section 3.14.2.2).
    DisconnectProperties in Disconnect {
        session_expiry_interval: u32 = SessionExpiryInterval,
        reason_string: &'a str = ReasonString,
        server_reference: &'a str = ServerReference,
    }
}

/// DISCONNECT: the last packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Disconnect Reason Code; always [`ReasonCode::Success`] in 3.x.
    pub reason_code: ReasonCode,
    /// Properties; empty in 3.x.
    pub properties: DisconnectProperties<'a>,
}

impl<'a> Disconnect<'a> {
    /// This reason code, without properties.
    pub fn new(reason_code: ReasonCode) -> Self {
        Self {
            reason_code,
            properties: DisconnectProperties::default(),
        }
    }

    pub(crate) fn read(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let mut disconnect = Self::new(ReasonCode::Success);
        if !version.is_v5() || reader.is_empty() {
            return Ok(disconnect);
        }
        let code = reader.u8()?;
        disconnect.reason_code = ReasonCode::from_u8(code)
            .filter(|code| code.is_legal_in(PacketType::Disconnect))
            .ok_or(Malformed::ReasonCode(code))?;
        if !reader.is_empty() {
            disconnect.properties = DisconnectProperties::read(reader, limits)?;
        }
        Ok(disconnect)
    }

    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        if !version.is_v5() {
            return Ok(());
        }
        write_optional_tail(self.reason_code, &self.properties, sink)
    }
}
