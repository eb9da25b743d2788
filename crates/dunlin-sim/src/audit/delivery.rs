//! Whether each copy that came was one that its receiver is entitled to, as it must look, and how many
//! of them and in which order.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_codec::QoS;

use super::Findings;
use super::copies::Delivered;
use super::model::{Model, Number, Place, lower};
use super::retained;
use super::subscription::Subscription;
use crate::trace::{Link, Message, MessageId};

/// What the broker may add to a time by being slow, in ms.
const SLOW_MS: u64 = 1_000;

pub(super) fn check(model: &Model<'_>, copies: &[Delivered<'_>], findings: &mut Findings) {
    let mut counts: BTreeMap<(Number, MessageId), usize> = BTreeMap::new();
    let mut order = Order::default();
    let mut repeats = Repeats::default();
    for copy in copies {
        let Some(begins) = model.begins(copy.message) else {
            findings.add(
                copy.place,
                "nothing is delivered that nobody published",
                format!("{:?}", copy.message),
            );
            continue;
        };
        check_content(model, copy, findings);
        repeats.check(model, copy, findings);
        if copy.is_again || model.sessions[copy.session].is_mixed {
            continue;
        }
        check_title(model, copy, begins, findings);
        let count = counts.entry((copy.session, copy.message)).or_default();
        *count += 1;
        let most = copies_max(model, copy, begins);
        if *count > most {
            findings.add(
                copy.place,
                "nothing is delivered more often than it was published",
                format!("{:?} came {count} times, not {most}", copy.message),
            );
        } else if *count == 1 {
            // What had expired, or was published before there was a subscription, can come when it is
            // published again.
            let life = &model.messages[copy.message.0];
            let may_have_expired =
                model.trace.messages[copy.message.0].plan.expiry.is_some() && life.taken.len() > 1;
            let mut early = live(model, copy.session, copy.message, (begins, begins));
            if !may_have_expired && early.any(|subscription| subscription.from < begins) {
                order.check(model, copy, findings);
            }
        }
    }
}

/// The end of the time in which a message can have been given to those who subscribed.
fn ends(model: &Model<'_>, message: MessageId) -> Place {
    let life = &model.messages[message.0];
    // What is taken again is published again, but for QoS 2.
    let again = life.taken.len() > 1;
    match life.answered {
        Some(answered) if !again => answered,
        _ => Place::MAX,
    }
}

/// The subscriptions over which a message can have come when it was published.
fn live<'m>(
    model: &'m Model<'_>,
    session: Number,
    message: MessageId,
    (begins, ends): (Place, Place),
) -> impl Iterator<Item = &'m Subscription> {
    let topic = model.trace.messages[message.0].plan.topic.clone();
    let is_own =
        !model.trace.messages[message.0].is_will && model.publisher(message) == Some(session);
    let subscriptions = model.sessions[session].subscriptions.iter();
    subscriptions.filter(move |subscription| {
        let is_there = |subscription: &Subscription| {
            subscription.from <= ends && subscription.until.is_none_or(|until| until >= begins)
        };
        // A member of a shared subscription gets what another left when its session ended.
        let mut members = model.sessions.iter().flat_map(|it| &it.subscriptions);
        // Of some sessions nobody knows what they were members of.
        let is_unknown = || {
            let mut sessions = model.sessions.iter();
            sessions.any(|session| session.is_mixed || session.may_have_stayed)
        };
        let inherits = subscription.is_shared()
            && subscription.until.is_none_or(|until| until >= begins)
            && (members.any(|member| {
                member.request.filter == subscription.request.filter && is_there(member)
            }) || is_unknown());
        subscription.matches(&topic)
            && (is_there(subscription) || inherits)
            && !(is_own && subscription.request.no_local)
    })
}

/// The SUBSCRIBEs that a copy can answer as a retained message.
fn answered<'m>(
    model: &'m Model<'_>,
    session: Number,
    message: MessageId,
    begins: Place,
    place: Place,
) -> impl Iterator<Item = &'m Subscription> {
    let Message { plan, .. } = &model.trace.messages[message.0];
    let (topic, is_retained) = (plan.topic.clone(), plan.retain);
    let subscriptions = model.sessions[session].subscriptions.iter();
    subscriptions.filter(move |subscription| {
        is_retained
            && subscription.sends_retained
            && subscription.from > begins
            && subscription.from < place
            && subscription.matches(&topic)
    })
}

/// Whether somebody subscribed to it, and whether RETAIN and QoS say over which subscription.
fn check_title(model: &Model<'_>, copy: &Delivered<'_>, begins: Place, findings: &mut Findings) {
    let Message { plan, .. } = &model.trace.messages[copy.message.0];
    let ends = ends(model, copy.message);
    let now: Vec<_> = live(model, copy.session, copy.message, (begins, ends))
        .filter(|subscription| subscription.from < copy.place)
        .collect();
    let earlier: Vec<_> = answered(model, copy.session, copy.message, begins, copy.place)
        .filter(|subscription| !retained::is_replaced(model, copy.message, subscription.from))
        .collect();
    let wants_flag = |subscription: &&&Subscription| subscription.request.retain_as_published;
    let over: Vec<&Subscription> = if copy.copy.retain {
        let as_published = now.iter().filter(wants_flag).filter(|_| plan.retain);
        as_published.chain(&earlier).copied().collect()
    } else if plan.retain {
        let plain = |subscription: &&&Subscription| !subscription.request.retain_as_published;
        now.iter().filter(plain).copied().collect()
    } else {
        now.clone()
    };
    if over.is_empty() {
        let rule = if now.is_empty() && earlier.is_empty() {
            "nothing is delivered to a session that is not entitled to it"
        } else {
            "RETAIN tells a retained message from one that was just published"
        };
        findings.add(copy.place, rule, format!("{:?}", copy.message));
        return;
    }
    let granted = over
        .iter()
        .map(|subscription| lower(plan.qos, subscription.request.qos));
    // One copy for several subscriptions has the highest QoS of all, whatever it has RETAIN from.
    let of_all = now.iter().map(|it| lower(plan.qos, it.request.qos));
    let (least, most) = (granted.clone().min(), granted.chain(of_all).max());
    if Some(copy.copy.qos) < least || Some(copy.copy.qos) > most {
        findings.add(
            copy.place,
            "the QoS is the lower of that published and that granted",
            format!("{:?} came with {:?}", copy.message, copy.copy.qos),
        );
    }
    check_identifiers(copy, &now, &earlier, findings);
}

fn check_identifiers(
    copy: &Delivered<'_>,
    now: &[&Subscription],
    earlier: &[&Subscription],
    findings: &mut Findings,
) {
    let all = || now.iter().chain(earlier);
    let is_known = |identifier: &u32| {
        let mut identifiers = all().filter_map(|subscription| subscription.identifier);
        identifiers.any(|known| known == *identifier)
    };
    let identifiers = &copy.copy.identifiers;
    let has_all = all().all(|subscription| subscription.identifier.is_some());
    if !identifiers.iter().all(is_known) || has_all && identifiers.is_empty() {
        findings.add(
            copy.place,
            "Subscription Identifiers are those of the subscriptions that match",
            format!("{identifiers:?}"),
        );
    }
}

/// How many copies of a message there can be in a session, those sent again left out.
fn copies_max(model: &Model<'_>, copy: &Delivered<'_>, begins: Place) -> usize {
    let Message { plan, .. } = &model.trace.messages[copy.message.0];
    let taken = &model.messages[copy.message.0].taken;
    let times = match plan.qos {
        QoS::AtMostOnce => 1,
        QoS::AtLeastOnce => taken.len().max(1),
        // A session that is gone took what it knew of identifiers with it.
        QoS::ExactlyOnce => {
            let links = taken.iter().map(|&place| model.trace.entries[place].link);
            let sessions: BTreeSet<_> = links.map(|link| model.lines[link.0].session).collect();
            sessions.len().max(1)
        }
    };
    let (session, message) = (copy.session, copy.message);
    let window = (begins, ends(model, message));
    if !plan.retain {
        let has_one = live(model, session, message, window).next().is_some();
        return times * usize::from(has_one);
    }
    if live(model, session, message, (begins, begins))
        .next()
        .is_some()
    {
        return times + answered(model, session, message, begins, copy.place).count();
    }
    // Each SUBSCRIBE while it was on its way brings it once: as retained, or as just published.
    let is_start = |subscription: &&Subscription| {
        subscription.from > begins
            && subscription.from < copy.place
            && subscription.matches(&plan.topic)
            && (subscription.sends_retained || subscription.from <= window.1)
    };
    let subscriptions = model.sessions[session].subscriptions.iter();
    let starts = subscriptions.filter(is_start).count();
    // A stop makes the broker forget as which it came.
    let may_be_both = times > 1 || model.stops_between(begins, copy.place);
    let most = if may_be_both { times + starts } else { starts };
    // Or another member of a shared subscription leaves it.
    let is_left = live(model, session, message, window).any(Subscription::is_shared);
    most.max(times * usize::from(is_left))
}

/// What a copy says of its message.
fn check_content(model: &Model<'_>, copy: &Delivered<'_>, findings: &mut Findings) {
    let Message { plan, is_will, .. } = &model.trace.messages[copy.message.0];
    let bytes = if plan.is_empty {
        0
    } else {
        let bytes = if *is_will { 0 } else { plan.bytes };
        copy.message.payload(bytes).len()
    };
    if copy.copy.topic != plan.topic || copy.copy.payload_bytes != bytes {
        findings.add(
            copy.place,
            "topic and payload are those published",
            format!("{:?} of {plan:?}", copy.copy),
        );
    }
    let publisher = &model.messages[copy.message.0];
    let is_of_5 = publisher
        .link
        .is_some_and(|link| model.lines[link.0].version.is_v5());
    let is_for_5 = model.lines[copy.link.0].version.is_v5();
    let stated = plan.expiry.filter(|_| is_of_5 && is_for_5);
    if copy.copy.expiry.is_some() != stated.is_some() {
        findings.add(
            copy.place,
            "a Message Expiry Interval is passed on",
            format!("{:?}", copy.copy.expiry),
        );
    }
    if let (Some(left), Some(stated)) = (copy.copy.expiry, stated) {
        check_expiry(model, copy, u64::from(left), u64::from(stated), findings);
    }
}

/// The Message Expiry Interval is what was published less the time that the message waited
/// [MQTT-3.3.2-6]; what has expired is not sent for the first time [MQTT-3.3.2-5].
fn check_expiry(
    model: &Model<'_>,
    copy: &Delivered<'_>,
    left: u64,
    stated: u64,
    findings: &mut Findings,
) {
    let taken = &model.messages[copy.message.0].taken;
    let (Some(&first), Some(&last)) = (taken.first(), taken.last()) else {
        return;
    };
    // Once more than once, it is not known which of them this is.
    let least_ms = (model.ms(first) + stated * 1000).saturating_sub(copy.left_ms);
    // A packet that is ready may wait for the commit after the one that is under way.
    let slow_ms = SLOW_MS + 2 * model.schedule.setup.sync_ms.1;
    let most_ms = (model.ms(last.min(copy.place)) + stated * 1000 + slow_ms + model.back_ms(first))
        .saturating_sub(copy.left_ms);
    let is_late = !copy.may_have_waited && left > most_ms.div_ceil(1000);
    let is_early = left < least_ms.div_ceil(1000);
    let back = model.back_ms(first).div_ceil(1000);
    if is_late || is_early || left > stated + back {
        findings.add(
            copy.place,
            "the Message Expiry Interval is less the time that the message waited",
            format!("{left} of {stated} s left"),
        );
    }
    let is_over = !copy.may_have_waited && !copy.copy.dup && most_ms == 0;
    if is_over {
        findings.add(
            copy.place,
            "what has expired is not delivered",
            format!("{:?}", copy.message),
        );
    }
}

/// Receiver, publisher, the connection of the publisher if that counts, topic and QoS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series(Number, Option<Number>, Option<Link>, String, QoS);

/// Messages of one publisher with one topic and QoS come in the order in which they were published.
#[derive(Default)]
struct Order {
    last: BTreeMap<Series, (Place, MessageId)>,
}

impl Order {
    fn check(&mut self, model: &Model<'_>, copy: &Delivered<'_>, findings: &mut Findings) {
        let Message { plan, is_will, .. } = &model.trace.messages[copy.message.0];
        let life = &model.messages[copy.message.0];
        let is_shared = model.sessions[copy.session]
            .subscriptions
            .iter()
            .any(|subscription| subscription.is_shared() && subscription.matches(&plan.topic));
        let (Some(sent), false) = (life.sent, *is_will || copy.copy.retain || is_shared) else {
            return;
        };
        // Nothing of QoS 0 is sent again, so that what a connection left behind has no place.
        let link = life.link.filter(|_| plan.qos == QoS::AtMostOnce);
        let publisher = model.publisher(copy.message);
        let key = Series(copy.session, publisher, link, plan.topic.clone(), plan.qos);
        let last = self.last.entry(key).or_insert((sent, copy.message));
        // One that was published again behind the other may be that: the copy before, if there was one,
        // was lost with a connection, or was too large for it.
        let mut takings = life.taken.iter();
        let is_republished = plan.qos == QoS::AtLeastOnce
            && takings.any(|&taken| last.0 < taken && taken < copy.place);
        if sent >= last.0 {
            *last = (sent, copy.message);
        } else if !is_republished {
            findings.add(
                copy.place,
                "messages of one publisher, topic and QoS keep their order",
                format!("{:?} came behind {:?}", copy.message, last.1),
            );
        }
    }
}

/// What is sent again comes in the order in which it was sent first [MQTT-4.6.0-1].
#[derive(Default)]
struct Repeats {
    /// When each message came first to a session, by its packet identifier.
    first: BTreeMap<(Number, MessageId, u16), Place>,
    /// What was sent again last on each connection: when it came first.
    last: BTreeMap<Link, (Place, MessageId)>,
    /// What was sent again on each connection: it is once more if the resend interval is over.
    came: BTreeSet<(Link, MessageId)>,
}

impl Repeats {
    fn check(&mut self, model: &Model<'_>, copy: &Delivered<'_>, findings: &mut Findings) {
        let key = (copy.session, copy.message, copy.copy.packet_id);
        if !copy.is_again {
            self.first.entry(key).or_insert(copy.place);
            return;
        }
        let Some(&first) = self.first.get(&key) else {
            return;
        };
        // That a message was sent with QoS 1 is not written down at once.
        if model.stops_between(first, copy.place) || !self.came.insert((copy.link, copy.message)) {
            return;
        }
        let last = self.last.entry(copy.link).or_insert((first, copy.message));
        if first < last.0 {
            findings.add(
                copy.place,
                "what is sent again keeps its order",
                format!("{:?} came behind {:?}", copy.message, last.1),
            );
        } else {
            *last = (first, copy.message);
        }
    }
}
