//! The auditor: it knows the standard, and of the broker only what can be seen from outside.

mod copies;
mod delivery;
mod facts;
mod line;
mod loss;
mod model;
mod retained;
mod shared;
mod subscription;
mod wills;

use std::fmt;

use crate::schedule::Schedule;
use crate::trace::Trace;
use model::{Model, Place};

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule that was broken.
    pub rule: &'static str,
    /// Where in the trace that can be seen.
    pub place: usize,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not kept: {}", self.rule)?;
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        Ok(())
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, place: Place, rule: &'static str, text: String) {
        self.0.push(Violation { rule, place, text });
    }
}

/// Everything that was not as it must be, in the order in which it can be seen.
pub fn audit(schedule: &Schedule, trace: &Trace) -> Vec<Violation> {
    let mut findings = Findings::default();
    let model = Model::new(schedule, trace);
    line::check(&model, &mut findings);
    let copies = copies::all(&model, &mut findings);
    delivery::check(&model, &copies, &mut findings);
    loss::check(&model, &copies, &mut findings);
    retained::check(&model, &copies, &mut findings);
    shared::check(&model, &copies, &mut findings);
    wills::check(&model, &copies, &mut findings);
    let end = trace.entries.len();
    for unanswered in &trace.unanswered {
        findings.add(end, "every request is answered", unanswered.clone());
    }
    findings.0.sort_by_key(|violation| violation.place);
    findings.0
}
