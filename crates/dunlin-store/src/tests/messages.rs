//! Messages are read again, wherever in the log they are by then.

use dunlin_core::message::Message;
use dunlin_core::storage::{Durability, PublishRecord, Record, Storage as _};

use super::{Opened, message, open};
use crate::disk::{Disk as _, SimulatedDisk};

const PAYLOAD_BYTES: usize = 300;

/// A message that sessions need, other than a retained one.
fn needed(message: &Message) -> Record<'_> {
    Record::Publish(PublishRecord {
        message: Some(message),
        retains: false,
        receivers: &[],
        received: None,
        will_of: None,
    })
}

fn append(opened: &Opened, sequence: u64, payload_bytes: usize) {
    let message = message(sequence, payload_bytes);
    let records = [needed(&message)];
    let _ = opened.store.append(&records, Durability::Fsync).unwrap();
}

fn assert_reads(opened: &Opened, sequence: u64, payload_bytes: usize) {
    assert!(opened.store.has_message(sequence), "{sequence}");
    let read = opened.store.message(sequence).unwrap();
    assert_eq!(read.parts(), message(sequence, payload_bytes).parts());
}

#[test]
fn a_message_is_read_once_it_is_written() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    // In no order, over many segments, several in one commit, and some larger than what is read at once.
    let bytes = |sequence: u64| match sequence % 10 {
        0 => 10_000,
        _ => PAYLOAD_BYTES,
    };
    let sequences: Vec<_> = (1..=200).map(|it| it ^ 5).collect();
    for (place, &sequence) in sequences.iter().enumerate() {
        append(&opened, sequence, bytes(sequence));
        assert!(!opened.store.has_message(sequence));
        assert!(opened.store.message(sequence).is_none());
        if place % 3 == 0 {
            opened.stepper.commit();
            assert_reads(&opened, sequence, bytes(sequence));
        }
    }
    opened.stepper.commit();
    assert!(opened.store.stats().segments > 10);
    for opened in [opened, open(&disk.after_kill())] {
        sequences
            .iter()
            .for_each(|&it| assert_reads(&opened, it, bytes(it)));
        assert!(!opened.store.has_message(1000));
        // Another one whose number ends alike.
        assert!(opened.store.message((1 << 32) + 1).is_none());
    }
}

#[test]
fn small_payloads_are_not_remembered() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    append(&opened, 1, 20);
    opened.stepper.commit();
    assert!(!opened.store.has_message(1));
}

#[test]
fn a_message_is_read_where_it_was_written_anew() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    (1..=50).for_each(|sequence| append(&opened, sequence, PAYLOAD_BYTES));
    opened.stepper.commit();
    let before = disk.list().unwrap();
    let mark = |record| {
        let _ = opened.store.append(&[record], Durability::Fsync).unwrap();
    };
    mark(Record::RewriteBegun {
        number: 1,
        next_session: 1,
        next_sequence: 51,
    });
    (1..=50)
        .rev()
        .for_each(|it| append(&opened, it, PAYLOAD_BYTES));
    mark(Record::RewriteDone { number: 1 });
    opened.stepper.commit();
    opened.stepper.commit();
    let after = disk.list().unwrap();
    assert!(
        before
            .iter()
            .filter(|it| it.ends_with(".log"))
            .any(|it| !after.contains(it))
    );
    for opened in [opened, open(&disk.after_kill())] {
        (1..=50).for_each(|it| assert_reads(&opened, it, PAYLOAD_BYTES));
    }
}

#[test]
fn a_damaged_message_is_none() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    (1..=3).for_each(|sequence| append(&opened, sequence, PAYLOAD_BYTES));
    opened.stepper.commit();
    let files = disk.list().unwrap();
    let name = files
        .iter()
        .filter(|it| it.ends_with(".log"))
        .min()
        .unwrap();
    let damaged = disk.read(name).unwrap().into_iter().map(|byte| byte ^ 1);
    disk.replace(name, damaged.collect());
    assert!((1..=3).all(|it| opened.store.message(it).is_none()));
}
