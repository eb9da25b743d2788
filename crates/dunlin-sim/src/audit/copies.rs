//! The copies of messages that clients received, by session: which are the same one sent again.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_codec::QoS;

use super::Findings;
use super::loss::is_too_large;
use super::model::{Model, Number, Place};
use crate::trace::{Answer, Copy, Event, Heard, Link, MessageId, Said};

/// A message that came to a client.
pub(super) struct Delivered<'a> {
    pub(super) place: Place,
    pub(super) link: Link,
    pub(super) session: Number,
    pub(super) message: MessageId,
    pub(super) copy: &'a Copy,
    pub(super) left_ms: u64,
    pub(super) may_have_waited: bool,
    /// Whether the client had it before under this packet identifier.
    pub(super) is_again: bool,
    /// Whether the client sent PUBACK or PUBREC for it.
    pub(super) is_acknowledged: bool,
}

/// What a client has not acknowledged to the end.
#[derive(Default)]
struct Open {
    /// The message that came last with each packet identifier, and its connection.
    last: BTreeMap<u16, (Option<MessageId>, Link)>,
    /// Packet identifiers in use.
    in_use: BTreeMap<u16, InUse>,
    /// Those that came on the present connection.
    on_link: BTreeMap<Link, BTreeSet<u16>>,
}

/// What a packet identifier is in use for.
struct InUse {
    message: Option<MessageId>,
    qos: QoS,
    run: Run,
}

/// How often the node had stopped when a connection was opened. What it sent before a stop may come
/// after it.
type Run = usize;

/// All copies, in their order. Checks on the way what a receiver can see by itself: packet
/// identifiers, DUP, Receive Maximum.
pub(super) fn all<'a>(model: &Model<'a>, findings: &mut Findings) -> Vec<Delivered<'a>> {
    let mut copies: Vec<Delivered<'a>> = Vec::new();
    let mut open: BTreeMap<Number, Open> = BTreeMap::new();
    let mut runs: Vec<Run> = vec![0; model.lines.len()];
    let mut run = 0;
    for (place, entry) in model.trace.entries.iter().enumerate() {
        let link = entry.link;
        match entry.event {
            Event::Stopped { .. } => run += 1,
            Event::Opened(_) => runs[link.0] = run,
            _ => {}
        }
        let Some(session) = model.lines[link.0].session else {
            continue;
        };
        let state = open.entry(session).or_default();
        match &entry.event {
            Event::Sent(said) => {
                if let Said::Ack(answer, packet_id) = **said {
                    acknowledge(state, answer, packet_id, session, &mut copies);
                }
            }
            Event::Received {
                heard: Heard::Publish(copy),
                left_ms,
                may_have_waited,
                ..
            } => {
                let run = runs[link.0];
                let mut before = Before::default();
                for other in copies
                    .iter()
                    .filter(|other| other.session == session && Some(other.message) == copy.message)
                {
                    if runs[other.link.0] == run {
                        before.again += usize::from(other.is_again);
                    } else if other.copy.qos == QoS::AtLeastOnce && !other.is_again {
                        before.earlier += 1;
                    }
                }
                let is_again = note(model, state, (place, link, run), (copy, before), findings);
                if let Some(message) = copy.message {
                    copies.push(Delivered {
                        place,
                        link,
                        session,
                        message,
                        copy,
                        left_ms: *left_ms,
                        may_have_waited: *may_have_waited,
                        is_again,
                        is_acknowledged: false,
                    });
                }
            }
            _ => {}
        }
    }
    copies
}

/// The copies of a message that its receiver had before.
#[derive(Clone, Copy, Default)]
struct Before {
    /// How many came with QoS 1 before the node stopped, not counting those that were sent again.
    earlier: usize,
    /// How many were sent again since.
    again: usize,
}

fn acknowledge(
    state: &mut Open,
    answer: Answer,
    packet_id: u16,
    session: Number,
    copies: &mut [Delivered<'_>],
) {
    if matches!(answer, Answer::Puback | Answer::Pubrec) {
        let mut back = copies.iter_mut().rev();
        let found = back.find(|copy| copy.session == session && copy.copy.packet_id == packet_id);
        if let Some(copy) = found {
            copy.is_acknowledged = true;
        }
    }
    if matches!(answer, Answer::Puback | Answer::Pubcomp) {
        state.in_use.remove(&packet_id);
        for on_link in state.on_link.values_mut() {
            on_link.remove(&packet_id);
        }
    }
}

/// Notes a PUBLISH; true if the client has had it before.
fn note(
    model: &Model<'_>,
    state: &mut Open,
    (place, link, run): (Place, Link, Run),
    (copy, before): (&Copy, Before),
    findings: &mut Findings,
) -> bool {
    if copy.qos == QoS::AtMostOnce {
        return false;
    }
    let packet_id = copy.packet_id;
    let is_other = |known: Option<MessageId>| match (known, copy.message) {
        (Some(known), Some(message)) => known != message,
        _ => false,
    };
    let line = &model.lines[link.0];
    let session = line.session.map(|session| &model.sessions[session]);
    // What is too large for a later connection is taken to be sent to the end [MQTT-3.1.2-25]. That a
    // message of QoS 1 was sent or acknowledged is not written down at once; and of a session of which
    // nobody knows whether it is the one before a stop, also not what was in use then.
    let is_mixed = session.is_some_and(|session| session.is_mixed);
    let is_present = |known: &&InUse| {
        let is_forgotten = known.run < run && (known.qos == QoS::AtLeastOnce || is_mixed);
        let mut message = known.message.into_iter().zip(session);
        !is_forgotten && !message.any(|(message, session)| is_too_large(model, session, message))
    };
    match state.in_use.get(&packet_id).filter(is_present) {
        Some(_) if !copy.dup => findings.add(
            place,
            "no packet identifier is in use twice, and what is sent again has DUP",
            format!("packet identifier {packet_id} is in use"),
        ),
        Some(known) if is_other(known.message) => findings.add(
            place,
            "no packet identifier is in use twice",
            format!(
                "packet identifier {packet_id} is that of {:?}",
                known.message
            ),
        ),
        _ => {}
    }
    let is_first = session.is_some_and(|session| session.links.first() == Some(&link));
    let settings = &model.schedule.setup.settings;
    if copy.dup && is_first && !is_mixed && settings.mqtt.resend_interval.is_none() {
        findings.add(place, "DUP is for what is sent again", String::new());
    }
    let last = state.last.insert(packet_id, (copy.message, link));
    let was_sent = copy.qos == QoS::AtLeastOnce && before.again < before.earlier;
    let is_again = was_sent || copy.dup && last.is_some_and(|(last, _)| !is_other(last));
    // It was on its way when the client acknowledged the one before.
    let is_crossing = is_again
        && last.is_some_and(|(_, of)| of == link)
        && !state.in_use.contains_key(&packet_id);
    if is_crossing {
        return true;
    }
    let (message, qos) = (copy.message, copy.qos);
    state.in_use.insert(packet_id, InUse { message, qos, run });
    let on_link = state.on_link.entry(link).or_default();
    on_link.insert(packet_id);
    let asked = line.plan.as_ref().filter(|_| line.version.is_v5());
    let asked = asked.map_or(u16::MAX, |plan| plan.receive_maximum);
    let most = usize::from(asked.min(settings.session.in_flight_max));
    if on_link.len() > most {
        findings.add(
            place,
            "no more is in flight than the Receive Maximum",
            format!("{} of {most}", on_link.len()),
        );
    }
    is_again
}
