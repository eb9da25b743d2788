//! Packets that outlive the buffer they were read from.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use dunlin_codec::{
    DecodeError, FixedHeader, Limits, Packet, ProtocolVersion, Publish, QoS, TopicName, decode_body,
};

/// A control packet that was received, with the bytes that it borrows from.
#[derive(Clone)]
pub struct Received {
    header: FixedHeader,
    body: Bytes,
    version: ProtocolVersion,
}

impl Received {
    /// Keeps the bytes of a packet, if they are one.
    pub(crate) fn new(
        header: FixedHeader,
        body: Bytes,
        version: ProtocolVersion,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        decode_body(&header, &body, version, limits)?;
        Ok(Self::unchecked(header, body, version))
    }

    /// For bytes that were just decoded.
    pub(crate) const fn unchecked(
        header: FixedHeader,
        body: Bytes,
        version: ProtocolVersion,
    ) -> Self {
        Self {
            header,
            body,
            version,
        }
    }

    /// The packet.
    pub fn packet(&self) -> Packet<'_> {
        decode_body(&self.header, &self.body, self.version, &Limits::default())
            .expect("the bytes were decoded once when they were received")
    }

    /// Its fixed header.
    pub const fn header(&self) -> &FixedHeader {
        &self.header
    }

    /// Bytes after the fixed header.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.packet().fmt(f)
    }
}

/// An Application Message that was received. It shares memory with what was read around it, so keep
/// a copy rather than the message where it is kept for long.
#[derive(Clone)]
pub struct Message {
    received: Received,
    /// The topic that a topic alias stands for.
    alias_topic: Option<Arc<str>>,
}

impl Message {
    pub(crate) const fn new(received: Received, alias_topic: Option<Arc<str>>) -> Self {
        Self {
            received,
            alias_topic,
        }
    }

    /// The PUBLISH, with the topic name in place even if an alias stood for it.
    pub fn publish(&self) -> Publish<'_> {
        let Packet::Publish(mut publish) = self.received.packet() else {
            return Publish::default();
        };
        if let Some(topic) = &self.alias_topic {
            publish.topic = TopicName::parse(topic).unwrap_or(TopicName::EMPTY);
        }
        publish
    }

    /// Topic Name.
    pub fn topic(&self) -> &str {
        self.publish().topic.as_str()
    }

    /// The payload, without copying.
    pub fn payload(&self) -> Bytes {
        self.received.body.slice_ref(self.publish().payload)
    }

    /// QoS.
    pub fn qos(&self) -> QoS {
        QoS::from_u8((self.received.header.flags >> 1) & 0b11).unwrap_or_default()
    }

    /// The packet that brought it, as it was received.
    pub const fn received(&self) -> &Received {
        &self.received
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.publish().fmt(f)
    }
}
