//! Whether everything that was acknowledged came to everyone who is entitled to it, was safe when it
//! was acknowledged, and whether what a session kept was within its bounds.

use std::collections::BTreeSet;

use dunlin_codec::QoS;

use super::Findings;
use super::copies::Delivered;
use super::facts::Session;
use super::model::{Model, Number, Place};
use super::retained::has_limit;
use super::subscription::Subscription;
use crate::trace::{Message, MessageId};

/// Bytes of a PUBLISH beside its payload, at most.
const HEADER_BYTES_MAX: usize = 60;

/// Messages that fit into a session's queue in every schedule that has no small one.
const USUAL_QUEUE: usize = 1000;

/// Whether the queues are so small that messages may be dropped.
pub(super) fn drops(model: &Model<'_>) -> bool {
    model.schedule.setup.settings.session.queue.messages_max < USUAL_QUEUE
}

pub(super) fn check(model: &Model<'_>, copies: &[Delivered<'_>], findings: &mut Findings) {
    let came: BTreeSet<(Number, MessageId)> = copies
        .iter()
        .map(|copy| (copy.session, copy.message))
        .collect();
    for (number, life) in model.messages.iter().enumerate() {
        let message = MessageId(number);
        let (Some(begins), Some(accepted)) = (model.begins(message), life.accepted) else {
            continue;
        };
        let mut must_be_safe = is_retained(model, message);
        for (number, session) in model.sessions.iter().enumerate() {
            let is_entitled = entitled(model, number, message, (begins, accepted));
            let is_kept = session.kept_since.is_some_and(|since| since < begins);
            let is_for_absent =
                model.schedule.setup.settings.session.queue.offline_qos_min < QoS::ExactlyOnce;
            must_be_safe |= is_entitled && is_kept && is_for_absent;
            if is_entitled && life.is_for_nobody {
                findings.add(
                    accepted,
                    "no subscriber is said only where there is none",
                    format!("{message:?}"),
                );
            }
            if is_entitled
                && !may_drop(model, session, message)
                && (is_kept || !model.stops_between(begins, model.trace.entries.len()))
                && !came.contains(&(number, message))
            {
                findings.add(
                    model.trace.entries.len(),
                    "nothing that was acknowledged is lost",
                    format!("{message:?} never came to client {}", session.client),
                );
            }
        }
        check_safe(model, message, must_be_safe, accepted, findings);
    }
    check_bounds(model, copies, findings);
}

fn is_retained(model: &Model<'_>, message: MessageId) -> bool {
    let Message { plan, .. } = &model.trace.messages[message.0];
    plan.retain && plan.qos > QoS::AtMostOnce && !plan.is_empty && !has_limit(model)
}

/// Whether a session has to be given a message: it was subscribed all the time from when the broker
/// took it to when the publisher knew.
fn entitled(
    model: &Model<'_>,
    number: Number,
    message: MessageId,
    (begins, accepted): (Place, Place),
) -> bool {
    let Message { plan, is_will, .. } = &model.trace.messages[message.0];
    let is_own = !is_will && model.publisher(message) == Some(number);
    // Before 5.0 nobody is told that there was no room for a retained message.
    let may_be_refused = plan.retain && has_limit(model);
    let is_never = plan.qos == QoS::AtMostOnce || plan.is_empty || may_be_refused;
    let session = &model.sessions[number];
    if is_never || session.is_mixed || !session.is_certain_at(accepted) {
        return false;
    }
    session.subscriptions.iter().any(|subscription| {
        let covers =
            subscription.from < begins && subscription.until.is_none_or(|until| until > accepted);
        covers
            && !subscription.is_vague()
            && !subscription.is_shared()
            && subscription.request.qos > QoS::AtMostOnce
            && subscription.matches(&plan.topic)
            && !(is_own && subscription.request.no_local)
    })
}

/// Whether a session need not have got a message in the end.
fn may_drop(model: &Model<'_>, session: &Session, message: MessageId) -> bool {
    let Message { plan, .. } = &model.trace.messages[message.0];
    let is_left = |subscription: &Subscription| {
        subscription.matches(&plan.topic)
            && (subscription.is_vague()
                || subscription.until.is_some() && !subscription.is_replaced)
    };
    let queue = &model.schedule.setup.settings.session.queue;
    !session.is_served()
        || session.subscriptions.iter().any(is_left)
        || plan.expiry.is_some()
        || drops(model)
        || queue.offline_qos_min == QoS::ExactlyOnce
        || is_too_large(model, session, message)
}

/// Whether some connection of a session does not take a message of this size.
pub(super) fn is_too_large(model: &Model<'_>, session: &Session, message: MessageId) -> bool {
    let Message { plan, .. } = &model.trace.messages[message.0];
    let bytes = message.payload(plan.bytes).len() + HEADER_BYTES_MAX;
    session.links.iter().any(|link| {
        let line = &model.lines[link.0];
        let plan = line.plan.as_ref().filter(|_| line.version.is_v5());
        let most = plan.and_then(|plan| plan.packet_bytes_max);
        most.is_some_and(|most| bytes > usize::try_from(most).unwrap_or(usize::MAX))
    })
}

/// What somebody has to be given later is on the disk when it is acknowledged.
fn check_safe(
    model: &Model<'_>,
    message: MessageId,
    must_be_safe: bool,
    accepted: Place,
    findings: &mut Findings,
) {
    let Message { plan, is_will, .. } = &model.trace.messages[message.0];
    if !must_be_safe || *is_will || plan.is_empty {
        return;
    }
    let mut synced = model.trace.synced.iter();
    let is_safe = synced.any(|&(synced, place)| synced == message && place <= accepted);
    if !is_safe {
        findings.add(
            accepted,
            "nothing is acknowledged before it is safe",
            format!("{message:?}"),
        );
    }
}

/// While its client is away a session keeps no more than its bound.
fn check_bounds(model: &Model<'_>, copies: &[Delivered<'_>], findings: &mut Findings) {
    if !drops(model) {
        return;
    }
    let most = model.schedule.setup.settings.session.queue.messages_max;
    for (number, session) in model.sessions.iter().enumerate() {
        for &(from, to) in &session.absences {
            let was_meanwhile = |message: MessageId| {
                let life = &model.messages[message.0];
                let is_live = !model.trace.messages[message.0].plan.retain;
                is_live
                    && life.begins().is_some_and(|begins| begins > from)
                    && life.answered.is_some_and(|answered| answered < to)
            };
            let kept: BTreeSet<_> = copies
                .iter()
                .filter(|copy| copy.session == number && copy.place > to)
                .map(|copy| copy.message)
                .filter(|&message| was_meanwhile(message))
                .collect();
            if kept.len() > most {
                findings.add(
                    to,
                    "a session keeps no more than its bound",
                    format!("{} of {most}", kept.len()),
                );
            }
        }
    }
}
