//! The summary at the end of a run.

use std::fmt::Write as _;

use super::{PERCENTILES, Report};
use crate::cmd::bench::flags::run::Scenario;
use crate::cmd::bench::run::published_qos;

/// The summary, a fact on each line.
pub(crate) fn page(report: &Report<'_>) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(report, &mut page);
    page
}

fn write_page(report: &Report<'_>, page: &mut String) -> std::fmt::Result {
    let outcome = &report.outcome;
    let args = report.args;
    let is_cycling = matches!(args.scenario, Scenario::Connect | Scenario::Takeover);
    writeln!(
        page,
        "{:<12}QoS {}, {} B, MQTT {}, {} clients, {} threads",
        report.name(),
        published_qos(args),
        args.payload_size,
        args.server.version(),
        outcome.clients,
        args.threads
    )?;
    writeln!(
        page,
        "connected   {} of {} in {:.2} s",
        outcome.connected, outcome.clients, outcome.connect_seconds
    )?;
    if is_cycling {
        writeln!(
            page,
            "cycles      {} in {:.2} s: {:.0} a second",
            outcome.measured.cycles,
            outcome.seconds,
            report.rate()
        )?;
    } else {
        writeln!(
            page,
            "delivered   {} in {:.2} s: {:.0} a second, {} payload a second",
            outcome.measured.delivered,
            outcome.seconds,
            report.rate(),
            bytes(outcome.measured.delivered_bytes, outcome.seconds)
        )?;
        writeln!(
            page,
            "published   {} in the whole run, {} never acknowledged, {} refused",
            outcome.tally.published, outcome.unacknowledged, outcome.tally.refused
        )?;
        writeln!(
            page,
            "checked     {} lost, {} duplicates, {} reordered, {} misrouted, {} foreign, {} stalls",
            outcome.lost,
            outcome.tally.duplicates,
            outcome.tally.reordered,
            outcome.tally.misrouted,
            outcome.tally.foreign,
            outcome.tally.stalls
        )?;
    }
    for (title, histogram) in [
        ("latency    ", &outcome.histogram),
        ("acknowledged", &outcome.acknowledged),
    ] {
        if !histogram.is_empty() {
            write!(page, "{title}")?;
            for (name, quantile) in PERCENTILES {
                write!(
                    page,
                    " {name} {},",
                    time(histogram.value_at_quantile(quantile))
                )?;
            }
            writeln!(page, " max {}", time(histogram.max()))?;
        }
    }
    if let Some(own) = report.each_us(outcome.own_cpu_seconds) {
        write!(page, "CPU         {own:.2} us of this process")?;
        if let (Some(pid), Some(each)) = (args.watch, report.each_us(outcome.watched_cpu_seconds)) {
            write!(page, " and {each:.2} us of process {pid}")?;
        }
        writeln!(page, " for each {}", report.unit())?;
    }
    if let Some(memory) = outcome.memory {
        writeln!(
            page,
            "memory      {} KiB before, {} KiB when ready, {} KiB at the end",
            memory.before / 1024,
            memory.ready / 1024,
            memory.end / 1024
        )?;
    }
    if outcome.closed > 0 || outcome.failed > 0 {
        writeln!(
            page,
            "trouble     {} connections ended early, {} could not be made",
            outcome.closed, outcome.failed
        )?;
    }
    if let Some(error) = &outcome.first_error {
        writeln!(page, "first error {error}")?;
    }
    if outcome.is_interrupted {
        writeln!(page, "interrupted before the end")?;
    }
    Ok(())
}

/// Nanoseconds in the unit that reads best.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn time(nanos: u64) -> String {
    let nanos = nanos as f64;
    if nanos < 1e6 {
        format!("{:.1} us", nanos / 1e3)
    } else if nanos < 1e9 {
        format!("{:.2} ms", nanos / 1e6)
    } else {
        format!("{:.2} s", nanos / 1e9)
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn bytes(bytes: u64, seconds: f64) -> String {
    let rate = bytes as f64 / seconds.max(1e-9);
    if rate < 1e6 {
        format!("{:.1} kB", rate / 1e3)
    } else {
        format!("{:.1} MB", rate / 1e6)
    }
}
