//! Writing down what must outlive the process.
//!
//! What a packet promises is written with [`Broker::keep`], and the packet waits for it. What can be
//! done again after a stop without breaking a promise is written with [`Broker::note`].

use std::time::Duration;

use dunlin_codec::{PacketIdentifier, QoS};

use crate::broker::Broker;
use crate::id::SessionNumber;
use crate::session::delivery::Delivery;
use crate::session::in_flight::Progress;
use crate::session::{Session, SessionState};
use crate::storage::{
    Durability, PageRecord, Position, PublishRecord, Receiver, Record, SessionRecord, StorageFault,
    SubscriptionRecord,
};

impl Broker {
    /// Appends records that a packet waits for.
    pub(crate) fn keep(&self, records: &[Record<'_>]) -> Result<Position, StorageFault> {
        self.storage()
            .append(records, self.settings().durability.usual)
    }

    /// Appends records that nobody waits for. If they are lost, then what they undo is done again
    /// after a stop: a message of QoS 1 is sent twice, a session that expired expires again.
    pub(crate) fn note(&self, records: &[Record<'_>]) {
        // A store that fails has said so to everyone who is promised something.
        let _ = self.storage().append(records, Durability::Memory);
    }

    /// Notes that a session needs a message no more.
    pub(crate) fn note_done(&self, session: SessionNumber, sequence: u64) {
        self.note(&[Record::Done { session, sequence }]);
    }

    /// Notes which messages of QoS 1 a client that is gone was sent, and by which identifiers. Those
    /// of QoS 2 were written down before they were sent.
    pub(crate) fn note_sent(&self, session: SessionNumber, state: &SessionState) {
        for sent in state.in_flight.iter() {
            let delivery = sent.delivery().filter(|delivery| delivery.is_kept);
            if let Some(delivery) = delivery.filter(|delivery| delivery.qos == QoS::AtLeastOnce) {
                self.note(&[Record::Sent {
                    session,
                    sequence: delivery.message.sequence(),
                    send: sent.sequence,
                }]);
            }
        }
    }

    /// Notes what the queue of a session dropped.
    pub(crate) fn note_discarded(&self, session: &Session, state: &mut SessionState) {
        for sequence in state.queue.take_discarded() {
            self.note_done(session.number(), sequence);
        }
    }

    /// Writes that a client released a packet identifier.
    pub(crate) fn keep_freed(
        &self,
        session: SessionNumber,
        packet_id: PacketIdentifier,
    ) -> Result<Position, StorageFault> {
        self.keep(&[Record::Freed { session, packet_id }])
    }

    /// What a session is besides its subscriptions and messages. One that ended with the process
    /// before this one, and of which only the will is left, is written as it was then: it is to be the
    /// same after the next stop.
    pub(crate) fn head<'a>(session: &'a Session, state: &'a SessionState) -> SessionRecord<'a> {
        let is_ghost = state.is_ghost;
        SessionRecord {
            session: session.number(),
            client_id: session.client_id().as_str(),
            is_whole: false,
            is_connected: is_ghost || state.connection.is_some(),
            expiry_interval: match is_ghost {
                true => Some(Duration::ZERO),
                false => state.expiry_interval,
            },
            disconnected_at: state.disconnected_at.filter(|_| !is_ghost),
            window: u32::from(session.window()),
            will: state.will.as_deref().map(|will| will.record()),
            will_due: state.will_due.filter(|_| !is_ghost),
        }
    }

    /// Everything that there is to a session that the store keeps, as records that replace what was
    /// written before.
    pub(crate) fn whole<'a>(session: &'a Session, state: &'a SessionState) -> Vec<Record<'a>> {
        let number = session.number();
        let head = SessionRecord {
            is_whole: true,
            ..Self::head(session, state)
        };
        let mut records = vec![Record::Session(head)];
        for (filter, subscription) in state.subscriptions.iter() {
            // Of QoS 0 nothing is sent again.
            let mut cursors = state.retained.iter();
            let cursor =
                cursors.find(|cursor| &*cursor.filter == filter && cursor.qos > QoS::AtMostOnce);
            records.push(Record::Subscribed(SubscriptionRecord {
                session: number,
                filter,
                options: subscription.options,
                identifier: subscription.identifier,
                retained_as_of: cursor.map(|cursor| cursor.as_of),
            }));
            if let Some(next) = cursor.and_then(|cursor| cursor.after.as_deref()) {
                records.push(Record::Page(PageRecord {
                    session: number,
                    filter,
                    next: Some(next),
                }));
            }
        }
        let kept = |delivery: &&Delivery| delivery.is_kept;
        let sent = state.in_flight.iter();
        let sent_deliveries = sent.clone().filter_map(|sent| sent.delivery());
        for delivery in sent_deliveries.chain(state.queue.iter()).filter(kept) {
            records.push(given(number, delivery));
        }
        for sent in sent {
            let send = sent.sequence;
            match &sent.progress {
                Progress::Published(delivery) if delivery.is_kept => records.push(Record::Sent {
                    session: number,
                    sequence: delivery.message.sequence(),
                    send,
                }),
                Progress::Released { is_kept: true } => records.push(Record::Released {
                    session: number,
                    send,
                }),
                _ => {}
            }
        }
        for packet_id in state.received.published() {
            records.push(Record::Publish(PublishRecord {
                message: None,
                retains: false,
                receivers: &[],
                received: Some((number, packet_id)),
                will_of: None,
            }));
        }
        records
    }
}

/// That a session has to be given a message.
pub(crate) fn given(session: SessionNumber, delivery: &Delivery) -> Record<'_> {
    Record::Given {
        sequence: delivery.message.sequence(),
        receiver: Receiver {
            session,
            qos: delivery.qos,
            retain: delivery.retain,
            identifiers: delivery.identifiers(),
            group: delivery.group.as_ref().map(|group| group.text()),
        },
    }
}
