//! What everybody in a run has around them.

use crate::agenda::Agenda;
use crate::network::Network;
use crate::trace::{Event, Link, Trace};

/// Time, the network, and who looks on.
pub(crate) struct Around<'a> {
    pub(crate) agenda: &'a mut Agenda,
    pub(crate) network: &'a mut Network,
    pub(crate) trace: &'a mut Trace,
}

impl Around<'_> {
    /// Notes what can be seen.
    pub(crate) fn see(&mut self, link: Link, event: Event) {
        self.trace.add(self.agenda.now_ms, link, event);
    }

    /// Virtual time in ms.
    pub(crate) const fn now_ms(&self) -> u64 {
        self.agenda.now_ms
    }
}
