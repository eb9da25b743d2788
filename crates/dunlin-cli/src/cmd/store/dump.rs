//! Records as JSON.

use std::time::Duration;

use dunlin_core::message::Message;
use dunlin_core::storage::{
    PageRecord, PublishRecord, Receiver, Record, SessionRecord, SubscriptionRecord, WillRecord,
};
use dunlin_core::time::Time;
use dunlin_store::Place;
use serde_json::{Value, json};

use crate::format::Format;

/// A record, and where it is, in one line.
pub(super) fn line(place: Place, record: &Record<'_>, payload_bytes: usize) -> Value {
    let (name, mut fields) = named(record, payload_bytes);
    let mut line = json!({
        "segment": place.segment,
        "offset": place.offset,
        "append": place.append,
        "record": name,
    });
    if let (Some(line), Some(fields)) = (line.as_object_mut(), fields.as_object_mut()) {
        // What is absent has no field.
        line.extend(
            std::mem::take(fields)
                .into_iter()
                .filter(|(_, value)| !value.is_null()),
        );
    }
    line
}

fn named(record: &Record<'_>, payload_bytes: usize) -> (&'static str, Value) {
    match record {
        Record::Session(record) => ("session", session(record, payload_bytes)),
        Record::Ended { session } => ("ended", json!({ "session": session.as_u64() })),
        Record::WillDue { session, will: it } => {
            let will = will(it, payload_bytes);
            (
                "will_due",
                json!({ "session": session.as_u64(), "will": will }),
            )
        }
        Record::Subscribed(record) => ("subscribed", subscribed(record)),
        Record::Unsubscribed { session, filter } => (
            "unsubscribed",
            json!({ "session": session.as_u64(), "filter": filter }),
        ),
        Record::Publish(record) => ("publish", publish(record, payload_bytes)),
        Record::Given {
            sequence,
            receiver: it,
        } => (
            "given",
            json!({ "message": sequence, "receiver": receiver(it) }),
        ),
        Record::Sent {
            session,
            sequence,
            send,
        } => (
            "sent",
            json!({ "session": session.as_u64(), "message": sequence, "sending": send }),
        ),
        Record::Released { session, send } => (
            "released",
            json!({ "session": session.as_u64(), "sending": send }),
        ),
        Record::Completed { session, send } => (
            "completed",
            json!({ "session": session.as_u64(), "sending": send }),
        ),
        Record::Done { session, sequence } => (
            "done",
            json!({ "session": session.as_u64(), "message": sequence }),
        ),
        Record::Freed { session, packet_id } => (
            "freed",
            json!({ "session": session.as_u64(), "packet_id": packet_id.as_u16() }),
        ),
        Record::Page(record) => ("page", page(record)),
        Record::NotRetained { sequence } => ("not_retained", json!({ "message": sequence })),
        Record::RewriteBegun {
            number,
            next_session,
            next_sequence,
        } => (
            "rewrite_begun",
            json!({ "number": number, "next_session": next_session, "next_message": next_sequence }),
        ),
        Record::RewriteDone { number } => ("rewrite_done", json!({ "number": number })),
    }
}

fn session(record: &SessionRecord<'_>, payload_bytes: usize) -> Value {
    json!({
        "session": record.session.as_u64(),
        "client_id": record.client_id,
        "is_whole": record.is_whole,
        "is_connected": record.is_connected,
        "expiry_interval_ms": record.expiry_interval.map(millis),
        "disconnected_at_ms": record.disconnected_at.map(Time::as_millis),
        "window": record.window,
        "will": record.will.as_ref().map(|it| will(it, payload_bytes)),
        "will_due_ms": record.will_due.map(Time::as_millis),
    })
}

/// Whole milliseconds, as the record has them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn will(record: &WillRecord<'_>, payload_bytes: usize) -> Value {
    json!({
        "delay_ms": millis(record.delay),
        "expiry_interval_ms": record.expiry_interval.map(millis),
        "user": record.user_name,
        "message": message(record.message, payload_bytes),
    })
}

fn subscribed(record: &SubscriptionRecord<'_>) -> Value {
    json!({
        "session": record.session.as_u64(),
        "filter": record.filter,
        "qos": record.options.qos as u8,
        "no_local": record.options.no_local,
        "retain_as_published": record.options.retain_as_published,
        "identifier": record.identifier,
        "retained_up_to": record.retained_as_of,
    })
}

fn publish(record: &PublishRecord<'_>, payload_bytes: usize) -> Value {
    let receivers: Vec<_> = record.receivers.iter().map(receiver).collect();
    let received = record.received.map(|(session, packet_id)| {
        json!({ "session": session.as_u64(), "packet_id": packet_id.as_u16() })
    });
    let will_of = record.will_of.map(|(session, _)| session.as_u64());
    json!({
        "message": record.message.map(|it| message(it, payload_bytes)),
        "retains": record.retains,
        "receivers": receivers,
        "received": received,
        "will_of": will_of,
    })
}

fn receiver(record: &Receiver<'_>) -> Value {
    json!({
        "session": record.session.as_u64(),
        "qos": record.qos as u8,
        "retain": record.retain,
        "identifiers": record.identifiers,
        "group": record.group,
    })
}

fn page(record: &PageRecord<'_>) -> Value {
    json!({
        "session": record.session.as_u64(),
        "filter": record.filter,
        "next": record.next,
    })
}

fn message(message: &Message, payload_bytes: usize) -> Value {
    let payload = message.payload();
    let shown = payload.get(..payload_bytes).unwrap_or(payload);
    // A character that is cut off is no reason to show digits.
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        Err(error) if shown.len() < payload.len() && error.error_len().is_none() => {
            std::str::from_utf8(shown.get(..error.valid_up_to()).unwrap_or_default()).ok()
        }
        Err(_) => None,
    };
    let hex = || {
        let digits = Format::Hex.decode(shown).unwrap_or_default();
        String::from_utf8_lossy(&digits).replace(' ', "")
    };
    let (text, hex) = match text {
        Some(text) => (Some(text), None),
        None => (None, Some(hex())),
    };
    let mut shown = json!({
        "number": message.sequence(),
        "publisher": message.parts().publisher.as_u64(),
        "topic": message.topic().as_str(),
        "qos": message.qos() as u8,
        "retain": message.retain(),
        "expires_at_ms": message.expires_at().map(Time::as_millis),
        "property_bytes": message.forwarded_properties().len(),
        "payload_bytes": payload.len(),
        "payload": text,
        "payload_hex": hex,
    });
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    shown
}
