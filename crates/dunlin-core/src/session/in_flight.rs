//! The QoS 1 and 2 messages that were sent to a client and are not acknowledged yet.

use std::collections::VecDeque;

use dunlin_codec::PacketIdentifier;

use crate::session::delivery::Delivery;

/// How far the delivery of a message is (section 4.3).
#[derive(Debug)]
pub(crate) enum Progress {
    /// PUBLISH is sent; PUBACK (QoS 1) or PUBREC (QoS 2) is awaited.
    Published(Delivery),
    /// PUBREL is sent; PUBCOMP is awaited.
    Released {
        /// Whether the store knows of it.
        is_kept: bool,
    },
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Counts the sendings of the session; the packet identifier follows from it.
    pub(crate) sequence: u64,
    pub(crate) progress: Progress,
    /// Whether the store did not take the record of that: it is written before it is sent again.
    pub(crate) is_unwritten: bool,
    /// Whether it was not sent after all: the connection that it was for ended before.
    pub(crate) is_unsent: bool,
}

impl InFlight {
    pub(crate) fn packet_id(&self) -> PacketIdentifier {
        packet_id(self.sequence)
    }

    /// The message, unless the client has it.
    pub(crate) const fn delivery(&self) -> Option<&Delivery> {
        match &self.progress {
            Progress::Published(delivery) => Some(delivery),
            Progress::Released { .. } => None,
        }
    }
}

/// Packet identifiers go round: 1 follows 65 535.
fn packet_id(sequence: u64) -> PacketIdentifier {
    let number = u16::try_from(sequence % CYCLE).unwrap_or_default();
    PacketIdentifier::new(number + 1).unwrap_or(PacketIdentifier::MIN)
}

const CYCLE: u64 = 65_535;

/// Everything in flight to one client, in the order in which it was sent first.
#[derive(Debug, Default)]
pub(crate) struct InFlightList {
    entries: VecDeque<InFlight>,
    next: u64,
}

impl InFlightList {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that a message is sent now, with a packet identifier that no other message in flight
    /// has [MQTT-2.2.1-3]; `None` if all are taken.
    pub(crate) fn push(&mut self, delivery: Delivery) -> Option<&mut InFlight> {
        self.next_packet_id()?;
        let sequence = self.next;
        self.next += 1;
        let progress = Progress::Published(delivery);
        self.entries.push_back(InFlight {
            sequence,
            progress,
            is_unwritten: false,
            is_unsent: false,
        });
        self.entries.back_mut()
    }

    /// The packet identifier of the next that is sent; `None` if all are taken.
    #[inline]
    pub(crate) fn next_packet_id(&mut self) -> Option<PacketIdentifier> {
        let oldest = self.entries.front().map(|entry| entry.sequence);
        if oldest.is_some_and(|oldest| self.next - oldest >= CYCLE) {
            // The oldest blocks its identifier only; those after it may be free again.
            if self.entries.len() >= usize::from(u16::MAX) {
                return None;
            }
            while self.is_taken(packet_id(self.next)) {
                self.next += 1;
            }
        }
        Some(packet_id(self.next))
    }

    /// The number of the next that is sent, or a later one.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Notes that those from this number on were not sent.
    pub(crate) fn note_unsent(&mut self, from: u64) {
        let entries = self.entries.iter_mut().rev();
        for sent in entries.take_while(|sent| sent.sequence >= from) {
            sent.is_unsent = true;
        }
    }

    /// Adds what was in flight before the broker stopped; it comes in the order of its numbers.
    pub(crate) fn restore(&mut self, sent: InFlight) {
        self.next = self.next.max(sent.sequence + 1);
        self.entries.push_back(sent);
    }

    /// Everything in flight, in the order of sending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InFlight> + Clone {
        self.entries.iter()
    }

    fn is_taken(&self, packet_id: PacketIdentifier) -> bool {
        self.position(packet_id).is_some()
    }

    fn position(&self, packet_id: PacketIdentifier) -> Option<usize> {
        // Acknowledgements come in the order of sending, almost always.
        if self.entries.front()?.packet_id() == packet_id {
            return Some(0);
        }
        let target = u64::from(packet_id.as_u16() - 1);
        let back = self.entries.back()?.sequence;
        // The newest sequence number with this identifier, then those a cycle or more before it.
        let mut candidate = (back / CYCLE) * CYCLE + target;
        if candidate > back {
            candidate = candidate.checked_sub(CYCLE)?;
        }
        let front = self.entries.front()?.sequence;
        while candidate >= front {
            // Where it is if none before it is done: almost always with QoS 2.
            let place = usize::try_from(candidate - front).unwrap_or(usize::MAX);
            let entry = self.entries.get(place);
            if entry.is_some_and(|entry| entry.sequence == candidate) {
                return Some(place);
            }
            let found = self
                .entries
                .binary_search_by_key(&candidate, |entry| entry.sequence);
            if let Ok(position) = found {
                return Some(position);
            }
            candidate = candidate.checked_sub(CYCLE)?;
        }
        None
    }

    /// The message with this packet identifier.
    pub(crate) fn get_mut(&mut self, packet_id: PacketIdentifier) -> Option<&mut InFlight> {
        let position = self.position(packet_id)?;
        self.entries.get_mut(position)
    }

    /// Ends the delivery with this packet identifier.
    pub(crate) fn remove(&mut self, packet_id: PacketIdentifier) -> Option<InFlight> {
        self.remove_if(packet_id, |_| true)
    }

    /// Ends the delivery with this packet identifier, if it is as far as that.
    pub(crate) fn remove_if(
        &mut self,
        packet_id: PacketIdentifier,
        is_meant: impl FnOnce(&InFlight) -> bool,
    ) -> Option<InFlight> {
        let position = self.position(packet_id)?;
        if !is_meant(self.entries.get(position)?) {
            return None;
        }
        self.entries.remove(position)
    }

    /// Gives memory back while nothing is in flight, but for so many entries.
    pub(crate) fn shrink(&mut self, kept: usize) {
        if self.entries.is_empty() && self.entries.capacity() > kept {
            self.entries = VecDeque::new();
        }
    }

    /// The first in the order of sending whose sequence number is not below this, and how many are
    /// before it.
    pub(crate) fn first_from(&self, sequence: u64) -> Option<(usize, &InFlight)> {
        let position = self
            .entries
            .partition_point(|entry| entry.sequence < sequence);
        Some((position, self.entries.get(position)?))
    }

    /// Removes those that `is_meant` is true of, and gives the messages that they are about.
    pub(crate) fn extract(&mut self, is_meant: impl Fn(&InFlight) -> bool) -> Vec<Delivery> {
        let (removed, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(is_meant);
        self.entries = kept;
        let deliveries = removed.into_iter().filter_map(|sent| match sent.progress {
            Progress::Published(delivery) => Some(delivery),
            Progress::Released { .. } => None,
        });
        deliveries.collect()
    }

    /// Removes everything.
    pub(crate) fn take_all(&mut self) -> VecDeque<InFlight> {
        std::mem::take(&mut self.entries)
    }
}
