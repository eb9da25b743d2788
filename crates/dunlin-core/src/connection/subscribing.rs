//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11).

use dunlin_codec::{
    AckProperties, Packet, QoS, ReasonCode, RetainHandling, Suback, Subscribe, SubscriptionRequest,
    TopicFilter, Unsuback, Unsubscribe,
};

use super::Connected;
use crate::error::Violation;
use crate::id::ConnectionId;
use crate::input::Outcome;
use crate::output::Output;
use crate::router::Grant;
use crate::session::retained_cursor::RetainedCursor;
use crate::session::subscriptions::Subscription;
use crate::settings::MqttSettings;
use crate::storage::{Record, SubscriptionRecord};
use crate::worker::Occasion;

impl Connected {
    pub(super) fn handle_subscribe(
        &mut self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        subscribe: &Subscribe<'_>,
        out: &mut Output,
    ) -> Result<Outcome, Violation> {
        let identifier = subscribe.properties.subscription_identifier;
        let reason_codes: Vec<_> = subscribe
            .requests
            .iter()
            .map(|request| {
                let subscription = Subscription {
                    options: request.options,
                    identifier,
                };
                let granted = self.subscribe(context, connection, request, subscription, out);
                granted.unwrap_or_else(|reason_code| reason_code)
            })
            .collect();
        let suback = Suback {
            packet_id: subscribe.packet_id,
            properties: AckProperties::default(),
            reason_codes,
        };
        self.send(&Packet::Suback(suback), out);
        Ok(Outcome::Continue)
    }

    /// Makes one subscription, and gives the code that grants it, which waits for the store.
    fn subscribe(
        &self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        request: &SubscriptionRequest<'_>,
        subscription: Subscription,
        out: &mut Output,
    ) -> Result<ReasonCode, ReasonCode> {
        let broker = context.broker;
        let settings = broker.settings();
        let (inner, is_shared) = check(request.filter, &settings.mqtt)?;
        let options = request.options;
        let qos = options.qos.min(settings.mqtt.qos_max);
        if !broker.access().may_subscribe(&self.identity, inner, qos) {
            return Err(ReasonCode::NotAuthorized);
        }
        let text = request.filter.as_str();
        let existed = {
            let Some(mut state) = self.session.lock_for(connection) else {
                return Err(ReasonCode::UnspecifiedError);
            };
            let is_full = state.subscriptions.len() >= settings.session.subscriptions_max;
            if is_full && !state.subscriptions.contains(text) {
                return Err(ReasonCode::QuotaExceeded);
            }
            if self.session.is_kept() {
                let record = self.record(text, subscription, None);
                let kept = broker.keep(&[Record::Subscribed(record)]);
                out.hold(kept.map_err(|_| ReasonCode::QuotaExceeded)?);
            }
            state.subscriptions.insert(text, subscription)
        };
        let grant = Grant {
            qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            identifier: subscription.identifier,
        };
        broker.subscribe(request.filter, &self.session, grant);
        if is_shared {
            if let Some(group) = broker.group(request.filter) {
                broker.give_kept(context, &group);
            }
            // No retained message is sent to a shared subscription (section 4.8.2).
            return Ok(ReasonCode::granted(qos));
        }
        let wants_retained = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => !existed,
            RetainHandling::DoNotSend => false,
        };
        if wants_retained && broker.retained_count() > 0 {
            self.begin_retained(context, connection, text, (qos, subscription), out);
        }
        Ok(ReasonCode::granted(qos))
    }

    fn record<'a>(
        &self,
        filter: &'a str,
        subscription: Subscription,
        retained_as_of: Option<u64>,
    ) -> SubscriptionRecord<'a> {
        SubscriptionRecord {
            session: self.session.number(),
            filter,
            options: subscription.options,
            identifier: subscription.identifier,
            retained_as_of,
        }
    }

    /// From now on the retained messages that match are sent (section 3.3.1.3).
    fn begin_retained(
        &self,
        context: &Occasion<'_>,
        connection: ConnectionId,
        filter: &str,
        (qos, subscription): (QoS, Subscription),
        out: &mut Output,
    ) {
        let as_of = context.broker.last_sequence();
        let Some(mut state) = self.session.lock_for(connection) else {
            return;
        };
        if self.session.is_kept() && qos > QoS::AtMostOnce {
            let record = self.record(filter, subscription, Some(as_of));
            out.hold_for(context.broker.keep(&[Record::Subscribed(record)]));
        }
        state.retained.retain(|cursor| &*cursor.filter != filter);
        state.retained.push(RetainedCursor {
            filter: filter.into(),
            after: None,
            as_of,
            qos,
            no_local: subscription.options.no_local,
            identifier: subscription.identifier,
        });
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        context: &mut Occasion<'_>,
        connection: ConnectionId,
        unsubscribe: &Unsubscribe<'_>,
        out: &mut Output,
    ) -> Result<Outcome, Violation> {
        let filters = unsubscribe.filters.iter();
        let reason_codes: Vec<_> = filters
            .map(|&filter| {
                let existed = self.session.lock_for(connection).is_some_and(|mut state| {
                    state
                        .retained
                        .retain(|cursor| &*cursor.filter != filter.as_str());
                    let existed = state.subscriptions.remove(filter.as_str());
                    if existed && self.session.is_kept() {
                        let record = Record::Unsubscribed {
                            session: self.session.number(),
                            filter: filter.as_str(),
                        };
                        out.hold_for(context.broker.keep(&[record]));
                    }
                    existed
                });
                if !existed {
                    return ReasonCode::NoSubscriptionExisted;
                }
                context.broker.unsubscribe(filter, &self.session);
                ReasonCode::Success
            })
            .collect();
        let unsuback = Unsuback {
            packet_id: unsubscribe.packet_id,
            properties: AckProperties::default(),
            reason_codes,
        };
        self.send(&Packet::Unsuback(unsuback), out);
        Ok(Outcome::Continue)
    }
}

/// Whether a filter can be subscribed to; gives what messages are matched against, and whether the
/// subscription is shared.
pub(super) fn check<'a>(
    filter: TopicFilter<'a>,
    settings: &MqttSettings,
) -> Result<(TopicFilter<'a>, bool), ReasonCode> {
    if !settings.allows_topic(filter.as_str()) {
        return Err(ReasonCode::TopicFilterInvalid);
    }
    let share = filter.share().map_err(|_| ReasonCode::TopicFilterInvalid)?;
    if share.is_some() && !settings.shared_subscription_available {
        return Err(ReasonCode::SharedSubscriptionsNotSupported);
    }
    let inner = share.map_or(filter, |share| share.filter);
    if inner.has_wildcard() && !settings.wildcard_subscription_available {
        return Err(ReasonCode::WildcardSubscriptionsNotSupported);
    }
    Ok((inner, share.is_some()))
}
