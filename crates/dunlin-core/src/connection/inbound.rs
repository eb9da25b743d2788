//! PUBLISH from the client, and the receiver's side of QoS 2 (sections 3.3 and 4.3).

use dunlin_codec::{
    Limits, PacketIdentifier, PacketType, Publish, QoS, ReasonCode, TopicName, decode_publish,
    fixed_header,
};

use super::{Connected, Connection, State, v3};
use crate::broker::{Ending, PublishPlan, Receipt};
use crate::error::{Refusal, Violation};
use crate::id::ConnectionId;
use crate::input::{Acknowledgement, CloseReason, Outcome, PublishRequest};
use crate::message::{Draft, Form, Message, Payload};
use crate::output::Output;
use crate::session::received::{Arrival, Exchange};
use crate::settings::MqttSettings;
use crate::worker::Occasion;

/// Topics whose messages' receivers are looked up at once, and packets that are looked at for them.
const TOPICS_AHEAD_MAX: usize = 8;
const PACKETS_AHEAD_MAX: usize = 32;

impl Connected {
    #[inline]
    pub(super) fn handle_publish(
        &mut self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        publish: &Publish<'_>,
        form: Form<'_>,
        out: &mut Output,
    ) -> Result<Outcome, Violation> {
        context.worker.stats.publish_received += 1;
        let settings = context.broker.settings();
        check(publish, &settings.mqtt)?;
        // Before anything else: an alias that comes with a packet holds whatever becomes of that.
        let alias = publish.properties.topic_alias;
        if let Some(alias) = alias {
            self.note_alias(alias, publish.topic, &settings.mqtt)?;
        }
        if let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id) {
            self.may_have_received = true;
            match self.arrival(connection, packet_id, publish.dup) {
                Arrival::New => {}
                Arrival::UnderWay => {
                    self.may_be_behind = true;
                    return Ok(Outcome::Continue);
                }
                Arrival::Known => {
                    self.send_ack(PacketType::Pubrec, packet_id, ReasonCode::Success, out);
                    return Ok(Outcome::Continue);
                }
                Arrival::Refused(reason_code) => {
                    if self.session.is_kept() {
                        let number = self.session.number();
                        out.hold_for(context.broker.keep_freed(number, packet_id));
                    }
                    self.send_ack(PacketType::Pubrec, packet_id, reason_code, out);
                    return Ok(Outcome::Continue);
                }
            }
        }
        if publish.qos > QoS::AtMostOnce {
            if self.unstored_until.is_some() {
                // The client sends it again behind the one that there was no room for, so that the
                // order stays.
                return Ok(Outcome::Continue);
            }
            self.check_quota(connection, &settings.mqtt)?;
        }
        let topic = match alias {
            Some(alias) if publish.topic.is_empty() => self
                .inbound_aliases
                .topic(alias)
                .ok_or(Violation::TopicAlias(alias))?,
            _ => publish.topic,
        };
        let (whole, payload) = match form {
            Form::Fields => (None, Payload::Borrowed(publish.payload)),
            Form::Whole(whole) => (Some(whole), Payload::Borrowed(publish.payload)),
            Form::Payload(payload) => (None, Payload::Shared(payload)),
        };
        let draft = Draft {
            topic,
            qos: publish.qos,
            retain: publish.retain,
            properties: (!publish.properties.is_empty()).then_some(&publish.properties),
            payload,
            whole,
        };
        let number = self.session.number();
        let message = Message::new(
            &draft,
            number,
            (context.now, settings.message_expiry_max),
            &mut context.worker.scratch,
        );
        let acknowledgement = Acknowledgement::of(publish.qos, publish.packet_id);
        let Ok(message) = message else {
            return Err(Violation::TopicTooLong);
        };
        let exchange = match acknowledgement {
            Acknowledgement::None => None,
            Acknowledgement::Puback(_) => {
                self.pending += 1;
                None
            }
            Acknowledgement::Pubrec(packet_id) => {
                let may_fail = self.version.is_v5();
                let begun = Exchange::begin(&self.session, connection, packet_id, may_fail);
                let Some(exchange) = begun else {
                    return Ok(Outcome::Continue);
                };
                Some(exchange)
            }
        };
        Ok(Outcome::Publish(PublishRequest {
            message,
            acknowledgement,
            exchange,
        }))
    }

    fn look_ahead(&self, context: &mut Occasion<'_>, mut bytes: &[u8], limits: &Limits) {
        let mut topics = [TopicName::EMPTY; TOPICS_AHEAD_MAX];
        let (mut count, mut last) = (0, TopicName::EMPTY);
        for _ in 0..PACKETS_AHEAD_MAX {
            let Ok(Some(header)) = fixed_header(bytes, limits) else {
                break;
            };
            let Some(body) = bytes.get(header.header_len..header.packet_len()) else {
                break;
            };
            if header.packet_type != PacketType::Publish {
                break;
            }
            let Ok(publish) = decode_publish(&header, body, self.version, limits, last) else {
                break;
            };
            // Instead of an alias there is none, and the route of the topic before is remembered.
            if !publish.topic.is_empty() && publish.topic != last {
                let Some(place) = topics.get_mut(count) else {
                    break;
                };
                *place = publish.topic;
                last = publish.topic;
                count += 1;
            }
            bytes = bytes.get(header.packet_len()..).unwrap_or_default();
        }
        if count > 1 {
            let topics = topics.get(..count).unwrap_or_default();
            context.worker.look_ahead(context.broker, topics);
        }
    }

    fn note_alias(
        &mut self,
        alias: u16,
        topic: TopicName<'_>,
        settings: &MqttSettings,
    ) -> Result<(), Violation> {
        if alias == 0 || alias > settings.topic_alias_maximum {
            return Err(Violation::TopicAlias(alias));
        }
        if !topic.is_empty() {
            self.inbound_aliases.set(alias, topic);
        }
        Ok(())
    }

    /// Whether a PUBLISH is that of a message that came before [MQTT-4.3.3-10].
    fn arrival(&self, connection: ConnectionId, packet_id: PacketIdentifier, dup: bool) -> Arrival {
        let state = self.session.lock_for(connection);
        state.map_or(Arrival::New, |mut state| {
            state.received.arrive(packet_id, dup)
        })
    }

    /// Whether one more QoS 1 or 2 message is within the Receive Maximum [MQTT-3.3.4-7].
    #[inline]
    fn check_quota(
        &self,
        connection: ConnectionId,
        settings: &MqttSettings,
    ) -> Result<(), Violation> {
        let unreleased = if self.may_have_received {
            let state = self.session.lock_for(connection);
            state.map_or(0, |state| state.received.len())
        } else {
            0
        };
        if unreleased + usize::from(self.pending) >= usize::from(settings.receive_maximum) {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        Ok(())
    }

    #[inline]
    fn send_acknowledgement(
        &mut self,
        connection: ConnectionId,
        acknowledgement: Acknowledgement,
        reason_code: ReasonCode,
        out: &mut Output,
    ) {
        match acknowledgement {
            Acknowledgement::None => {}
            Acknowledgement::Puback(packet_id) => {
                self.pending = self.pending.saturating_sub(1);
                // Not by a connection that has lost its session: its client asks again on the new
                // one.
                if self.session.is_of(connection) {
                    self.send_ack(PacketType::Puback, packet_id, reason_code, out);
                }
            }
            Acknowledgement::Pubrec(packet_id) => {
                if self.session.is_of(connection) {
                    self.send_ack(PacketType::Pubrec, packet_id, reason_code, out);
                }
            }
        }
    }
}

impl Connection {
    /// Takes the PUBLISH packets at the beginning of `bytes` that are that of `plan` again but for packet
    /// identifier and payload, `count_max` at most, and adds them to the plan: what was found right of that
    /// one is right of them. Gives how many bytes, and how many packets.
    #[inline]
    pub fn join(
        &mut self,
        context: &mut Occasion<'_>,
        plan: &mut PublishPlan,
        (bytes, limits): (&[u8], &Limits),
        count_max: usize,
    ) -> (usize, usize) {
        let State::Connected(connected) = &mut self.state else {
            return (0, 0);
        };
        if connected.unstored_until.is_some() {
            return (0, 0);
        }
        let is_v5 = connected.version.is_v5();
        let Connected {
            session,
            may_have_received,
            pending,
            ..
        } = &mut **connected;
        let broker = context.broker;
        let receive_maximum = usize::from(broker.settings().mqtt.receive_maximum);
        let qos = plan.message().qos();
        let first_byte = (PacketType::Publish as u8) << 4 | (qos as u8) << 1;
        let knows_more = qos > QoS::AtMostOnce && *may_have_received;
        let mut state = match knows_more {
            true => session.lock_for(self.id),
            false => None,
        };
        let count_max = count_max.min(broker.room(plan));
        let (mut length, mut count) = (0, 0);
        while count < count_max {
            let rest = bytes.get(length..).unwrap_or_default();
            if rest.first() != Some(&first_byte) {
                break;
            }
            let Ok(Some(header)) = fixed_header(rest, limits) else {
                break;
            };
            let Some(body) = rest.get(header.header_len..header.packet_len()) else {
                break;
            };
            let Some((message, packet_id)) = plan.message().again(body, is_v5) else {
                break;
            };
            let unreleased = state.as_ref().map_or(0, |state| state.received.len());
            let acknowledgement = Acknowledgement::of(qos, packet_id);
            match acknowledgement {
                Acknowledgement::None => {}
                _ if unreleased + usize::from(*pending) >= receive_maximum => break,
                Acknowledgement::Puback(_) => *pending += 1,
                Acknowledgement::Pubrec(packet_id) => {
                    let Some(state) = &mut state else { break };
                    if !state.received.begin(packet_id) {
                        break;
                    }
                }
            }
            plan.add(context.worker, message, acknowledgement);
            length += header.packet_len();
            count += 1;
        }
        drop(state);
        if count > 0 {
            broker.number(plan, count);
            self.last_received = context.now;
            context.worker.stats.publish_received += count as u64;
        }
        (length, count)
    }

    /// Looks up who gets the PUBLISH packets at the beginning of `bytes`, or some of them if they are many,
    /// where that is not known of the topics that come: for all of them at once it takes less time than for
    /// one after the other.
    #[inline]
    pub fn look_ahead(&self, context: &mut Occasion<'_>, bytes: &[u8], limits: &Limits) {
        if context.worker.looks_ahead()
            && let State::Connected(connected) = &self.state
        {
            connected.look_ahead(context, bytes, limits);
        }
    }

    /// Whether the connection ends soon because the store had no room for what the client published,
    /// which cannot be said in 3.x: its deadline is nearer than it was.
    pub fn has_unstored(&self) -> bool {
        matches!(&self.state, State::Connected(connected) if connected.unstored_until.is_some())
    }

    /// Whether publishes of this connection have to wait, after they are stored, because the client
    /// repeated a QoS 2 message that is under way since an earlier connection of its session: others
    /// would overtake that one [MQTT-4.6.0-6]. This connection gets a
    /// [`Notice::Output`](crate::worker::Notice) when the wait may be over.
    #[inline]
    pub fn is_behind(&mut self) -> bool {
        let id = self.id;
        let State::Connected(connected) = &mut self.state else {
            return false;
        };
        if connected.may_be_behind {
            let state = connected.session.lock_for(id);
            connected.may_be_behind = state.is_some_and(|state| state.received.has_asked_again());
        }
        connected.may_be_behind
    }

    /// Acknowledges a publish that is done. Publishes of one connection are acknowledged in the
    /// order in which they came [MQTT-4.6.0-2] [MQTT-4.6.0-3].
    #[inline]
    pub fn acknowledge(&mut self, receipt: Receipt, out: &mut Output) {
        if let State::Connected(connected) = &mut self.state {
            let Receipt {
                acknowledgement,
                reason_code,
            } = receipt;
            connected.send_acknowledgement(self.id, acknowledgement, reason_code, out);
        }
    }

    /// Acknowledges a publish that is not done, where the version can say so; where it cannot, and
    /// the client has to try again, the connection ends: after a while if that may help.
    pub fn refuse(
        &mut self,
        context: &mut Occasion<'_>,
        acknowledgement: Acknowledgement,
        refusal: Refusal,
        out: &mut Output,
    ) -> Outcome {
        let State::Connected(connected) = &mut self.state else {
            return Outcome::Close;
        };
        let reason_code = refusal.reason_code();
        let is_denied = refusal == Refusal::NotAuthorized;
        if is_denied && context.broker.settings().access.denied_publish_disconnects {
            return self.close(context, reason_code, out);
        }
        if acknowledgement == Acknowledgement::None {
            return Outcome::Continue;
        }
        if v3::leaves_unacknowledged(connected.version, refusal) {
            if refusal == Refusal::NoRoom {
                let patience = context.broker.settings().durability.no_room_patience;
                let until = connected.unstored_until;
                connected.unstored_until = until.or_else(|| Some(context.now.after(patience)));
                if matches!(acknowledgement, Acknowledgement::Puback(_)) {
                    connected.pending = connected.pending.saturating_sub(1);
                }
                return Outcome::Continue;
            }
            let reason = CloseReason::ByBroker(reason_code);
            self.end(context, Ending::default(), reason);
            return Outcome::Close;
        }
        if let Acknowledgement::Pubrec(packet_id) = acknowledgement
            && !connected.version.is_v5()
            && let Some(mut state) = connected.session.lock_for(self.id)
        {
            // The client cannot be told, and does not send it again.
            state.received.insert(packet_id);
        }
        connected.send_acknowledgement(self.id, acknowledgement, reason_code, out);
        Outcome::Continue
    }
}

/// What can be said of a PUBLISH by itself.
#[inline]
pub(super) fn check(publish: &Publish<'_>, settings: &MqttSettings) -> Result<(), Violation> {
    if publish.qos > settings.qos_max {
        return Err(Violation::QoSNotSupported);
    }
    if publish.retain && !settings.retain_available {
        return Err(Violation::RetainNotSupported);
    }
    if !publish.properties.subscription_identifiers.is_empty() {
        return Err(Violation::SubscriptionIdentifier);
    }
    if !settings.allows_topic(publish.topic.as_str()) {
        return Err(Violation::TopicTooLong);
    }
    Ok(())
}
