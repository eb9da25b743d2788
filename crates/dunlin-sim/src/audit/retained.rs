//! Retained messages: what a new subscription must be given, and what it cannot be given any more.

use dunlin_codec::QoS;

use super::Findings;
use super::copies::Delivered;
use super::loss::is_too_large;
use super::model::{Model, Number, Place, lower};
use super::subscription::Subscription;
use crate::trace::MessageId;

/// What can be retained for a topic.
enum Candidate {
    /// This message.
    Message(MessageId),
    /// Nothing.
    Nothing,
}

/// The messages that were retained, or deleted what was, with this topic.
fn of_topic<'m>(model: &'m Model<'_>, topic: &'m str) -> impl Iterator<Item = MessageId> + 'm {
    let messages = model.trace.messages.iter().enumerate();
    messages
        .filter(move |(_, message)| message.plan.retain && message.plan.topic == topic)
        .map(|(number, _)| MessageId(number))
}

/// When a message was published for the last time.
fn last(model: &Model<'_>, message: MessageId) -> Option<Place> {
    let life = &model.messages[message.0];
    life.taken.last().copied().or_else(|| model.begins(message))
}

/// Whether a message is surely not the retained one of its topic any more at a place: another one
/// was accepted before that, which came after it.
pub(super) fn is_replaced(model: &Model<'_>, message: MessageId, place: Place) -> bool {
    let plan = &model.trace.messages[message.0].plan;
    let life = &model.messages[message.0];
    let Some(last) = last(model, message) else {
        return false;
    };
    of_topic(model, &plan.topic).any(|other| {
        if other == message {
            return false;
        }
        let later = &model.messages[other.0];
        let Some(begins) = model.begins(other) else {
            return false;
        };
        let is_accepted = later.accepted.is_some_and(|accepted| accepted <= place);
        let is_behind = life.answered.is_some_and(|answered| answered < begins)
            || (begins > last && is_of_same(model, message, other));
        is_accepted && is_behind && last < begins && is_kept(model, other)
    })
}

/// Whether two messages came over the same connection with the same QoS.
fn is_of_same(model: &Model<'_>, one: MessageId, other: MessageId) -> bool {
    let link = |message: MessageId| model.messages[message.0].link;
    let qos = |message: MessageId| model.trace.messages[message.0].plan.qos;
    link(one).is_some() && link(one) == link(other) && qos(one) == qos(other)
}

/// Whether a message that was accepted is retained for certain: not if the limit may refuse it, and
/// before 5.0 nobody is told.
fn is_kept(model: &Model<'_>, message: MessageId) -> bool {
    model.trace.messages[message.0].plan.is_empty || !has_limit(model)
}

/// Whether there is a limit that a schedule can reach.
pub(super) fn has_limit(model: &Model<'_>) -> bool {
    model.schedule.setup.settings.retained.messages_max < 100
}

/// What can be retained for a topic at a place.
fn candidates(model: &Model<'_>, topic: &str, place: Place) -> Vec<Candidate> {
    let now_ms = model.ms(place.min(model.trace.entries.len() - 1));
    let mut candidates = Vec::new();
    let mut is_set = false;
    for message in of_topic(model, topic) {
        let plan = &model.trace.messages[message.0].plan;
        let Some(begins) = model.begins(message).filter(|&begins| begins <= place) else {
            continue;
        };
        let accepted = model.messages[message.0].accepted;
        is_set |= accepted.is_some_and(|accepted| accepted <= place) && is_kept(model, message);
        if is_replaced(model, message, place) {
            continue;
        }
        let expires = plan.expiry.map(|seconds| u64::from(seconds) * 1000);
        let may_have_expired = expires.is_some_and(|ms| model.ms(begins) + ms <= now_ms);
        if plan.is_empty || may_have_expired {
            candidates.push(Candidate::Nothing);
        }
        if !plan.is_empty {
            candidates.push(Candidate::Message(message));
        }
    }
    if !is_set {
        candidates.push(Candidate::Nothing);
    }
    candidates
}

pub(super) fn check(model: &Model<'_>, copies: &[Delivered<'_>], findings: &mut Findings) {
    if has_limit(model) {
        return;
    }
    let mut topics: Vec<_> = model.trace.messages.iter().collect();
    topics.retain(|message| message.plan.retain);
    let mut topics: Vec<&str> = topics
        .into_iter()
        .map(|message| message.plan.topic.as_str())
        .collect();
    topics.sort_unstable();
    topics.dedup();
    for (number, session) in model.sessions.iter().enumerate() {
        for subscription in &session.subscriptions {
            if !subscription.must_send_retained
                || subscription.is_vague()
                || subscription.until.is_some()
                || session.is_mixed
                || !session.is_served()
            {
                continue;
            }
            for topic in topics.iter().filter(|topic| subscription.matches(topic)) {
                check_one(model, copies, (number, subscription), topic, findings);
            }
        }
    }
}

/// A SUBSCRIBE is answered with the message that is retained, if it is known which one that is and it
/// stays so.
fn check_one(
    model: &Model<'_>,
    copies: &[Delivered<'_>],
    (number, subscription): (Number, &Subscription),
    topic: &str,
    findings: &mut Findings,
) {
    let from = subscription.from;
    let [Candidate::Message(message)] = candidates(model, topic, from)[..] else {
        return;
    };
    let session = &model.sessions[number];
    let plan = &model.trace.messages[message.0].plan;
    let is_own = model.publisher(message) == Some(number);
    let is_changed = of_topic(model, topic).any(|other| {
        let last = last(model, other);
        other != message && last.is_some_and(|last| last >= from)
    });
    // What is sent at most once can be lost with a connection.
    let qos = lower(plan.qos, subscription.request.qos);
    let is_same_link = session.last_link().is_some_and(|link| {
        let line = &model.lines[link.0];
        line.ended.is_none()
            && session.links.iter().all(|other| {
                *other == link || model.lines[other.0].ended.is_some_and(|ended| ended < from)
            })
    });
    let may_be_left_out = is_changed
        || plan.expiry.is_some()
        || subscription.request.no_local && is_own
        || is_too_large(model, session, message)
        || qos == QoS::AtMostOnce && !is_same_link;
    let came = copies
        .iter()
        .any(|copy| copy.session == number && copy.message == message && copy.place > from);
    if !may_be_left_out && !came {
        findings.add(
            model.trace.entries.len(),
            "a new subscription is given what is retained",
            format!(
                "{message:?} for client {}, {}",
                session.client, subscription.request.filter
            ),
        );
    }
}
