//! The port to what keeps messages safe, and the proof that it did.
//!
//! A publish that must be kept is appended once to a log; when the log says that it is durable, the
//! plan becomes [`Committed`](crate::broker::Committed) with the [`Stored`] that only the log gives.

use crate::broker::PublishPlan;
use crate::message::Message;

/// Where records are appended, and when they are durable.
pub trait Storage: Send + Sync {
    /// Appends a record behind all earlier ones.
    ///
    /// # Errors
    /// [`StorageFault`] if it is not and never will be kept.
    fn append(&self, record: &PublishRecord<'_>) -> Result<Position, StorageFault>;

    /// The proof that everything up to `position` is durable; `None` while it is not.
    ///
    /// # Errors
    /// [`StorageFault`] once it cannot become durable any more.
    fn stored(&self, position: Position) -> Result<Option<Stored>, StorageFault>;
}

/// A message that must be kept before it is acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct PublishRecord<'a> {
    /// The message.
    pub message: &'a Message,
}

/// How far a log is: everything at or below it precedes what comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// The proof that what a plan must keep is kept.
#[derive(Debug)]
#[must_use]
pub struct Stored(());

impl Stored {
    /// For implementations of [`Storage`] only, when the record is durable under the durability in
    /// force.
    pub const fn by_storage() -> Self {
        Self(())
    }

    /// For a plan that has nothing to keep; `None` if it has.
    pub fn nothing_to_do(plan: &PublishPlan) -> Option<Self> {
        plan.record().is_none().then_some(Self(()))
    }
}

/// A record could not be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store takes no records")]
pub struct StorageFault;

/// Keeps everything in memory: durable for as long as the process runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStorage;

impl Storage for MemoryStorage {
    fn append(&self, _: &PublishRecord<'_>) -> Result<Position, StorageFault> {
        Ok(Position(0))
    }

    fn stored(&self, _: Position) -> Result<Option<Stored>, StorageFault> {
        Ok(Some(Stored::by_storage()))
    }
}
