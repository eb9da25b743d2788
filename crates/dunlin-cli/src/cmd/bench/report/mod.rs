//! What came out of a run, told in three forms.

pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod text;

use super::engine::crew::Outcome;
use super::flags::run::{RunArgs, Scenario};

/// A run and its result.
pub(crate) struct Report<'a> {
    pub(crate) args: &'a RunArgs,
    pub(crate) outcome: Outcome,
}

/// The percentiles that are told.
pub(crate) const PERCENTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
impl Report<'_> {
    /// What the run counts: deliveries, or cycles.
    pub(crate) const fn done(&self) -> u64 {
        match self.args.scenario {
            Scenario::Connect | Scenario::Takeover => self.outcome.measured.cycles,
            _ => self.outcome.measured.delivered,
        }
    }

    /// The word for one of them.
    pub(crate) const fn unit(&self) -> &'static str {
        match self.args.scenario {
            Scenario::Connect | Scenario::Takeover => "cycle",
            _ => "delivery",
        }
    }

    /// How many a second.
    pub(crate) fn rate(&self) -> f64 {
        if self.outcome.seconds > 0.0 {
            self.done() as f64 / self.outcome.seconds
        } else {
            0.0
        }
    }

    /// Microseconds of CPU for each.
    pub(crate) fn each_us(&self, cpu_seconds: Option<f64>) -> Option<f64> {
        let done = self.done();
        cpu_seconds
            .filter(|_| done > 0)
            .map(|seconds| seconds * 1e6 / done as f64)
    }

    /// The scenario's name as it is typed.
    pub(crate) fn name(&self) -> String {
        use clap::ValueEnum as _;
        let value = self.args.scenario.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
