//! Wills: one for each death, at its time, as the witness sees them.

use dunlin_codec::QoS;

use super::Findings;
use super::copies::Delivered;
use super::facts::Fate;
use super::loss::drops;
use super::model::Model;
use crate::node::TICK_MS;

pub(super) fn check(model: &Model<'_>, copies: &[Delivered<'_>], findings: &mut Findings) {
    let setup = &model.schedule.setup;
    let witness = setup.clients.len();
    let end_ms = model.trace.entries.last().map_or(0, |entry| entry.at_ms);
    // From when it is due to when the witness has it, with everybody as slow as they can be.
    let slow_ms = 1_000
        + TICK_MS
        + 50 * setup.worker_lag_max_ms
        + 5 * setup.sync_ms.1
        + 30 * setup.latency_ms.1
        + turns(model) * (5 * setup.sync_ms.1 + 10 * setup.latency_ms.1);
    for line in &model.lines {
        let Some(will) = line.will else {
            continue;
        };
        let seen: Vec<_> = copies
            .iter()
            .filter(|copy| copy.message == will && !copy.is_again && !copy.copy.retain)
            .filter(|copy| model.sessions[copy.session].client == witness)
            .collect();
        let end = model.trace.entries.len();
        match line.fate {
            Fate::None => {
                if let Some(copy) = seen.first() {
                    findings.add(
                        copy.place,
                        "no will is published but for a death, and not before its time",
                        format!("{will:?}"),
                    );
                }
            }
            Fate::Open => {}
            Fate::Due(due_ms) if stops_around(model, (due_ms, due_ms + slow_ms)) => {}
            Fate::Due(due_ms) => {
                if let Some(copy) = seen.iter().find(|copy| model.ms(copy.place) < due_ms) {
                    findings.add(
                        copy.place,
                        "no will is published before its time",
                        format!("{will:?} is due at {due_ms} ms"),
                    );
                }
                let is_late = |copy: &&Delivered<'_>| {
                    let at_ms = model.ms(copy.place);
                    at_ms > due_ms + slow_ms && !is_away(model, witness, (due_ms, at_ms))
                };
                let mut faults = model.trace.disk_faults.iter();
                // Some time passes until it is noticed that the disk has room again.
                let may_fail =
                    faults.any(|&(from, to)| from <= due_ms + slow_ms && to + slow_ms >= due_ms);
                let is_kept = !drops(model) && !may_fail;
                if is_kept && let Some(copy) = seen.iter().copied().find(|copy| is_late(copy)) {
                    findings.add(
                        copy.place,
                        "a will is published at its time",
                        format!("{will:?} was due at {due_ms} ms"),
                    );
                }
                let qos = model.trace.messages[will.0].plan.qos;
                let was_away = is_away(model, witness, (due_ms, due_ms + slow_ms));
                let is_reliable = (qos > QoS::AtMostOnce || setup.socket_bytes > 1_000)
                    && (!was_away || qos >= setup.settings.session.queue.offline_qos_min);
                if seen.is_empty() && is_kept && is_reliable && due_ms + slow_ms < end_ms {
                    findings.add(
                        end,
                        "each death has its will",
                        format!("{will:?} was due at {due_ms} ms"),
                    );
                }
            }
        }
    }
}

/// How many other wills the witness may have to acknowledge first, since no more are in flight.
fn turns(model: &Model<'_>) -> u64 {
    let wills = model.lines.iter().filter(|line| line.will.is_some());
    let at_once = model.schedule.setup.settings.session.in_flight_max;
    (wills.count() / usize::from(at_once)) as u64
}

/// Whether the node was stopped while a will was due.
fn stops_around(model: &Model<'_>, (from_ms, to_ms): (u64, u64)) -> bool {
    let mut stops = model.stops.iter().map(|&place| model.ms(place));
    stops.any(|at_ms| from_ms <= at_ms && at_ms <= to_ms)
}

/// Whether a client was away at some time between these.
fn is_away(model: &Model<'_>, client: usize, (from_ms, to_ms): (u64, u64)) -> bool {
    let sessions = model.sessions.iter();
    let of_client = sessions.filter(|session| session.client == client);
    let mut absences = of_client.flat_map(|session| &session.absences);
    absences.any(|&(from, to)| model.ms(from) <= to_ms && model.ms(to) >= from_ms)
}
