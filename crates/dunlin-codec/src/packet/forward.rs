//! PUBLISH as a server sends it on: one message, written anew for each subscriber.

use std::num::NonZeroU32;

use super::publish::{first_byte, packet_id_of, write_own_properties};
use crate::primitive::{Counter, length_to_write, variable_byte_integer_len};
use crate::{EncodeError, PacketIdentifier, ProtocolVersion, QoS, Sink, SubscriptionIdentifiers};

/// A PUBLISH of a message whose properties are encoded already, so that what is the same for all
/// subscribers is copied and only what differs is written.
///
/// Its bytes are those of [`Packet::Publish`](crate::Packet::Publish) with the same fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardedPublish<'a> {
    /// DUP.
    pub dup: bool,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// The bytes of a [`TopicName`](crate::TopicName); none where the topic alias stands for it.
    pub topic: &'a [u8],
    /// Packet Identifier; there is one if the QoS is 1 or 2.
    pub packet_id: Option<PacketIdentifier>,
    /// Message Expiry Interval, in seconds: what is left of it.
    pub message_expiry_interval: Option<u32>,
    /// Topic Alias, not 0.
    pub topic_alias: Option<u16>,
    /// The Subscription Identifiers of the subscriptions that match.
    pub subscription_identifiers: &'a [NonZeroU32],
    /// The other properties, as
    /// [`PublishProperties::write_forwarded`](crate::PublishProperties::write_forwarded) wrote them.
    pub forwarded_properties: &'a [u8],
    /// The Application Message's payload.
    pub payload: &'a [u8],
}

/// A [`ForwardedPublish`] without properties, which most are: copies between a few bytes.
#[derive(Clone, Copy, Debug)]
pub struct PlainPublish<'a> {
    /// DUP.
    pub dup: bool,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// Packet Identifier; there is one if the QoS is 1 or 2.
    pub packet_id: Option<PacketIdentifier>,
    /// The Topic Name with its length.
    pub topic: &'a [u8],
    /// The Application Message's payload.
    pub payload: &'a [u8],
}

impl PlainPublish<'_> {
    /// Appends the whole packet to `out`, which is unchanged on an error.
    ///
    /// # Errors
    /// As [`ForwardedPublish::encode`].
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // Behind the topic: the packet identifier, and that there are no properties.
        let id = packet_id_of(self.qos, self.packet_id)?.map(|id| id.as_u16().to_be_bytes());
        let (with_id, without): ([u8; 3], [u8; 1]);
        let between: &[u8] = match (id, version.is_v5()) {
            (Some([high, low]), is_v5) => {
                with_id = [high, low, 0];
                with_id.get(..2 + usize::from(is_v5)).unwrap_or_default()
            }
            (None, true) => {
                without = [0];
                &without
            }
            (None, false) => &[],
        };
        let length = self.topic.len() + between.len() + self.payload.len();
        let remaining = length_to_write(length)?;
        out.reserve(5 + length);
        let first = first_byte(self.dup, self.qos, self.retain);
        match u8::try_from(remaining) {
            Ok(remaining @ ..=0x7f) => out.put(&[first, remaining]),
            _ => {
                out.put_u8(first);
                out.put_variable_byte_integer(remaining);
            }
        }
        out.put(self.topic);
        out.put(between);
        out.put(self.payload);
        Ok(())
    }
}

/// The two lengths that a PUBLISH names.
struct Lengths {
    properties: u32,
    remaining: u32,
}

impl ForwardedPublish<'_> {
    /// Bytes of the whole packet, to be compared with the receiver's Maximum Packet Size.
    ///
    /// # Errors
    /// [`EncodeError::PacketTooLong`] past what a Remaining Length can say.
    pub fn packet_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        let remaining = self.lengths(version)?.remaining;
        let length = usize::try_from(remaining).unwrap_or(usize::MAX);
        Ok(1 + variable_byte_integer_len(remaining) + length)
    }

    /// Appends the whole packet to `out`, which is unchanged on an error.
    ///
    /// # Errors
    /// If the packet is too long for the protocol, or a QoS 1 or 2 lacks its packet identifier.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_parts(version, self.payload, out)
    }

    /// Appends all but the payload, which the caller sends directly after it.
    ///
    /// # Errors
    /// As [`ForwardedPublish::encode`].
    pub fn encode_header(
        &self,
        version: ProtocolVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.encode_parts(version, &[], out)
    }

    fn encode_parts(
        &self,
        version: ProtocolVersion,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let lengths = self.lengths(version)?;
        let packet_id = packet_id_of(self.qos, self.packet_id)?;
        let properties = usize::try_from(lengths.properties).unwrap_or(usize::MAX);
        // 13: first byte, two lengths of at most 4 bytes, topic length, packet identifier.
        out.reserve(13 + self.topic.len() + properties + payload.len());
        out.put_u8(first_byte(self.dup, self.qos, self.retain));
        out.put_variable_byte_integer(lengths.remaining);
        out.put_binary(self.topic)?;
        if let Some(packet_id) = packet_id {
            out.put_u16(packet_id.as_u16());
        }
        if version.is_v5() {
            out.put_variable_byte_integer(lengths.properties);
            self.write_own(out)?;
            out.put(self.forwarded_properties);
        }
        out.put(payload);
        Ok(())
    }

    /// Writes what is this subscriber's alone.
    fn write_own(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        write_own_properties(
            self.message_expiry_interval,
            self.topic_alias,
            SubscriptionIdentifiers::List(self.subscription_identifiers),
            sink,
        )
    }

    fn lengths(&self, version: ProtocolVersion) -> Result<Lengths, EncodeError> {
        let mut remaining = 2 + self.topic.len() + self.payload.len();
        if self.qos != QoS::AtMostOnce {
            remaining += 2;
        }
        let mut properties = 0;
        if version.is_v5() {
            let mut counter = Counter(self.forwarded_properties.len());
            self.write_own(&mut counter)?;
            properties = length_to_write(counter.0)?;
            remaining += variable_byte_integer_len(properties) + counter.0;
        }
        Ok(Lengths {
            properties,
            remaining: length_to_write(remaining)?,
        })
    }
}
