//! What the messages of absent clients may take of the memory, all sessions together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all queues share.
#[derive(Debug)]
pub(crate) struct PayloadMemory {
    used: AtomicUsize,
    max: usize,
}

impl PayloadMemory {
    /// Room for `max` bytes.
    pub(crate) const fn new(max: usize) -> Self {
        let used = AtomicUsize::new(0);
        Self { used, max }
    }

    /// Whether there is room for `bytes` more. Several threads that ask at once may get the same room:
    /// the bound is passed by no more than a message for each.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(bytes) <= self.max
    }
}

/// What one queue has of it; it goes back with the queue.
#[derive(Debug)]
pub(crate) struct Share {
    all: Arc<PayloadMemory>,
    bytes: usize,
}

impl Share {
    /// None of it.
    pub(crate) fn of(all: &Arc<PayloadMemory>) -> Self {
        let all = Arc::clone(all);
        Self { all, bytes: 0 }
    }

    /// Takes `bytes`.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.all.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back `bytes`, or what is left.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.all.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}
