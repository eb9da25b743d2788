//! One publisher: when it may send, and what.

use std::collections::VecDeque;

use dunlin_codec::{PacketIdentifier, QoS};

use super::plan::{Pacing, PublisherPlan};
use super::stamp::Stamp;

/// Seconds without a delivery after which those that a publisher waits for count as lost.
const QUIET_SECONDS_MAX: u8 = 5;

/// One publisher.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) plan: PublisherPlan,
    pub(crate) link: usize,
    /// Messages sent so far.
    pub(crate) sent: u64,
    /// Deliveries not seen yet.
    pub(crate) outstanding: u64,
    /// For how long none has come.
    pub(crate) quiet_seconds: u8,
    pub(crate) unacknowledged: u32,
    /// When each message that is not acknowledged was sent, or was due. Acknowledgements come in the
    /// order of the messages [MQTT-4.6.0-2].
    pub(crate) sent_at_ns: VecDeque<u64>,
    /// How many the broker takes before it acknowledges.
    pub(crate) receive_maximum: u32,
    next_packet_id: PacketIdentifier,
    pub(crate) is_ready: bool,
    /// In an open loop: messages that are due, and when the first of them was.
    pub(crate) due: u64,
    pub(crate) due_since_ns: u64,
}

impl Publisher {
    /// A publisher that is not connected yet.
    pub(crate) const fn new(plan: PublisherPlan) -> Self {
        Self {
            plan,
            link: 0,
            sent: 0,
            outstanding: 0,
            quiet_seconds: 0,
            unacknowledged: 0,
            sent_at_ns: VecDeque::new(),
            receive_maximum: u16::MAX as u32,
            next_packet_id: PacketIdentifier::MIN,
            is_ready: false,
            due: 0,
            due_since_ns: 0,
        }
    }

    /// Whether to begin with sending at all: unless it is eager, a publisher waits until half of its
    /// window is free, so that its messages leave several at a time.
    pub(crate) fn may_begin(&self, qos: QoS, pacing: Pacing) -> bool {
        let Pacing::Window {
            messages,
            is_eager: false,
            ..
        } = pacing
        else {
            return true;
        };
        let half = messages.get() / 2;
        let is_acknowledged = qos == QoS::AtMostOnce || self.unacknowledged <= half;
        is_acknowledged && !self.is_full(pacing)
    }

    /// Whether it waits for deliveries before it begins again.
    pub(crate) fn is_full(&self, pacing: Pacing) -> bool {
        let Pacing::Window {
            messages,
            until_received: true,
            is_eager,
        } = pacing
        else {
            return false;
        };
        let copies = self.plan.copies;
        let window = u64::from(messages.get());
        if is_eager {
            self.outstanding + copies > window * copies
        } else {
            self.outstanding > window / 2 * copies
        }
    }

    /// Gives up the deliveries that it waits for, if none has come for some seconds: they are lost.
    pub(crate) fn release_if_quiet(&mut self) -> Option<u64> {
        if self.quiet_seconds < QUIET_SECONDS_MAX {
            self.quiet_seconds += 1;
            return None;
        }
        self.quiet_seconds = 0;
        Some(std::mem::take(&mut self.outstanding))
    }

    pub(crate) fn may_send(&self, qos: QoS, pacing: Pacing) -> bool {
        let is_held_back = qos != QoS::AtMostOnce && self.unacknowledged >= self.receive_maximum;
        let is_done = self.plan.limit.is_some_and(|limit| self.sent >= limit);
        if is_held_back || is_done {
            return false;
        }
        match pacing {
            Pacing::Window {
                messages,
                until_received,
                ..
            } => {
                let copies = self.plan.copies;
                let is_full = qos != QoS::AtMostOnce && self.unacknowledged >= messages.get()
                    || until_received
                        && self.outstanding + copies > u64::from(messages.get()) * copies;
                !is_full
            }
            Pacing::Interval { .. } => self.due > 0,
        }
    }

    /// When the message that is sent now was due, in an open loop.
    pub(crate) const fn take_due(&mut self, pacing: Pacing) -> Option<u64> {
        let Pacing::Interval { interval_ns, .. } = pacing else {
            return None;
        };
        let due_ns = self.due_since_ns;
        self.due -= 1;
        self.due_since_ns += interval_ns;
        Some(due_ns)
    }

    pub(crate) fn append(&mut self, out: &mut Vec<u8>, stamp: Option<Stamp>) {
        let number = match self.plan.scatter {
            Some(bound) => {
                // A multiplicative hash: every run publishes to the same topics in the same order.
                let seed = self.sent.wrapping_mul(2_654_435_761) ^ u64::from(self.plan.number);
                (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % bound.max(1)
            }
            None => self.sent,
        };
        let turn = usize::try_from(self.sent).unwrap_or_default();
        let packet_id = self.next_packet_id;
        let templates = &self.plan.templates;
        if let Some(template) = templates.get(turn % templates.len().max(1)) {
            template.append(out, packet_id, number, stamp);
        }
        self.sent += 1;
        self.next_packet_id = packet_id.next();
    }
}

#[cfg(test)]
mod tests;
