//! SUBSCRIBE (section 3.8).

use std::num::NonZeroU32;

use crate::error::{Malformed, ProtocolError};
use crate::property::{property_struct, write_section};
use crate::{
    DecodeError, EncodeError, Limits, PacketIdentifier, ProtocolVersion, QoS, Reader, Sink,
    TopicFilter,
};

property_struct! {
    /// The properties of SUBSCRIBE (section 3.8.2.1).
    SubscribeProperties in Subscribe {
        subscription_identifier: NonZeroU32 = SubscriptionIdentifier,
    }
}

/// Retain Handling: whether retained messages are sent when the subscription is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// 0: send them.
    #[default]
    Send = 0,
    /// 1: send them only if the subscription is new.
    SendIfNew = 1,
    /// 2: do not send them.
    DoNotSend = 2,
}

/// Subscription Options (section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// Maximum QoS of what is sent for this subscription.
    pub qos: QoS,
    /// No Local: not to the connection's own client.
    pub no_local: bool,
    /// Retain As Published: RETAIN stays as it was.
    pub retain_as_published: bool,
    /// Retain Handling.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// Only a QoS, as in 3.x.
    pub fn with_qos(qos: QoS) -> Self {
        Self {
            qos,
            ..Self::default()
        }
    }

    /// The byte of the wire.
    pub const fn as_u8(self) -> u8 {
        self.qos as u8
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    fn from_u8(value: u8, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let reserved = if version.is_v5() {
            0b1100_0000
        } else {
            0b1111_1100
        };
        if value & reserved != 0 {
            return Err(Malformed::ReservedBits.into());
        }
        let qos = QoS::from_u8(value & 0b11).ok_or(ProtocolError::MaximumQoS)?;
        let retain_handling = match value >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(ProtocolError::RetainHandling.into()),
        };
        Ok(Self {
            qos,
            no_local: value & 1 << 2 != 0,
            retain_as_published: value & 1 << 3 != 0,
            retain_handling,
        })
    }
}

/// One entry of SUBSCRIBE's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionRequest<'a> {
    /// Topic Filter.
    pub filter: TopicFilter<'a>,
    /// Subscription Options.
    pub options: SubscriptionOptions,
}

/// SUBSCRIBE: a client asks for subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Packet Identifier.
    pub packet_id: PacketIdentifier,
    /// Properties; empty in 3.x.
    pub properties: SubscribeProperties<'a>,
    /// What is asked for, one entry at least [MQTT-3.8.3-2].
    pub requests: Vec<SubscriptionRequest<'a>>,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_identifier()?;
        let properties = if version.is_v5() {
            SubscribeProperties::read(reader, limits)?
        } else {
            SubscribeProperties::default()
        };
        let mut requests = Vec::new();
        while !reader.is_empty() {
            let filter = reader.topic_filter()?;
            let options = SubscriptionOptions::from_u8(reader.u8()?, version)?;
            if options.no_local && matches!(filter.share(), Ok(Some(_))) {
                return Err(ProtocolError::NoLocalShared.into());
            }
            requests.push(SubscriptionRequest { filter, options });
        }
        if requests.is_empty() {
            return Err(ProtocolError::EmptyPayload.into());
        }
        Ok(Self {
            packet_id,
            properties,
            requests,
        })
    }

    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        sink.put_u16(self.packet_id.as_u16());
        if version.is_v5() {
            write_section(sink, &self.properties)?;
        }
        for request in &self.requests {
            sink.put_binary(request.filter.as_str().as_bytes())?;
            let options = request.options;
            sink.put_u8(if version.is_v5() {
                options.as_u8()
            } else {
                options.qos as u8
            });
        }
        Ok(())
    }
}
