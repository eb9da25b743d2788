//! Goals that a run is held to: `p99<5ms`, `rate>100000`, `lost=0`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::engine::crew::Outcome;
use super::flags::units::duration;

/// What can be asked of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// A percentile of the latency, in seconds; 100 is the largest.
    Latency(f64),
    /// Deliveries a second.
    Rate,
    Lost,
    Duplicates,
    Reordered,
    /// CPU time of the watched process for each delivery, in seconds.
    Cpu,
}

/// A measure, a relation and a bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    text: String,
    measure: Measure,
    /// `<`, `=` or `>`; with `or_equal`, `<=` and `>=`.
    relation: Ordering,
    or_equal: bool,
    bound: f64,
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "{text:?} is no goal such as p99<5ms, max<1s, rate>100000, lost=0, duplicates=0, \
                 reordered=0 or cpu<2us"
            )
        };
        let at = text.find(['<', '>', '=']).ok_or_else(refused)?;
        let (name, rest) = text.split_at(at);
        let (relation, or_equal, bound) = if let Some(bound) = rest.strip_prefix("<=") {
            (Ordering::Less, true, bound)
        } else if let Some(bound) = rest.strip_prefix(">=") {
            (Ordering::Greater, true, bound)
        } else if let Some(bound) = rest.strip_prefix('<') {
            (Ordering::Less, false, bound)
        } else if let Some(bound) = rest.strip_prefix('>') {
            (Ordering::Greater, false, bound)
        } else {
            (Ordering::Equal, true, rest.trim_start_matches('='))
        };
        let measure = match name.trim() {
            "max" => Measure::Latency(100.0),
            "rate" => Measure::Rate,
            "lost" => Measure::Lost,
            "duplicates" => Measure::Duplicates,
            "reordered" => Measure::Reordered,
            "cpu" => Measure::Cpu,
            name => {
                let percentile = name.strip_prefix('p').and_then(|text| text.parse().ok());
                let percentile = percentile.filter(|p| (0.0..=100.0).contains(p));
                Measure::Latency(percentile.ok_or_else(refused)?)
            }
        };
        let bound = match measure {
            Measure::Latency(_) | Measure::Cpu => {
                if !bound.ends_with(char::is_alphabetic) {
                    return Err(format!("{text:?}: a time needs its unit, such as 5ms"));
                }
                duration(bound)?.as_secs_f64()
            }
            _ => bound.trim().parse().map_err(|_| refused())?,
        };
        Ok(Self {
            text: text.to_owned(),
            measure,
            relation,
            or_equal,
            bound,
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Goal {
    /// Whether the run reached it. What was not measured is not reached.
    pub(crate) fn is_met(&self, outcome: &Outcome) -> bool {
        self.actual(outcome).is_some_and(|actual| {
            let order = actual.partial_cmp(&self.bound);
            order == Some(self.relation) || self.or_equal && order == Some(Ordering::Equal)
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn actual(&self, outcome: &Outcome) -> Option<f64> {
        let delivered = outcome.measured.delivered as f64;
        match self.measure {
            Measure::Latency(_) if outcome.histogram.is_empty() => None,
            Measure::Latency(percentile) => {
                Some(outcome.histogram.value_at_quantile(percentile / 100.0) as f64 / 1e9)
            }
            Measure::Rate => Some(delivered / outcome.seconds),
            Measure::Lost => Some(outcome.lost as f64),
            Measure::Duplicates => Some(outcome.tally.duplicates as f64),
            Measure::Reordered => Some(outcome.tally.reordered as f64),
            Measure::Cpu => outcome
                .watched_cpu_seconds
                .filter(|_| delivered > 0.0)
                .map(|seconds| seconds / delivered),
        }
    }
}

#[cfg(test)]
mod tests;
