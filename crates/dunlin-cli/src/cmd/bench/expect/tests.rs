//! Goals as they are typed, and what meets them.

use super::Goal;
use crate::cmd::bench::engine::crew::Outcome;

fn goal(text: &str) -> Goal {
    text.parse().unwrap()
}

/// 1000 deliveries in 2 s, with latencies of 1 ms to 1 s, and one message lost.
fn outcome() -> Outcome {
    let mut outcome = Outcome::empty();
    outcome.seconds = 2.0;
    outcome.measured.delivered = 1000;
    outcome.lost = 1;
    outcome.watched_cpu_seconds = Some(0.002);
    for millis in 1..=1000 {
        outcome.histogram.record(millis * 1_000_000).unwrap();
    }
    outcome
}

#[test]
fn each_measure_is_met_or_missed_at_its_bound() {
    let outcome = outcome();
    for (text, is_met) in [
        ("p50<501ms", true),
        ("p50<500ms", false),
        ("p99<1s", true),
        ("p99.9<0.9s", false),
        ("max<900ms", false),
        ("max<=1100ms", true),
        ("rate>499", true),
        ("rate>500", false),
        ("rate>=500", true),
        ("lost=0", false),
        ("lost=1", true),
        ("lost<2", true),
        ("duplicates=0", true),
        ("reordered==0", true),
        ("cpu<2.1us", true),
        ("cpu<1.9us", false),
    ] {
        assert_eq!(goal(text).is_met(&outcome), is_met, "{text}");
    }
}

#[test]
fn what_was_not_measured_is_not_met() {
    let outcome = Outcome::empty();
    for text in ["p99<1h", "cpu<1h", "rate>0"] {
        assert!(!goal(text).is_met(&outcome), "{text}");
    }
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "p99",
        "p99<5",
        "p101<5ms",
        "speed>1",
        "rate>fast",
        "p<5ms",
        "lost",
    ] {
        assert!(text.parse::<Goal>().is_err(), "{text}");
    }
}
