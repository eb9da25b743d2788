//! The result for programs.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::{PERCENTILES, Report};
use crate::cmd::bench::run::published_qos;

/// The whole result, one object.
pub(crate) fn page(report: &Report<'_>) -> String {
    let mut text = format!("{:#}", value(report));
    text.push('\n');
    text
}

pub(crate) fn value(report: &Report<'_>) -> Value {
    let (args, outcome) = (report.args, &report.outcome);
    let samples: Vec<_> = outcome
        .samples
        .iter()
        .map(|sample| {
            json!({
                "seconds": sample.seconds,
                "delivered": sample.delivered,
                "published": sample.published,
                "cycles": sample.cycles,
                "watched_cpu_seconds": sample.watched_cpu_seconds,
                "watched_rss_bytes": sample.watched_rss_bytes,
            })
        })
        .collect();
    json!({
        "scenario": report.name(),
        "version": env!("CARGO_PKG_VERSION"),
        "parameters": {
            "mqtt_version": args.server.version().to_string(),
            "qos": published_qos(args) as u8,
            "payload_size": args.payload_size,
            "publishers": args.publishers.get(),
            "subscribers": args.subscribers.get(),
            "groups": args.groups.get(),
            "subscriptions": args.subscriptions.get(),
            "messages": args.messages.get(),
            "rounds": args.rounds.get(),
            "window": args.window.get(),
            "rate": args.rate.map(std::num::NonZeroU32::get),
            "threads": args.threads,
            "idle": args.idle,
            "idle_subscribe": args.idle_subscribe,
        },
        "clients": outcome.clients,
        "connected": outcome.connected,
        "failed": outcome.failed,
        "closed": outcome.closed,
        "connect_seconds": outcome.connect_seconds,
        "connect_cpu_seconds": outcome.connect_cpu_seconds,
        "seconds": outcome.seconds,
        "unit": report.unit(),
        "done": report.done(),
        "rate": report.rate(),
        "delivered_bytes": outcome.measured.delivered_bytes,
        "watched_us_each": report.each_us(outcome.watched_cpu_seconds),
        "own_us_each": report.each_us(outcome.own_cpu_seconds),
        "watched_cpu_seconds": outcome.watched_cpu_seconds,
        "own_cpu_seconds": outcome.own_cpu_seconds,
        "memory": outcome.memory.map(|memory| json!({
            "before": memory.before,
            "ready": memory.ready,
            "end": memory.end,
        })),
        "latency_ns": percentiles(&outcome.histogram),
        "acknowledged_ns": percentiles(&outcome.acknowledged),
        "published_in_all": outcome.tally.published,
        "delivered_in_all": outcome.tally.delivered,
        "lost": outcome.lost,
        "duplicates": outcome.tally.duplicates,
        "reordered": outcome.tally.reordered,
        "misrouted": outcome.tally.misrouted,
        "foreign": outcome.tally.foreign,
        "refused": outcome.tally.refused,
        "stalls": outcome.tally.stalls,
        "unacknowledged": outcome.unacknowledged,
        "first_error": outcome.first_error,
        "is_interrupted": outcome.is_interrupted,
        "samples": samples,
    })
}

/// Nothing of an empty one.
fn percentiles(histogram: &Histogram<u64>) -> Value {
    let mut told = Map::new();
    if !histogram.is_empty() {
        told.insert("count".to_owned(), histogram.len().into());
        told.insert("mean".to_owned(), histogram.mean().into());
        for (name, quantile) in PERCENTILES {
            told.insert(
                name.to_owned(),
                histogram.value_at_quantile(quantile).into(),
            );
        }
        told.insert("max".to_owned(), histogram.max().into());
    }
    told.into()
}
