//! The port to what keeps messages and sessions safe, and the proof that it did.
//!
//! Everything that outlives the process is a change: a [`Record`] that is appended once to a log.
//! When the log says that it is durable, a publish becomes
//! [`Committed`](crate::broker::Committed) with the [`Stored`] that only the log gives, and packets
//! that promise something leave the [`Output`](crate::output::Output) that held them back. After a
//! stop the same records, given to a recovery in their order, make the
//! broker what it was.

mod record;

use std::fmt;

pub use record::{
    OwnRules, PageRecord, PublishRecord, Receiver, Record, SessionRecord, SubscriptionRecord,
    WillRecord,
};

use crate::broker::PublishPlan;
use crate::message::Message;

/// Where records are appended, and when they are durable.
///
/// It is called with the lock of a session held, so that the records of a session lie in the order of
/// its changes: it does not call back, and waits for no disk but to read a message.
pub trait Storage: Send + Sync {
    /// Whether records are kept at all. One that keeps none is given none.
    fn is_durable(&self) -> bool;

    /// Appends records behind all earlier ones; after a stop either all of them are there or none.
    ///
    /// # Errors
    /// [`StorageFault`] if they are not and never will be kept.
    fn append(
        &self,
        records: &[Record<'_>],
        durability: Durability,
    ) -> Result<Position, StorageFault>;

    /// The proof that everything up to `position` is durable; `None` while it is not.
    ///
    /// # Errors
    /// [`StorageFault`] once it cannot become durable any more.
    fn stored(&self, position: Position) -> Result<Option<Stored>, StorageFault>;

    /// Whether [`Storage::message`] can give the message of this publish, for as long as somebody
    /// needs it. Not every one that can be read has to be known: payloads of fewer than
    /// [`STORED_PAYLOAD_BYTES_MIN`](crate::message::STORED_PAYLOAD_BYTES_MIN) bytes are not asked for.
    fn has_message(&self, sequence: u64) -> bool;

    /// The message of a publish as it was appended; `None` if it cannot be read.
    fn message(&self, sequence: u64) -> Option<Message>;
}

/// What an acknowledgement says of a message that must be kept (product section "Durability").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// It is in memory, and will be on disk soon.
    Memory,
    /// The operating system has it: it survives the end of the process.
    Os,
    /// It is on disk: it survives a power cut.
    #[default]
    Fsync,
}

/// How far a log is: everything at or below it precedes what comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The place in the log; it grows with every append.
    pub place: u64,
    /// How safe what is there has to be.
    pub durability: Durability,
}

impl Position {
    /// What holds if both do: the later place, as safe as the safer of both.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        Self {
            place: self.place.max(other.place),
            durability: self.durability.max(other.durability),
        }
    }
}

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
        (!plan.has_record()).then_some(Self(()))
    }
}

/// Records could not be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFault {
    /// There is no room on the disk; there may be later.
    Full,
    /// A write failed. Nothing is taken any more, since nobody can know what is on the disk.
    Failed,
}

impl fmt::Display for StorageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the store has no room",
            Self::Failed => "the store takes no records since a write failed",
        })
    }
}

impl std::error::Error for StorageFault {}

/// Keeps nothing: messages are safe for as long as the process runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStorage;

impl Storage for MemoryStorage {
    fn is_durable(&self) -> bool {
        false
    }

    fn append(&self, _: &[Record<'_>], _: Durability) -> Result<Position, StorageFault> {
        Ok(Position::default())
    }

    fn stored(&self, _: Position) -> Result<Option<Stored>, StorageFault> {
        Ok(Some(Stored::by_storage()))
    }

    fn has_message(&self, _: u64) -> bool {
        false
    }

    fn message(&self, _: u64) -> Option<Message> {
        None
    }
}
