//! Makes the broker's records durable, and gives them back after a stop.
//!
//! Absent by design: what records mean. They are appended to a log and read again in their order; what
//! follows from them is decided in `dunlin-core`, which also writes again what is still needed when
//! the log has become long.
//!
//! One log in segments is the whole store. All that a broker keeps is in memory or small, so a second
//! engine for it would only be a second thing that can break; and what was appended once is never
//! changed, so whatever damage there is has a place, and what is around it stays. The design note
//! `docs/design/001-log.md` says what else was tried.
//!
//! What holds, whatever happens to the machine:
//! - An append is there after a stop, whole, once [`Storage::stored`](dunlin_core::storage::Storage)
//!   said so, and it is there as a whole or not at all.
//! - Damage costs what is damaged, is counted and reported, and never stops the start.
//! - A write or sync that failed is not tried again, and nothing is taken after it.
//! - A full disk refuses new messages, and takes what frees room for as long as there is a reserve.

mod copy;
mod damaged;
pub mod disk;
mod frame;
mod index;
mod log;
mod read;
mod record;
mod replay;
mod report;
mod segment;
mod shared;
mod stats;
mod store;
mod writer;

pub use copy::{CopyError, copy};
pub use read::{Place, read};
pub use record::RecordError;
pub use replay::ReadError;
pub use report::{Damage, DamageKind, Report};
pub use segment::FORMAT_VERSION;
pub use stats::Stats;
#[cfg(any(test, feature = "simulated-disk"))]
pub use store::Stepper;
pub use store::{OpenError, Settings, Store};

#[cfg(test)]
mod tests;
