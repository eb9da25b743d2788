//! PUBACK, PUBREC, PUBREL and PUBCOMP from the client (sections 3.4 to 3.7, and 4.3).

use dunlin_codec::{Ack, PacketIdentifier, PacketType, QoS, ReasonCode};

use super::outbound::keep_progress;
use super::{Connected, Connection, State};
use crate::broker::Broker;
use crate::error::Violation;
use crate::id::ConnectionId;
use crate::input::Outcome;
use crate::output::Output;
use crate::session::SessionState;
use crate::session::in_flight::{InFlight, Progress};
use crate::storage::Record;
use crate::worker::Occasion;

/// How many acknowledgements are handled before others may lock the session.
const TOGETHER_MAX: usize = 64;

impl Connection {
    /// As [`Connection::handle_packet`], for a PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub fn handle_ack(
        &mut self,
        context: &mut Occasion<'_>,
        packet_type: PacketType,
        ack: &Ack<'_>,
        out: &mut Output,
    ) -> Outcome {
        self.last_received = context.now;
        match &mut self.state {
            State::Connected(connected) => {
                connected.handle_ack(context.broker, self.id, (packet_type, ack), out);
                Outcome::Continue
            }
            State::New | State::Connecting(_) => {
                self.handle_violation(context, Violation::NotConnected, out)
            }
            State::Closed(_) => Outcome::Close,
        }
    }

    /// Handles the packets at the beginning of `bytes` that are a PUBACK, PUBREC, PUBREL or PUBCOMP and say
    /// success and nothing else, some of them if they are very many, and gives how many bytes those are.
    #[inline]
    pub fn handle_acks(
        &mut self,
        context: &mut Occasion<'_>,
        bytes: &[u8],
        out: &mut Output,
    ) -> usize {
        let State::Connected(connected) = &mut self.state else {
            return 0;
        };
        if Ack::read_success(bytes).is_none() {
            return 0;
        }
        let Some(mut state) = connected.session.lock_for(self.id) else {
            return 0;
        };
        self.last_received = context.now;
        let mut length = 0;
        while length < TOGETHER_MAX * Ack::SUCCESS_BYTES
            && let Some((packet_type, packet_id)) = bytes.get(length..).and_then(Ack::read_success)
        {
            let ack = Ack::success(packet_id);
            connected.acknowledged(context.broker, &mut state, (packet_type, &ack), out);
            length += Ack::SUCCESS_BYTES;
        }
        connected.session.publish_load(&state);
        length
    }
}

impl Connected {
    pub(super) fn handle_ack(
        &self,
        broker: &Broker,
        connection: ConnectionId,
        (packet_type, ack): (PacketType, &Ack<'_>),
        out: &mut Output,
    ) {
        if let Some(mut state) = self.session.lock_for(connection) {
            self.acknowledged(broker, &mut state, (packet_type, ack), out);
            self.session.publish_load(&state);
        } else if packet_type == PacketType::Pubrel {
            let reason_code = ReasonCode::PacketIdentifierNotFound;
            self.send_ack(PacketType::Pubcomp, ack.packet_id, reason_code, out);
        }
    }

    #[inline]
    fn acknowledged(
        &self,
        broker: &Broker,
        state: &mut SessionState,
        (packet_type, ack): (PacketType, &Ack<'_>),
        out: &mut Output,
    ) {
        match packet_type {
            PacketType::Pubrec => self.pubrec(broker, state, ack, out),
            PacketType::Pubrel => self.pubrel(broker, state, ack, out),
            PacketType::Pubcomp => self.pubcomp(broker, state, ack),
            _ => self.puback(broker, state, ack),
        }
    }

    /// PUBACK: the delivery of a QoS 1 message is complete [MQTT-4.3.2-3].
    #[inline]
    fn puback(&self, broker: &Broker, state: &mut SessionState, ack: &Ack<'_>) {
        let sent = state.in_flight.remove_if(ack.packet_id, |sent| {
            matches!(&sent.progress, Progress::Published(delivery) if delivery.qos == QoS::AtLeastOnce)
        });
        if let Some(sent) = sent {
            self.completed(broker, &sent);
        }
    }

    /// PUBREC: a QoS 2 message arrived; it is never sent again [MQTT-4.3.3-4].
    #[inline]
    fn pubrec(&self, broker: &Broker, state: &mut SessionState, ack: &Ack<'_>, out: &mut Output) {
        let mut reason_code = ReasonCode::Success;
        match state.in_flight.get_mut(ack.packet_id) {
            Some(sent) => match &sent.progress {
                Progress::Published(delivery) if delivery.qos != QoS::ExactlyOnce => return,
                Progress::Published(_) if ack.reason_code.is_error() => {
                    // The client does not want it: the identifier is free [MQTT-4.3.3-4].
                    return self.complete(broker, state, ack.packet_id);
                }
                Progress::Published(delivery) => {
                    let is_kept = delivery.is_kept && self.session.is_kept();
                    sent.progress = Progress::Released { is_kept };
                    keep_progress(&self.session, broker, sent, out);
                }
                Progress::Released { .. } => {}
            },
            None if ack.reason_code.is_error() => return,
            None => reason_code = ReasonCode::PacketIdentifierNotFound,
        }
        self.send_ack(PacketType::Pubrel, ack.packet_id, reason_code, out);
    }

    /// PUBREL: the packet identifier is free again [MQTT-4.3.3-11].
    #[inline]
    fn pubrel(&self, broker: &Broker, state: &mut SessionState, ack: &Ack<'_>, out: &mut Output) {
        let is_known = state.received.remove(ack.packet_id);
        if is_known && self.session.is_kept() {
            // PUBCOMP waits: with the identifier still taken after a stop, the next message that has it
            // would be held for a repetition.
            out.hold_for(broker.keep_freed(self.session.number(), ack.packet_id));
        }
        let reason_code = match is_known {
            true => ReasonCode::Success,
            false => ReasonCode::PacketIdentifierNotFound,
        };
        self.send_ack(PacketType::Pubcomp, ack.packet_id, reason_code, out);
    }

    /// PUBCOMP: the delivery of a QoS 2 message is complete.
    #[inline]
    fn pubcomp(&self, broker: &Broker, state: &mut SessionState, ack: &Ack<'_>) {
        let sent = state.in_flight.remove_if(ack.packet_id, |sent| {
            matches!(sent.progress, Progress::Released { .. })
        });
        if let Some(sent) = sent {
            self.completed(broker, &sent);
        }
    }

    /// The delivery with this packet identifier is complete. The caller sees to
    /// [`Session::publish_load`](crate::session::Session::publish_load).
    pub(super) fn complete(
        &self,
        broker: &Broker,
        state: &mut SessionState,
        packet_id: PacketIdentifier,
    ) {
        if let Some(sent) = state.in_flight.remove(packet_id) {
            self.completed(broker, &sent);
        }
    }

    /// As [`Connected::complete`], of one that is not among those in flight any more.
    fn completed(&self, broker: &Broker, sent: &InFlight) {
        match &sent.progress {
            Progress::Published(delivery) => self.note_done(broker, delivery),
            Progress::Released { is_kept: true } => broker.note(&[Record::Completed {
                session: self.session.number(),
                send: sent.sequence,
            }]),
            Progress::Released { is_kept: false } => {}
        }
    }
}
