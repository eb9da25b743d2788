//! When connections are to be looked at: a coarse wheel, so that a packet costs no timer.
//!
//! A connection stands in one slot. When the slot is due its real deadline is asked for; if that is
//! later, the connection moves on.

use std::time::Duration;

use dunlin_core::id::ConnectionId;
use dunlin_core::time::Time;

/// The time between two slots.
pub(crate) const TICK: Duration = Duration::from_millis(200);
const TICK_MILLIS: u64 = 200;

const SLOTS: usize = 512;

/// A point in time, in ticks since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// The first tick that is not before this time.
    pub(crate) const fn not_before(time: Time) -> Self {
        Self(time.as_millis().div_ceil(TICK_MILLIS))
    }
}

/// The wheel of one worker.
pub(crate) struct Wheel {
    slots: Vec<Vec<(Tick, ConnectionId)>>,
    /// The next tick to be handled.
    next: Tick,
}

impl Wheel {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            slots: std::iter::repeat_with(Vec::new).take(SLOTS).collect(),
            next: Tick::not_before(now),
        }
    }

    /// Puts a connection into the slot of `at`, or of the farthest time the wheel reaches, and gives
    /// the tick at which it comes up.
    pub(crate) fn insert(&mut self, at: Time, connection: ConnectionId) -> Tick {
        let farthest = Tick(self.next.0 + SLOTS as u64 - 1);
        let tick = Tick::not_before(at).clamp(self.next, farthest);
        if let Some(slot) = self.slots.get_mut(slot_of(tick)) {
            slot.push((tick, connection));
        }
        tick
    }

    /// Takes the connections that are due, with the tick each was put in for.
    pub(crate) fn take_due(&mut self, now: Time, due: &mut Vec<(Tick, ConnectionId)>) {
        // After a long stop one turn of the wheel shows every slot.
        let last = Tick(now.as_millis() / TICK_MILLIS);
        for _ in 0..SLOTS {
            if self.next > last {
                return;
            }
            if let Some(slot) = self.slots.get_mut(slot_of(self.next)) {
                due.append(slot);
                if slot.capacity() > 1024 {
                    *slot = Vec::new();
                }
            }
            self.next.0 += 1;
        }
        self.next = Tick(last.0 + 1);
    }
}

fn slot_of(tick: Tick) -> usize {
    usize::try_from(tick.0 % SLOTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests;
