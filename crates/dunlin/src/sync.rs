//! The locks and flags of the mailbox. `dunlin-interleavings` compiles it with others of the same names,
//! to try the orders in which threads can run.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use parking_lot::Mutex;
