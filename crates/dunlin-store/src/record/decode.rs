//! Bytes into records.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use dunlin_codec::{PacketIdentifier, QoS, RetainHandling, SubscriptionOptions, TopicFilter};
use dunlin_core::id::SessionNumber;
use dunlin_core::message::{Message, MessageParts};
use dunlin_core::storage::{
    OwnRules, PageRecord, PublishRecord, Receiver, Record, SessionRecord, SubscriptionRecord,
    WillRecord,
};
use dunlin_core::time::Time;

use super::{flag, tag};

/// Bytes that are no record, although their checksum is right: another version wrote them, or an
/// error of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end within a record.
    #[error("it ends within a record")]
    Short,
    /// No record begins with this byte.
    #[error("unknown kind of record {0}")]
    Kind(u8),
    /// A value that the field cannot have.
    #[error("{0} is out of its range")]
    Value(&'static str),
}

/// How many things a list has room for at once: what follows has not been read yet.
const CAPACITY_MAX: usize = 1024;

/// A record that owns what a [`Record`] only points to.
#[derive(Debug)]
pub(crate) enum Decoded<'a> {
    /// All that needs nothing of its own.
    Plain(Record<'a>),
    Session(SessionRecord<'a>, Option<DecodedWill<'a>>),
    WillDue(SessionNumber, DecodedWill<'a>),
    Publish(DecodedPublish<'a>),
    Given(u64, DecodedReceiver<'a>),
}

#[derive(Debug)]
pub(crate) struct DecodedWill<'a> {
    message: Message,
    expiry_interval: Option<Duration>,
    delay: Duration,
    user_name: Option<&'a str>,
    address: Option<IpAddr>,
    own_rules: OwnRules,
}

#[derive(Debug)]
pub(crate) struct DecodedPublish<'a> {
    message: Option<Message>,
    retains: bool,
    receivers: Vec<DecodedReceiver<'a>>,
    received: Option<(SessionNumber, PacketIdentifier)>,
    will_of: Option<(SessionNumber, u64)>,
}

#[derive(Debug)]
pub(crate) struct DecodedReceiver<'a> {
    session: SessionNumber,
    qos: QoS,
    retain: bool,
    identifiers: Vec<NonZeroU32>,
    group: Option<&'a str>,
}

impl DecodedWill<'_> {
    fn record(&self) -> WillRecord<'_> {
        WillRecord {
            message: &self.message,
            expiry_interval: self.expiry_interval,
            delay: self.delay,
            user_name: self.user_name,
            address: self.address,
            own_rules: self.own_rules,
        }
    }
}

impl DecodedReceiver<'_> {
    fn record(&self) -> Receiver<'_> {
        Receiver {
            session: self.session,
            qos: self.qos,
            retain: self.retain,
            identifiers: &self.identifiers,
            group: self.group,
        }
    }
}

impl Decoded<'_> {
    /// The message of a publish.
    pub(crate) const fn message(&self) -> Option<&Message> {
        match self {
            Self::Publish(publish) => publish.message.as_ref(),
            _ => None,
        }
    }

    /// Gives the record to `each`.
    pub(crate) fn give(&self, each: &mut dyn FnMut(Record<'_>)) {
        match self {
            Self::Plain(record) => each(*record),
            Self::Session(record, will) => each(Record::Session(SessionRecord {
                will: will.as_ref().map(DecodedWill::record),
                ..*record
            })),
            Self::WillDue(session, will) => each(Record::WillDue {
                session: *session,
                will: will.record(),
            }),
            Self::Publish(publish) => {
                let receivers = &publish.receivers;
                let receivers: Vec<_> = receivers.iter().map(DecodedReceiver::record).collect();
                each(Record::Publish(PublishRecord {
                    message: publish.message.as_ref(),
                    retains: publish.retains,
                    receivers: &receivers,
                    received: publish.received,
                    will_of: publish.will_of,
                }));
            }
            Self::Given(sequence, receiver) => each(Record::Given {
                sequence: *sequence,
                receiver: receiver.record(),
            }),
        }
    }
}

/// Reads all records of `bytes` into `records`, which is emptied first.
///
/// # Errors
/// The first thing that is wrong with them; `records` is of no use then.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    records: &mut Vec<Decoded<'a>>,
) -> Result<(), RecordError> {
    records.clear();
    let mut reader = Reader { rest: bytes };
    while !reader.rest.is_empty() {
        records.push(record(&mut reader)?);
    }
    Ok(())
}

fn record<'a>(reader: &mut Reader<'a>) -> Result<Decoded<'a>, RecordError> {
    let record = match reader.byte()? {
        tag::SESSION => return session(reader),
        tag::WILL_DUE => return Ok(Decoded::WillDue(reader.session()?, will(reader)?)),
        tag::PUBLISH => return publish(reader),
        tag::GIVEN => return Ok(Decoded::Given(reader.number()?, receiver(reader)?)),
        tag::ENDED => Record::Ended {
            session: reader.session()?,
        },
        tag::SUBSCRIBED => subscribed(reader)?,
        tag::UNSUBSCRIBED => Record::Unsubscribed {
            session: reader.session()?,
            filter: reader.filter()?,
        },
        tag::SENT => Record::Sent {
            session: reader.session()?,
            sequence: reader.number()?,
            send: reader.number()?,
        },
        tag::RELEASED => Record::Released {
            session: reader.session()?,
            send: reader.number()?,
        },
        tag::COMPLETED => Record::Completed {
            session: reader.session()?,
            send: reader.number()?,
        },
        tag::DONE => Record::Done {
            session: reader.session()?,
            sequence: reader.number()?,
        },
        tag::FREED => Record::Freed {
            session: reader.session()?,
            packet_id: reader.packet_id()?,
        },
        tag::PAGE => page(reader)?,
        tag::NOT_RETAINED => Record::NotRetained {
            sequence: reader.number()?,
        },
        tag::REWRITE_BEGUN => Record::RewriteBegun {
            number: reader.number()?,
            next_session: reader.number()?,
            next_sequence: reader.number()?,
        },
        tag::REWRITE_DONE => Record::RewriteDone {
            number: reader.number()?,
        },
        kind => return Err(RecordError::Kind(kind)),
    };
    Ok(Decoded::Plain(record))
}

fn session<'a>(reader: &mut Reader<'a>) -> Result<Decoded<'a>, RecordError> {
    use flag::session as bit;
    let flags = reader.flags(bit::ALL, "the flags of a session")?;
    let has = |bit| flags & bit != 0;
    let mut record = SessionRecord {
        session: reader.session()?,
        client_id: reader.text("a Client Identifier")?,
        is_whole: has(bit::IS_WHOLE),
        is_connected: has(bit::IS_CONNECTED),
        window: reader.window()?,
        expiry_interval: None,
        disconnected_at: None,
        will: None,
        will_due: None,
    };
    if has(bit::EXPIRY_INTERVAL) {
        record.expiry_interval = Some(reader.duration()?);
    }
    if has(bit::DISCONNECTED_AT) {
        record.disconnected_at = Some(reader.time()?);
    }
    if has(bit::WILL_DUE) {
        record.will_due = Some(reader.time()?);
    }
    let will = if has(bit::WILL) {
        Some(will(reader)?)
    } else {
        None
    };
    Ok(Decoded::Session(record, will))
}

fn will<'a>(reader: &mut Reader<'a>) -> Result<DecodedWill<'a>, RecordError> {
    use flag::will as bit;
    let flags = reader.flags(bit::ALL, "the flags of a will")?;
    let delay = reader.duration()?;
    let expiry_interval = if flags & bit::EXPIRY_INTERVAL != 0 {
        Some(reader.duration()?)
    } else {
        None
    };
    let user_name = if flags & bit::USER_NAME != 0 {
        Some(reader.text("a User Name")?)
    } else {
        None
    };
    let address = if flags & bit::ADDRESS != 0 {
        Some(reader.address()?)
    } else {
        None
    };
    let own_rules = match (flags & bit::ALLOWED != 0, flags & bit::SILENT != 0) {
        (false, false) => OwnRules::None,
        (true, false) => OwnRules::Allow,
        (false, true) => OwnRules::Silent,
        (true, true) => return Err(RecordError::Value("the flags of a will")),
    };
    Ok(DecodedWill {
        message: message(reader)?,
        expiry_interval,
        delay,
        user_name,
        address,
        own_rules,
    })
}

fn subscribed<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, RecordError> {
    use flag::subscribed as bit;
    let flags = reader.flags(bit::ALL, "the flags of a subscription")?;
    let session = reader.session()?;
    let filter = reader.filter()?;
    let options = options(reader.byte()?)?;
    let identifier = if flags & bit::IDENTIFIER != 0 {
        Some(reader.identifier()?)
    } else {
        None
    };
    let retained_as_of = if flags & bit::RETAINED_AS_OF != 0 {
        Some(reader.number()?)
    } else {
        None
    };
    Ok(Record::Subscribed(SubscriptionRecord {
        session,
        filter,
        options,
        identifier,
        retained_as_of,
    }))
}

/// Subscription Options, as section 3.8.3.1 has them.
fn options(byte: u8) -> Result<SubscriptionOptions, RecordError> {
    let wrong = RecordError::Value("Subscription Options");
    Ok(SubscriptionOptions {
        qos: QoS::from_u8(byte & 0b11).ok_or(wrong)?,
        no_local: byte & 1 << 2 != 0,
        retain_as_published: byte & 1 << 3 != 0,
        retain_handling: match byte >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(wrong),
        },
    })
}

fn publish<'a>(reader: &mut Reader<'a>) -> Result<Decoded<'a>, RecordError> {
    use flag::publish as bit;
    let flags = reader.flags(bit::ALL, "the flags of a publish")?;
    let received = if flags & bit::RECEIVED != 0 {
        Some((reader.session()?, reader.packet_id()?))
    } else {
        None
    };
    let will_of = if flags & bit::WILL_OF != 0 {
        Some((reader.session()?, reader.number()?))
    } else {
        None
    };
    let count = reader.count()?;
    let mut receivers = Vec::with_capacity(count.min(CAPACITY_MAX));
    for _ in 0..count {
        receivers.push(receiver(reader)?);
    }
    let message = if flags & bit::MESSAGE != 0 {
        Some(message(reader)?)
    } else {
        None
    };
    Ok(Decoded::Publish(DecodedPublish {
        message,
        retains: flags & bit::RETAINS != 0,
        receivers,
        received,
        will_of,
    }))
}

fn receiver<'a>(reader: &mut Reader<'a>) -> Result<DecodedReceiver<'a>, RecordError> {
    use flag::receiver as bit;
    let flags = reader.flags(bit::ALL, "the flags of a receiver")?;
    let session = reader.session()?;
    let count = reader.count()?;
    let mut identifiers = Vec::with_capacity(count.min(CAPACITY_MAX));
    for _ in 0..count {
        identifiers.push(reader.identifier()?);
    }
    let group = if flags & bit::GROUP != 0 {
        Some(reader.filter()?)
    } else {
        None
    };
    Ok(DecodedReceiver {
        session,
        qos: qos(flags)?,
        retain: flags & bit::RETAIN != 0,
        identifiers,
        group,
    })
}

fn message(reader: &mut Reader<'_>) -> Result<Message, RecordError> {
    use flag::message as bit;
    let flags = reader.flags(bit::ALL, "the flags of a message")?;
    let sequence = reader.number()?;
    let publisher = reader.session()?;
    let expires_at = if flags & bit::EXPIRES_AT != 0 {
        Some(reader.time()?)
    } else {
        None
    };
    let parts = MessageParts {
        sequence,
        publisher,
        topic: reader.text("a Topic Name")?,
        forwarded_properties: reader.bytes()?,
        payload: reader.bytes()?,
        qos: qos(flags)?,
        retain: flags & bit::RETAIN != 0,
        expires_at,
    };
    let message = Message::from_parts(&parts).ok_or(RecordError::Value("a Topic Name"))?;
    Ok(message)
}

fn page<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, RecordError> {
    let has_next = reader.flags(1, "the flags of a page")? != 0;
    let session = reader.session()?;
    let filter = reader.filter()?;
    let next = if has_next {
        Some(reader.text("a Topic Name")?)
    } else {
        None
    };
    Ok(Record::Page(PageRecord {
        session,
        filter,
        next,
    }))
}

fn qos(flags: u8) -> Result<QoS, RecordError> {
    QoS::from_u8(flags & 0b11).ok_or(RecordError::Value("a QoS"))
}

/// What is left to read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, RecordError> {
        let (&byte, rest) = self.rest.split_first().ok_or(RecordError::Short)?;
        self.rest = rest;
        Ok(byte)
    }

    /// A byte whose bits are all among `known`.
    fn flags(&mut self, known: u8, what: &'static str) -> Result<u8, RecordError> {
        let byte = self.byte()?;
        if byte & !known == 0 {
            Ok(byte)
        } else {
            Err(RecordError::Value(what))
        }
    }

    fn number(&mut self) -> Result<u64, RecordError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Value("a number"))
    }

    /// How many things follow, each of at least one byte: what is reserved for them is never more
    /// than was read.
    fn count(&mut self) -> Result<usize, RecordError> {
        let count = usize::try_from(self.number()?).map_err(|_| RecordError::Short)?;
        if count > self.rest.len() {
            return Err(RecordError::Short);
        }
        Ok(count)
    }

    fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.count()?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(RecordError::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self, what: &'static str) -> Result<&'a str, RecordError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RecordError::Value(what))
    }

    fn filter(&mut self) -> Result<&'a str, RecordError> {
        let text = self.text("a Topic Filter")?;
        TopicFilter::parse(text).map_err(|_| RecordError::Value("a Topic Filter"))?;
        Ok(text)
    }

    fn address(&mut self) -> Result<IpAddr, RecordError> {
        let bytes = self.bytes()?;
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
        address.map_err(|_| RecordError::Value("an address"))
    }

    fn session(&mut self) -> Result<SessionNumber, RecordError> {
        self.number().map(SessionNumber::from_u64)
    }

    fn window(&mut self) -> Result<u32, RecordError> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| RecordError::Value("a window"))
    }

    fn packet_id(&mut self) -> Result<PacketIdentifier, RecordError> {
        let number = u16::try_from(self.number()?).ok();
        number
            .and_then(PacketIdentifier::new)
            .ok_or(RecordError::Value("a Packet Identifier"))
    }

    fn identifier(&mut self) -> Result<NonZeroU32, RecordError> {
        let number = u32::try_from(self.number()?).ok();
        number
            .and_then(NonZeroU32::new)
            .ok_or(RecordError::Value("a Subscription Identifier"))
    }

    fn time(&mut self) -> Result<Time, RecordError> {
        self.number().map(Time::from_millis)
    }

    fn duration(&mut self) -> Result<Duration, RecordError> {
        self.number().map(Duration::from_millis)
    }
}
