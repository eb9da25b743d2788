//! PUBLISH (section 3.3).

use crate::error::{Malformed, ProtocolError};
use crate::property::{Place, WriteProperties, read_section, write_section};
use crate::{
    DecodeError, EncodeError, Limits, PacketIdentifier, PacketType, Property, ProtocolVersion, QoS,
    Reader, Sink, SubscriptionIdentifiers, TopicName, UserProperties,
};

/// The properties of PUBLISH (section 3.3.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishProperties<'a> {
    /// Payload Format Indicator: true if the payload is UTF-8.
    pub payload_format_indicator: Option<bool>,
    /// Message Expiry Interval, in seconds.
    pub message_expiry_interval: Option<u32>,
    /// Topic Alias.
    pub topic_alias: Option<u16>,
    /// Response Topic.
    pub response_topic: Option<TopicName<'a>>,
    /// Correlation Data.
    pub correlation_data: Option<&'a [u8]>,
    /// User Properties, in their order.
    pub user_properties: UserProperties<'a>,
    /// Subscription Identifiers; only a server sends them [MQTT-3.3.4-6].
    pub subscription_identifiers: SubscriptionIdentifiers<'a>,
    /// Content Type.
    pub content_type: Option<&'a str>,
}

impl<'a> PublishProperties<'a> {
    /// True if there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.payload_format_indicator.is_none()
            && self.message_expiry_interval.is_none()
            && self.topic_alias.is_none()
            && self.response_topic.is_none()
            && self.correlation_data.is_none()
            && self.content_type.is_none()
            && self.user_properties.is_empty()
            && self.subscription_identifiers.is_empty()
    }

    fn read(reader: &mut Reader<'a>, limits: &Limits) -> Result<Self, DecodeError> {
        let mut properties = Self::default();
        read_section(
            reader,
            Place::Publish,
            limits,
            |property, section| match property {
                Property::PayloadFormatIndicator(value) => {
                    properties.payload_format_indicator = Some(value);
                }
                Property::MessageExpiryInterval(value) => {
                    properties.message_expiry_interval = Some(value);
                }
                Property::TopicAlias(value) => properties.topic_alias = Some(value),
                Property::ResponseTopic(value) => properties.response_topic = Some(value),
                Property::CorrelationData(value) => properties.correlation_data = Some(value),
                Property::ContentType(value) => properties.content_type = Some(value),
                Property::UserProperty(_) => {
                    properties.user_properties = UserProperties::from_section(section);
                }
                Property::SubscriptionIdentifier(_) => {
                    properties.subscription_identifiers =
                        SubscriptionIdentifiers::from_section(section);
                }
                _ => {}
            },
        )?;
        Ok(properties)
    }

    /// Writes those properties that a server passes on unaltered: all but Message Expiry Interval,
    /// Topic Alias and Subscription Identifier (section 3.3.2.3).
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`] for a text or data past 65 535 bytes.
    pub fn write_forwarded(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        if let Some(is_utf8) = self.payload_format_indicator {
            Property::PayloadFormatIndicator(is_utf8).write(sink)?;
        }
        if let Some(content_type) = self.content_type {
            Property::ContentType(content_type).write(sink)?;
        }
        if let Some(topic) = self.response_topic {
            Property::ResponseTopic(topic).write(sink)?;
        }
        if let Some(data) = self.correlation_data {
            Property::CorrelationData(data).write(sink)?;
        }
        self.user_properties.write(sink)
    }
}

impl WriteProperties for PublishProperties<'_> {
    fn write_properties(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        write_own_properties(
            self.message_expiry_interval,
            self.topic_alias,
            self.subscription_identifiers,
            sink,
        )?;
        self.write_forwarded(sink)
    }
}

/// Writes the properties that differ from one subscriber to the other.
pub(crate) fn write_own_properties(
    message_expiry_interval: Option<u32>,
    topic_alias: Option<u16>,
    subscription_identifiers: SubscriptionIdentifiers<'_>,
    sink: &mut impl Sink,
) -> Result<(), EncodeError> {
    if let Some(seconds) = message_expiry_interval {
        Property::MessageExpiryInterval(seconds).write(sink)?;
    }
    if let Some(alias) = topic_alias {
        Property::TopicAlias(alias).write(sink)?;
    }
    for identifier in subscription_identifiers.iter() {
        Property::SubscriptionIdentifier(identifier).write(sink)?;
    }
    Ok(())
}

/// The first byte of a PUBLISH (section 3.3.1); DUP is 0 at QoS 0 [MQTT-3.3.1-2].
pub(crate) const fn first_byte(dup: bool, qos: QoS, retain: bool) -> u8 {
    let dup = dup && qos as u8 > 0;
    (PacketType::Publish as u8) << 4 | (dup as u8) << 3 | (qos as u8) << 1 | retain as u8
}

/// The Packet Identifier to write: none at QoS 0 [MQTT-2.2.1-2], and one at QoS 1 and 2.
pub(crate) fn packet_id_of(
    qos: QoS,
    packet_id: Option<PacketIdentifier>,
) -> Result<Option<PacketIdentifier>, EncodeError> {
    match qos {
        QoS::AtMostOnce => Ok(None),
        QoS::AtLeastOnce | QoS::ExactlyOnce => {
            packet_id.map(Some).ok_or(EncodeError::NoPacketIdentifier)
        }
    }
}

/// PUBLISH: an Application Message on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publish<'a> {
    /// DUP: it may have been sent before.
    pub dup: bool,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// Topic Name; [`TopicName::EMPTY`] where a topic alias stands for it.
    pub topic: TopicName<'a>,
    /// Packet Identifier; there is one exactly if the QoS is 1 or 2 [MQTT-2.2.1-2].
    pub packet_id: Option<PacketIdentifier>,
    /// Properties; empty in 3.x.
    pub properties: PublishProperties<'a>,
    /// The Application Message's payload.
    pub payload: &'a [u8],
}

impl Default for TopicName<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a> Publish<'a> {
    #[inline]
    pub(crate) fn read(
        flags: u8,
        body: &'a [u8],
        version: ProtocolVersion,
        limits: &Limits,
        known: TopicName<'a>,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let qos = QoS::from_u8((flags >> 1) & 0b11).ok_or(Malformed::QoS)?;
        let topic = match reader.binary()? {
            [] if version.is_v5() => TopicName::EMPTY,
            bytes if !bytes.is_empty() && bytes == known.as_str().as_bytes() => known,
            bytes => TopicName::from_bytes(bytes)?,
        };
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.packet_identifier()?),
        };
        let properties = if version.is_v5() {
            PublishProperties::read(&mut reader, limits)?
        } else {
            PublishProperties::default()
        };
        if topic.is_empty() && properties.topic_alias.is_none() {
            return Err(ProtocolError::NoTopic.into());
        }
        let (dup, retain) = (flags & 0b1000 != 0, flags & 1 != 0);
        Ok(Self {
            dup,
            qos,
            retain,
            topic,
            packet_id,
            properties,
            payload: reader.rest(),
        })
    }

    pub(crate) fn write(
        &self,
        version: ProtocolVersion,
        sink: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        sink.put_binary(self.topic.as_str().as_bytes())?;
        if let Some(packet_id) = packet_id_of(self.qos, self.packet_id)? {
            sink.put_u16(packet_id.as_u16());
        }
        if version.is_v5() {
            write_section(sink, &self.properties)?;
        }
        sink.put(self.payload);
        Ok(())
    }
}
