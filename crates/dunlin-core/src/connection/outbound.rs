//! PUBLISH to the client, and the sender's side of QoS 1 and 2 (sections 3.3 and 4.3).

use std::sync::Arc;

use dunlin_codec::{ForwardedPublish, PacketIdentifier, PacketType, QoS, ReasonCode, TopicFilter};

use super::Connected;
use super::topic_alias::TopicOnWire;
use crate::broker::{Broker, given};
use crate::id::ConnectionId;
use crate::message::Message;
use crate::output::Output;
use crate::session::delivery::Delivery;
use crate::session::in_flight::{InFlight, Progress};
use crate::session::retained_cursor::RetainedCursor;
use crate::session::{KEPT_ENTRIES, Session, SessionState};
use crate::stats::Stats;
use crate::storage::{PageRecord, Record};
use crate::time::Time;
use crate::worker::Occasion;

/// Retained messages that are read at once, and entries that are looked at for them.
const PAGE_MESSAGES_MAX: usize = 64;
const PAGE_SCANNED_MAX: usize = 4096;

/// Queued messages that are sent before retained ones have their turn.
const TURN_MESSAGES_MAX: usize = 64;

/// Turns of one connection before others have theirs.
const TURNS_MAX: usize = 16;

/// What stopped the sending of queued messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Nothing is left.
    Empty,
    /// The client has as many messages unacknowledged as it takes.
    WindowFull,
    /// There is no more room in the output.
    OutputFull,
    /// Others have their turn.
    Turn,
}

impl Connected {
    pub(super) fn poll_output(
        &mut self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        out: &mut Output,
    ) -> bool {
        let mut outgoing = std::mem::take(&mut context.worker.outgoing);
        let has_more = self.take_turns(context, connection, &mut outgoing, out);
        context.worker.outgoing = outgoing;
        has_more
    }

    fn take_turns(
        &mut self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        outgoing: &mut Vec<Delivery>,
        out: &mut Output,
    ) -> bool {
        let broker = context.broker;
        let out_max = broker.settings().session.outbox_bytes_max;
        for _ in 0..TURNS_MAX {
            let (stop, page) = {
                let session = Arc::clone(&self.session);
                let Some(mut state) = session.lock_for(connection) else {
                    return false;
                };
                state.is_woken = false;
                if out.len() >= out_max {
                    // Nobody looked whether there is more.
                    return true;
                }
                let buffers = &mut context.worker.buffers;
                state.ready.pass_on(out, buffers);
                if out.capacity() == 0 {
                    out.set_buffer(buffers.take());
                }
                while let Some((packet_id, reason_code)) = state.received.next_owed() {
                    self.send_ack(PacketType::Pubrec, packet_id, reason_code, out);
                }
                if self.resend_from.is_some() {
                    match self.resend(context, &mut state, out) {
                        Stop::Empty => self.resend_from = None,
                        Stop::OutputFull => return true,
                        Stop::WindowFull | Stop::Turn => return false,
                    }
                }
                // So that whoever has a message for the session waits no longer than for these moves.
                let room = out_max.saturating_sub(out.len());
                let taken = state.queue.pop_plain(outgoing, TURN_MESSAGES_MAX, room);
                let stop = match outgoing.is_empty() {
                    true => self.send_queued(context, &mut state, out),
                    false if state.queue.is_empty() => Stop::Empty,
                    false => Stop::Turn,
                };
                // Not while the connection sends retained messages besides, as many as there is room for.
                let is_open = self.takes_plain() && state.retained.is_empty();
                let version = is_open.then_some(self.version);
                let room = out_max.saturating_sub(out.len() + taken);
                state.ready.open(version, self.access.generation(), room);
                // Before a connection rests, and seldom while it has much to send.
                state.in_flight.shrink(KEPT_ENTRIES);
                self.schedule_resend(broker, context.now, &state);
                session.publish_load(&state);
                let room = usize::from(self.window).saturating_sub(state.in_flight.len());
                let cursor = state.retained.first();
                let cursor = cursor.filter(|cursor| cursor.qos == QoS::AtMostOnce || room > 0);
                let page = cursor.map(|cursor| (cursor.clone(), room));
                (stop, page)
            };
            for delivery in outgoing.drain(..) {
                self.send_plain(context, &delivery, out);
            }
            if out.len() >= out_max {
                return stop != Stop::Empty || page.is_some();
            }
            match page {
                Some((cursor, room)) => {
                    self.send_retained(context, connection, cursor, room, out);
                }
                None if stop == Stop::Turn => {}
                None => return false,
            }
        }
        true
    }

    /// Sends what is in flight again, in its order, with DUP [MQTT-4.4.0-1] [MQTT-3.3.1-1] unless an
    /// earlier connection ended before it was sent there. What is too large for this connection of the
    /// client counts as delivered [MQTT-3.1.2-25].
    fn resend(
        &mut self,
        context: &mut Occasion<'_>,
        state: &mut SessionState,
        out: &mut Output,
    ) -> Stop {
        let out_max = context.broker.settings().session.outbox_bytes_max;
        while let Some(from) = self.resend_from {
            let Some((before, sent)) = state.in_flight.first_from(from) else {
                return Stop::Empty;
            };
            if before >= usize::from(self.window) {
                return Stop::WindowFull;
            }
            if out.len() >= out_max {
                return Stop::OutputFull;
            }
            let (packet_id, next) = (sent.packet_id(), sent.sequence + 1);
            if sent.is_unwritten
                && let Some(sent) = state.in_flight.get_mut(packet_id)
            {
                keep_progress(&self.session, context.broker, sent, out);
            }
            let Some((_, sent)) = state.in_flight.first_from(from) else {
                return Stop::Empty;
            };
            let dup = !sent.is_unsent;
            let is_sent = match &sent.progress {
                Progress::Published(delivery) => {
                    let identified = Some((packet_id, dup));
                    let delivery = with_payload(context, delivery.clone());
                    let stats = &mut context.worker.stats;
                    delivery.is_ok_and(|delivery| {
                        self.send_publish(&delivery, identified, context.now, stats, out)
                    })
                }
                Progress::Released { .. } => {
                    self.send_ack(PacketType::Pubrel, packet_id, ReasonCode::Success, out)
                }
            };
            if !is_sent {
                self.complete(context.broker, state, packet_id);
                self.session.publish_load(state);
            } else if let Some(sent) = state.in_flight.get_mut(packet_id) {
                sent.is_unsent = false;
            }
            self.resend_from = Some(next);
        }
        Stop::Empty
    }

    fn send_queued(
        &mut self,
        context: &mut Occasion<'_>,
        state: &mut SessionState,
        out: &mut Output,
    ) -> Stop {
        let out_max = context.broker.settings().session.outbox_bytes_max;
        for _ in 0..TURN_MESSAGES_MAX {
            if out.len() >= out_max {
                return Stop::OutputFull;
            }
            let Some(next) = state.queue.peek() else {
                return Stop::Empty;
            };
            if next.qos > QoS::AtMostOnce && state.in_flight.len() >= usize::from(self.window) {
                return Stop::WindowFull;
            }
            if let Some(delivery) = state.queue.pop() {
                self.send_first(context, state, delivery, out);
            }
        }
        if state.queue.is_empty() {
            Stop::Empty
        } else {
            Stop::Turn
        }
    }

    /// Sends a message for the first time, if it can be sent.
    fn send_first(
        &mut self,
        context: &mut Occasion<'_>,
        state: &mut SessionState,
        delivery: Delivery,
        out: &mut Output,
    ) {
        let mut delivery = match with_payload(context, delivery) {
            Ok(delivery) if self.is_sendable(context, &delivery) => delivery,
            Ok(delivery) | Err(delivery) => {
                self.note_done(context.broker, &delivery);
                return;
            }
        };
        let stats = &mut context.worker.stats;
        let session = self.session.number();
        // Also not after a stop: QoS 0 is never sent twice, and what a member of a shared subscription
        // was sent with QoS 2 goes to no other, even if the member's session is over [MQTT-4.8.2-5].
        let is_sent_once = match delivery.qos {
            QoS::AtMostOnce => true,
            QoS::AtLeastOnce => false,
            QoS::ExactlyOnce => !self.session.is_kept(),
        };
        if delivery.is_kept && is_sent_once {
            let sequence = delivery.message.sequence();
            let done = Record::Done { session, sequence };
            out.hold_for(context.broker.keep(&[done]));
            delivery.is_kept = false;
        }
        if delivery.qos == QoS::AtMostOnce {
            self.send_publish(&delivery, None, context.now, stats, out);
            return;
        }
        if let Some(sent) = state.in_flight.push(delivery) {
            keep_progress(&self.session, context.broker, sent, out);
            let Some(delivery) = sent.delivery() else {
                return;
            };
            let identified = Some((sent.packet_id(), false));
            self.send_publish(delivery, identified, context.now, stats, out);
        }
    }

    /// Sends a message of QoS 0 that nothing is noted of, if it can be sent.
    fn send_plain(&mut self, context: &mut Occasion<'_>, delivery: &Delivery, out: &mut Output) {
        if self.is_sendable(context, delivery) {
            let stats = &mut context.worker.stats;
            self.send_publish(delivery, None, context.now, stats, out);
        }
    }

    /// Whether a message can be sent: it has not expired [MQTT-3.3.2-5] and is not too large for this
    /// client [MQTT-3.1.2-25].
    fn is_sendable(&self, context: &mut Occasion<'_>, delivery: &Delivery) -> bool {
        let stats = &mut context.worker.stats;
        if delivery.message.is_expired(context.now) {
            stats.dropped_expired += 1;
            return false;
        }
        if delivery.qos > QoS::AtMostOnce && self.is_too_large(delivery, context.now) {
            stats.dropped_too_large += 1;
            return false;
        }
        true
    }

    /// Notes that this session needs a message no more.
    pub(super) fn note_done(&self, broker: &Broker, delivery: &Delivery) {
        if delivery.is_kept {
            broker.note_done(self.session.number(), delivery.message.sequence());
        }
    }

    fn is_too_large(&self, delivery: &Delivery, now: Time) -> bool {
        if self.packet_bytes_max == usize::MAX {
            return false;
        }
        let identified = Some((PacketIdentifier::MIN, false));
        let publish = delivery.publish(identified, now);
        publish
            .packet_len(self.version)
            .is_ok_and(|length| length > self.packet_bytes_max)
    }

    /// Whether a message without properties goes to this client as it is, however large.
    fn takes_plain(&self) -> bool {
        let mut terms = self.terms.iter();
        terms.all(|terms| terms.mount_point.is_empty())
            && self.packet_bytes_max == usize::MAX
            && !self.outbound_aliases.are_used()
    }

    /// Appends a PUBLISH; false if it is too large for this client and is not sent.
    fn send_publish(
        &mut self,
        delivery: &Delivery,
        identified: Option<(PacketIdentifier, bool)>,
        now: Time,
        stats: &mut Stats,
        out: &mut Output,
    ) -> bool {
        let message = &delivery.message;
        if self.takes_plain() && !message.is_rare() {
            let is_written = delivery.write(self.version, identified, out.buffer_mut());
            stats.publish_sent += u64::from(is_written.is_ok());
            return is_written.is_ok();
        }
        let mut publish = delivery.publish(identified, now);
        if let Some(terms) = &self.terms {
            publish.topic = terms.unmounted(publish.topic);
        }
        let whole_topic = publish.topic;
        let topic = self.outbound_aliases.choose(message.topic_bytes());
        match topic {
            TopicOnWire::Name => {}
            TopicOnWire::NameAndAlias(alias) => publish.topic_alias = Some(alias),
            TopicOnWire::Alias(alias) => {
                publish.topic_alias = Some(alias);
                publish.topic = &[];
            }
        }
        if self.packet_bytes_max < usize::MAX {
            let is_too_large = |publish: &ForwardedPublish<'_>| {
                publish
                    .packet_len(self.version)
                    .map_or(true, |len| len > self.packet_bytes_max)
            };
            if is_too_large(&publish) && topic != TopicOnWire::Name {
                publish.topic_alias = None;
                publish.topic = whole_topic;
            }
            if is_too_large(&publish) {
                stats.dropped_too_large += 1;
                return false;
            }
        }
        if let (TopicOnWire::NameAndAlias(alias), true) = (topic, publish.topic_alias.is_some()) {
            self.outbound_aliases.set(message.topic_bytes(), alias);
        }
        let is_written = match message.shared_payload() {
            Some(payload) => {
                let header = publish.encode_header(self.version, out.buffer_mut());
                if header.is_ok() {
                    out.push_payload(payload.clone());
                }
                header.is_ok()
            }
            None => publish.encode(self.version, out.buffer_mut()).is_ok(),
        };
        stats.publish_sent += u64::from(is_written);
        is_written
    }

    /// Sends the next page of the retained messages that a subscription asked for.
    fn send_retained(
        &mut self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        mut cursor: RetainedCursor,
        room: usize,
        out: &mut Output,
    ) {
        let messages_max = match cursor.qos {
            QoS::AtMostOnce => PAGE_MESSAGES_MAX,
            _ => PAGE_MESSAGES_MAX.min(room),
        };
        let page = TopicFilter::parse(&cursor.filter).ok().map(|filter| {
            let retained = context.broker.retained.read();
            let after = cursor.after.as_deref();
            let limits = (messages_max, PAGE_SCANNED_MAX);
            retained.page(filter, after, (cursor.as_of, context.now), limits)
        });
        let session = Arc::clone(&self.session);
        let Some(mut state) = session.lock_for(connection) else {
            return;
        };
        let mut is_refused = false;
        let next = page.and_then(|page| {
            // [MQTT-3.8.3-3]
            let is_own = |message: &Message| message.publisher() == session.number();
            let messages = page.messages.into_iter();
            let messages = messages.filter(|message| !cursor.no_local || !is_own(message));
            let deliveries = messages.map(|message| retained_delivery(message, &cursor));
            if session.is_kept() && cursor.qos > QoS::AtMostOnce {
                let page = (deliveries.collect(), page.next.as_deref());
                is_refused = !self.send_page(context, &mut state, (&cursor.filter, page), out);
            } else {
                for delivery in deliveries {
                    self.send_first(context, &mut state, delivery, out);
                }
            }
            page.next
        });
        if is_refused {
            return;
        }
        let mut cursors = state.retained.iter();
        let position = cursors.position(|present| present.filter == cursor.filter);
        if let Some(position) = position {
            // To the end of the list, so that no subscription waits for all of another.
            state.retained.remove(position);
            if next.is_some() {
                cursor.after = next;
                state.retained.push(cursor);
            } else if state.retained.is_empty() {
                state.retained = Vec::new();
            }
        }
        session.publish_load(&state);
    }

    /// Sends a page of retained messages to a session that the store keeps, and writes down how far
    /// the subscription's reading is and what is in flight with it, all of it or nothing; false if the
    /// store takes none of it.
    fn send_page(
        &mut self,
        context: &mut Occasion<'_>,
        state: &mut SessionState,
        (filter, (deliveries, next)): (&str, (Vec<Delivery>, Option<&str>)),
        out: &mut Output,
    ) -> bool {
        let session = self.session.number();
        let mut sendings = Vec::new();
        for delivery in deliveries {
            let is_unidentified = delivery.qos == QoS::AtMostOnce;
            let delivery = delivery.kept(!is_unidentified);
            if !self.is_sendable(context, &delivery) {
                continue;
            }
            if is_unidentified {
                sendings.push((delivery, None));
            } else if let Some(sent) = state.in_flight.push(delivery.clone()) {
                sendings.push((delivery, Some((sent.packet_id(), sent.sequence))));
            }
        }
        let mut records = Vec::with_capacity(2 * sendings.len() + 1);
        for (delivery, identified) in &sendings {
            if let Some((_, send)) = *identified {
                records.extend(context.broker.message_again(&delivery.message));
                records.push(given(session, delivery));
                records.push(Record::Sent {
                    session,
                    sequence: delivery.message.sequence(),
                    send,
                });
            }
        }
        records.push(Record::Page(PageRecord {
            session,
            filter,
            next,
        }));
        let kept = context.broker.keep(&records);
        let is_refused = kept.is_err();
        out.hold_for(kept);
        if is_refused {
            for (packet_id, _) in sendings.iter().filter_map(|(_, identified)| *identified) {
                state.in_flight.remove(packet_id);
            }
            return false;
        }
        for (delivery, identified) in &sendings {
            let identified = identified.map(|(packet_id, _)| (packet_id, false));
            let stats = &mut context.worker.stats;
            self.send_publish(delivery, identified, context.now, stats, out);
        }
        true
    }

    /// Sets when unacknowledged messages are sent again to a 3.x client that stays connected; 5.0
    /// forbids it [MQTT-4.4.0-1].
    fn schedule_resend(&mut self, broker: &Broker, now: Time, state: &SessionState) {
        let interval = broker.settings().mqtt.resend_interval;
        self.resend_at = match interval {
            Some(interval) if !self.version.is_v5() && state.in_flight.len() > 0 => {
                self.resend_at.or_else(|| Some(now.after(interval)))
            }
            _ => None,
        };
    }

    /// Gives back what the session holds for messages to come: none come now.
    pub(super) fn give_memory_back(&self, connection: ConnectionId) {
        if let Some(mut state) = self.session.lock_for(connection) {
            state.queue.shrink(0);
            state.in_flight.shrink(0);
        }
    }

    /// Begins to send unacknowledged messages again, if it is time.
    pub(super) fn resend_when_due(&mut self, context: &mut Occasion<'_>) {
        if self.resend_at.is_some_and(|at| at <= context.now) {
            self.resend_at = None;
            self.resend_from = Some(0);
        }
    }
}

/// Writes how far the delivery of a QoS 2 message is, and what is sent next waits for that: with another
/// identifier after a stop, or behind a PUBREL that nobody remembers, the client would take the message
/// for another one.
pub(super) fn keep_progress(
    session: &Session,
    broker: &Broker,
    sent: &mut InFlight,
    out: &mut Output,
) {
    let (session, send) = (session.number(), sent.sequence);
    let record = match &sent.progress {
        Progress::Published(delivery) if delivery.is_kept && delivery.qos == QoS::ExactlyOnce => {
            let sequence = delivery.message.sequence();
            Record::Sent {
                session,
                sequence,
                send,
            }
        }
        Progress::Released { is_kept: true } => Record::Released { session, send },
        Progress::Published(_) | Progress::Released { .. } => return,
    };
    let kept = broker.keep(&[record]);
    sent.is_unwritten = kept.is_err();
    out.hold_for(kept);
}

/// The delivery with the payload of its message, or, if the store cannot give that, as it was.
fn with_payload(context: &mut Occasion<'_>, delivery: Delivery) -> Result<Delivery, Delivery> {
    if !delivery.message.is_payload_stored() {
        return Ok(delivery);
    }
    match context.broker.with_payload(&delivery.message) {
        Some(message) => Ok(delivery.with_message(message)),
        None => {
            context.worker.stats.dropped_unreadable += 1;
            Err(delivery)
        }
    }
}

/// A retained message for a new subscription: RETAIN is 1 [MQTT-3.3.1-8].
fn retained_delivery(message: Message, cursor: &RetainedCursor) -> Delivery {
    Delivery::new(message, cursor.qos, true, &cursor.identifier.into())
}
