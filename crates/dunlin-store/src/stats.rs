//! What a store has done, as plain numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a store has done since it was opened, and how it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Appends that were taken.
    pub appends: u64,
    /// Appends that were written.
    pub written: u64,
    /// Bytes that were written, headers of segments aside.
    pub written_bytes: u64,
    /// How many times there was something to write; with `written`, how many appends share a write.
    pub commits: u64,
    /// The most appends that shared one.
    pub commit_appends_max: u64,
    /// How many times the disk was asked to make it safe.
    pub syncs: u64,
    /// How long that took, all in all.
    pub sync_total: Duration,
    /// How long that took the last time.
    pub sync_last: Duration,
    /// How long that took at most.
    pub sync_max: Duration,
    /// Bytes in the log.
    pub log_bytes: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Bytes that the last rewriting wrote: what was needed then.
    pub live_bytes: u64,
    /// Whether there is no room for messages.
    pub is_full: bool,
    /// Whether a write failed, and nothing is taken any more.
    pub has_failed: bool,
}

/// The same, while it changes. One thread writes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    written: AtomicU64,
    written_bytes: AtomicU64,
    commits: AtomicU64,
    commit_appends_max: AtomicU64,
    syncs: AtomicU64,
    sync_total_us: AtomicU64,
    sync_last_us: AtomicU64,
    sync_max_us: AtomicU64,
    log_bytes: AtomicU64,
    segments: AtomicU64,
    live_bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn committed(&self, appends: u64) {
        if appends > 0 {
            self.written.fetch_add(appends, Ordering::Relaxed);
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.commit_appends_max
                .fetch_max(appends, Ordering::Relaxed);
        }
    }

    pub(crate) fn wrote(&self, bytes: u64) {
        self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn synced(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_total_us.fetch_add(took, Ordering::Relaxed);
        self.sync_last_us.store(took, Ordering::Relaxed);
        self.sync_max_us.fetch_max(took, Ordering::Relaxed);
    }

    pub(crate) fn set_log(&self, bytes: u64, segments: u64) {
        self.log_bytes.store(bytes, Ordering::Relaxed);
        self.segments.store(segments, Ordering::Relaxed);
    }

    pub(crate) fn rewrote(&self, live_bytes: u64) {
        self.live_bytes.store(live_bytes, Ordering::Relaxed);
    }

    /// All but what the counters do not know.
    pub(crate) fn stats(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let duration = |counter| Duration::from_micros(load(counter));
        Stats {
            appends: 0,
            written: load(&self.written),
            written_bytes: load(&self.written_bytes),
            commits: load(&self.commits),
            commit_appends_max: load(&self.commit_appends_max),
            syncs: load(&self.syncs),
            sync_total: duration(&self.sync_total_us),
            sync_last: duration(&self.sync_last_us),
            sync_max: duration(&self.sync_max_us),
            log_bytes: load(&self.log_bytes),
            segments: load(&self.segments),
            live_bytes: load(&self.live_bytes),
            is_full: false,
            has_failed: false,
        }
    }
}
