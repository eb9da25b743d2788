//! A PUBLISH that is encoded once, and of which each message is a copy with a few bytes changed.

use dunlin_codec::{
    EncodeError, Packet, PacketIdentifier, ProtocolVersion, Publish, QoS, fixed_header,
};

use super::stamp::Stamp;

/// A number inside the topic name that differs from message to message, of a fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    /// The first digit's place in the topic name.
    pub(crate) at: usize,
    /// How many digits.
    pub(crate) width: usize,
    /// The number is that of the message modulo this.
    pub(crate) modulus: u64,
}

/// The bytes of a PUBLISH and the places that change.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    topic_at: usize,
    packet_id_at: Option<usize>,
    payload_at: usize,
    digits: Vec<Digits>,
}

impl Template {
    /// Encodes `publish`; its packet identifier is a placeholder.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub(crate) fn new(
        publish: &Publish<'_>,
        version: ProtocolVersion,
        digits: Vec<Digits>,
    ) -> Result<Self, EncodeError> {
        let has_id = publish.qos != QoS::AtMostOnce;
        let publish = Publish {
            packet_id: has_id.then_some(PacketIdentifier::MIN),
            ..*publish
        };
        let mut bytes = Vec::new();
        Packet::Publish(publish).encode(version, &mut bytes)?;
        let header = fixed_header(&bytes, &dunlin_codec::Limits::default());
        let header_len = header.ok().flatten().map_or(2, |header| header.header_len);
        let topic_at = header_len + 2;
        let payload_at = bytes.len() - publish.payload.len();
        Ok(Self {
            topic_at,
            packet_id_at: has_id.then_some(topic_at + publish.topic.as_str().len()),
            payload_at,
            digits,
            bytes,
        })
    }

    /// Bytes of each message.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a message. `number` goes into the topic's digits.
    pub(crate) fn append(
        &self,
        out: &mut Vec<u8>,
        packet_id: PacketIdentifier,
        number: u64,
        stamp: Option<Stamp>,
    ) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let Some(message) = out.get_mut(start..) else {
            return;
        };
        if let Some(at) = self.packet_id_at {
            put(message, at, &packet_id.as_u16().to_be_bytes());
        }
        if let Some(stamp) = stamp {
            put(message, self.payload_at, &stamp.to_bytes());
        }
        for digits in &self.digits {
            let mut rest = number % digits.modulus.max(1);
            let first = self.topic_at + digits.at;
            let places = message.get_mut(first..first + digits.width);
            for place in places.into_iter().flatten().rev() {
                *place = b'0' + (rest % 10).to_le_bytes()[0];
                rest /= 10;
            }
        }
    }
}

fn put(message: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = message.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
