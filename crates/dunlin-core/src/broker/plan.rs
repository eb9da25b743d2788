//! What a publish would do: who gets it, what must be stored. Nothing is changed here.

use std::sync::Arc;

use dunlin_codec::QoS;

use crate::access::Identity;
use crate::broker::Broker;
use crate::error::Refusal;
use crate::input::PublishRequest;
use crate::message::Message;
use crate::router::Route;
use crate::session::SessionRef;
use crate::session::received::Exchange;
use crate::storage::{Durability, Position, PublishRecord, Record, StorageFault, Stored};
use crate::worker::{Publication, Worker};

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A client, whose access is checked.
    Client(&'a Identity),
    /// The broker itself; what it publishes was checked before.
    Broker,
}

/// A publish that is decided and not done.
#[derive(Debug)]
#[must_use]
pub struct PublishPlan {
    pub(super) message: Arc<Message>,
    pub(super) route: Arc<Route<SessionRef>>,
    /// The generation that the route holds for.
    pub(super) generation: u64,
    /// Whether it becomes, or deletes, the retained message of its topic.
    pub(super) retains: bool,
    /// Where a QoS 2 message came from.
    pub(super) exchange: Option<Exchange>,
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
    pub fn plan_publish(
        &self,
        worker: &mut Worker,
        request: PublishRequest,
        origin: Origin<'_>,
    ) -> Result<PublishPlan, Refusal> {
        let PublishRequest {
            message, exchange, ..
        } = request;
        if let Origin::Client(identity) = origin {
            // Server-specific information is the server's to publish (section 4.7.2).
            let below = message.topic_bytes().strip_prefix(b"$SYS");
            let is_servers = below.is_some_and(|below| matches!(below, [] | [b'/', ..]));
            if is_servers || !self.may_publish(identity, &message) {
                worker.stats.refused += 1;
                return Err(Refusal::NotAuthorized);
            }
        }
        if message.retain() {
            self.retained
                .read()
                .may_set(&message)
                .inspect_err(|_| worker.stats.refused += 1)?;
        }
        let plan = self.plan(worker, message);
        Ok(PublishPlan { exchange, ..plan })
    }

    fn may_publish(&self, identity: &Identity, message: &Message) -> bool {
        let access = self.access();
        access.allows_all_publishes()
            || access.may_publish(identity, message.topic(), message.qos(), message.retain())
    }

    /// Decides who gets a message of the broker.
    pub fn plan_publication(&self, worker: &mut Worker, publication: Publication) -> PublishPlan {
        self.plan(worker, publication.0)
    }

    /// Appends what must be kept of a plan to the store; `None` if nothing must.
    ///
    /// # Errors
    /// [`StorageFault`] if it is not and never will be kept.
    pub fn store(&self, plan: &PublishPlan) -> Result<Option<Position>, StorageFault> {
        if !plan.has_record() {
            return Ok(None);
        }
        let record = Record::Publish(PublishRecord {
            message: Some(&plan.message),
            retains: plan.retains,
            receivers: &[],
            received: None,
            will_of: None,
        });
        let position = self.storage().append(&[record], Durability::default())?;
        Ok(Some(position))
    }

    fn plan(&self, worker: &mut Worker, message: Message) -> PublishPlan {
        let sequence = self.next_sequence();
        let message = Arc::new(message.numbered(sequence));
        let retains = message.retain() && self.settings().mqtt.retain_available;
        // Before the route is looked up, so that a change meanwhile is seen.
        let generation = self.routes_generation();
        let route = worker.route(self, &message);
        PublishPlan {
            message,
            route,
            generation,
            retains,
            exchange: None,
        }
    }
}

impl PublishPlan {
    /// Whether something must be durable before the publish is acknowledged.
    pub fn has_record(&self) -> bool {
        let has_receiver = !self.route.is_empty();
        self.retains || (self.message.qos() > QoS::AtMostOnce && has_receiver)
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The next step, for which everything that must be kept is kept.
    pub const fn committed(self, _: Stored, _: Forwarded) -> Committed {
        Committed { plan: self }
    }
}
