//! Shared subscriptions: each message goes to one member, and to one at least.

use std::collections::BTreeSet;

use dunlin_codec::QoS;

use super::Findings;
use super::copies::Delivered;
use super::loss::{drops, is_too_large};
use super::model::{Model, Number, lower};
use super::retained::has_limit;
use super::subscription::Subscription;
use crate::trace::{Message, MessageId};

pub(super) fn check(model: &Model<'_>, copies: &[Delivered<'_>], findings: &mut Findings) {
    if model.sessions.iter().any(|session| session.is_mixed) {
        return;
    }
    let subscriptions = model
        .sessions
        .iter()
        .flat_map(|session| &session.subscriptions);
    let groups: BTreeSet<&str> = subscriptions
        .filter(|subscription| subscription.is_shared())
        .map(|subscription| subscription.request.filter.as_str())
        .collect();
    for group in groups {
        for number in 0..model.messages.len() {
            check_message(model, copies, group, MessageId(number), findings);
        }
    }
}

/// The memberships in a group, with the session of each.
fn members<'m>(
    model: &'m Model<'_>,
    group: &'m str,
) -> impl Iterator<Item = (Number, &'m Subscription)> {
    let sessions = model.sessions.iter().enumerate();
    sessions.flat_map(move |(number, session)| {
        let subscriptions = session.subscriptions.iter();
        subscriptions
            .filter(move |subscription| subscription.request.filter == group)
            .map(move |subscription| (number, subscription))
    })
}

fn check_message(
    model: &Model<'_>,
    copies: &[Delivered<'_>],
    group: &str,
    message: MessageId,
    findings: &mut Findings,
) {
    let Message { plan, .. } = &model.trace.messages[message.0];
    let is_meant = members(model, group).any(|(_, member)| member.matches(&plan.topic));
    let (Some(begins), true) = (model.begins(message), is_meant && !plan.is_empty) else {
        return;
    };
    let is_member = |session: Number| members(model, group).any(|(member, _)| member == session);
    // Those in another group with the same messages get them for that as well.
    let is_of_one_group = |session: Number| {
        let client = model.sessions[session].client;
        let setup = model.schedule.setup.clients.get(client);
        setup.is_some_and(|setup| setup.shared.as_deref() == Some(group))
    };
    let of_group: Vec<_> = copies
        .iter()
        .filter(|copy| copy.message == message && is_member(copy.session))
        .filter(|copy| is_of_one_group(copy.session))
        .collect();
    check_at_most_one(model, &of_group, message, findings);
    let accepted = model.messages[message.0].accepted;
    if let Some(accepted) = accepted {
        check_at_least_one(
            model,
            &of_group,
            group,
            message,
            (begins, accepted),
            findings,
        );
    }
}

/// Another member gets a message only when the session of the first has ended.
fn check_at_most_one(
    model: &Model<'_>,
    copies: &[&Delivered<'_>],
    message: MessageId,
    findings: &mut Findings,
) {
    if model.messages[message.0].taken.len() > 1 {
        return;
    }
    // A client may learn of one late that was sent early.
    let mut copies = copies.to_vec();
    copies.sort_by_key(|copy| copy.left_ms);
    let mut holder: Option<&Delivered<'_>> = None;
    for copy in copies {
        if let Some(before) = holder.filter(|before| before.session != copy.session) {
            let ended = model.sessions[before.session].ended;
            let has_ended = ended.is_some_and(|ended| ended <= copy.place);
            let may_move = before.copy.qos < QoS::ExactlyOnce;
            // Which member was chosen is not written down at once.
            let mut stops = model.stops.iter().map(|&stop| model.ms(stop));
            let has_stopped = stops.any(|at| (before.left_ms..=copy.left_ms).contains(&at));
            let is_chosen_again = may_move && has_stopped;
            if !is_chosen_again && (!has_ended || !may_move) {
                findings.add(
                    copy.place,
                    "one member gets each shared message",
                    format!("{message:?} came to two"),
                );
            }
        }
        holder = Some(copy);
    }
}

/// As long as there are members, a message that was acknowledged comes to one of them.
fn check_at_least_one(
    model: &Model<'_>,
    copies: &[&Delivered<'_>],
    group: &str,
    message: MessageId,
    (begins, accepted): (usize, usize),
    findings: &mut Findings,
) {
    let Message { plan, .. } = &model.trace.messages[message.0];
    let all = || members(model, group);
    // One that was a member all the time, and can take it in the end.
    let is_steady = |(number, member): (Number, &Subscription)| {
        member.from < begins
            && member.until.is_none()
            && !member.is_vague()
            && model.sessions[number].is_served()
    };
    let granted = all()
        .map(|(_, member)| lower(plan.qos, member.request.qos))
        .min();
    let has_left = |(number, _): (Number, &Subscription)| {
        let session = &model.sessions[number];
        session.ended.is_some_and(|ended| ended > begins)
    };
    // What was sent with QoS 2 ends with the session that it was sent to [MQTT-4.8.2-5].
    let may_end = plan.qos == QoS::ExactlyOnce && all().any(has_left);
    let may_drop = granted.is_none_or(|granted| granted == QoS::AtMostOnce)
        || drops(model)
        // Before 5.0 nobody is told that there was no room for a retained message.
        || plan.retain && has_limit(model)
        || plan.expiry.is_some()
        || model.schedule.setup.settings.session.queue.offline_qos_min == QoS::ExactlyOnce
        || all().any(|(number, _)| is_too_large(model, &model.sessions[number], message));
    if !all().any(is_steady) || may_end || may_drop {
        return;
    }
    let is_done = |copy: &&&Delivered<'_>| {
        copy.is_acknowledged || model.sessions[copy.session].ended.is_none()
    };
    if !copies.iter().any(|copy| is_done(&copy)) {
        findings.add(
            model.trace.entries.len(),
            "a shared message is not lost with one member",
            format!("{message:?} of {group}, accepted at {accepted}"),
        );
    }
}
