//! The bounded queue of a session: what waits for its client, connected or not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dunlin_codec::QoS;

use crate::session::KEPT_ENTRIES;
use crate::session::delivery::Delivery;
use crate::session::payload_memory::{PayloadMemory, Share};
use crate::settings::{QueuePolicy, QueueSettings};
use crate::time::Time;

/// What became of a message for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// It waits.
    Kept,
    /// It waits, and this many others gave way to it.
    KeptDropping(u32),
    /// It was dropped.
    Dropped,
    /// It was dropped, and its publisher is to be told.
    Refused,
}

/// The messages that wait for one client, those of the highest priority first and otherwise in the
/// order of publishing.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Priority 0.
    usual: VecDeque<Delivery>,
    len: usize,
    bytes: usize,
    /// How many are of QoS 0.
    at_most_once: usize,
    rare: Option<Box<Rare>>,
}

/// What the queues of few sessions have.
#[derive(Debug, Default)]
struct Rare {
    /// Other priorities, the highest first.
    prior: BTreeMap<Reverse<u8>, VecDeque<Delivery>>,
    /// Messages that were dropped and that the store still knows, by their sequence number.
    discarded: Vec<u64>,
    /// What messages that came while the client was away have of the memory for such.
    share: Option<Share>,
}

impl Queue {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of its messages; what the counters say must be what there is.
    #[cfg(test)]
    pub(crate) fn checked_bytes(&self) -> usize {
        assert_eq!(self.iter().count(), self.len);
        let sizes = self.iter().map(|queued| queued.message.size());
        assert_eq!(sizes.sum::<usize>(), self.bytes);
        let is_qos_0 = |queued: &&Delivery| queued.qos == QoS::AtMostOnce;
        assert_eq!(self.iter().filter(is_qos_0).count(), self.at_most_once);
        self.bytes
    }

    /// How many of its messages have their payload in the store alone.
    #[cfg(test)]
    pub(crate) fn stored_payloads(&self) -> usize {
        let is_stored = |queued: &&Delivery| queued.message.is_payload_stored();
        self.iter().filter(is_stored).count()
    }

    /// Puts a message at the end, within the bounds of `settings`.
    #[inline]
    pub(crate) fn push(&mut self, delivery: Delivery, settings: &QueueSettings) -> Enqueued {
        self.remove_last_of_topic(&delivery, settings);
        let size = delivery.message.size();
        if size > settings.bytes_max {
            self.discard(&delivery);
            return match settings.policy {
                QueuePolicy::Refuse => Enqueued::Refused,
                QueuePolicy::DropOldest | QueuePolicy::DropNewest => Enqueued::Dropped,
            };
        }
        let mut dropped = 0;
        while self.len >= settings.messages_max || self.bytes + size > settings.bytes_max {
            match settings.policy {
                QueuePolicy::DropNewest => {
                    self.discard(&delivery);
                    return Enqueued::Dropped;
                }
                QueuePolicy::Refuse => {
                    self.discard(&delivery);
                    return Enqueued::Refused;
                }
                QueuePolicy::DropOldest => {}
            }
            let gives_way = if self.at_most_once > 0 {
                self.remove_oldest(|queued| queued.qos == QoS::AtMostOnce)
            } else if delivery.qos == QoS::AtMostOnce {
                None
            } else {
                self.remove_oldest(|_| true)
            };
            let Some(gives_way) = gives_way else {
                self.discard(&delivery);
                return Enqueued::Dropped;
            };
            self.discard(&gives_way);
            dropped += 1;
        }
        self.len += 1;
        self.bytes += size;
        self.at_most_once += usize::from(delivery.qos == QoS::AtMostOnce);
        self.lane(priority(&delivery, settings)).push_back(delivery);
        match dropped {
            0 => Enqueued::Kept,
            count => Enqueued::KeptDropping(count),
        }
    }

    /// Notes that a message that was just put into it takes of the memory for absent clients.
    pub(crate) fn take_memory(&mut self, all: &Arc<PayloadMemory>, bytes: usize) {
        let rare = self.rare.get_or_insert_default();
        let share = rare.share.get_or_insert_with(|| Share::of(all));
        share.take(bytes);
    }

    /// The next message, which leaves the queue.
    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        let delivery = match self.first_lane() {
            Some(lane) => lane.pop_front(),
            None => self.usual.pop_front(),
        }?;
        self.forget(&delivery);
        self.shrink(KEPT_ENTRIES);
        Some(delivery)
    }

    /// Takes out the messages at the front that are sent without a packet identifier or a record, up to
    /// so many and about so many bytes, and says how many bytes; none if they are few.
    pub(crate) fn pop_plain(
        &mut self,
        into: &mut Vec<Delivery>,
        count_max: usize,
        bytes_max: usize,
    ) -> usize {
        const FEW: usize = 8;
        if self.len < FEW || self.has_prior() {
            return 0;
        }
        let (mut count, mut bytes) = (0, 0);
        for next in self.usual.iter().take(count_max) {
            let needs_nothing = !next.is_kept && !next.message.is_payload_stored();
            if next.qos > QoS::AtMostOnce || !needs_nothing || bytes >= bytes_max {
                break;
            }
            bytes += next.message.size();
            count += 1;
        }
        if count < FEW {
            return 0;
        }
        into.extend(self.usual.drain(..count));
        self.len -= count;
        self.bytes -= bytes;
        self.at_most_once -= count;
        if let Some(rare) = &mut self.rare
            && let Some(share) = &mut rare.share
        {
            share.give_back(bytes);
        }
        self.shrink(KEPT_ENTRIES);
        bytes
    }

    /// The next message.
    pub(crate) fn peek(&mut self) -> Option<&Delivery> {
        if self.first_lane().is_some() {
            return self.first_lane().and_then(|lane| lane.front());
        }
        self.usual.front()
    }

    /// Removes what `remove` says, and gives it in its order.
    pub(crate) fn extract(&mut self, mut remove: impl FnMut(&Delivery) -> bool) -> Vec<Delivery> {
        let mut removed = Vec::new();
        let rare = self.rare.iter_mut();
        let prior = rare.flat_map(|rare| rare.prior.values_mut());
        for lane in prior.chain([&mut self.usual]) {
            if lane.iter().any(&mut remove) {
                for delivery in std::mem::take(lane) {
                    if remove(&delivery) {
                        removed.push(delivery);
                    } else {
                        lane.push_back(delivery);
                    }
                }
            }
        }
        removed.iter().for_each(|delivery| self.forget(delivery));
        removed
    }

    /// Drops what expired [MQTT-3.3.2-5], and says how many.
    pub(crate) fn drop_expired(&mut self, now: Time) -> usize {
        self.drop_if(|delivery| delivery.message.is_expired(now))
    }

    /// Drops what `drop` says, and says how many.
    pub(crate) fn drop_if(&mut self, drop: impl FnMut(&Delivery) -> bool) -> usize {
        let dropped = self.extract(drop);
        dropped.iter().for_each(|delivery| self.discard(delivery));
        dropped.len()
    }

    /// Notes that a message was dropped, so that the store is told.
    fn discard(&mut self, delivery: &Delivery) {
        if delivery.is_kept {
            let rare = self.rare.get_or_insert_default();
            rare.discarded.push(delivery.message.sequence());
        }
    }

    /// What was dropped since this was last asked.
    pub(crate) fn take_discarded(&mut self) -> Vec<u64> {
        let rare = self.rare.as_mut();
        rare.map_or_else(Vec::new, |rare| std::mem::take(&mut rare.discarded))
    }

    /// What waits, in its order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        let prior = self.rare.iter().flat_map(|rare| rare.prior.values());
        prior.chain([&self.usual]).flatten()
    }

    fn forget(&mut self, delivery: &Delivery) {
        self.len -= 1;
        self.bytes -= delivery.message.size();
        self.at_most_once -= usize::from(delivery.qos == QoS::AtMostOnce);
        if let Some(rare) = &mut self.rare
            && let Some(share) = &mut rare.share
            && !delivery.message.is_payload_stored()
        {
            share.give_back(delivery.message.size());
        }
    }

    /// Gives memory back while nothing waits, but for so many messages.
    pub(crate) fn shrink(&mut self, kept: usize) {
        if self.len > 0 {
            return;
        }
        if self.usual.capacity() > kept {
            self.usual = VecDeque::new();
        }
        self.rare.take_if(|rare| {
            rare.prior.clear();
            rare.share = None;
            rare.discarded.is_empty()
        });
    }

    fn lane(&mut self, priority: u8) -> &mut VecDeque<Delivery> {
        if priority == 0 {
            return &mut self.usual;
        }
        let rare = self.rare.get_or_insert_default();
        rare.prior.entry(Reverse(priority)).or_default()
    }

    fn has_prior(&self) -> bool {
        self.rare
            .as_ref()
            .is_some_and(|rare| !rare.prior.is_empty())
    }

    fn first_lane(&mut self) -> Option<&mut VecDeque<Delivery>> {
        let mut lanes = self.rare.as_mut()?.prior.values_mut();
        lanes.find(|lane| !lane.is_empty())
    }

    /// The oldest of the lowest priority that `is_meant`.
    fn remove_oldest(&mut self, is_meant: impl Fn(&Delivery) -> bool) -> Option<Delivery> {
        let rare = self.rare.iter_mut();
        let prior = rare.flat_map(|rare| rare.prior.values_mut()).rev();
        let removed = [&mut self.usual]
            .into_iter()
            .chain(prior)
            .find_map(|lane| {
                let position = lane.iter().position(&is_meant)?;
                lane.remove(position)
            })?;
        self.forget(&removed);
        Some(removed)
    }

    /// Removes an older message of the same topic, if the settings want only the newest.
    fn remove_last_of_topic(&mut self, delivery: &Delivery, settings: &QueueSettings) {
        if settings.keep_last.is_empty() {
            return;
        }
        let topic = delivery.message.topic();
        if settings.keep_last.iter().any(|rule| rule.matches(topic)) {
            self.drop_if(|queued| queued.message.topic() == topic);
        }
    }
}

fn priority(delivery: &Delivery, settings: &QueueSettings) -> u8 {
    if settings.priorities.is_empty() {
        return 0;
    }
    let topic = delivery.message.topic();
    let mut rules = settings.priorities.iter();
    rules
        .find(|(rule, _)| rule.matches(topic))
        .map_or(0, |&(_, priority)| priority)
}

#[cfg(test)]
mod tests;
