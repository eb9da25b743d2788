mod basics;
mod copies;
mod crash;
mod damage;
mod full;
mod messages;
mod samples;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use dunlin_codec::QoS;
use dunlin_core::id::SessionNumber;
use dunlin_core::message::{Message, MessageParts};
use dunlin_core::storage::{
    Durability, Position, PublishRecord, Record, Storage as _, StorageFault,
};

use crate::disk::SimulatedDisk;
use crate::{Report, Settings, Stepper, Store};

/// Small enough that a test fills several segments.
fn settings() -> Settings {
    Settings {
        segment_bytes: 4096,
        buffer_bytes_max: 64 * 1024,
        lazy_delay: Duration::from_millis(1),
        rewrite_bytes_min: 16 * 1024,
        rewrite_factor: 2,
        retry_delay: Duration::ZERO,
    }
}

/// A message whose payload begins with its sequence.
fn message(sequence: u64, payload_bytes: usize) -> Message {
    let mut payload = sequence.to_string().into_bytes();
    payload.resize(payload_bytes.max(payload.len()), b'.');
    message_of(sequence, &payload)
}

fn message_of(sequence: u64, payload: &[u8]) -> Message {
    let parts = MessageParts {
        sequence,
        publisher: SessionNumber::from_u64(7),
        topic: "a/b",
        forwarded_properties: &[],
        payload,
        qos: QoS::AtLeastOnce,
        retain: false,
        expires_at: None,
    };
    Message::from_parts(&parts).unwrap()
}

fn publish(message: &Message) -> Record<'_> {
    Record::Publish(PublishRecord {
        message: Some(message),
        retains: true,
        receivers: &[],
        received: None,
        will_of: None,
    })
}

fn append(
    store: &Store,
    sequence: u64,
    payload_bytes: usize,
    durability: Durability,
) -> Result<Position, StorageFault> {
    store.append(&[publish(&message(sequence, payload_bytes))], durability)
}

fn is_stored(store: &Store, position: Position) -> bool {
    matches!(store.stored(position), Ok(Some(_)))
}

/// All of a record that can be seen.
fn shown(record: &Record<'_>) -> String {
    let message = match record {
        Record::Publish(publish) => publish.message,
        Record::Session(session) => session.will.as_ref().map(|will| will.message),
        Record::WillDue { will, .. } => Some(will.message),
        _ => None,
    };
    format!("{record:?} {:?}", message.map(|message| message.parts()))
}

/// The sequences of publishes and, negative, of what is done.
fn sequences(record: &Record<'_>) -> Option<i64> {
    match record {
        Record::Publish(publish) => publish.message?.sequence().try_into().ok(),
        Record::Done { sequence, .. } => i64::try_from(*sequence).ok().map(|it| -it),
        _ => None,
    }
}

struct Opened {
    store: Store,
    stepper: Stepper,
    report: Report,
    sequences: Vec<i64>,
}

fn open(disk: &SimulatedDisk) -> Opened {
    open_with(disk, &settings())
}

fn open_with(disk: &SimulatedDisk, settings: &Settings) -> Opened {
    let mut found = Vec::new();
    let (store, stepper, report) =
        Store::open_stepwise(Arc::new(disk.clone()), settings, &mut |record| {
            found.extend(sequences(&record))
        })
        .unwrap();
    Opened {
        store,
        stepper,
        report,
        sequences: found,
    }
}
