//! What each connection shows by itself: its CONNACK, the size of packets, and why it ended.

use dunlin_codec::{ProtocolVersion, ReasonCode};

use super::Findings;
use super::facts::Line;
use super::model::{Model, Place};
use crate::trace::{Event, Heard, Link};

/// From 1.5 times the Keep Alive to when the broker must have noticed, in ms.
const NOTICE_MS: u64 = 1_000;

/// From the connection to CONNECT, in ms.
const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// For the rest of a packet, in ms.
const PARTIAL_PACKET_MS: u64 = 10_000;

/// What was seen of a connection so far.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// When the broker took the last packet, or the connection began.
    last_ms: u64,
    /// The Keep Alive in force, in seconds.
    keep_alive: u16,
    /// Packets that were sent, and that were taken.
    sent: usize,
    taken: usize,
    is_over: bool,
}

pub(super) fn check(model: &Model<'_>, findings: &mut Findings) {
    let mut lines = vec![Seen::default(); model.lines.len()];
    for (place, entry) in model.trace.entries.iter().enumerate() {
        let line = &model.lines[entry.link.0];
        let seen = &mut lines[entry.link.0];
        match &entry.event {
            Event::Opened(_) => seen.last_ms = entry.at_ms,
            Event::Sent(_) => seen.sent += 1,
            Event::Taken(said) => {
                check_silence(seen, entry.at_ms, place, findings);
                seen.last_ms = entry.at_ms;
                seen.taken += 1;
                if let crate::trace::Said::Connect(plan, _) = &**said {
                    seen.keep_alive = keep_alive(model, line, plan.keep_alive);
                }
            }
            Event::Broke => {
                check_silence(seen, entry.at_ms, place, findings);
                seen.is_over = true;
            }
            Event::GivenUp => {
                check_silence(seen, entry.at_ms, place, findings);
                check_end(model, entry.link, seen, place, findings);
                seen.is_over = true;
            }
            Event::Received { heard, bytes, .. } => {
                let has_fault = model.had_disk_fault(entry.at_ms);
                check_packet(line, heard, *bytes, (place, has_fault), findings);
            }
            Event::Ended | Event::Stopped { .. } | Event::Started { .. } => {}
        }
    }
}

fn keep_alive(model: &Model<'_>, line: &Line, asked: u16) -> u16 {
    let max = model.schedule.setup.settings.mqtt.keep_alive_max;
    let max = max.and_then(|max| u16::try_from(max.as_secs()).ok());
    match max {
        Some(max) if line.version.is_v5() && asked == 0 => max,
        Some(max) if line.version.is_v5() => asked.min(max),
        _ => asked,
    }
}

fn limit_ms(seen: &Seen) -> Option<u64> {
    (seen.keep_alive > 0).then(|| u64::from(seen.keep_alive) * 1500)
}

/// A silent client is gone after one and a half times the Keep Alive [MQTT-3.1.2-22].
fn check_silence(seen: &Seen, now_ms: u64, place: Place, findings: &mut Findings) {
    let silent_ms = now_ms.saturating_sub(seen.last_ms);
    if !seen.is_over && limit_ms(seen).is_some_and(|limit| silent_ms > limit + NOTICE_MS) {
        findings.add(
            place,
            "a connection ends when nothing comes within the Keep Alive",
            format!("silent for {silent_ms} ms"),
        );
    }
}

/// The broker ends no connection of a client that keeps to the rules without a cause.
fn check_end(model: &Model<'_>, link: Link, seen: &Seen, place: Place, findings: &mut Findings) {
    let line = &model.lines[link.0];
    let Some(_) = line.client else {
        return;
    };
    let now_ms = model.ms(place);
    let silent_ms = now_ms - seen.last_ms;
    let is_silent = limit_ms(seen).is_some_and(|limit| silent_ms >= limit);
    let has_no_connect = seen.taken == 0 && silent_ms >= CONNECT_TIMEOUT_MS;
    let has_part = seen.sent > seen.taken && silent_ms >= PARTIAL_PACKET_MS;
    // What it is owed cannot be stored, and before 5.0 that of a message can be said in no other way.
    let is_not_stored = model.had_disk_fault(now_ms);
    let is_small = line
        .plan
        .as_ref()
        .is_some_and(|plan| line.version.is_v5() && plan.packet_bytes_max.is_some());
    let is_explained = line.has_disconnected
        || line.is_taken_over && line.ended.is_some_and(|at| at <= place)
        || is_silent
        || has_no_connect
        || has_part
        || is_not_stored
        || is_small && line.session.is_none();
    if !is_explained {
        findings.add(
            place,
            "the broker ends no connection without a cause",
            format!("link {}", link.0),
        );
    }
}

fn check_packet(
    line: &Line,
    heard: &Heard,
    bytes: usize,
    (place, has_fault): (Place, bool),
    findings: &mut Findings,
) {
    let most = line.plan.as_ref().filter(|_| line.version.is_v5());
    let most = most.and_then(|plan| plan.packet_bytes_max);
    if most.is_some_and(|most| bytes > usize::try_from(most).unwrap_or(usize::MAX)) {
        findings.add(
            place,
            "no packet is larger than the Maximum Packet Size",
            format!("{bytes} bytes"),
        );
    }
    match heard {
        Heard::Connack {
            session_present,
            code,
            ..
        } => {
            if *code != ReasonCode::Success && !has_fault {
                findings.add(place, "CONNECT is accepted", format!("{code:?}"));
            }
            let has_flag = line.version != ProtocolVersion::V31;
            if has_flag && !code.is_error() && *session_present != line.is_present {
                findings.add(
                    place,
                    "Session Present tells whether there is a session",
                    format!("{session_present}"),
                );
            }
        }
        Heard::Suback(_, codes) if codes.iter().any(|code| code.is_error()) && !has_fault => {
            findings.add(place, "subscriptions are granted", format!("{codes:?}"));
        }
        Heard::Nonsense(text) => {
            findings.add(place, "packets are as the standard says", text.clone());
        }
        Heard::Disconnect(code) => {
            let is_known = match code {
                ReasonCode::SessionTakenOver => line.is_taken_over,
                ReasonCode::KeepAliveTimeout => true,
                _ => false,
            };
            if !is_known && !has_fault {
                findings.add(
                    place,
                    "the broker ends no connection without a cause",
                    format!("{code:?}"),
                );
            }
        }
        _ => {}
    }
}
