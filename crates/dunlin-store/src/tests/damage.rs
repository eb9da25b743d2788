//! Bits that flip, files that become short or go, bytes that become others: what is damaged is lost, and
//! nothing else.

use std::collections::BTreeSet;
use std::ops::Range;

use dunlin_core::storage::Durability;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Opened, append, open};
use crate::disk::{Disk as _, SimulatedDisk};
use crate::frame::{Item, Scan};
use crate::segment::{HEADER_BYTES, SegmentName};

/// A message that a file holds.
#[derive(Clone, Debug)]
struct Place {
    file: String,
    bytes: Range<usize>,
    sequence: i64,
}

/// A disk with some segments, and what is where in them.
struct Filled {
    disk: SimulatedDisk,
    places: Vec<Place>,
    files: Vec<String>,
}

impl Filled {
    /// Three starts, the last of which ends in a kill.
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let mut sequence = 0;
        for start in 0..3 {
            let mut opened = open(&disk);
            for _ in 0..30 {
                sequence += 1;
                let bytes = usize::try_from(sequence % 5).unwrap() * 90;
                append(&opened.store, sequence, bytes, Durability::Fsync).unwrap();
                if sequence % 4 == 0 {
                    opened.stepper.commit();
                }
            }
            opened.stepper.commit();
            if start < 2 {
                opened.stepper.close();
            }
        }
        let mut files: Vec<_> = disk.list().unwrap();
        files.retain(|file| disk.read(file).unwrap().iter().any(|&byte| byte != 0));
        let mut places = Vec::new();
        let mut sequence = 0;
        for file in &files {
            let bytes = disk.read(file).unwrap();
            let key = SegmentName::parse(file).unwrap().key;
            for item in Scan::new(&bytes, HEADER_BYTES, key, 0) {
                if let Item::Frame { offset, body, .. } = item {
                    sequence += 1;
                    let bytes = offset..offset + crate::frame::HEADER_BYTES + body.len();
                    let file = file.clone();
                    places.push(Place {
                        file,
                        bytes,
                        sequence,
                    });
                }
            }
        }
        assert!(sequence == 90 && files.len() > 5, "{sequence} in {files:?}");
        Self {
            disk,
            places,
            files,
        }
    }

    /// The messages that have a byte in this range of a file.
    fn hit(&self, file: &str, range: &Range<usize>) -> BTreeSet<i64> {
        let is_hit = |place: &&Place| {
            place.file == file && place.bytes.start < range.end && range.start < place.bytes.end
        };
        self.places
            .iter()
            .filter(is_hit)
            .map(|place| place.sequence)
            .collect()
    }

    /// Opens what is left; all messages but these are there, in their order.
    fn opened_without(&self, disk: &SimulatedDisk, lost: &BTreeSet<i64>) -> Opened {
        let opened = open(disk);
        let all = self.places.iter().map(|place| place.sequence);
        let expected: Vec<_> = all.filter(|it| !lost.contains(it)).collect();
        assert_eq!(opened.sequences, expected);
        opened
    }
}

#[test]
fn a_bit_that_flips_costs_the_append_that_it_is_in() {
    let filled = Filled::new();
    for file in &filled.files {
        let whole = filled.disk.read(file).unwrap();
        for offset in (0..whole.len()).step_by(64).flat_map(|at| [at, at + 19]) {
            let mut bytes = whole.clone();
            let Some(byte) = bytes.get_mut(offset) else {
                continue;
            };
            *byte ^= 1 << (offset / 64 % 8);
            let disk = filled.disk.after_kill();
            disk.replace(file, bytes);
            let lost = filled.hit(file, &(offset..offset + 1));
            let opened = filled.opened_without(&disk, &lost);
            let report = &opened.report;
            assert!(
                report.damages + u64::from(report.torn.is_some()) == 1,
                "{file} {offset}: {report:?}"
            );
            assert!(
                report.lost_appends <= lost.len() as u64,
                "{file} {offset}: {report:?}"
            );
            // What was in the last commit may as well have been torn: nothing came after it.
            let may_be_torn = lost.iter().all(|&sequence| sequence > 88);
            assert!(
                may_be_torn || report.torn.is_none(),
                "{file} {offset}: {report:?}"
            );
            let copies = disk.list().unwrap();
            assert!(copies.iter().any(|name| name.ends_with(".damaged")));
        }
    }
}

#[test]
fn a_file_that_becomes_short_costs_what_was_behind() {
    let filled = Filled::new();
    for (index, file) in filled.files.iter().enumerate() {
        let whole = filled.disk.read(file).unwrap();
        for length in (0..whole.len()).step_by(64) {
            let disk = filled.disk.after_kill();
            disk.replace(file, whole[..length].to_vec());
            let lost = filled.hit(file, &(length..whole.len()));
            let opened = filled.opened_without(&disk, &lost);
            let is_last = index == filled.files.len() - 1;
            let is_first = index == 0 && length <= HEADER_BYTES;
            if !lost.is_empty() && !is_last && !is_first {
                let report = &opened.report;
                assert_eq!(
                    report.lost_appends,
                    lost.len() as u64,
                    "{file} {length}: {report:?}"
                );
            }
        }
    }
}

#[test]
fn a_file_that_is_gone_costs_what_was_in_it() {
    let filled = Filled::new();
    for (index, file) in filled.files.iter().enumerate() {
        let disk = filled.disk.after_kill();
        disk.remove(file).unwrap();
        let lost = filled.hit(file, &(0..usize::MAX));
        let opened = filled.opened_without(&disk, &lost);
        let is_known = index > 0 && index < filled.files.len() - 1;
        let expected = if is_known { lost.len() as u64 } else { 0 };
        assert_eq!(
            opened.report.lost_appends, expected,
            "{file}: {:?}",
            opened.report
        );
    }
}

#[test]
fn a_record_that_this_version_does_not_know_costs_its_append() {
    let filled = Filled::new();
    let place = &filled.places[20];
    let mut bytes = filled.disk.read(&place.file).unwrap();
    let key = SegmentName::parse(&place.file).unwrap().key;
    let body = place.bytes.start + crate::frame::HEADER_BYTES..place.bytes.end;
    bytes[body.start] = 200;
    let header = crate::frame::FrameHeader {
        length: u32::try_from(body.len()).unwrap(),
        is_after_sync: false,
        checksum: crc32c::crc32c(&bytes[body.clone()]),
        place: 21,
    };
    bytes[place.bytes.start..body.start].copy_from_slice(&header.encode(key));
    let disk = filled.disk.after_kill();
    disk.replace(&place.file, bytes);
    let opened = filled.opened_without(&disk, &BTreeSet::from([21]));
    let named = opened.report.named[0].to_string();
    assert!(named.contains("cannot be understood"), "{named}");
}

#[test]
fn what_looks_like_frames_inside_of_a_message_is_none() {
    // A message that has all bytes of another store's file, and one of this store's without its key.
    let filled = Filled::new();
    let foreign = filled.disk.read(&filled.files[0]).unwrap();
    let disk = SimulatedDisk::new(2);
    let mut opened = open(&disk);
    let message = super::message_of(1, &foreign);
    let position = dunlin_core::storage::Storage::append(
        &opened.store,
        &[super::publish(&message)],
        Durability::Fsync,
    );
    position.unwrap();
    append(&opened.store, 2, 1, Durability::Fsync).unwrap();
    opened.stepper.commit();
    let file = &disk.list().unwrap()[0];
    let mut bytes = disk.read(file).unwrap();
    // The header of the frame that the message is in.
    bytes[HEADER_BYTES + 3] ^= 1;
    let disk = disk.after_kill();
    disk.replace(file, bytes);
    assert_eq!(open(&disk).sequences, [2]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_costs_no_more_than_what_is_damaged(
        damages in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), vec(any::<u8>(), 1..200)), 1..6),
    ) {
        let filled = Filled::new();
        let disk = filled.disk.after_kill();
        for (file, offset, new) in damages {
            let file = file.get(&filled.files);
            let mut bytes = disk.read(file).unwrap();
            let offset = offset.index(bytes.len());
            let end = bytes.len().min(offset + new.len());
            bytes[offset..end].copy_from_slice(&new[..end - offset]);
            disk.replace(file, bytes);
        }
        // A byte that was written over by its like is not damaged.
        let mut lost = BTreeSet::new();
        for file in &filled.files {
            let (before, after) = (filled.disk.read(file).unwrap(), disk.read(file).unwrap());
            let bytes = before.iter().zip(&after).enumerate();
            for (offset, _) in bytes.filter(|(_, (before, after))| before != after) {
                lost.extend(filled.hit(file, &(offset..offset + 1)));
            }
        }
        filled.opened_without(&disk, &lost);
    }
}
