//! What the workers and the one who watches them share.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::plan::Plan;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Clients connect and subscribe.
    Connecting,
    /// Messages flow and are not measured yet.
    Warmup,
    /// Messages flow and are measured.
    Measuring,
    /// Nothing new is sent.
    Draining,
    /// All end.
    Stopped,
}

impl Phase {
    /// Whether messages are sent.
    pub(crate) const fn is_running(self) -> bool {
        matches!(self, Self::Warmup | Self::Measuring)
    }
}

/// Deliveries that a publisher of another worker need not wait for any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    /// The publisher's place in its worker.
    pub(crate) publisher: usize,
    /// How many.
    pub(crate) deliveries: u64,
}

/// What one worker shows and is told. Aligned so that two of them share no cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Board {
    /// PUBLISH packets that came in.
    pub(crate) delivered: AtomicU64,
    /// Bytes of their payloads.
    pub(crate) delivered_bytes: AtomicU64,
    /// PUBLISH packets that were sent.
    pub(crate) published: AtomicU64,
    /// Deliveries and acknowledgements that publishers wait for.
    pub(crate) pending: AtomicU64,
    /// Connections made and ended.
    pub(crate) cycles: AtomicU64,
    /// Wakes the worker: the phase changed, or the inbox is not empty.
    pub(crate) notify: Notify,
    /// From other workers. Bounded by the windows of the publishers.
    pub(crate) inbox: Mutex<Vec<Credit>>,
}

/// Sums over all boards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) delivered: u64,
    pub(crate) delivered_bytes: u64,
    pub(crate) published: u64,
    pub(crate) pending: u64,
    pub(crate) cycles: u64,
}

impl Totals {
    /// What was added since then.
    pub(crate) const fn since(&self, then: &Self) -> Self {
        Self {
            delivered: self.delivered.saturating_sub(then.delivered),
            delivered_bytes: self.delivered_bytes.saturating_sub(then.delivered_bytes),
            published: self.published.saturating_sub(then.published),
            pending: self.pending,
            cycles: self.cycles.saturating_sub(then.cycles),
        }
    }
}

/// The shared part of a run.
#[derive(Debug)]
pub(crate) struct Shared {
    phase: AtomicU8,
    /// Where all times of the run begin.
    pub(crate) epoch: Instant,
    /// The run's number in the stamps.
    pub(crate) run: u32,
    /// Clients that are connected and subscribed for the first time.
    pub(crate) connected: AtomicU64,
    /// Clients that could not be brought up.
    pub(crate) failed: AtomicU64,
    /// Clients that will not connect again.
    pub(crate) gone: AtomicU64,
    /// Connections that ended before the run did.
    pub(crate) closed: AtomicU64,
    /// A client could not be brought up before any other was, and is not tried again.
    pub(crate) is_hopeless: AtomicBool,
    /// Messages that may still be published, if there is a limit.
    budget: Option<AtomicU64>,
    /// Deliveries that end the run.
    deliveries: Option<u64>,
    /// Told when they are there.
    pub(crate) finished: Notify,
    /// One for each worker.
    pub(crate) boards: Vec<Board>,
    first_error: Mutex<Option<String>>,
}

impl Shared {
    /// Before anything has happened.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Connecting as u8),
            epoch: Instant::now(),
            run: plan.run,
            connected: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            gone: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            is_hopeless: AtomicBool::new(false),
            budget: plan.limit.map(AtomicU64::new),
            deliveries: plan.deliveries,
            finished: Notify::new(),
            boards: plan.workers.iter().map(|_| Board::default()).collect(),
            first_error: Mutex::new(None),
        }
    }

    /// Nanoseconds since the epoch.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Where the run stands.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Connecting,
            1 => Phase::Warmup,
            2 => Phase::Measuring,
            3 => Phase::Draining,
            _ => Phase::Stopped,
        }
    }

    /// Begins a phase and tells the workers.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        for board in &self.boards {
            board.notify.notify_one();
        }
    }

    /// Takes one message from the budget; false if there is none left.
    pub(crate) fn take_from_budget(&self) -> bool {
        self.budget.as_ref().is_none_or(|budget| {
            budget
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
        })
    }

    /// Whether the budget was there and is used up.
    pub(crate) fn is_budget_spent(&self) -> bool {
        self.budget
            .as_ref()
            .is_some_and(|budget| budget.load(Ordering::Relaxed) == 0)
    }

    /// Whether all deliveries are there that were to be waited for.
    pub(crate) fn is_delivered(&self) -> bool {
        self.deliveries
            .is_some_and(|deliveries| self.totals().delivered >= deliveries)
    }

    /// Keeps the first error for the report.
    pub(crate) fn report(&self, error: &dyn std::fmt::Display) {
        let mut first = self
            .first_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.to_string());
    }

    /// The first error that was reported.
    pub(crate) fn first_error(&self) -> Option<String> {
        self.first_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The sums of now.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for board in &self.boards {
            totals.delivered += board.delivered.load(Ordering::Relaxed);
            totals.delivered_bytes += board.delivered_bytes.load(Ordering::Relaxed);
            totals.published += board.published.load(Ordering::Relaxed);
            totals.pending += board.pending.load(Ordering::Relaxed);
            totals.cycles += board.cycles.load(Ordering::Relaxed);
        }
        totals
    }
}
