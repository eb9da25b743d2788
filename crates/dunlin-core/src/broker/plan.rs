//! What a publish would do: who gets it, what must be stored. Nothing is changed here.

use std::sync::Arc;

use dunlin_codec::{PacketIdentifier, QoS};

use crate::access::{Identity, is_servers};
use crate::broker::Broker;
use crate::broker::Outstanding;
use crate::error::Refusal;
use crate::id::SessionNumber;
use crate::input::{Acknowledgement, PublishRequest};
use crate::message::Message;
use crate::router::{Group, Route, Target};
use crate::session::SessionRef;
use crate::session::received::Exchange;
use crate::storage::{Durability, Position, PublishRecord, Receiver, Record, StorageFault, Stored};
use crate::worker::{Publication, Worker};

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A client, whose access is checked.
    Client(&'a Identity),
    /// The broker itself; what it publishes was checked before.
    Broker,
}

/// A publish that is decided and not done, or several that are alike.
#[derive(Debug)]
#[must_use]
pub struct PublishPlan {
    pub(super) message: Message,
    pub(super) acknowledgement: Acknowledgement,
    /// What goes the same way behind it, if anything does.
    pub(super) joined: Option<Box<Joined>>,
    pub(super) route: Arc<Route<SessionRef>>,
    /// The generation that the route holds for.
    pub(super) generation: u64,
    /// Whether it becomes, or deletes, the retained message of its topic.
    pub(super) retains: bool,
    /// Where a QoS 2 message came from.
    pub(super) exchange: Option<Exchange>,
    /// Whether the store has to be told anything.
    has_record: bool,
    /// What it has to know; most messages are for nobody whom a store keeps.
    pub(super) kept: Option<Box<Kept>>,
}

// It is moved a few times for each message.
const _: () = assert!(size_of::<PublishPlan>() <= 96);

/// Messages that joined the plan of another, and what each is acknowledged by.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(super) messages: Vec<Message>,
    pub(super) acknowledgements: Vec<Acknowledgement>,
}

impl Joined {
    /// Forgets what has joined, but not the memory for it.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.acknowledgements.clear();
    }

    /// The messages that joined, if any did.
    pub(super) fn messages(this: &Option<Box<Self>>) -> &[Message] {
        this.as_ref().map_or(&[], |joined| &joined.messages)
    }

    /// What these are acknowledged by.
    pub(super) fn acknowledgements(this: &Option<Box<Self>>) -> &[Acknowledgement] {
        this.as_ref().map_or(&[], |joined| &joined.acknowledgements)
    }
}

/// Messages that one plan can be for: for each session, one bit for each of them says whether it was
/// refused.
const TOGETHER_MAX: usize = 64;

/// What the store has to know of a message.
#[derive(Debug)]
pub(super) struct Kept {
    keepers: Keepers,
    /// The session whose will it is, and which, if the store knows that.
    will_of: Option<(SessionNumber, u64)>,
    /// Until it is applied or given up, what was written before cannot be thrown away: its record, if
    /// it has one.
    _outstanding: Option<Outstanding>,
}

/// Where a message came from, as far as the store is concerned.
#[derive(Default)]
struct Source {
    acknowledgement: Acknowledgement,
    exchange: Option<Exchange>,
    will_of: Option<(SessionNumber, u64)>,
    outstanding: Option<Outstanding>,
}

impl Kept {
    /// For whom the store keeps a message.
    pub(super) fn keepers(this: &Option<Box<Self>>) -> &Keepers {
        const NONE: &Keepers = &Keepers(Vec::new());
        this.as_ref().map_or(NONE, |kept| &kept.keepers)
    }
}

/// For whom the store has to keep a message: which targets of the route, by their place, and behind them
/// which shared subscriptions; empty if none of both.
#[derive(Debug, Default)]
pub(super) struct Keepers(Vec<bool>);

impl Keepers {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the store keeps it for the target at this place of the route.
    pub(super) fn has_target(&self, place: usize) -> bool {
        self.0.get(place).is_some_and(|&kept| kept)
    }

    /// Whether the store keeps it for the shared subscription at this place of the route.
    pub(super) fn has_group(&self, route: &Route<SessionRef>, place: usize) -> bool {
        self.has_target(route.targets.len() + place)
    }
}

/// A publish whose records are safe.
#[derive(Debug)]
#[must_use]
pub struct Committed {
    pub(super) plan: PublishPlan,
}

/// The proof that other nodes accepted what a plan has for them. There are no other nodes yet, so
/// every plan has nothing for them.
#[derive(Debug)]
#[must_use]
pub struct Forwarded(());

impl Forwarded {
    /// For a plan that has nothing for other nodes.
    pub const fn nothing_to_do(_: &PublishPlan) -> Option<Self> {
        Some(Self(()))
    }
}

impl Broker {
    /// Decides who gets a message of a client.
    ///
    /// # Errors
    /// [`Refusal`] tells the publisher why nobody does.
    #[inline]
    pub fn plan_publish(
        &self,
        worker: &mut Worker,
        request: PublishRequest,
        origin: Origin<'_>,
    ) -> Result<PublishPlan, Refusal> {
        let PublishRequest {
            message,
            acknowledgement,
            exchange,
        } = request;
        if let Origin::Client(identity) = origin
            && (is_servers(message.topic_bytes()) || !self.may_publish(identity, &message))
        {
            worker.stats.refused += 1;
            return Err(Refusal::NotAuthorized);
        }
        if message.retain() {
            self.retained
                .read()
                .may_set(&message)
                .inspect_err(|_| worker.stats.refused += 1)?;
        }
        let source = Source {
            acknowledgement,
            exchange,
            ..Source::default()
        };
        Ok(self.plan(worker, message, source))
    }

    /// Adds a message of the same client to a plan that nothing was stored of, if it goes the same way
    /// for the same reasons and no store has to know of either; else gives it back.
    ///
    /// # Errors
    /// The request, which needs a plan of its own, to be done behind this one.
    #[inline]
    pub fn join(
        &self,
        worker: &mut Worker,
        plan: &mut PublishPlan,
        request: PublishRequest,
    ) -> Result<(), PublishRequest> {
        let (first, message) = (&plan.message, &request.message);
        let joins = request.exchange.is_none()
            && self.room(plan) > 0
            && !message.retain()
            && first.qos() == message.qos()
            && first.publisher() == message.publisher()
            && first.topic_bytes() == message.topic_bytes();
        if !joins {
            return Err(request);
        }
        plan.add(worker, request.message, request.acknowledgement);
        self.number(plan, 1);
        Ok(())
    }

    /// How many messages that are like that of a plan can be added to it.
    #[inline]
    pub(crate) fn room(&self, plan: &PublishPlan) -> usize {
        // A session that gets it twice gets it as it came: from both ways before the next message.
        let is_one_way = plan.route.targets.is_empty() || plan.route.groups.is_empty();
        let holds = plan.generation == self.routes_generation();
        match is_one_way && holds && plan.may_be_joined() {
            true => TOGETHER_MAX - 1 - Joined::messages(&plan.joined).len(),
            false => 0,
        }
    }

    /// Numbers so many messages that were added last.
    #[inline]
    pub(crate) fn number(&self, plan: &mut PublishPlan, count: usize) {
        let Some(joined) = &mut plan.joined else {
            return;
        };
        let first = self.next_sequences(count as u64);
        let old = joined.messages.len() - count;
        for (sequence, message) in (first..).zip(joined.messages.iter_mut().skip(old)) {
            message.number(sequence);
        }
    }

    #[inline]
    fn may_publish(&self, identity: &Identity, message: &Message) -> bool {
        let access = self.access();
        (access.allows_all_publishes() && identity.rules.is_none())
            || access.may_publish(identity, message.topic(), message.qos(), message.retain())
    }

    /// Decides who gets a message of the broker.
    pub fn plan_publication(&self, worker: &mut Worker, publication: Publication) -> PublishPlan {
        let source = Source {
            will_of: publication.will_of,
            outstanding: publication.outstanding,
            ..Source::default()
        };
        self.plan(worker, publication.message, source)
    }

    /// Appends what must be kept of a plan to the store; `None` if nothing must.
    ///
    /// # Errors
    /// [`StorageFault`] if it is not and never will be kept.
    #[inline]
    pub fn store(&self, plan: &PublishPlan) -> Result<Option<Position>, StorageFault> {
        if !plan.has_record() {
            return Ok(None);
        }
        // Nobody is told that a message of QoS 0 is safe. But who has a will must not get it again when
        // a stop makes the broker forget that it was published.
        let durability = match plan.message.qos() {
            QoS::AtMostOnce if plan.will_of().is_none() => Durability::Memory,
            _ => self.settings().durability.of(&plan.message),
        };
        if !self.storage().is_durable() {
            return self.storage().append(&[], durability).map(Some);
        }
        let record = PublishRecord {
            message: plan.keeps_message().then_some(&plan.message),
            retains: plan.keeps_retained(),
            receivers: &plan.receivers(),
            received: plan.received(),
            will_of: plan.will_of(),
        };
        let records = [Record::Publish(record)];
        self.storage().append(&records, durability).map(Some)
    }

    #[inline]
    fn plan(&self, worker: &mut Worker, message: Message, source: Source) -> PublishPlan {
        let retains = message.retain() && self.settings().mqtt.retain_available;
        // Before the route is looked up, so that a change meanwhile is seen.
        let generation = self.routes_generation();
        let route = worker.route(self, &message);
        let is_durable = self.storage().is_durable();
        let keepers = match is_durable {
            true => self.keepers(&message, &route),
            false => Keepers::default(),
        };
        let Source {
            acknowledgement,
            exchange,
            will_of,
            outstanding,
        } = source;
        // A store that lasts as long as the process, and with it every session, still says when.
        let is_promised = message.qos() > QoS::AtMostOnce && !route.is_empty();
        let has_record = (retains && is_kept_retained(&message))
            || !keepers.is_empty()
            || exchange.as_ref().and_then(Exchange::received).is_some()
            || will_of.is_some()
            || (!is_durable && is_promised);
        // Before it is numbered: a rewriting waits for all that are numbered below its beginning.
        let outstanding = match outstanding {
            None if has_record => self.outstanding(),
            counted => counted,
        };
        let is_needed = !keepers.is_empty() || will_of.is_some() || outstanding.is_some();
        let kept = is_needed.then(|| {
            Box::new(Kept {
                keepers,
                will_of,
                _outstanding: outstanding,
            })
        });
        PublishPlan {
            message: message.numbered(self.next_sequence()),
            acknowledgement,
            joined: None,
            route,
            generation,
            retains,
            exchange,
            has_record,
            kept,
        }
    }

    /// For whom the store has to keep a message.
    #[inline]
    fn keepers(&self, message: &Message, route: &Route<SessionRef>) -> Keepers {
        let settings = &self.settings().session.queue;
        let publisher = message.publisher().0;
        let is_target_kept = |target: &Target<SessionRef>| {
            let session = &target.subscriber;
            session.is_kept()
                && target.delivered_from(publisher).is_some_and(|delivered| {
                    session.keeps(message.qos().min(delivered.qos), settings)
                })
        };
        let is_group_kept = |group| self.keeps_for_group(message, group);
        if !route.targets.iter().any(is_target_kept) && !route.groups.iter().any(is_group_kept) {
            return Keepers::default();
        }
        let targets = route.targets.iter().map(is_target_kept);
        let groups = route.groups.iter().map(is_group_kept);
        Keepers(targets.chain(groups).collect())
    }

    /// Whether the store has to keep a message for a shared subscription.
    pub(super) fn keeps_for_group(
        &self,
        message: &Message,
        group: &Arc<Group<SessionRef>>,
    ) -> bool {
        let is_reliable = message.qos() > QoS::AtMostOnce;
        self.storage().is_durable()
            && (group.is_durable() || is_reliable && group.has_kept_member())
    }
}

/// Whether the store keeps a message if it is retained. What the broker says of itself it says anew
/// after a stop.
pub(super) fn is_kept_retained(message: &Message) -> bool {
    !is_servers(message.topic_bytes())
}

impl PublishPlan {
    /// Adds a message that is like its own; [`Broker::room`] says how many there may be, and
    /// [`Broker::number`] numbers them.
    #[inline]
    pub(crate) fn add(
        &mut self,
        worker: &mut Worker,
        message: Message,
        acknowledgement: Acknowledgement,
    ) {
        let spare = || worker.joined.take().unwrap_or_default();
        let joined = self.joined.get_or_insert_with(spare);
        joined.messages.push(message);
        joined.acknowledgements.push(acknowledgement);
        if let (Some(exchange), Acknowledgement::Pubrec(packet_id)) =
            (&mut self.exchange, acknowledgement)
        {
            exchange.join(packet_id);
        }
    }

    /// Whether others can join it: [`Broker::join`].
    pub fn may_be_joined(&self) -> bool {
        let exchange = self.exchange.as_ref();
        self.kept.is_none()
            && exchange.and_then(Exchange::received).is_none()
            && !self.message.retain()
    }

    /// Whether it has to be done before the next PUBLISH is looked at, unless that joins it: of QoS 2 that
    /// may be one of its own again.
    pub const fn comes_first(&self) -> bool {
        self.exchange.is_some()
    }

    /// What its messages would have been acknowledged by, in the order in which they came, for whoever
    /// refuses them: a message that is not published is not known any more.
    pub fn given_up(self) -> impl Iterator<Item = Acknowledgement> {
        let joined = self.joined.map(|joined| joined.acknowledgements);
        std::iter::once(self.acknowledgement).chain(joined.into_iter().flatten())
    }

    /// Its messages, in the order in which they came.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        std::iter::once(&self.message).chain(Joined::messages(&self.joined))
    }

    /// Whether something must be durable before the publish is acknowledged.
    pub const fn has_record(&self) -> bool {
        self.has_record
    }

    /// Whether the message must be.
    pub(super) fn keeps_message(&self) -> bool {
        self.keeps_retained() || !self.keepers().is_empty()
    }

    /// Whether the store has to keep it as the retained message of its topic.
    pub(super) fn keeps_retained(&self) -> bool {
        self.retains && is_kept_retained(&self.message)
    }

    /// How a session gets it that the store keeps it for.
    pub(super) fn kept_target(&self, session: &SessionRef) -> Option<&Target<SessionRef>> {
        let mut targets = self.route_targets_kept();
        targets.find(|target| target.subscriber.number() == session.number())
    }

    /// Whether the store keeps it for a shared subscription.
    pub(super) fn keeps_group(&self, group: &Arc<Group<SessionRef>>) -> bool {
        self.kept_groups().any(|kept| Arc::ptr_eq(kept, group))
    }

    /// The sessions that the store keeps it for.
    pub(super) fn kept_targets(&self) -> impl Iterator<Item = &SessionRef> {
        self.route_targets_kept().map(|target| &target.subscriber)
    }

    fn route_targets_kept(&self) -> impl Iterator<Item = &Target<SessionRef>> {
        let targets = self.route.targets.iter().zip(&self.keepers().0);
        targets.filter_map(|(target, &is_kept)| is_kept.then_some(target))
    }

    /// The shared subscriptions that the store keeps it for.
    pub(super) fn kept_groups(&self) -> impl Iterator<Item = &Arc<Group<SessionRef>>> {
        let kept = self.keepers().0.iter().skip(self.route.targets.len());
        let groups = self.route.groups.iter().zip(kept);
        groups.filter_map(|(group, &is_kept)| is_kept.then_some(group))
    }

    fn keepers(&self) -> &Keepers {
        Kept::keepers(&self.kept)
    }

    fn will_of(&self) -> Option<(SessionNumber, u64)> {
        self.kept.as_ref()?.will_of
    }

    fn received(&self) -> Option<(SessionNumber, PacketIdentifier)> {
        self.exchange.as_ref()?.received()
    }

    /// Who has to be given it and keeps it until then. A shared subscription keeps it by itself
    /// until one of its members has it.
    fn receivers(&self) -> Vec<Receiver<'_>> {
        let targets = self.route_targets_kept().filter_map(|target| {
            let delivered = target.delivered_from(self.message.publisher().0)?;
            Some(Receiver {
                session: target.subscriber.number(),
                qos: self.message.qos().min(delivered.qos),
                retain: self.message.retain() && delivered.retain_as_published,
                identifiers: delivered.identifiers.as_slice(),
                group: None,
            })
        });
        let groups = self.kept_groups().map(|group| Receiver {
            session: SessionNumber::NONE,
            qos: self.message.qos(),
            retain: self.message.retain(),
            identifiers: &[],
            group: Some(group.text()),
        });
        targets.chain(groups).collect()
    }

    /// The message, the first if there are several.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The next step, for which everything that must be kept is kept.
    #[inline]
    pub const fn committed(self, _: Stored, _: Forwarded) -> Committed {
        Committed { plan: self }
    }
}
