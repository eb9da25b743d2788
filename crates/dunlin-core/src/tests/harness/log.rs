//! A store in memory that forgets, at a stop, what it was not made to keep.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::message::Message;
use crate::recovery::Recovery;
use crate::storage::{Durability, Position, Record, Storage, StorageFault, Stored};

/// What becomes of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// They are durable at once.
    AtOnce,
    /// They wait for [`World::release_commits`](super::World::release_commits).
    Held,
    /// There is no room for any.
    Full,
    /// The store takes none, and never will.
    Failing,
    /// They are durable at once, and messages cannot be read while the broker runs.
    Unreadable,
}

/// A store that reads its own records, as a broker would after a stop.
#[derive(Clone, Default)]
pub(crate) struct TestLog(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    is_durable: bool,
    commits: Option<Commits>,
    place: u64,
    /// Everything up to here is durable.
    stored: u64,
    read: Recovery,
    /// What was read since the last rewriting began.
    read_anew: Option<Recovery>,
    /// What a stop leaves.
    durable: Recovery,
}

impl TestLog {
    /// A log that keeps records, or one that only says when they are durable.
    pub(crate) fn new(is_durable: bool) -> Self {
        let log = Self::default();
        log.0.lock().is_durable = is_durable;
        log
    }

    pub(crate) fn set_commits(&self, commits: Commits) {
        let mut log = self.0.lock();
        log.commits = Some(commits);
        if commits != Commits::Held {
            log.commit();
        }
    }

    /// What a broker is made of after a stop now. What nobody waited for since the last record that
    /// somebody did is lost.
    pub(crate) fn after_stop(&self) -> Recovery {
        let mut log = self.0.lock();
        log.read = log.durable.clone();
        log.read_anew = None;
        log.durable.clone()
    }
}

impl Inner {
    fn commit(&mut self) {
        self.stored = self.place;
        self.durable = self.read.clone();
    }
}

impl Storage for TestLog {
    fn is_durable(&self) -> bool {
        self.0.lock().is_durable
    }

    fn append(
        &self,
        records: &[Record<'_>],
        durability: Durability,
    ) -> Result<Position, StorageFault> {
        let mut log = self.0.lock();
        match log.commits {
            Some(Commits::Full) => return Err(StorageFault::Full),
            Some(Commits::Failing) => return Err(StorageFault::Failed),
            _ => {}
        }
        log.place += 1;
        for record in records {
            log.read.read(record);
            match record {
                Record::RewriteBegun { .. } => log.read_anew = Some(Recovery::default()),
                // From here on only what was written again counts.
                Record::RewriteDone { .. } => {
                    if let Some(mut anew) = log.read_anew.take() {
                        anew.read(record);
                        log.read = anew;
                    }
                }
                _ => {}
            }
            if let Some(anew) = &mut log.read_anew {
                anew.read(record);
            }
        }
        if durability > Durability::Memory && log.commits != Some(Commits::Held) {
            log.commit();
        }
        let place = log.place;
        Ok(Position { place, durability })
    }

    fn stored(&self, position: Position) -> Result<Option<Stored>, StorageFault> {
        let log = self.0.lock();
        let is_stored = position.durability == Durability::Memory || position.place <= log.stored;
        Ok(is_stored.then(Stored::by_storage))
    }

    fn has_message(&self, sequence: u64) -> bool {
        self.message(sequence).is_some()
    }

    fn message(&self, sequence: u64) -> Option<Message> {
        let log = self.0.lock();
        if log.commits == Some(Commits::Unreadable) {
            return None;
        }
        log.read.message(sequence).cloned()
    }
}
