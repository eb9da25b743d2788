//! What a worker does with each packet that a client gets.

use std::mem;

use dunlin_codec::{DecodeError, PacketIdentifier, PacketType, QoS, ReasonCode};

use super::State;
use crate::cmd::bench::engine::incoming::{self, Incoming};
use crate::cmd::bench::engine::plan::Role;
use crate::cmd::bench::engine::shared::{Credit, Phase};
use crate::cmd::bench::engine::stamp::Stamp;

/// Why a connection is over, as its bytes say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Farewell {
    #[error("broker sent no packet: {0}")]
    Decode(#[from] DecodeError),
    #[error("broker sent DISCONNECT: {0}")]
    Disconnect(ReasonCode),
}

/// What is the same for all packets that one read brought.
#[derive(Clone, Copy, Debug)]
struct Batch {
    now_ns: u64,
    is_measured: bool,
}

impl State {
    /// Handles all whole packets of what was read from a client.
    pub(crate) fn received(&mut self, index: usize, bytes: &[u8]) -> Result<(), Farewell> {
        let batch = Batch {
            now_ns: self.shared.now_ns(),
            is_measured: self.shared.phase() == Phase::Measuring,
        };
        let Some(link) = self.links.get_mut(index) else {
            return Ok(());
        };
        let (role, version) = (link.role, link.version);
        let mut carried = mem::take(&mut link.rest);
        let is_carried = !carried.is_empty();
        if is_carried {
            carried.extend_from_slice(bytes);
        }
        let whole = if is_carried {
            carried.as_slice()
        } else {
            bytes
        };
        let mut unread = whole;
        while let Some((incoming, length)) = incoming::next(unread, version)? {
            unread = unread.get(length..).unwrap_or_default();
            self.handle(index, role, incoming, batch)?;
        }
        let handled = whole.len() - unread.len();
        if is_carried {
            carried.drain(..handled);
        } else {
            carried.extend_from_slice(bytes.get(handled..).unwrap_or_default());
        }
        if let Some(link) = self.links.get_mut(index) {
            link.rest = carried;
        }
        self.show();
        Ok(())
    }

    fn handle(
        &mut self,
        index: usize,
        role: Role,
        incoming: Incoming<'_>,
        batch: Batch,
    ) -> Result<(), Farewell> {
        match incoming {
            Incoming::Publish {
                qos,
                packet_id,
                payload,
            } => {
                match qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => self.reply(index, PacketType::Puback, packet_id),
                    QoS::ExactlyOnce => self.reply(index, PacketType::Pubrec, packet_id),
                }
                self.tally.delivered += 1;
                self.tally.delivered_bytes += u64::try_from(payload.len()).unwrap_or_default();
                if let Role::Subscriber { group: Some(group) } = role {
                    self.delivery(index, group, payload, batch);
                }
            }
            Incoming::Ack {
                kind: PacketType::Pubrel,
                packet_id,
                ..
            } => self.reply(index, PacketType::Pubcomp, packet_id),
            Incoming::Ack {
                kind: PacketType::Pubrec,
                packet_id,
                is_error: false,
            } => self.reply(index, PacketType::Pubrel, packet_id),
            Incoming::Ack { is_error, .. } => {
                self.tally.refused += u64::from(is_error);
                if let Role::Publisher(publisher) = role {
                    self.acknowledged(publisher, batch);
                }
            }
            Incoming::Disconnect(code) => return Err(Farewell::Disconnect(code)),
            Incoming::Subscribed { .. } | Incoming::Other => {}
        }
        Ok(())
    }

    /// An acknowledgement without a reason code, as every version reads it.
    fn reply(&mut self, index: usize, kind: PacketType, packet_id: PacketIdentifier) {
        let flags = if kind == PacketType::Pubrel {
            0b0010
        } else {
            0
        };
        let [high, low] = packet_id.as_u16().to_be_bytes();
        if let Some(link) = self.links.get_mut(index) {
            link.out
                .extend_from_slice(&[(kind as u8) << 4 | flags, 2, high, low]);
        }
        self.mark_dirty(index);
    }

    fn delivery(&mut self, index: usize, group: usize, payload: &[u8], batch: Batch) {
        let Some(stamp) = Stamp::read(payload, self.shared.run) else {
            self.tally.foreign += 1;
            return;
        };
        let link = self.links.get_mut(index);
        let (Some(group), Some(link)) = (self.groups.get_mut(group), link) else {
            return;
        };
        let Some(stream) = group.index(stamp.publisher) else {
            self.tally.misrouted += 1;
            return;
        };
        let verdict = group.record(stream, stamp.sequence, &mut link.seen);
        self.tally.duplicates += u64::from(verdict.is_duplicate);
        self.tally.reordered += u64::from(verdict.is_reordered);
        if batch.is_measured {
            let latency_ns = batch.now_ns.saturating_sub(stamp.time_ns);
            self.histogram.saturating_record(latency_ns);
        }
        if verdict.credit > 0 {
            self.credit(stamp.publisher, verdict.credit);
        }
    }

    fn credit(&mut self, publisher: u32, deliveries: u64) {
        let home = usize::try_from(publisher)
            .ok()
            .and_then(|publisher| self.homes.get(publisher));
        let Some(&(worker, publisher)) = home else {
            return;
        };
        let credit = Credit {
            publisher,
            deliveries,
        };
        if worker == self.worker {
            self.apply(credit);
        } else {
            self.outbox.push((worker, credit));
        }
    }

    pub(super) fn apply(&mut self, credit: Credit) {
        if let Some(publisher) = self.publishers.get_mut(credit.publisher) {
            // What was given up after a stall may still come.
            let seen = credit.deliveries.min(publisher.outstanding);
            publisher.outstanding -= seen;
            publisher.quiet_seconds = 0;
            self.tally.outstanding -= seen;
        }
        self.mark_ready(credit.publisher);
    }

    fn acknowledged(&mut self, index: usize, batch: Batch) {
        if let Some(publisher) = self.publishers.get_mut(index)
            && publisher.unacknowledged > 0
        {
            publisher.unacknowledged -= 1;
            let sent_at_ns = publisher.sent_at_ns.pop_front();
            if let Some(sent_at_ns) = sent_at_ns.filter(|_| batch.is_measured) {
                let took_ns = batch.now_ns.saturating_sub(sent_at_ns);
                self.acknowledged.saturating_record(took_ns);
            }
            self.tally.unacknowledged -= 1;
        }
        self.mark_ready(index);
    }
}
