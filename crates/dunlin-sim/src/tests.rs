//! What is run with each change: many seeds, and whether the auditor sees what is wrong.

use std::collections::BTreeSet;

use crate::generate;
use crate::judge::{judge, shrink};
use crate::sabotage::Plant;

/// Seeds of one run of the tests; `DUNLIN_SIM_SEEDS` asks for another number.
const SEEDS: u64 = 20_000;

/// Seeds within which a planted fault has to be found.
const PLANT_SEEDS: u64 = 2_000;

/// Runs this for each seed, half of them on another thread.
fn for_seeds(count: u64, run: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        let odd = scope.spawn(|| (0..count).filter(|seed| seed % 2 == 1).for_each(&run));
        (0..count).filter(|seed| seed % 2 == 0).for_each(&run);
        if let Err(panic) = odd.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn no_schedule_breaks_a_rule() {
    let asked = std::env::var("DUNLIN_SIM_SEEDS");
    let count = asked
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(SEEDS);
    for_seeds(count, |seed| {
        let verdict = judge(&generate::schedule(seed), None);
        if let Some(violation) = verdict.violations.first() {
            panic!("seed {seed}: {violation}");
        }
    });
}

/// A judge who finds nothing shows nothing: it has to find what is wrong on purpose.
#[test]
fn each_planted_fault_is_found() {
    for &plant in Plant::ALL {
        let is_found = (0..PLANT_SEEDS).any(|seed| {
            let verdict = judge(&generate::schedule(seed), Some(plant));
            !verdict.violations.is_empty()
        });
        assert!(is_found, "{} is not found", plant.name());
    }
}

#[test]
fn a_seed_gives_the_same_trace_each_time() {
    for seed in 0..20 {
        let lines = || {
            let trace = judge(&generate::schedule(seed), None).trace;
            let entries = trace.entries.iter();
            entries.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(lines(), lines());
    }
}

#[test]
fn what_is_shrunk_breaks_the_same_rule_with_steps_of_the_same_schedule() {
    let plant = Some(Plant::RetainedAsLive);
    let schedule = (0..PLANT_SEEDS)
        .map(generate::schedule)
        .find(|schedule| !judge(schedule, plant).violations.is_empty())
        .expect("it is found");
    let short = shrink(&schedule, plant);
    let rule = |schedule| {
        judge(schedule, plant)
            .violations
            .first()
            .map(|first| first.rule)
    };
    assert_eq!(rule(&short), rule(&schedule));
    let numbers = |schedule: &crate::schedule::Schedule| {
        let steps = schedule.steps.iter();
        steps.map(|step| step.number).collect::<BTreeSet<_>>()
    };
    assert!(numbers(&short).is_subset(&numbers(&schedule)));
    assert!(short.steps.len() < schedule.steps.len());
}
