//! From a schedule to what is wrong with it, and from there to a short schedule with the same fault.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::audit::{Violation, audit};
use crate::sabotage::Plant;
use crate::schedule::{Schedule, Step};
use crate::trace::Trace;
use crate::world;

/// What came of a schedule.
#[derive(Debug)]
pub struct Verdict {
    /// What could be seen; nothing if the broker panicked.
    pub trace: Trace,
    /// What was wrong, in the order in which it can be seen.
    pub violations: Vec<Violation>,
}

/// Runs a schedule and judges it.
pub fn judge(schedule: &Schedule, plant: Option<Plant>) -> Verdict {
    let run = catch_unwind(AssertUnwindSafe(|| world::run(schedule, plant)));
    match run {
        Ok(trace) => Verdict {
            violations: audit(schedule, &trace),
            trace,
        },
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let violation = Violation {
                rule: "nothing that clients do makes the broker panic",
                place: 0,
                text: text.unwrap_or_default().to_owned(),
            };
            Verdict {
                trace: Trace::default(),
                violations: vec![violation],
            }
        }
    }
}

/// The rule that a schedule breaks first.
fn broken_rule(schedule: &Schedule, plant: Option<Plant>) -> Option<&'static str> {
    let violations = judge(schedule, plant).violations;
    violations.first().map(|violation| violation.rule)
}

/// A schedule that breaks the same rule and from which no step can be left out, nor several in a row.
/// One that breaks none is given back as it is.
pub fn shrink(schedule: &Schedule, plant: Option<Plant>) -> Schedule {
    let mut short = schedule.clone();
    let Some(rule) = broken_rule(schedule, plant) else {
        return short;
    };
    let mut length = short.steps.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let before = short.steps.len();
        while from < short.steps.len() {
            let to = (from + length).min(short.steps.len());
            let steps = &short.steps;
            let rest: Vec<Step> = steps[..from].iter().chain(&steps[to..]).cloned().collect();
            let candidate = Schedule {
                steps: rest,
                ..short.clone()
            };
            if broken_rule(&candidate, plant) == Some(rule) {
                short = candidate;
            } else {
                from = to;
            }
        }
        if length > 1 {
            length = length.div_ceil(2);
        } else if short.steps.len() == before {
            return short;
        }
    }
}
