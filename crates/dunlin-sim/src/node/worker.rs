//! A worker of a node: what is there for it to do.

use std::collections::VecDeque;

use dunlin_core::broker::PublishPlan;
use dunlin_core::publishing::{Pending, PendingPublication};
use dunlin_core::worker::{Notice, Worker as CoreWorker};

use crate::random::Random;
use crate::trace::Link;

/// A worker.
pub(super) struct Worker {
    pub(super) core: CoreWorker,
    pub(super) mailbox: Vec<Notice>,
    pub(super) to_flush: VecDeque<Link>,
    /// Connections whose task is ready.
    woken: Vec<Link>,
    /// The connection whose bytes it is handling.
    pub(super) reading: Option<Reading>,
    pub(super) committing: VecDeque<Link>,
    pub(super) publications: VecDeque<PendingPublication>,
    pub(super) are_commits_due: bool,
    pub(super) is_tick_due: bool,
    /// When its timers are looked at next, in ms.
    pub(super) tick_ms: Option<u64>,
    /// Whether its next turn is on the agenda.
    pub(super) has_turn: bool,
}

/// The middle of handling what was read.
pub(super) struct Reading {
    pub(super) link: Link,
    pub(super) publish: Half,
}

/// How far the last publish is.
pub(super) enum Half {
    /// It is done, or there was none.
    Done,
    /// The next one may join it.
    Planned(Box<PublishPlan>),
    /// Its second half comes next.
    Begun(Box<Pending>),
}

/// Something that a worker can do.
pub(super) enum Task {
    Mailbox,
    Poll(Link),
    Flush(Link),
    Timers,
    Commits,
}

impl Worker {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            core: CoreWorker::new(seed),
            mailbox: Vec::new(),
            to_flush: VecDeque::new(),
            woken: Vec::new(),
            reading: None,
            committing: VecDeque::new(),
            publications: VecDeque::new(),
            are_commits_due: false,
            is_tick_due: false,
            tick_ms: None,
            has_turn: false,
        }
    }

    /// The task of a connection is ready.
    pub(super) fn wake(&mut self, link: Link) {
        if !self.woken.contains(&link) {
            self.woken.push(link);
        }
    }

    /// Whether it has something to do.
    pub(super) fn is_ready(&self) -> bool {
        self.reading.is_some()
            || !self.mailbox.is_empty()
            || !self.to_flush.is_empty()
            || !self.woken.is_empty()
            || self.is_tick_due
            || self.are_commits_due
    }

    /// Whether something of it waits for the store.
    pub(super) fn waits_for_store(&self) -> bool {
        !self.committing.is_empty() || !self.publications.is_empty()
    }

    /// One of the things that are ready.
    pub(super) fn choose(&mut self, random: &mut Random) -> Option<Task> {
        let weights = [
            u64::from(!self.mailbox.is_empty()),
            u64::from(!self.woken.is_empty()),
            u64::from(!self.to_flush.is_empty()),
            u64::from(self.is_tick_due),
            u64::from(self.are_commits_due),
        ];
        if weights.iter().sum::<u64>() == 0 {
            return None;
        }
        Some(match random.weighted(&weights) {
            0 => Task::Mailbox,
            1 => Task::Poll(self.woken.swap_remove(random.below(self.woken.len()))),
            2 => Task::Flush(self.to_flush.pop_front()?),
            3 => {
                self.is_tick_due = false;
                Task::Timers
            }
            _ => {
                self.are_commits_due = false;
                Task::Commits
            }
        })
    }
}
