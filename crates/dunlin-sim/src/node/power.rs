//! How a node commits, writes its log anew, stops and starts again.

use std::sync::Arc;

use dunlin_core::access::AllowAll;
use dunlin_core::broker::{Broker, Progress};
use dunlin_core::storage::Storage;
use dunlin_core::worker::Occasion;

use super::Node;
use super::disk::Disk;
use super::worker::Worker;
use crate::agenda::Due;
use crate::around::Around;
use crate::random::Random;
use crate::schedule::{DiskFault, Setup, StopPlan};
use crate::trace::Link;

/// How often it is looked for room on a disk that is full, in ms.
const RETRY_MS: u64 = 100;

/// Between two parts of a rewriting, in ms.
const REWRITE_MS: (u64, u64) = (1, 20);

/// Bytes of messages in one part: less than a session may have.
const REWRITE_BYTES_MAX: u64 = 64;

pub(super) fn broker(setup: &Setup, storage: Arc<dyn Storage>, random: &mut Random) -> Broker {
    let seeds = [random.next(), random.next(), random.next(), random.next()];
    Broker::new(setup.settings.clone(), Box::new(AllowAll), storage, seeds)
}

pub(super) fn workers(setup: &Setup, random: &mut Random) -> Vec<Worker> {
    let workers = (0..setup.workers).map(|_| Worker::new(random.next()));
    workers.collect()
}

impl Node {
    pub(crate) const fn is_up(&self) -> bool {
        self.disk.is_some()
    }

    /// The disk fails, or works again.
    pub(crate) fn set_disk_fault(&self, fault: Option<DiskFault>) {
        if let Some(disk) = &self.disk {
            disk.set_fault(fault);
        }
    }

    /// Whether its store takes nothing any more, so that somebody has to start it again.
    pub(crate) fn has_failed(&self) -> bool {
        self.disk.as_ref().is_some_and(Disk::has_failed)
    }

    /// Sees to it that what came of an input goes on.
    pub(super) fn after(&mut self, around: &mut Around<'_>) {
        let is_awaited = self.connections.values().any(|it| it.waits_for_store)
            || self.workers.iter().any(Worker::waits_for_store);
        if let Some(disk) = &mut self.disk
            && !disk.is_committing
            && (disk.wants_commit() || is_awaited && !disk.is_all_safe() && !disk.has_failed())
        {
            disk.is_committing = true;
            let (least, most) = self.setup.sync_ms;
            let least = if disk.is_full() {
                RETRY_MS
            } else if disk.wants_commit() {
                least
            } else {
                // Those who wait may only not have been told yet.
                least.max(1)
            };
            let lasts = self.random.between(least, most.max(least));
            around.agenda.at(around.now_ms() + lasts, Due::Synced);
        }
        self.schedule_turns(around);
    }

    /// The store commits.
    pub(crate) fn commit(&mut self, around: &mut Around<'_>) {
        let Some(disk) = &mut self.disk else {
            return;
        };
        let place = around.trace.entries.len();
        let committed = disk.commit();
        if committed.is_all_safe {
            self.safe = place;
        }
        let messages = committed.messages.into_iter();
        let synced = messages.map(|message| (message, place));
        around.trace.synced.extend(synced);
        if self.rewrite.is_none() && disk.wants_rewrite() {
            self.rewritings += 1;
            self.rewrite = self.broker.begin_rewrite(self.rewritings).ok();
            self.rewrite_later(around);
        }
        for worker in 0..self.workers.len() {
            let lag = self.random.between(0, self.setup.worker_lag_max_ms * 4);
            around
                .agenda
                .at(around.now_ms() + lag, Due::Commits(worker));
        }
        self.after(around);
    }

    fn rewrite_later(&mut self, around: &mut Around<'_>) {
        if self.rewrite.is_some() {
            let lag = self.random.between(REWRITE_MS.0, REWRITE_MS.1);
            around.agenda.at(around.now_ms() + lag, Due::Rewrite);
        }
    }

    /// A part of what is needed is written again.
    pub(crate) fn rewrite(&mut self, around: &mut Around<'_>) {
        if let Some(rewrite) = &mut self.rewrite {
            match self.broker.rewrite(rewrite, REWRITE_BYTES_MAX) {
                Ok(Progress::More | Progress::Waiting) => self.rewrite_later(around),
                Ok(Progress::Done(_)) | Err(_) => self.rewrite = None,
            }
        }
        self.after(around);
    }

    /// Stops where it is; says what is safe, as a place in the trace.
    pub(crate) fn stop(&mut self, plan: StopPlan, around: &Around<'_>) -> usize {
        let Some(disk) = self.disk.take() else {
            return self.safe;
        };
        if disk.is_all_safe() {
            self.safe = around.trace.entries.len();
        }
        self.device = Some(disk.stop(plan, self.random.next()));
        self.clock.zero_ms = self.clock.zero_ms.saturating_sub(plan.clock_back_ms);
        self.rewrite = None;
        self.connections.clear();
        self.workers.clear();
        if let Some(saboteur) = &mut self.saboteur {
            saboteur.forget_links();
        }
        self.safe
    }

    /// Starts again with what is on its disk.
    pub(crate) fn start(&mut self, around: &mut Around<'_>) {
        let Some(device) = self.device.take() else {
            return;
        };
        let (disk, recovery) = Disk::open(device, self.setup.store, self.lies);
        self.broker = broker(&self.setup, disk.storage(), &mut self.random);
        self.workers = workers(&self.setup, &mut self.random);
        let place = around.trace.entries.len();
        self.safe = place;
        let found = disk.found.iter().map(|&message| (message, place));
        around.trace.synced.extend(found);
        self.disk = Some(disk);
        let mut occasion = Occasion {
            broker: &self.broker,
            worker: &mut self.workers[0].core,
            now: self.clock.now(around),
        };
        let _how_much = self.broker.recover(&mut occasion, recovery);
        self.pass_on(0, around);
        self.look_again(0, around);
        self.after(around);
    }

    /// The connections that it has.
    pub(crate) fn links(&self) -> Vec<Link> {
        self.connections.keys().copied().collect()
    }
}
