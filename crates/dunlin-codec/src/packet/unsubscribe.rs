//! UNSUBSCRIBE (section 3.10).

use crate::error::ProtocolError;
use crate::property::{property_struct, write_section};
use crate::{
    DecodeError, EncodeError, Limits, PacketIdentifier, ProtocolVersion, Reader, Sink, TopicFilter,
};

property_struct! {
    /// The properties of UNSUBSCRIBE (section 3.10.2.1).
    UnsubscribeProperties in Unsubscribe {}
}

/// UNSUBSCRIBE: a client ends subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Packet Identifier.
    pub packet_id: PacketIdentifier,
    /// Properties; empty in 3.x.
    pub properties: UnsubscribeProperties<'a>,
    /// The filters, one at least [MQTT-3.10.3-2].
    pub filters: Vec<TopicFilter<'a>>,
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        version: ProtocolVersion,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_identifier()?;
        let properties = if version.is_v5() {
            UnsubscribeProperties::read(reader, limits)?
        } else {
            UnsubscribeProperties::default()
        };
        let mut filters = Vec::new();
        while !reader.is_empty() {
            filters.push(reader.topic_filter()?);
        }
        if filters.is_empty() {
            return Err(ProtocolError::EmptyPayload.into());
        }
        Ok(Self {
            packet_id,
            properties,
            filters,
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
        self.filters
            .iter()
            .try_for_each(|filter| sink.put_binary(filter.as_str().as_bytes()))
    }
}
