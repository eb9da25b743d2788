//! Application Messages: immutable, shared by everyone they wait for.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use dunlin_codec::{EncodeError, PacketIdentifier, PublishProperties, QoS, TopicName};
use triomphe::ThinArc;

use crate::id::SessionNumber;
use crate::time::Time;

/// Payloads from this size on need not stay in memory while a client is away, if the store has them:
/// below it what is left in memory would be as large.
pub const STORED_PAYLOAD_BYTES_MIN: usize = 256;

/// Payloads from this size on are never copied: they stay in the buffer that the network filled.
pub const SHARED_PAYLOAD_BYTES_MIN: usize = 16 * 1024;

/// An Application Message (section 1.2), as it was published. A clone is the same message: everyone it
/// waits for has one.
///
/// Topic, forwarded properties and payload lie in the form and order of the wire, so that a PUBLISH
/// for any subscriber is a header of its own and copies, or vectored writes, of these parts.
#[derive(Clone)]
pub struct Message(
    /// The bytes: Topic Name with its length, perhaps a gap, then the properties that are passed on
    /// unaltered, then the payload unless it lies apart.
    ThinArc<Head, u8>,
);

/// What a message has besides its bytes, in the same piece of memory.
#[derive(Clone)]
struct Head {
    /// What most messages have not.
    rare: Option<Box<Rare>>,
    publisher: SessionNumber,
    sequence: u64,
    properties_len: u32,
    topic_len: u16,
    qos: QoS,
    flags: Flags,
}

/// RETAIN, and above that bit the bytes behind the topic that mean nothing: what stood there in the packet
/// that the message came in.
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    fn new(retain: bool, gap: usize) -> Self {
        debug_assert!(gap <= GAP_BYTES_MAX);
        Self(u8::from(retain) | u8::try_from(gap << 1).unwrap_or_default())
    }

    const fn retain(self) -> bool {
        self.0 & 1 != 0
    }

    const fn gap(self) -> usize {
        (self.0 >> 1) as usize
    }
}

/// Bytes of memory besides the bytes of a message: its head, their number, and the counter of clones.
const HEAD_BYTES: usize = size_of::<Head>() + 2 * size_of::<usize>();

// Queues hold many of them.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(HEAD_BYTES <= 48);

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

/// Where the core finds the bytes of a PUBLISH.
#[derive(Clone, Debug)]
pub enum Form<'a> {
    /// In its fields, from which they are put together.
    Fields,
    /// In one piece: this is all behind its Fixed Header.
    Whole(&'a [u8]),
    /// In its fields, but for the payload, which can be kept.
    Payload(Bytes),
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
    /// Properties, if there are any. Topic Alias and Subscription Identifiers are those of one hop and not
    /// kept; the Message Expiry Interval becomes [`Message::expires_at`].
    pub properties: Option<&'a PublishProperties<'a>>,
    /// Payload.
    pub payload: Payload<'a>,
    /// Topic Name with its length, up to [`GAP_BYTES_MAX`] bytes, and the payload, if they lie so and there
    /// are no properties.
    pub whole: Option<&'a [u8]>,
}

/// What may stand between topic and payload: a Packet Identifier, and that there are no properties.
pub const GAP_BYTES_MAX: usize = 3;

impl Message {
    /// A message published at `now`. `expiry_max` bounds its Message Expiry Interval; its bytes are put
    /// together in `scratch`.
    ///
    /// # Errors
    /// [`EncodeError`] if a property is too long for the wire, which no decoded one is.
    #[inline]
    pub(crate) fn new(
        draft: &Draft<'_>,
        publisher: SessionNumber,
        (now, expiry_max): (Time, Option<Duration>),
        scratch: &mut Vec<u8>,
    ) -> Result<Self, EncodeError> {
        let topic = draft.topic.as_str().as_bytes();
        let topic_len =
            u16::try_from(topic.len()).map_err(|_| EncodeError::FieldTooLong(topic.len()))?;
        if let Some(whole) = draft.whole
            && let rest = LENGTH_BYTES + topic.len() + draft.payload.as_slice().len()
            && let Some(gap) = whole.len().checked_sub(rest)
            && gap <= GAP_BYTES_MAX
            && draft.properties.is_none()
        {
            let head = Head {
                rare: Rare::boxed(None, expiry_max.map(|interval| now.after(interval))),
                properties_len: 0,
                topic_len,
                qos: draft.qos,
                flags: Flags::new(draft.retain, gap),
                publisher,
                sequence: 0,
            };
            return Ok(Self(ThinArc::from_header_and_slice(head, whole)));
        }
        let shared = match &draft.payload {
            Payload::Shared(bytes) if bytes.len() >= SHARED_PAYLOAD_BYTES_MIN => {
                Some(Apart::Shared(bytes.clone()))
            }
            _ => None,
        };
        scratch.clear();
        scratch.extend_from_slice(&topic_len.to_be_bytes());
        scratch.extend_from_slice(topic);
        let mut properties_len = 0;
        let mut expires_at = expiry_max.map(|interval| now.after(interval));
        if let Some(properties) = draft.properties {
            properties.write_forwarded(scratch)?;
            let length = scratch.len() - topic.len() - LENGTH_BYTES;
            properties_len =
                u32::try_from(length).map_err(|_| EncodeError::PacketTooLong(length))?;
            let stated = properties.message_expiry_interval;
            let stated = stated.map(|seconds| Duration::from_secs(seconds.into()));
            expires_at = expiry(now, stated, expiry_max);
        }
        if shared.is_none() {
            scratch.extend_from_slice(draft.payload.as_slice());
        }
        let head = Head {
            rare: Rare::boxed(shared, expires_at),
            properties_len,
            topic_len,
            qos: draft.qos,
            flags: Flags::new(draft.retain, 0),
            publisher,
            sequence: 0,
        };
        Ok(Self(ThinArc::from_header_and_slice(head, scratch)))
    }

    /// The message of a PUBLISH that is this one's again but for packet identifier and payload, and that
    /// packet identifier; `None` if it is another one, or this one has more than that. `body` is all behind
    /// the Fixed Header, whose first byte is that of this one's without DUP and RETAIN.
    #[inline]
    pub(crate) fn again(
        &self,
        body: &[u8],
        is_v5: bool,
    ) -> Option<(Self, Option<PacketIdentifier>)> {
        let head = self.head();
        let topic_end = LENGTH_BYTES + usize::from(head.topic_len);
        let gap = head.flags.gap();
        let id_len = match head.qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce | QoS::ExactlyOnce => 2,
        };
        let is_whole = gap == id_len + usize::from(is_v5)
            && head.properties_len == 0
            && head.rare.is_none()
            && !head.flags.retain();
        let between = body.get(topic_end..topic_end + gap)?;
        if !is_whole || body.get(..topic_end) != self.bytes().get(..topic_end) {
            return None;
        }
        let packet_id = match between {
            [high, low, ..] => Some(PacketIdentifier::new(u16::from_be_bytes([*high, *low]))?),
            _ => None,
        };
        // The length of the properties.
        if is_v5 && between.last() != Some(&0) {
            return None;
        }
        let head = Head {
            rare: None,
            ..*head
        };
        Some((Self(ThinArc::from_header_and_slice(head, body)), packet_id))
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
        let bytes = [length.as_slice(), topic, parts.forwarded_properties, inline].concat();
        let head = Head {
            rare: Rare::boxed(shared, parts.expires_at),
            properties_len: u32::try_from(parts.forwarded_properties.len()).ok()?,
            topic_len,
            qos: parts.qos,
            flags: Flags::new(parts.retain, 0),
            publisher: parts.publisher,
            sequence: parts.sequence,
        };
        Some(Self(ThinArc::from_header_and_slice(head, &bytes)))
    }

    /// What has to be written down to have it again.
    pub fn parts(&self) -> MessageParts<'_> {
        MessageParts {
            sequence: self.sequence(),
            publisher: self.publisher(),
            topic: std::str::from_utf8(self.topic_bytes()).unwrap_or_default(),
            forwarded_properties: self.forwarded_properties(),
            payload: self.payload(),
            qos: self.qos(),
            retain: self.retain(),
            expires_at: self.expires_at(),
        }
    }

    fn head(&self) -> &Head {
        &self.0.header.header
    }

    fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// The same message, with its place among all publishes.
    #[inline]
    pub(crate) fn numbered(mut self, sequence: u64) -> Self {
        self.number(sequence);
        self
    }

    /// Gives it its place among all publishes.
    #[inline]
    pub(crate) fn number(&mut self, sequence: u64) {
        let is_numbered = self.0.with_arc_mut(|message| {
            let alone = triomphe::Arc::get_mut(message);
            alone.map(|message| message.header_mut().sequence = sequence)
        });
        if is_numbered.is_none() {
            // Somebody has it under another number.
            let head = Head {
                sequence,
                ..self.head().clone()
            };
            *self = Self(ThinArc::from_header_and_slice(head, self.bytes()));
        }
    }

    /// The place of its publish among all; 0 before it is planned. No two messages have the same.
    pub fn sequence(&self) -> u64 {
        self.head().sequence
    }

    /// The same message, published at `now`.
    pub(crate) fn published_at(
        &self,
        now: Time,
        interval: Option<Duration>,
        expiry_max: Option<Duration>,
    ) -> Self {
        let rare = Rare::boxed(self.apart().cloned(), expiry(now, interval, expiry_max));
        let head = Head {
            rare,
            ..*self.head()
        };
        Self(ThinArc::from_header_and_slice(head, self.bytes()))
    }

    /// The same message without its payload, for as long as the store has that.
    pub(crate) fn without_payload(&self) -> Self {
        let (_, end) = self.properties_range();
        let apart = match self.apart() {
            Some(Apart::Stored(bytes)) => Apart::Stored(*bytes),
            Some(Apart::Shared(_)) | None => Apart::Stored(self.payload().len()),
        };
        let head = Head {
            rare: Rare::boxed(Some(apart), self.expires_at()),
            ..*self.head()
        };
        let bytes = self.bytes().get(..end).unwrap_or_else(|| self.bytes());
        Self(ThinArc::from_header_and_slice(head, bytes))
    }

    /// Whether its payload is in the store alone: [`Message::payload`] is empty then.
    pub(crate) fn is_payload_stored(&self) -> bool {
        matches!(self.apart(), Some(Apart::Stored(_)))
    }

    fn apart(&self) -> Option<&Apart> {
        self.head().rare.as_ref()?.apart.as_ref()
    }

    fn properties_range(&self) -> (usize, usize) {
        let head = self.head();
        let start = LENGTH_BYTES + usize::from(head.topic_len) + head.flags.gap();
        let length = usize::try_from(head.properties_len).unwrap_or(usize::MAX);
        (start, start.saturating_add(length))
    }

    /// Topic Name, as it goes over the wire.
    pub fn topic_bytes(&self) -> &[u8] {
        self.bytes()
            .get(LENGTH_BYTES..LENGTH_BYTES + usize::from(self.head().topic_len))
            .unwrap_or_default()
    }

    /// Whether it expires, or its payload lies apart.
    pub(crate) fn is_rare(&self) -> bool {
        self.head().rare.is_some()
    }

    /// Topic Name with its length, and payload; `None` for a message of which more has to be said, or
    /// that lies in several places. Without anything to stand between them, for a QoS 0 before 5.0, all
    /// of it is in the first of the two if it lies so.
    pub(crate) fn plain(&self, is_joined: bool) -> Option<(&[u8], &[u8])> {
        let head = self.head();
        if head.properties_len > 0 || head.rare.is_some() {
            return None;
        }
        let bytes = self.bytes();
        if is_joined && head.flags.gap() == 0 {
            return Some((bytes, &[]));
        }
        let topic_end = LENGTH_BYTES + usize::from(head.topic_len);
        let payload_at = topic_end + head.flags.gap();
        Some((bytes.get(..topic_end)?, bytes.get(payload_at..)?))
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
        self.bytes().get(start..end).unwrap_or_default()
    }

    /// Application Message payload.
    pub fn payload(&self) -> &[u8] {
        match self.shared_payload() {
            Some(shared) => shared,
            None => self
                .bytes()
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
    pub fn qos(&self) -> QoS {
        self.head().qos
    }

    /// The RETAIN flag it was published with.
    pub fn retain(&self) -> bool {
        self.head().flags.retain()
    }

    /// When its Message Expiry Interval has passed.
    pub fn expires_at(&self) -> Option<Time> {
        self.head().rare.as_ref()?.expires_at
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
    pub(crate) fn publisher(&self) -> SessionNumber {
        self.head().publisher
    }

    /// Bytes of memory that it holds, with its payload, wherever that is.
    pub fn size(&self) -> usize {
        let rare = self.head().rare.as_ref().map_or(0, |_| size_of::<Rare>());
        let apart = match self.apart() {
            Some(Apart::Shared(payload)) => payload.len(),
            Some(Apart::Stored(bytes)) => *bytes,
            None => 0,
        };
        HEAD_BYTES + self.bytes().len() + rare + apart
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
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .field("payload_len", &self.payload().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
