//! What was granted is asked again when access rules changed, and when a session goes on.

use dunlin_codec::{QoS, ReasonCode, TopicFilter, TopicName};

use super::{Connected, Connection, State};
use crate::access::Identity;
use crate::broker::{Broker, may_move};
use crate::id::ConnectionId;
use crate::input::Outcome;
use crate::output::Output;
use crate::session::delivery::Delivery;
use crate::session::in_flight::InFlight;
use crate::session::subscriptions::Subscriptions;
use crate::storage::Record;
use crate::worker::Occasion;

/// What a connection knows of the rules that its grants were made under.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccessState {
    generation: u64,
    /// Whether subscriptions ended since the shell was last told.
    has_lost: bool,
}

impl AccessState {
    pub(super) const fn new(generation: u64) -> Self {
        Self {
            generation,
            has_lost: false,
        }
    }

    /// Which rules they were.
    pub(super) const fn generation(self) -> u64 {
        self.generation
    }

    /// Whether the rules are other ones by now.
    pub(super) fn is_stale(self, broker: &Broker) -> bool {
        self.generation != broker.access().generation()
    }
}

/// How much of a session is asked about again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Subscriptions, and messages that were not sent.
    Waiting,
    /// Messages that would be sent again as well.
    InFlightToo,
}

impl Connected {
    /// Ends the subscriptions that the client may no longer have, and drops what it may no longer
    /// receive.
    pub(super) fn recheck(
        &mut self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        extent: Extent,
    ) {
        let broker = context.broker;
        let access = broker.access();
        // Before the questions, so that a change meanwhile is seen.
        self.access.generation = access.generation();
        let qos_max = broker.settings().mqtt.qos_max;
        let (revoked, moving) = {
            let session = &self.session;
            let Some(mut state) = session.lock_for(connection) else {
                return;
            };
            let revoked = state.subscriptions.extract(|filter, subscription| {
                let qos = subscription.options.qos.min(qos_max);
                !may_keep(broker, &self.identity, filter, qos)
            });
            state
                .retained
                .retain(|cursor| !revoked.iter().any(|filter| **filter == *cursor.filter));
            let subscriptions = std::mem::take(&mut state.subscriptions);
            let is_denied = |delivery: &Delivery| {
                !may_receive(broker, &self.identity, &subscriptions, delivery)
            };
            let (mut sent, mut unsent) = (Vec::new(), Vec::new());
            if extent == Extent::InFlightToo {
                let is_denied = |sent: &InFlight| sent.delivery().is_some_and(is_denied);
                let in_flight = &mut state.in_flight;
                unsent = in_flight.extract(|sent| sent.is_unsent && is_denied(sent));
                sent = in_flight.extract(is_denied);
            }
            unsent.extend(state.queue.extract(is_denied));
            state.subscriptions = subscriptions;
            session.publish_load(&state);
            context.worker.stats.dropped_denied += (sent.len() + unsent.len()) as u64;
            let (mut moving, mut gone): (Vec<_>, Vec<_>) = sent
                .into_iter()
                .partition(|delivery| may_move(delivery, true));
            for delivery in unsent {
                match may_move(&delivery, false) {
                    true => moving.push(delivery),
                    false => gone.push(delivery),
                }
            }
            // Nobody waits for it: after a stop everything is asked again.
            let number = session.number();
            if session.is_kept() {
                for filter in &revoked {
                    broker.note(&[Record::Unsubscribed {
                        session: number,
                        filter,
                    }]);
                }
            }
            for delivery in gone.iter().filter(|delivery| delivery.is_kept) {
                broker.note_done(number, delivery.message.sequence());
            }
            (revoked, moving)
        };
        for filter in &revoked {
            if let Ok(filter) = TopicFilter::parse(filter) {
                broker.unsubscribe(filter, &self.session);
            }
        }
        self.access.has_lost |= !revoked.is_empty();
        broker.give_to_others(context.worker, moving);
    }
}

/// Whether a subscription may stay.
fn may_keep(broker: &Broker, who: &Identity, filter: &str, qos: QoS) -> bool {
    let inner = TopicFilter::parse(filter).and_then(|filter| {
        let share = filter.share()?;
        Ok(share.map_or(filter, |share| share.filter))
    });
    inner.is_ok_and(|inner| broker.access().may_subscribe(who, inner, qos))
}

/// Whether a message may still be delivered: rules allow its topic, or a subscription that they
/// allow asks for it.
fn may_receive(
    broker: &Broker,
    who: &Identity,
    subscriptions: &Subscriptions,
    delivery: &Delivery,
) -> bool {
    let topic = delivery.message.topic();
    let filter = TopicFilter::parse(topic.as_str());
    filter.is_ok_and(|filter| broker.access().may_subscribe(who, filter, delivery.qos))
        || subscriptions
            .filters()
            .any(|filter| asks_for(filter, topic))
}

fn asks_for(filter: &str, topic: TopicName<'_>) -> bool {
    let Ok(filter) = TopicFilter::parse(filter) else {
        return false;
    };
    let inner = filter.share().ok().flatten().map(|share| share.filter);
    inner.unwrap_or(filter).matches(topic)
}

impl Connection {
    /// Access rules changed: subscriptions that the client may no longer have end, and with the last
    /// of them its connection.
    pub fn handle_access_change(
        &mut self,
        context: &mut Occasion<'_>,
        out: &mut Output,
    ) -> Outcome {
        let State::Connected(connected) = &mut self.state else {
            return Outcome::Continue;
        };
        if connected.access.is_stale(context.broker) {
            connected.recheck(context, self.id, Extent::Waiting);
        }
        if !std::mem::take(&mut connected.access.has_lost) {
            return Outcome::Continue;
        }
        let state = connected.session.lock_for(self.id);
        let has_any = state.is_some_and(|state| state.subscriptions.len() > 0);
        if has_any && !context.broker.settings().access.revoked_disconnects {
            return Outcome::Continue;
        }
        self.close(context, ReasonCode::NotAuthorized, out)
    }
}
