//! Disks that are full, and logs that are written anew.

use dunlin_core::id::SessionNumber;
use dunlin_core::storage::{Durability, Record, Storage as _, StorageFault};

use super::workload::Workload;
use super::{Opened, append, is_stored, message, open, publish};
use crate::disk::SimulatedDisk;

const OWNER: SessionNumber = SessionNumber::from_u64(1);
/// Room for a few segments.
const CAPACITY: u64 = 5 * 4096;

/// Appends messages until there is no room, and says how many it took.
fn fill(opened: &mut Opened) -> u64 {
    for sequence in 1..10_000 {
        match append(&opened.store, sequence, 300, Durability::Fsync) {
            Ok(position) => {
                opened.stepper.commit();
                assert!(is_stored(&opened.store, position));
            }
            Err(fault) => {
                assert_eq!(fault, StorageFault::Full);
                return sequence - 1;
            }
        }
    }
    panic!("the disk has an end");
}

fn done(opened: &Opened, sequence: u64) -> Result<bool, StorageFault> {
    let record = Record::Done {
        session: OWNER,
        sequence,
    };
    let position = opened.store.append(&[record], Durability::Fsync)?;
    Ok(is_stored(&opened.store, position))
}

#[test]
fn a_full_disk_refuses_messages_and_takes_what_frees_room() {
    let disk = SimulatedDisk::new(1);
    disk.set_capacity(Some(CAPACITY));
    let mut opened = open(&disk);
    let taken = fill(&mut opened);
    assert!(taken > 20, "{taken}");
    let stats = opened.store.stats();
    assert!(stats.is_full && !stats.has_failed);
    for sequence in 1..=taken {
        assert_eq!(done(&opened, sequence), Ok(false));
        opened.stepper.commit();
        let nothing = opened.store.append(&[], Durability::Fsync).unwrap();
        assert!(is_stored(&opened.store, nothing));
    }
    let deletion = super::message_of(9999, &[]);
    let deletion = opened
        .store
        .append(&[publish(&deletion)], Durability::Fsync)
        .unwrap();
    opened.stepper.commit();
    assert!(is_stored(&opened.store, deletion));
    assert_eq!(
        append(&opened.store, 9999, 1, Durability::Fsync),
        Err(StorageFault::Full)
    );
}

#[test]
fn room_is_found_again_without_a_restart() {
    let disk = SimulatedDisk::new(1);
    disk.set_capacity(Some(CAPACITY));
    let mut opened = open(&disk);
    let (sender, receiver) = std::sync::mpsc::channel();
    opened.store.set_progress(move || sender.send(()).unwrap());
    let taken = fill(&mut opened);
    disk.set_capacity(Some(2 * CAPACITY));
    receiver.try_iter().for_each(drop);
    opened.stepper.commit();
    assert_eq!(
        receiver.try_iter().count(),
        2,
        "of a commit, and of the room"
    );
    assert!(!opened.store.stats().is_full);
    append(&opened.store, taken + 1, 300, Durability::Fsync).unwrap();
    opened.stepper.commit();
    assert_eq!(open(&disk.after_kill()).sequences.len() as u64, taken + 1);
}

#[test]
fn a_start_on_a_full_disk_has_everything_and_takes_deletions() {
    let disk = SimulatedDisk::new(1);
    disk.set_capacity(Some(CAPACITY));
    let mut opened = open(&disk);
    let taken = fill(&mut opened);
    // Others take what is left.
    let left = disk.after_kill();
    left.set_capacity(Some(left.bytes()));
    let mut again = open(&left);
    assert_eq!(again.sequences.len() as u64, taken);
    assert!(again.store.stats().is_full);
    assert_eq!(
        append(&again.store, 9999, 1, Durability::Fsync),
        Err(StorageFault::Full)
    );
    let begun = done(&again, 1);
    again.stepper.commit();
    left.set_capacity(None);
    again.stepper.commit();
    append(&again.store, 10_000, 1, Durability::Fsync).unwrap();
    again.stepper.commit();
    let last = open(&left.after_kill());
    assert!(last.sequences.contains(&10_000));
    assert_eq!(
        last.sequences.contains(&-1),
        begun.is_ok(),
        "what was taken is there"
    );
}

#[test]
fn writing_the_log_anew_makes_room_on_a_full_disk() {
    let disk = SimulatedDisk::new(1);
    disk.set_capacity(Some(CAPACITY));
    let mut opened = open(&disk);
    let taken = fill(&mut opened);
    let segments = opened.store.stats().segments;
    let begun = Record::RewriteBegun {
        number: 1,
        next_session: 2,
        next_sequence: taken + 1,
    };
    opened.store.append(&[begun], Durability::Fsync).unwrap();
    opened
        .store
        .append(&[publish(&message(taken, 300))], Durability::Memory)
        .unwrap();
    opened
        .store
        .append(&[Record::RewriteDone { number: 1 }], Durability::Fsync)
        .unwrap();
    opened.stepper.commit();
    opened.stepper.commit();
    let stats = opened.store.stats();
    assert!(stats.segments < segments && !stats.is_full, "{stats:?}");
    append(&opened.store, taken + 1, 300, Durability::Fsync).unwrap();
    opened.stepper.commit();
    let found = open(&disk.after_kill()).sequences;
    assert!(found.ends_with(&[
        i64::try_from(taken).unwrap(),
        i64::try_from(taken).unwrap() + 1
    ]));
}

#[test]
fn a_disk_of_any_size_keeps_what_it_took() {
    for seed in 0..60 {
        let disk = SimulatedDisk::new(seed);
        let mut workload = Workload::on(&disk, seed);
        disk.set_capacity(Some(disk.bytes() + seed * 700));
        workload.steps(200);
        assert!(workload.refused > 0, "it is full");
        disk.set_capacity(Some(4 * CAPACITY));
        workload.steps(50);
        disk.set_capacity(Some(0));
        workload.steps(50);
        assert!(
            !workload.store.stats().has_failed,
            "a full disk is no broken one"
        );
        workload.check(&disk.after_kill(), false);
        workload.check(&disk.after_power_cut(seed), true);
    }
}

#[test]
fn a_log_that_was_written_anew_has_lost_what_is_older() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    for sequence in 1..=200 {
        append(&opened.store, sequence, 200, Durability::Os).unwrap();
        opened.stepper.commit();
    }
    assert!(opened.store.wants_rewrite());
    let before = opened.store.stats();
    let begun = Record::RewriteBegun {
        number: 1,
        next_session: 2,
        next_sequence: 201,
    };
    opened.store.append(&[begun], Durability::Fsync).unwrap();
    opened.stepper.commit();
    let half = open(&disk.after_kill());
    assert_eq!(half.sequences.len(), 200, "half of it changes nothing");
    append(&opened.store, 7, 200, Durability::Memory).unwrap();
    append(&opened.store, 201, 200, Durability::Memory).unwrap();
    opened
        .store
        .append(&[Record::RewriteDone { number: 1 }], Durability::Fsync)
        .unwrap();
    opened.stepper.commit();
    let after = opened.store.stats();
    assert!(
        after.segments <= 2 && after.log_bytes < before.log_bytes / 10,
        "{after:?}"
    );
    assert!(!opened.store.wants_rewrite());
    let again = open(&disk.after_power_cut(1));
    assert_eq!(again.sequences, [7, 201]);
    assert!(!again.report.is_damaged(), "{:?}", again.report);
    assert_eq!(again.store.stats().live_bytes, after.live_bytes);
}

#[test]
fn what_is_older_stays_while_something_is_missing_of_what_was_written_anew() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    append(&opened.store, 1, 200, Durability::Os).unwrap();
    append(&opened.store, 2, 200, Durability::Os).unwrap();
    opened.stepper.commit();
    let before = disk.after_kill();
    let begun = Record::RewriteBegun {
        number: 1,
        next_session: 2,
        next_sequence: 3,
    };
    opened.store.append(&[begun], Durability::Fsync).unwrap();
    append(&opened.store, 1, 200, Durability::Memory).unwrap();
    append(&opened.store, 2, 200, Durability::Memory).unwrap();
    opened
        .store
        .append(&[Record::RewriteDone { number: 1 }], Durability::Fsync)
        .unwrap();
    opened.stepper.commit();

    // As if the power had failed before the old segments were gone, and one page was not written.
    use crate::disk::Disk as _;
    let left = disk.after_kill();
    for file in before.list().unwrap() {
        left.replace(&file, before.read(&file).unwrap());
    }
    assert_eq!(open(&left.after_kill()).sequences, [1, 2, 1, 2]);
    let newest = disk.list().unwrap().pop().unwrap();
    let written = left.list().unwrap().into_iter().filter(|it| *it <= newest);
    let written = written.filter(|file| left.read(file).unwrap().iter().any(|&byte| byte != 0));
    let written = written.max().unwrap();
    let mut bytes = left.read(&written).unwrap();
    bytes[200] ^= 1;
    left.replace(&written, bytes);
    assert_eq!(open(&left).sequences, [1, 2, 2]);
    assert_eq!(
        open(&left.after_kill()).sequences,
        [1, 2, 2],
        "and stays the next time"
    );
}
