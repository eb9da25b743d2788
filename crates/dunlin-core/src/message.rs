//! Application Messages: immutable, shared by everyone they wait for.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use dunlin_codec::{EncodeError, PublishProperties, QoS, TopicName};

use crate::id::SessionNumber;
use crate::time::Time;

/// Payloads from this size on need not stay in memory while a client is away, if the store has them:
/// below it what is left in memory would be as large.
pub const STORED_PAYLOAD_BYTES_MIN: usize = 256;

/// Payloads from this size on are never copied: they stay in the buffer that the network filled.
pub const SHARED_PAYLOAD_BYTES_MIN: usize = 16 * 1024;

/// An Application Message (section 1.2), as it was published.
///
/// Topic, forwarded properties and payload lie in the form and order of the wire, so that a PUBLISH
/// for any subscriber is a header of its own and copies, or vectored writes, of these parts.
pub struct Message {
    /// Topic Name with its length, then the properties that are passed on unaltered, then the payload
    /// unless it lies apart: without properties, all but the head of a PUBLISH of QoS 0 before 5.0.
    bytes: Box<[u8]>,
    /// What most messages have not.
    rare: Option<Box<Rare>>,
    publisher: SessionNumber,
    sequence: u64,
    properties_len: u32,
    topic_len: u16,
    qos: QoS,
    retain: bool,
}

// With the counters of an `Arc` that is 64 bytes, a size that allocators have; the next is 80.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Message>() <= 48);

/// What few messages have.
#[derive(Clone)]
struct Rare {
    apart: Option<Apart>,
    expires_at: Option<Time>,
}

/// Where a payload is that does not lie behind the topic.
#[derive(Clone)]
enum Apart {
    /// In the buffer that the network filled.
    Shared(Bytes),
    /// In the store alone, so many bytes of it.
    Stored(usize),
}

impl Rare {
    /// `None` if there is nothing to note.
    fn boxed(apart: Option<Apart>, expires_at: Option<Time>) -> Option<Box<Self>> {
        let is_needed = apart.is_some() || expires_at.is_some();
        is_needed.then(|| Box::new(Self { apart, expires_at }))
    }
}

/// Bytes of the length that precedes the topic.
const LENGTH_BYTES: usize = 2;

/// The payload of a message to be.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Bytes that belong to someone else: they are copied.
    Borrowed(&'a [u8]),
    /// Bytes that can be kept.
    Shared(Bytes),
}

impl Payload<'_> {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A message in pieces, to be written down and read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageParts<'a> {
    /// [`Message::sequence`].
    pub sequence: u64,
    /// The session that published it; number 0 if none did.
    pub publisher: SessionNumber,
    /// Topic Name.
    pub topic: &'a str,
    /// [`Message::forwarded_properties`].
    pub forwarded_properties: &'a [u8],
    /// Application Message payload.
    pub payload: &'a [u8],
    /// The QoS it was published at.
    pub qos: QoS,
    /// The RETAIN flag it was published with.
    pub retain: bool,
    /// When its Message Expiry Interval has passed.
    pub expires_at: Option<Time>,
}

/// What a message is made of.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// Topic Name; any alias is resolved.
    pub topic: TopicName<'a>,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// Properties. Topic Alias and Subscription Identifiers are those of one hop and not kept; the
    /// Message Expiry Interval becomes [`Message::expires_at`].
    pub properties: &'a PublishProperties<'a>,
    /// Payload.
    pub payload: Payload<'a>,
}

impl Message {
    /// A message published at `now`. `expiry_max` bounds its Message Expiry Interval.
    ///
    /// # Errors
    /// [`EncodeError`] if a property is too long for the wire, which no decoded one is.
    pub(crate) fn new(
        draft: &Draft<'_>,
        publisher: SessionNumber,
        now: Time,
        expiry_max: Option<Duration>,
    ) -> Result<Self, EncodeError> {
        let topic = draft.topic.as_str().as_bytes();
        let topic_len =
            u16::try_from(topic.len()).map_err(|_| EncodeError::FieldTooLong(topic.len()))?;
        let payload = draft.payload.as_slice();
        let shared = match &draft.payload {
            Payload::Shared(bytes) if bytes.len() >= SHARED_PAYLOAD_BYTES_MIN => {
                Some(Apart::Shared(bytes.clone()))
            }
            _ => None,
        };
        let inline = if shared.is_some() { &[] } else { payload };
        let mut bytes = Vec::with_capacity(LENGTH_BYTES + topic.len() + inline.len());
        bytes.extend_from_slice(&topic_len.to_be_bytes());
        bytes.extend_from_slice(topic);
        draft.properties.write_forwarded(&mut bytes)?;
        let properties_len = bytes.len() - topic.len() - LENGTH_BYTES;
        let properties_len = u32::try_from(properties_len)
            .map_err(|_| EncodeError::PacketTooLong(properties_len))?;
        bytes.extend_from_slice(inline);
        let stated = draft.properties.message_expiry_interval;
        let stated = stated.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Self {
            bytes: bytes.into_boxed_slice(),
            rare: Rare::boxed(shared, expiry(now, stated, expiry_max)),
            properties_len,
            topic_len,
            qos: draft.qos,
            retain: draft.retain,
            publisher,
            sequence: 0,
        })
    }

    /// A message that was written down before.
    pub fn from_parts(parts: &MessageParts<'_>) -> Option<Self> {
        let topic = parts.topic.as_bytes();
        TopicName::parse(parts.topic).ok()?;
        let is_shared = parts.payload.len() >= SHARED_PAYLOAD_BYTES_MIN;
        let shared = is_shared.then(|| Apart::Shared(Bytes::copy_from_slice(parts.payload)));
        let inline = if is_shared { &[] } else { parts.payload };
        let topic_len = u16::try_from(topic.len()).ok()?;
        let length = topic_len.to_be_bytes();
        Some(Self {
            bytes: [length.as_slice(), topic, parts.forwarded_properties, inline]
                .concat()
                .into(),
            rare: Rare::boxed(shared, parts.expires_at),
            properties_len: u32::try_from(parts.forwarded_properties.len()).ok()?,
            topic_len,
            qos: parts.qos,
            retain: parts.retain,
            publisher: parts.publisher,
            sequence: parts.sequence,
        })
    }

    /// What has to be written down to have it again.
    pub fn parts(&self) -> MessageParts<'_> {
        MessageParts {
            sequence: self.sequence,
            publisher: self.publisher,
            topic: std::str::from_utf8(self.topic_bytes()).unwrap_or_default(),
            forwarded_properties: self.forwarded_properties(),
            payload: self.payload(),
            qos: self.qos,
            retain: self.retain,
            expires_at: self.expires_at(),
        }
    }

    /// The same message, with its place among all publishes.
    pub(crate) const fn numbered(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    /// The place of its publish among all; 0 before it is planned. No two messages have the same.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The same message, published at `now`.
    pub(crate) fn published_at(
        &self,
        now: Time,
        interval: Option<Duration>,
        expiry_max: Option<Duration>,
    ) -> Self {
        Self {
            bytes: self.bytes.clone(),
            rare: Rare::boxed(self.apart().cloned(), expiry(now, interval, expiry_max)),
            ..*self
        }
    }

    /// The same message without its payload, for as long as the store has that.
    pub(crate) fn without_payload(&self) -> Self {
        let (_, end) = self.properties_range();
        let apart = match self.apart() {
            Some(Apart::Stored(bytes)) => Apart::Stored(*bytes),
            Some(Apart::Shared(_)) | None => Apart::Stored(self.payload().len()),
        };
        Self {
            bytes: self.bytes.get(..end).unwrap_or(&self.bytes).into(),
            rare: Rare::boxed(Some(apart), self.expires_at()),
            ..*self
        }
    }

    /// Whether its payload is in the store alone: [`Message::payload`] is empty then.
    pub(crate) fn is_payload_stored(&self) -> bool {
        matches!(self.apart(), Some(Apart::Stored(_)))
    }

    fn apart(&self) -> Option<&Apart> {
        self.rare.as_ref()?.apart.as_ref()
    }

    fn properties_range(&self) -> (usize, usize) {
        let start = LENGTH_BYTES + usize::from(self.topic_len);
        let length = usize::try_from(self.properties_len).unwrap_or(usize::MAX);
        (start, start.saturating_add(length))
    }

    /// Topic Name, as it goes over the wire.
    pub fn topic_bytes(&self) -> &[u8] {
        self.bytes
            .get(LENGTH_BYTES..LENGTH_BYTES + usize::from(self.topic_len))
            .unwrap_or_default()
    }

    /// Topic Name with its length and payload, as they follow the head of a PUBLISH of QoS 0 before 5.0;
    /// `None` if they do not lie together.
    pub fn in_one_piece(&self) -> Option<&[u8]> {
        (self.properties_len == 0 && self.apart().is_none()).then_some(&*self.bytes)
    }

    /// Topic Name.
    pub fn topic(&self) -> TopicName<'_> {
        // They were a topic name's.
        let text = std::str::from_utf8(self.topic_bytes());
        text.map_or(TopicName::EMPTY, TopicName::from_checked)
    }

    /// The properties that are passed on unaltered, encoded, without their length.
    pub fn forwarded_properties(&self) -> &[u8] {
        let (start, end) = self.properties_range();
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Application Message payload.
    pub fn payload(&self) -> &[u8] {
        match self.shared_payload() {
            Some(shared) => shared,
            None => self
                .bytes
                .get(self.properties_range().1..)
                .unwrap_or_default(),
        }
    }

    /// The payload, if it is one that is passed on without a copy.
    pub fn shared_payload(&self) -> Option<&Bytes> {
        match self.apart()? {
            Apart::Shared(bytes) => Some(bytes),
            Apart::Stored(_) => None,
        }
    }

    /// The QoS it was published at.
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// The RETAIN flag it was published with.
    pub const fn retain(&self) -> bool {
        self.retain
    }

    /// When its Message Expiry Interval has passed.
    pub fn expires_at(&self) -> Option<Time> {
        self.rare.as_ref()?.expires_at
    }

    /// Whether its Message Expiry Interval has passed [MQTT-3.3.2-5].
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    /// The Message Expiry Interval for a subscriber: what is left of it, in whole seconds that are
    /// begun [MQTT-3.3.2-6].
    pub fn remaining_expiry(&self, now: Time) -> Option<u32> {
        let left = self.expires_at()?.since(now).as_millis().div_ceil(1000);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// The session that published it.
    pub(crate) const fn publisher(&self) -> SessionNumber {
        self.publisher
    }

    /// Bytes of memory that it holds, with its payload, wherever that is.
    pub fn size(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |_| size_of::<Rare>());
        let apart = match self.apart() {
            Some(Apart::Shared(payload)) => payload.len(),
            Some(Apart::Stored(bytes)) => *bytes,
            None => 0,
        };
        size_of::<Self>() + 16 + self.bytes.len() + rare + apart
    }
}

/// When a message published at `now` expires.
fn expiry(now: Time, stated: Option<Duration>, max: Option<Duration>) -> Option<Time> {
    let interval = match (stated, max) {
        (Some(stated), Some(max)) => Some(stated.min(max)),
        (stated, max) => stated.or(max),
    };
    interval.map(|interval| now.after(interval))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("payload_len", &self.payload().len())
            .finish_non_exhaustive()
    }
}
