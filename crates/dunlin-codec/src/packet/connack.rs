//! CONNACK (section 3.2).

use std::num::{NonZeroU16, NonZeroU32};

use crate::error::Malformed;
use crate::property::{property_struct, write_section};
use crate::{
    DecodeError, EncodeError, Limits, PacketType, ProtocolVersion, QoS, Reader, ReasonCode, Sink,
};

property_struct! {
    /// The properties of CONNACK (section 3.2.2.3).
    ConnackProperties in Connack {
        session_expiry_interval: u32 = SessionExpiryInterval,
        receive_maximum: NonZeroU16 = ReceiveMaximum,
        maximum_qos: QoS = MaximumQoS,
        retain_available: bool = RetainAvailable,
        maximum_packet_size: NonZeroU32 = MaximumPacketSize,
        assigned_client_identifier: &'a str = AssignedClientIdentifier,
        topic_alias_maximum: u16 = TopicAliasMaximum,
        reason_string: &'a str = ReasonString,
        wildcard_subscription_available: bool = WildcardSubscriptionAvailable,
        subscription_identifiers_available: bool = SubscriptionIdentifiersAvailable,
        shared_subscription_available: bool = SharedSubscriptionAvailable,
        server_keep_alive: u16 = ServerKeepAlive,
        response_information: &'a str = ResponseInformation,
        server_reference: &'a str = ServerReference,
        authentication_method: &'a str = AuthenticationMethod,
        authentication_data: &'a [u8] = AuthenticationData,
    }
}

/// CONNACK: the answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connack<'a> {
    /// Session Present.
    pub session_present: bool,
    /// Connect Reason Code. In 3.x it travels as the nearest Connect Return code.
    pub reason_code: ReasonCode,
    /// Properties; empty in 3.x.
    pub properties: ConnackProperties<'a>,
}

impl<'a> Connack<'a> {
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let session_present = match reader.u8()? {
            // Session Present did not exist in 3.1: the byte was not used.
            _ if version == ProtocolVersion::V31 => false,
            0 => false,
            1 => true,
            _ => return Err(Malformed::ReservedBits.into()),
        };
        let code = reader.u8()?;
        let (reason_code, properties) = if version.is_v5() {
            let reason_code = ReasonCode::from_u8(code)
                .filter(|code| code.is_legal_in(PacketType::Connack))
                .ok_or(Malformed::ReasonCode(code))?;
            (reason_code, ConnackProperties::read(reader, limits)?)
        } else {
            let reason_code =
                ReasonCode::from_connect_return_code(code).ok_or(Malformed::ReasonCode(code))?;
            (reason_code, ConnackProperties::default())
        };
        Ok(Self {
            session_present,
            reason_code,
            properties,
        })
    }

    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        sink.put_u8(u8::from(
            self.session_present && version != ProtocolVersion::V31,
        ));
        if version.is_v5() {
            sink.put_u8(self.reason_code as u8);
            write_section(sink, &self.properties)
        } else {
            sink.put_u8(self.reason_code.connect_return_code());
            Ok(())
        }
    }
}
