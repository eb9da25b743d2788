//! Records into bytes.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use dunlin_core::id::SessionNumber;
use dunlin_core::message::Message;
use dunlin_core::storage::{
    OwnRules, PageRecord, PublishRecord, Receiver, Record, SessionRecord, SubscriptionRecord,
    WillRecord,
};
use dunlin_core::time::Time;

use super::{flag, tag};

/// Writes one record behind what `out` holds.
pub(crate) fn encode(record: &Record<'_>, out: &mut Vec<u8>) {
    match *record {
        Record::Session(ref record) => session(record, out),
        Record::Ended { session } => {
            out.push(tag::ENDED);
            number(session.as_u64(), out);
        }
        Record::WillDue {
            session,
            will: ref record,
        } => {
            out.push(tag::WILL_DUE);
            number(session.as_u64(), out);
            will(record, out);
        }
        Record::Subscribed(ref record) => subscribed(record, out),
        Record::Unsubscribed { session, filter } => {
            out.push(tag::UNSUBSCRIBED);
            number(session.as_u64(), out);
            bytes(filter.as_bytes(), out);
        }
        Record::Publish(ref record) => publish(record, out),
        Record::Given { sequence, receiver } => {
            out.push(tag::GIVEN);
            number(sequence, out);
            self::receiver(&receiver, out);
        }
        Record::Sent {
            session,
            sequence,
            send,
        } => {
            out.push(tag::SENT);
            number(session.as_u64(), out);
            number(sequence, out);
            number(send, out);
        }
        Record::Released { session, send } => pair(tag::RELEASED, session, send, out),
        Record::Completed { session, send } => pair(tag::COMPLETED, session, send, out),
        Record::Done { session, sequence } => pair(tag::DONE, session, sequence, out),
        Record::Freed { session, packet_id } => {
            pair(tag::FREED, session, packet_id.as_u16().into(), out);
        }
        Record::Page(ref record) => page(record, out),
        Record::NotRetained { sequence } => {
            out.push(tag::NOT_RETAINED);
            number(sequence, out);
        }
        Record::RewriteBegun {
            number: rewriting,
            next_session,
            next_sequence,
        } => {
            out.push(tag::REWRITE_BEGUN);
            number(rewriting, out);
            number(next_session, out);
            number(next_sequence, out);
        }
        Record::RewriteDone { number: rewriting } => {
            out.push(tag::REWRITE_DONE);
            number(rewriting, out);
        }
    }
}

fn session(record: &SessionRecord<'_>, out: &mut Vec<u8>) {
    use flag::session::{DISCONNECTED_AT, EXPIRY_INTERVAL, IS_CONNECTED, IS_WHOLE, WILL, WILL_DUE};
    out.push(tag::SESSION);
    out.push(
        set(record.is_whole, IS_WHOLE)
            | set(record.is_connected, IS_CONNECTED)
            | set(record.expiry_interval.is_some(), EXPIRY_INTERVAL)
            | set(record.disconnected_at.is_some(), DISCONNECTED_AT)
            | set(record.will.is_some(), WILL)
            | set(record.will_due.is_some(), WILL_DUE),
    );
    number(record.session.as_u64(), out);
    bytes(record.client_id.as_bytes(), out);
    number(record.window.into(), out);
    record.expiry_interval.inspect(|&it| duration(it, out));
    record.disconnected_at.inspect(|&it| time(it, out));
    record.will_due.inspect(|&it| time(it, out));
    if let Some(record) = &record.will {
        will(record, out);
    }
}

fn will(record: &WillRecord<'_>, out: &mut Vec<u8>) {
    use flag::will::{ADDRESS, ALLOWED, EXPIRY_INTERVAL, SILENT, USER_NAME};
    out.push(
        set(record.expiry_interval.is_some(), EXPIRY_INTERVAL)
            | set(record.user_name.is_some(), USER_NAME)
            | set(record.address.is_some(), ADDRESS)
            | set(record.own_rules == OwnRules::Allow, ALLOWED)
            | set(record.own_rules == OwnRules::Silent, SILENT),
    );
    duration(record.delay, out);
    record.expiry_interval.inspect(|&it| duration(it, out));
    record.user_name.inspect(|it| bytes(it.as_bytes(), out));
    match record.address {
        Some(IpAddr::V4(address)) => bytes(&address.octets(), out),
        Some(IpAddr::V6(address)) => bytes(&address.octets(), out),
        None => {}
    }
    message(record.message, out);
}

fn subscribed(record: &SubscriptionRecord<'_>, out: &mut Vec<u8>) {
    use flag::subscribed::{IDENTIFIER, RETAINED_AS_OF};
    out.push(tag::SUBSCRIBED);
    out.push(
        set(record.identifier.is_some(), IDENTIFIER)
            | set(record.retained_as_of.is_some(), RETAINED_AS_OF),
    );
    number(record.session.as_u64(), out);
    bytes(record.filter.as_bytes(), out);
    out.push(record.options.as_u8());
    record.identifier.inspect(|&it| identifier(it, out));
    record.retained_as_of.inspect(|&it| number(it, out));
}

fn publish(record: &PublishRecord<'_>, out: &mut Vec<u8>) {
    use flag::publish::{MESSAGE, RECEIVED, RETAINS, WILL_OF};
    out.push(tag::PUBLISH);
    out.push(
        set(record.message.is_some(), MESSAGE)
            | set(record.retains, RETAINS)
            | set(record.received.is_some(), RECEIVED)
            | set(record.will_of.is_some(), WILL_OF),
    );
    if let Some((session, packet_id)) = record.received {
        number(session.as_u64(), out);
        number(packet_id.as_u16().into(), out);
    }
    if let Some((session, sequence)) = record.will_of {
        number(session.as_u64(), out);
        number(sequence, out);
    }
    number(record.receivers.len() as u64, out);
    for it in record.receivers {
        receiver(it, out);
    }
    if let Some(it) = record.message {
        message(it, out);
    }
}

fn receiver(record: &Receiver<'_>, out: &mut Vec<u8>) {
    use flag::receiver::{GROUP, RETAIN};
    out.push(record.qos as u8 | set(record.retain, RETAIN) | set(record.group.is_some(), GROUP));
    number(record.session.as_u64(), out);
    number(record.identifiers.len() as u64, out);
    for &it in record.identifiers {
        identifier(it, out);
    }
    record.group.inspect(|it| bytes(it.as_bytes(), out));
}

fn message(message: &Message, out: &mut Vec<u8>) {
    use flag::message::{EXPIRES_AT, RETAIN};
    let parts = message.parts();
    out.push(
        parts.qos as u8 | set(parts.retain, RETAIN) | set(parts.expires_at.is_some(), EXPIRES_AT),
    );
    number(parts.sequence, out);
    number(parts.publisher.as_u64(), out);
    parts.expires_at.inspect(|&it| time(it, out));
    bytes(parts.topic.as_bytes(), out);
    bytes(parts.forwarded_properties, out);
    bytes(parts.payload, out);
}

fn page(record: &PageRecord<'_>, out: &mut Vec<u8>) {
    out.push(tag::PAGE);
    out.push(record.next.is_some().into());
    number(record.session.as_u64(), out);
    bytes(record.filter.as_bytes(), out);
    record.next.inspect(|it| bytes(it.as_bytes(), out));
}

fn pair(tag: u8, session: SessionNumber, second: u64, out: &mut Vec<u8>) {
    out.push(tag);
    number(session.as_u64(), out);
    number(second, out);
}

const fn set(is: bool, bit: u8) -> u8 {
    if is { bit } else { 0 }
}

fn identifier(identifier: NonZeroU32, out: &mut Vec<u8>) {
    number(identifier.get().into(), out);
}

fn time(time: Time, out: &mut Vec<u8>) {
    number(time.as_millis(), out);
}

fn duration(duration: Duration, out: &mut Vec<u8>) {
    number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), out);
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn number(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}
