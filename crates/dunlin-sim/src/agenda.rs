//! What is going to happen, in the order of virtual time. What is due at the same time comes in an
//! order that the seed determines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::random::Random;
use crate::trace::Link;

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A step of the schedule, by its place.
    Step(usize),
    /// Bytes, or the end, reach the broker's socket.
    Up(Link),
    /// Bytes, or the end, reach the client.
    Down(Link),
    /// The broker's side learns that the connection was cut.
    BrokerLearns(Link),
    /// The client's side learns that the connection was cut.
    ClientLearns(Link),
    /// A worker of the broker turns to what is there for it.
    Turn(usize),
    /// The timers of a worker are looked at.
    Tick(usize),
    /// A worker learns that the disk was done.
    Commits(usize),
    /// The store commits.
    Synced,
    /// Everything that is needed is written again, a part at a time.
    Rewrite,
    /// The disk works again.
    Disk,
    /// The node starts again.
    Start,
    /// A client comes back after a stop of the node.
    Back(usize),
    /// A client looks at what it has to send by now.
    Client(usize),
}

/// The agenda.
#[derive(Debug)]
pub(crate) struct Agenda {
    /// Virtual time in ms.
    pub(crate) now_ms: u64,
    heap: BinaryHeap<Reverse<(u64, u64, Due)>>,
    random: Random,
}

impl Agenda {
    /// An agenda without entries, at time 0.
    pub(crate) const fn new(random: Random) -> Self {
        Self {
            now_ms: 0,
            heap: BinaryHeap::new(),
            random,
        }
    }

    /// Something is going to happen at this time, or now if that is over.
    pub(crate) fn at(&mut self, ms: u64, due: Due) {
        let order = self.random.next();
        self.heap.push(Reverse((ms.max(self.now_ms), order, due)));
    }

    /// When the next thing happens.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((ms, ..))| *ms)
    }

    /// The next thing, at whose time it is then.
    pub(crate) fn next(&mut self) -> Option<Due> {
        let Reverse((ms, _, due)) = self.heap.pop()?;
        self.now_ms = ms;
        Some(due)
    }
}
