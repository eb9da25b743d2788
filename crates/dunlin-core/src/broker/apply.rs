//! Doing what a committed plan says: memory follows the store.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use dunlin_codec::{QoS, ReasonCode, TopicFilter};

use crate::broker::keep::given;
use crate::broker::plan::{Joined, Keepers, Kept};
use crate::broker::rewrite::message_record;
use crate::broker::{Broker, Committed, PublishPlan};
use crate::error::Refusal;
use crate::id::SessionNumber;
use crate::input::Acknowledgement;
use crate::message::Message;
use crate::router::{Delivered, Group, Route, Target};
use crate::session::delivery::{Delivery, Offer};
use crate::session::queue::Enqueued;
use crate::session::ready::Written;
use crate::session::{Offered, SessionRef};
use crate::storage::{Receiver, Record};
use crate::worker::{Notice, Occasion, Worker};

/// How often another member of a shared subscription is tried when the chosen one is gone.
const MEMBERS_TRIED_MAX: usize = 8;

/// Bytes of what is written of one message as soon as it comes, for all who get it. Where it would be more
/// it waits in their queues, where it is there once, until their turn to be sent to comes.
const WRITTEN_AT_ONCE_BYTES_MAX: usize = 1024 * 1024;

/// Sessions for which messages are written once for all of them.
const MANY: usize = 3;

/// The proof that a publish is done, which its acknowledgement needs.
#[derive(Debug)]
#[must_use]
pub struct Receipt {
    pub(crate) acknowledgement: Acknowledgement,
    pub(crate) reason_code: ReasonCode,
}

/// A message that is given to others than it was planned for.
struct Late<'a> {
    plan: &'a PublishPlan,
    message: &'a Message,
    /// Whether the message is written for them: for whom it was planned may need it no more.
    is_written: Cell<bool>,
}

impl Broker {
    /// Gives a message to everyone who is entitled to it, and those that joined it; `done` gets the receipt
    /// of each. Connections that have to be told are in
    /// [`Worker::take_notices`](crate::worker::Worker::take_notices) then.
    #[inline]
    pub fn apply(&self, worker: &mut Worker, committed: Committed, mut done: impl FnMut(Receipt)) {
        let mut plan = committed.plan;
        let is_retained = !plan.retains || self.retain(&plan.message).is_ok();
        if !is_retained && plan.keeps_retained() {
            let sequence = plan.message.sequence();
            self.note(&[Record::NotRetained { sequence }]);
        }
        let late = self.late_route(worker, &plan);
        let is_for_nobody = late.as_ref().unwrap_or(&plan.route).is_empty();
        let are_refused = match &late {
            Some(route) => self.give_late(worker, &plan, route),
            None => {
                let keepers = Kept::keepers(&plan.kept);
                let joined = &mut plan.joined;
                self.give_as_planned(worker, &plan.route, keepers, plan.message, joined)
            }
        };
        worker.take_back(plan.route);
        let reason_code = |place: usize| {
            if are_refused >> place & 1 != 0 || !is_retained {
                ReasonCode::QuotaExceeded
            } else if is_for_nobody {
                // Section 3.4.2.1.
                ReasonCode::NoMatchingSubscribers
            } else {
                ReasonCode::Success
            }
        };
        let asker = plan
            .exchange
            .and_then(|exchange| exchange.finish(self, reason_code));
        if let Some(connection) = asker {
            worker.notify(Notice::Output(connection));
        }
        done(Receipt {
            acknowledgement: plan.acknowledgement,
            reason_code: reason_code(0),
        });
        let joined = Joined::acknowledgements(&plan.joined);
        for (place, &acknowledgement) in (1..).zip(joined) {
            done(Receipt {
                acknowledgement,
                reason_code: reason_code(place),
            });
        }
        if let Some(mut joined) = plan.joined {
            joined.clear();
            worker.joined = Some(joined);
        }
    }

    /// Who gets the message now that it is done, which can be long after it was planned, if that may be
    /// others than were planned: whoever unsubscribed meanwhile gets no more [MQTT-3.10.4-2], and
    /// whoever subscribed meanwhile and did not find it among the retained messages gets it. Looked up
    /// behind those, lest it be missed in both.
    #[inline]
    fn late_route(
        &self,
        worker: &mut Worker,
        plan: &PublishPlan,
    ) -> Option<Arc<Route<SessionRef>>> {
        // What nobody was to get is not kept, so nobody can be promised it.
        let was_for_nobody = plan.route.is_empty() && !plan.retains;
        if was_for_nobody || plan.generation == self.routes_generation() {
            return None;
        }
        let route = worker.route(self, &plan.message);
        (!Arc::ptr_eq(&route, &plan.route)).then_some(route)
    }

    /// Gives messages to those for whom they were planned; a bit for each, set if one refused it.
    #[inline]
    fn give_as_planned(
        &self,
        worker: &mut Worker,
        route: &Route<SessionRef>,
        keepers: &Keepers,
        message: Message,
        joined: &mut Option<Box<Joined>>,
    ) -> u64 {
        let is_urgent = route.targets.len() * message.size() <= WRITTEN_AT_ONCE_BYTES_MAX;
        let are_many = route.targets.len() >= MANY;
        let publisher = message.publisher().0;
        let offer = |place, grant| Offer {
            grant,
            group: None,
            is_kept: keepers.has_target(place),
            is_urgent,
            written: None,
        };
        if let ([target], []) = (&*route.targets, &*route.groups) {
            let Some(grant) = target.delivered_from(publisher) else {
                return 0;
            };
            // Nobody else needs them.
            let joined = joined.iter_mut();
            let joined = joined.flat_map(|joined| joined.messages.drain(..));
            let messages = std::iter::once(message).chain(joined).map(Cow::Owned);
            return self.offer_all(worker, &target.subscriber, messages, &offer(0, grant));
        }
        let joined = Joined::messages(joined);
        let messages = || std::iter::once(&message).chain(joined);
        let written = are_many.then(|| Written::of(&message, joined));
        let mut are_refused = 0;
        for (place, target) in route.targets.iter().enumerate() {
            let Some(grant) = target.delivered_from(publisher) else {
                continue;
            };
            let offer = Offer {
                written: written.as_ref(),
                ..offer(place, grant)
            };
            let messages = messages().map(Cow::Borrowed);
            are_refused |= self.offer_all(worker, &target.subscriber, messages, &offer);
        }
        if let Some(written) = written {
            written.end(&mut worker.buffers);
        }
        for (place, group) in route.groups.iter().enumerate() {
            let is_kept = keepers.has_group(route, place);
            for message in messages() {
                self.give_to_group(worker, message, group, is_kept);
            }
        }
        are_refused
    }

    /// Gives messages to those who have subscribed by now; a bit for each, set if one refused it.
    fn give_late(&self, worker: &mut Worker, plan: &PublishPlan, route: &Route<SessionRef>) -> u64 {
        let mut are_refused = 0;
        for (place, message) in plan.messages().enumerate() {
            let late = Late {
                plan,
                message,
                is_written: Cell::new(false),
            };
            for target in &route.targets {
                let is_kept = self.keeps_late(&late, target);
                let Some(grant) = target.delivered_from(message.publisher().0) else {
                    continue;
                };
                let offer = Offer {
                    grant,
                    group: None,
                    is_kept,
                    is_urgent: false,
                    written: None,
                };
                let messages = std::iter::once(Cow::Borrowed(message));
                let is_refused = self.offer_all(worker, &target.subscriber, messages, &offer);
                are_refused |= is_refused << place;
            }
            for group in &route.groups {
                let is_kept = self.keeps_group_late(&late, group);
                self.give_to_group(worker, message, group, is_kept);
            }
        }
        self.forget_absent(plan, route);
        are_refused
    }

    /// Makes the message the retained one of its topic; an empty payload deletes that
    /// [MQTT-3.3.1-6].
    fn retain(&self, message: &Message) -> Result<(), Refusal> {
        let sequence = message.sequence();
        // Subscriptions from before get it over their route.
        let applied = self.next_sequence();
        let mut retained = self.retained.write();
        if message.payload().is_empty() {
            retained.clear(message.topic_bytes(), sequence);
            return Ok(());
        }
        retained.set(Message::clone(message), (sequence, applied))
    }

    /// Whether the store keeps the message for a target of a later route than the plan's: as it was
    /// planned, or, for one that subscribed meanwhile, from now on.
    fn keeps_late(&self, late: &Late<'_>, target: &Target<SessionRef>) -> bool {
        let session = &target.subscriber;
        let message = late.message;
        let publisher = message.publisher().0;
        let planned = late.plan.kept_target(session);
        let Some(grant) = target.delivered_from(publisher) else {
            if planned.is_some() {
                self.note_done(session.number(), message.sequence());
            }
            return false;
        };
        if planned.is_some_and(|planned| planned.delivered_from(publisher) == Some(grant)) {
            return true;
        }
        let offer = Offer {
            grant,
            group: None,
            is_kept: false,
            is_urgent: false,
            written: None,
        };
        let delivery = offer.delivery(Message::clone(message));
        let settings = &self.settings().session.queue;
        let given = given(session.number(), &delivery);
        if planned.is_some() {
            // In one piece, lest it be lost.
            let done = Record::Done {
                session: session.number(),
                sequence: message.sequence(),
            };
            let again = Record::Publish(message_record(message, false, &[]));
            self.note(&[done, again, given]);
            return true;
        }
        let is_kept = session.keeps(delivery.qos, settings);
        if is_kept {
            self.note_late(late);
            self.note(&[given]);
        }
        is_kept
    }

    /// The same for a shared subscription.
    fn keeps_group_late(&self, late: &Late<'_>, group: &Arc<Group<SessionRef>>) -> bool {
        let is_kept = late.plan.keeps_group(group) || self.keeps_for_group(late.message, group);
        if is_kept {
            self.note_late(late);
        }
        is_kept
    }

    /// Notes the message, once.
    fn note_late(&self, late: &Late<'_>) {
        if !late.is_written.replace(true) {
            let record = message_record(late.message, false, &[]);
            self.note(&[Record::Publish(record)]);
        }
    }

    /// Whoever unsubscribed since the plan is not given the message, also after a stop.
    fn forget_absent(&self, plan: &PublishPlan, route: &Route<SessionRef>) {
        let sequence = plan.message.sequence();
        for session in plan.kept_targets() {
            let number = session.number();
            let mut targets = route.targets.iter();
            if !targets.any(|target| target.subscriber.number() == number) {
                self.note_done(number, sequence);
            }
        }
        for group in plan.kept_groups() {
            if !route.groups.iter().any(|other| Arc::ptr_eq(other, group)) {
                self.note_nobody(group.text(), sequence);
            }
        }
    }

    /// Notes that a member of a shared subscription has a message.
    fn note_given(&self, member: SessionNumber, delivery: &Delivery) {
        let message = self.message_again(&delivery.message);
        self.note(&[message.as_slice(), &[given(member, delivery)]].concat());
    }

    /// Notes that nobody needs a message of a shared subscription.
    pub(crate) fn note_nobody(&self, group: &str, sequence: u64) {
        let receiver = Receiver {
            session: SessionNumber::NONE,
            qos: QoS::AtMostOnce,
            retain: false,
            identifiers: &[],
            group: Some(group),
        };
        self.note(&[Record::Given { sequence, receiver }]);
    }

    /// Offers messages to a session; a bit for each, set if it was refused.
    #[inline]
    fn offer_all<'m>(
        &self,
        worker: &mut Worker,
        session: &SessionRef,
        messages: impl Iterator<Item = Cow<'m, Message>>,
        offer: &Offer<'_>,
    ) -> u64 {
        let (mut bit, mut are_refused) = (1, 0);
        let wakes = session.offer(self, messages, offer, worker, |offered| {
            if offered == Offered::Queued(Enqueued::Refused) {
                are_refused |= bit;
            }
            bit <<= 1;
        });
        if let Some(connection) = wakes {
            worker.notify(Notice::Output(connection));
        }
        are_refused
    }

    /// Gives a message to one member of a shared subscription (section 4.8.2).
    pub(crate) fn give_to_group(
        &self,
        worker: &mut Worker,
        message: &Message,
        group: &Arc<Group<SessionRef>>,
        mut is_kept: bool,
    ) {
        let sequence = message.sequence();
        let mut gone = None;
        for _ in 0..MEMBERS_TRIED_MAX {
            let chosen = group.choose(
                message.topic_bytes(),
                message.publisher().0,
                worker.random(),
                gone,
            );
            let Some((member, grant)) = chosen else {
                return self.keep_in_group(worker, message, group, is_kept);
            };
            let mut offer = Offer {
                grant: &Delivered::new(&grant),
                group: Some(group),
                is_kept,
                is_urgent: true,
                written: None,
            };
            if is_kept {
                let delivery = offer.delivery(Message::clone(message));
                self.note_given(member.number(), &delivery);
            } else if member.keeps(offer.qos(message), &self.settings().session.queue) {
                // It was meant for nobody whom the store keeps, and was not written.
                let record = Record::Publish(message_record(message, false, &[]));
                let delivery = offer.delivery(Message::clone(message));
                self.note(&[record, given(member.number(), &delivery)]);
                is_kept = true;
                offer.is_kept = true;
            }
            let mut has_ended = false;
            let messages = std::iter::once(Cow::Borrowed(message));
            let wakes = member.offer(self, messages, &offer, worker, |offered| {
                has_ended = offered == Offered::Ended;
            });
            if let Some(connection) = wakes {
                worker.notify(Notice::Output(connection));
            }
            if !has_ended {
                return;
            }
            gone = Some(member.number().0);
        }
        worker.stats.dropped_no_member += 1;
        if is_kept {
            self.note_nobody(group.text(), sequence);
        }
    }

    /// Keeps a message in a shared subscription without members, if that is durable.
    fn keep_in_group(
        &self,
        worker: &mut Worker,
        message: &Message,
        group: &Arc<Group<SessionRef>>,
        is_kept: bool,
    ) {
        let dropped = match group.keep(message, &self.settings().session.queue) {
            Some(gave_way) => gave_way,
            None => {
                worker.stats.dropped_no_member += 1;
                vec![Message::clone(message)]
            }
        };
        if is_kept {
            for message in dropped {
                self.note_nobody(group.text(), message.sequence());
            }
        }
    }

    /// Gives what a shared subscription kept while it had no member to the members that it has.
    pub(crate) fn give_kept(&self, context: &mut Occasion<'_>, group: &Arc<Group<SessionRef>>) {
        // The store keeps all that a durable group has.
        let is_kept = self.storage().is_durable();
        for message in group.take_kept() {
            if !message.is_expired(context.now) {
                self.give_to_group(context.worker, &message, group, is_kept);
            } else if is_kept {
                self.note_nobody(group.text(), message.sequence());
            }
        }
    }

    /// Finds another member for messages whose member ended its session without having them
    /// (section 4.8.2).
    pub(crate) fn give_to_others(&self, worker: &mut Worker, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let Some(group) = &delivery.group else {
                continue;
            };
            // The group that there is now: a new one has come if it was without members meanwhile.
            let filter = TopicFilter::parse(group.text()).ok();
            let present = filter.and_then(|filter| self.group(filter));
            let group = present.as_ref().unwrap_or(group);
            self.give_to_group(worker, &delivery.message, group, delivery.is_kept);
        }
    }
}

/// Whether a message can be given to another member of its shared subscription once its member is
/// gone: one of QoS 2 cannot if it was sent [MQTT-4.8.2-5].
pub(crate) fn may_move(delivery: &Delivery, was_sent: bool) -> bool {
    delivery.group.is_some() && !(was_sent && delivery.qos == QoS::ExactlyOnce)
}
