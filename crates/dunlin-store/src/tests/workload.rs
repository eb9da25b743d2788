//! A store under work that is made up from a seed, and what may have become of it after a stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use dunlin_core::id::SessionNumber;
use dunlin_core::storage::{Durability, Position, Record, Storage as _, StorageFault};

use super::{message, publish, sequences, settings};
use crate::disk::SimulatedDisk;
use crate::{Stepper, Store};

const OWNER: SessionNumber = SessionNumber::from_u64(1);

/// Numbers from a seed (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A message that the store was given.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Its place; `None` if the store took it not.
    place: Option<u64>,
    /// The other message of the same append.
    partner: Option<u64>,
    done: Option<u64>,
    bytes: usize,
}

/// A store, and the map that it must be like: what it was given.
pub(super) struct Workload {
    pub(super) disk: SimulatedDisk,
    pub(super) store: Store,
    pub(super) stepper: Stepper,
    dice: Dice,
    sent: BTreeMap<u64, Sent>,
    pending: Vec<Position>,
    rewritings: u64,
    /// Up to here the store said that everything is on the disk.
    synced: u64,
    /// Up to here, that the operating system has it.
    written: u64,
    pub(super) refused: u64,
}

impl Workload {
    /// A store on an empty disk.
    pub(super) fn new(seed: u64) -> Self {
        Self::on(&SimulatedDisk::new(seed), seed)
    }

    /// A store on this disk, which has none yet.
    pub(super) fn on(disk: &SimulatedDisk, seed: u64) -> Self {
        let opened = Store::open_stepwise(Arc::new(disk.clone()), &settings(), &mut |_| {
            panic!("there was a store")
        });
        let (store, stepper, _) = opened.unwrap();
        Self {
            disk: disk.clone(),
            store,
            stepper,
            dice: Dice(seed),
            sent: BTreeMap::new(),
            pending: Vec::new(),
            rewritings: 0,
            synced: 0,
            written: 0,
            refused: 0,
        }
    }

    pub(super) fn steps(&mut self, steps: u64) {
        for _ in 0..steps {
            self.step();
        }
    }

    /// Goes on until something holds of the store.
    pub(super) fn steps_until(&mut self, holds: impl Fn(&Store) -> bool) {
        let does = (0..10_000).any(|_| {
            self.step();
            holds(&self.store)
        });
        assert!(does, "it never holds");
    }

    /// Does something.
    pub(super) fn step(&mut self) {
        match self.dice.below(100) {
            0..=54 => self.publish(),
            55..=79 => self.finish_one(),
            80..=97 => self.commit(),
            _ => self.rewrite(),
        }
    }

    fn durability(&mut self) -> Durability {
        match self.dice.below(4) {
            0 => Durability::Memory,
            1 => Durability::Os,
            _ => Durability::Fsync,
        }
    }

    fn publish(&mut self) {
        let durability = self.durability();
        let bytes = usize::try_from(self.dice.below(1200)).unwrap();
        let first = self.sent.last_key_value().map_or(0, |(last, _)| *last) + 1;
        let is_pair = self.dice.below(3) == 0;
        let numbers = if is_pair {
            first..=first + 1
        } else {
            first..=first
        };
        let messages: Vec<_> = numbers.clone().map(|it| message(it, bytes)).collect();
        let records: Vec<_> = messages.iter().map(publish).collect();
        let position = self.store.append(&records, durability);
        self.refused += u64::from(position.is_err());
        for number in numbers {
            let sent = Sent {
                place: position.ok().map(|position| position.place),
                partner: is_pair.then_some(first + u64::from(number == first)),
                done: None,
                bytes,
            };
            self.sent.insert(number, sent);
        }
        self.pending.extend(position);
    }

    /// Some message that waits is needed no more.
    fn finish_one(&mut self) {
        let durability = self.durability();
        let waiting = self.sent.iter_mut().filter(|(_, sent)| sent.waits());
        let waiting: Vec<_> = waiting.collect();
        let Some(bound) = std::num::NonZeroU64::new(waiting.len() as u64) else {
            return;
        };
        let index = usize::try_from(self.dice.below(bound.get())).unwrap();
        let (sequence, sent) = waiting.into_iter().nth(index).unwrap();
        let done = Record::Done {
            session: OWNER,
            sequence: *sequence,
        };
        if let Ok(position) = self.store.append(&[done], durability) {
            sent.done = Some(position.place);
            self.pending.push(position);
        }
    }

    pub(super) fn commit(&mut self) {
        self.stepper.commit();
        let (store, mut synced, mut written) = (&self.store, self.synced, self.written);
        self.pending
            .retain(|&position| match store.stored(position) {
                Ok(None) => true,
                Ok(Some(_)) => {
                    match position.durability {
                        Durability::Fsync => synced = synced.max(position.place),
                        Durability::Os => written = written.max(position.place),
                        Durability::Memory => {}
                    }
                    false
                }
                Err(fault) => {
                    assert_eq!(fault, StorageFault::Failed);
                    assert!(store.stats().has_failed);
                    false
                }
            });
        (self.synced, self.written) = (synced, written);
    }

    /// Writes what is needed again, as far as the store takes it.
    pub(super) fn rewrite(&mut self) {
        let number = self.rewritings + 1;
        let next_sequence = self.sent.last_key_value().map_or(0, |(last, _)| *last) + 1;
        let begun = Record::RewriteBegun {
            number,
            next_session: 2,
            next_sequence,
        };
        if self.store.append(&[begun], Durability::Fsync).is_err() {
            return;
        }
        self.rewritings = number;
        let waiting = self.sent.iter().filter(|(_, sent)| sent.waits());
        for (&sequence, sent) in waiting {
            let message = message(sequence, sent.bytes);
            let append = || self.store.append(&[publish(&message)], Durability::Memory);
            let appended = append().or_else(|_| {
                // What waits to be written has a bound.
                self.stepper.commit();
                append()
            });
            if appended.is_err() {
                return;
            }
        }
        let done = Record::RewriteDone { number };
        self.pending
            .extend(self.store.append(&[done], Durability::Fsync));
    }

    /// Stops, in order or not, and goes on with what is there: from now on that is the truth.
    pub(super) fn restart(&mut self) {
        let seed = self.dice.below(u64::MAX);
        let (left, is_power_cut) = match seed % 3 {
            0 => {
                self.commit();
                self.stepper.close();
                (self.disk.after_power_cut(seed), true)
            }
            1 => (self.disk.after_kill(), false),
            _ => (self.disk.after_power_cut(seed), true),
        };
        self.check(&left.after_kill(), is_power_cut);
        let mut order = Vec::new();
        let opened = Store::open_stepwise(Arc::new(left.clone()), &settings(), &mut |record| {
            order.extend(sequences(&record));
        });
        let found = fold(&order);
        for (sequence, sent) in &mut self.sent {
            if sent.place.is_some() {
                sent.place = Some(0);
                sent.done = (!found.contains_key(sequence)).then_some(0);
            }
        }
        (self.store, self.stepper, _) = opened.unwrap();
        self.disk = left;
        self.pending.clear();
        (self.synced, self.written) = (0, 0);
    }

    /// Checks what a store that is opened on what is left of the disk gives back.
    pub(super) fn check(&self, left: &SimulatedDisk, is_power_cut: bool) {
        let promised = if is_power_cut {
            self.synced
        } else {
            self.synced.max(self.written)
        };
        let mut order = Vec::new();
        let (store, mut stepper, report) =
            Store::open_stepwise(Arc::new(left.clone()), &settings(), &mut |record| {
                order.extend(sequences(&record));
            })
            .unwrap();
        let found = fold(&order);
        for (&sequence, sent) in &self.sent {
            let is_found = found.contains_key(&sequence);
            let is_promised = |place: Option<u64>| place.is_some_and(|place| place <= promised);
            if is_promised(sent.place) && sent.done.is_none() {
                assert!(
                    is_found,
                    "message {sequence} is lost: {sent:?}, {promised} are safe"
                );
            }
            if is_promised(sent.done) {
                assert!(!is_found, "message {sequence} was done: {sent:?}");
            }
            if sent.place.is_none() {
                assert!(!is_found, "message {sequence} was refused");
            }
            if let Some(partner) = sent
                .partner
                .filter(|it| self.sent[it].waits() && sent.waits())
            {
                let is_partner_found = found.contains_key(&partner);
                assert_eq!(
                    is_found, is_partner_found,
                    "half of {sequence} and {partner}"
                );
            }
        }
        assert!(
            found.keys().all(|it| self.sent.contains_key(it)),
            "messages nobody sent"
        );
        assert!(
            self.rewritings > 0 || found.values().is_sorted(),
            "the order of the messages changed"
        );

        // It goes on, and what is there stays.
        left.set_capacity(None);
        stepper.commit();
        let last = self.sent.last_key_value().map_or(0, |(last, _)| *last) + 1000;
        let position = store
            .append(&[publish(&message(last, 1))], Durability::Fsync)
            .unwrap();
        stepper.commit();
        assert!(matches!(store.stored(position), Ok(Some(_))));
        drop((store, stepper));
        let mut again = Vec::new();
        let again_report =
            Store::open_stepwise(Arc::new(left.after_kill()), &settings(), &mut |it| {
                again.extend(sequences(&it));
            });
        let mut again = fold(&again);
        assert!(again.remove(&last).is_some());
        assert!(
            again.keys().eq(found.keys()),
            "it is not the same the next time"
        );
        assert!(!report.is_damaged(), "a stop is no damage: {report:?}");
        let report = again_report.unwrap().2;
        assert!(
            !report.is_damaged(),
            "and is none the next time: {report:?}"
        );
    }
}

impl Sent {
    fn waits(&self) -> bool {
        self.place.is_some() && self.done.is_none()
    }
}

/// The messages that are there at the end, with the index at which they came last without being there
/// already.
fn fold(order: &[i64]) -> BTreeMap<u64, usize> {
    let mut found = BTreeMap::new();
    for (index, &sequence) in order.iter().enumerate() {
        let number = sequence.unsigned_abs();
        if sequence < 0 {
            found.remove(&number);
        } else {
            found.entry(number).or_insert(index);
        }
    }
    found
}
