//! AUTH (section 3.15), of 5.0 only.

use crate::error::{Malformed, ProtocolError};
use crate::property::{property_struct, write_section};
use crate::{DecodeError, EncodeError, Limits, PacketType, Reader, ReasonCode, Sink};

property_struct! {
    /// The properties of AUTH (section 3.15.2.2).
    AuthProperties in Auth {
        authentication_method: &'a str = AuthenticationMethod,
        authentication_data: &'a [u8] = AuthenticationData,
        reason_string: &'a str = ReasonString,
    }
}

/// AUTH: a step of an enhanced authentication. Without any byte of its own it has no authentication
/// method; with one it must have one (section 3.15.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Authenticate Reason Code.
    pub reason_code: ReasonCode,
    /// Properties.
    pub properties: AuthProperties<'a>,
}

impl<'a> Auth<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, limits: &Limits) -> Result<Self, DecodeError> {
        let mut auth = Self {
            reason_code: ReasonCode::Success,
            properties: AuthProperties::default(),
        };
        if reader.is_empty() {
            return Ok(auth);
        }
        let code = reader.u8()?;
        auth.reason_code = ReasonCode::from_u8(code)
            .filter(|code| code.is_legal_in(PacketType::Auth))
            .ok_or(Malformed::ReasonCode(code))?;
        auth.properties = AuthProperties::read(reader, limits)?;
        if auth.properties.authentication_method.is_none() {
            return Err(ProtocolError::NoAuthenticationMethod.into());
        }
        Ok(auth)
    }

    pub(crate) fn write(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        if self.reason_code == ReasonCode::Success && self.properties == AuthProperties::default() {
            return Ok(());
        }
        sink.put_u8(self.reason_code as u8);
        write_section(sink, &self.properties)
    }
}
