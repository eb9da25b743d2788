//! One Network Connection: read, drive the core, write.

mod authenticating;
mod pace;
mod read;
mod task;
mod write;

pub(crate) use task::{Connection, run};
pub(crate) use write::Flushed;
