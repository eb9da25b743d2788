//! The disk of a node: the real store, over a disk in memory that loses, tears and refuses.

use std::collections::VecDeque;
use std::sync::Arc;

use dunlin_core::message::Message;
use dunlin_core::recovery::Recovery;
use dunlin_core::storage::{Durability, Position, Record, Storage, StorageFault, Stored};
use dunlin_store::disk::{Call, Fault, SimulatedDisk};
use dunlin_store::{Settings, Stepper, Store};
use parking_lot::Mutex;

use crate::schedule::{DiskFault, StopPlan, StoreSetup};
use crate::trace::MessageId;

/// The disk, and the store that has it open.
pub(super) struct Disk {
    device: SimulatedDisk,
    kept: Arc<Kept>,
    stepper: Stepper,
    pub(super) is_committing: bool,
    /// The messages that were in the store when it was opened.
    pub(super) found: Vec<MessageId>,
}

/// What came of a commit.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// The messages that are safe from now on.
    pub(super) messages: Vec<MessageId>,
    /// Whether nothing that was appended so far can be lost.
    pub(super) is_all_safe: bool,
}

impl Disk {
    /// An empty disk. One that lies says of everything that it is safe, which is a fault to be found.
    pub(super) fn new(seed: u64, setup: StoreSetup, lies: bool) -> (Self, Recovery) {
        Self::open(SimulatedDisk::new(seed), setup, lies)
    }

    /// Opens what a stop left.
    pub(super) fn open(device: SimulatedDisk, setup: StoreSetup, lies: bool) -> (Self, Recovery) {
        device.set_capacity(None);
        let (mut recovery, mut found) = (Recovery::within(setup.memory_bytes_max), Vec::new());
        let settings = Settings {
            segment_bytes: setup.segment_bytes,
            rewrite_bytes_min: setup.rewrite_bytes_min,
            ..Settings::default()
        };
        let opened = Store::open_stepwise(Arc::new(device.clone()), &settings, &mut |record| {
            found.extend(message_of(&record));
            recovery.read(&record);
        });
        let (store, stepper, report) = opened.expect("no fault is set while a store is opened");
        assert_eq!(
            report.lost_appends, 0,
            "a stop loses nothing that was safe: {report:?}"
        );
        let kept = Kept {
            store,
            lies,
            appended: Mutex::default(),
        };
        let disk = Self {
            device,
            kept: Arc::new(kept),
            stepper,
            is_committing: false,
            found,
        };
        (disk, recovery)
    }

    /// As the storage port of the core.
    pub(super) fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.kept) as Arc<dyn Storage>
    }

    /// The disk fails from now on, or works again.
    pub(super) fn set_fault(&self, fault: Option<DiskFault>) {
        self.device.set_capacity(None);
        self.device.set_fault(None);
        let call = match fault {
            None => return,
            Some(DiskFault::Full) => return self.device.set_capacity(Some(self.device.bytes())),
            Some(DiskFault::Write) => Call::Write,
            Some(DiskFault::Sync) => Call::Sync,
        };
        self.device.set_fault(Some(Fault {
            call,
            after: 0,
            is_out_of_room: false,
        }));
    }

    /// Whether the store takes nothing any more.
    pub(super) fn has_failed(&self) -> bool {
        self.kept.store.stats().has_failed
    }

    /// Whether it wants everything that is needed to be written again.
    pub(super) fn wants_rewrite(&self) -> bool {
        self.kept.store.wants_rewrite()
    }

    /// Whether something was appended that no commit has seen, or it is looked for room.
    pub(super) fn wants_commit(&self) -> bool {
        let stats = self.kept.store.stats();
        !stats.has_failed && (stats.appends > stats.written || stats.is_full)
    }

    pub(super) fn is_full(&self) -> bool {
        self.kept.store.stats().is_full
    }

    /// Does what the store's thread does at once.
    pub(super) fn commit(&mut self) -> Committed {
        self.is_committing = false;
        self.stepper.commit();
        Committed {
            messages: self.kept.take_safe(),
            is_all_safe: self.kept.is_all_safe(),
        }
    }

    /// Whether nothing that was appended so far can be lost.
    pub(super) fn is_all_safe(&self) -> bool {
        self.kept.is_all_safe()
    }

    /// The machine stops: what is left of the disk is opened again.
    pub(super) fn stop(mut self, plan: StopPlan, seed: u64) -> SimulatedDisk {
        if let Some(after) = plan.in_commit {
            // In the middle of a commit: the call that does not come back writes half of what it has to.
            self.device.set_fault(Some(Fault {
                call: Call::Any,
                after,
                is_out_of_room: false,
            }));
            self.stepper.commit();
        }
        if plan.is_power_cut {
            self.device.after_power_cut(seed)
        } else {
            self.device.after_kill()
        }
    }
}

/// The store, and what was given to it: only so that the auditor can be told when a message was safe.
struct Kept {
    store: Store,
    lies: bool,
    appended: Mutex<Appended>,
}

#[derive(Default)]
struct Appended {
    last: u64,
    /// Messages that are not safe yet.
    messages: VecDeque<(u64, MessageId)>,
}

impl Kept {
    fn is_safe(&self, place: u64) -> bool {
        let durability = Durability::Fsync;
        let stored = self.store.stored(Position { place, durability });
        matches!(stored, Ok(Some(_)))
    }

    fn is_all_safe(&self) -> bool {
        let last = self.appended.lock().last;
        self.is_safe(last)
    }

    fn take_safe(&self) -> Vec<MessageId> {
        let messages = &mut self.appended.lock().messages;
        let count = messages.partition_point(|&(place, _)| self.is_safe(place));
        messages
            .drain(..count)
            .map(|(_, message)| message)
            .collect()
    }
}

fn message_of(record: &Record<'_>) -> Option<MessageId> {
    match record {
        Record::Publish(publish) => MessageId::of(publish.message?.payload()),
        _ => None,
    }
}

impl Storage for Kept {
    fn is_durable(&self) -> bool {
        true
    }

    fn append(
        &self,
        records: &[Record<'_>],
        durability: Durability,
    ) -> Result<Position, StorageFault> {
        let position = self.store.append(records, durability)?;
        let mut appended = self.appended.lock();
        appended.last = appended.last.max(position.place);
        let messages = records.iter().filter_map(message_of);
        let messages = messages.map(|message| (position.place, message));
        appended.messages.extend(messages);
        Ok(position)
    }

    fn stored(&self, position: Position) -> Result<Option<Stored>, StorageFault> {
        if self.lies {
            return Ok(Some(Stored::by_storage()));
        }
        self.store.stored(position)
    }

    fn has_message(&self, sequence: u64) -> bool {
        self.store.has_message(sequence)
    }

    fn message(&self, sequence: u64) -> Option<Message> {
        self.store.message(sequence)
    }
}
