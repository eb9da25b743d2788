//! Every flag of MQTTX CLI 1.13: accepted, and its effect seen.
//!
//! `flags.tsv` has the flags: command, short form, long form, argument. For each there is a case in
//! `cases.rs`: the words to give, and what must then be seen by a broker or in the output, and must
//! not be seen without the flag. Between the command and the broker stands a spy that writes down
//! each packet. `docs/mqttx-compatibility.md` is made from the same table; `UPDATE=1` writes it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as expected fails the test"
)]

#[path = "../broker/mod.rs"]
mod broker;
mod cases;
mod page;
mod run;
mod spy;
#[path = "../suite/mod.rs"]
mod suite;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker::Broker;
use cases::Case;
use run::Bench;

/// Commands that run at a time.
const PARALLEL: usize = 4;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flag {
    command: &'static str,
    short: Option<&'static str>,
    long: &'static str,
    argument: Option<&'static str>,
}

/// The table.
fn flags() -> Vec<Flag> {
    let lines = include_str!("flags.tsv").lines().skip(1);
    let given = |field: &'static str| (field != "-").then_some(field);
    lines
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            Flag {
                command: fields[0],
                short: given(fields[1]),
                long: fields[2],
                argument: given(fields[3].trim_start_matches(", --receive-maximum ")),
            }
        })
        .collect()
}

#[test]
fn the_table_is_whole() {
    let flags = flags();
    assert_eq!(flags.len(), 365);
    let mut counts = BTreeMap::new();
    for flag in &flags {
        *counts.entry(flag.command).or_insert(0) += 1;
        assert!(flag.long.starts_with("--"), "{flag:?}");
    }
    assert_eq!(counts.len(), 8);
    assert_eq!(counts["ls"], 1);
}

/// Tries every flag, in its long and its short form by turns, against a broker.
fn every_flag_has_its_effect(port: u16, name: &str) {
    let bench = Bench::new(port);
    let flags = flags();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(flag) = flags.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = Case::of(flag);
                    for form in [Some(flag.long), flag.short].into_iter().flatten() {
                        if let Err(text) = bench.try_case(flag, form, &case) {
                            let told = format!("{} {form}: {text}", flag.command);
                            wrong.lock().unwrap().push(told);
                        }
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{name}: {} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_flag_has_its_effect_on_dunlin() {
    let broker = Broker::start(&[]);
    every_flag_has_its_effect(broker.port(), "Dunlin");
}

#[test]
fn every_flag_has_its_effect_on_mosquitto() {
    if !suite::is_wanted() {
        return;
    }
    let Some(broker) = run::Mosquitto::start() else {
        println!("skipped: mosquitto is not installed");
        return;
    };
    every_flag_has_its_effect(broker.port(), "mosquitto");
}

#[test]
fn without_the_flags_nothing_of_it_is_seen() {
    let broker = Broker::start(&[]);
    let bench = Bench::new(broker.port());
    let mut seen = BTreeMap::new();
    for flag in flags() {
        let case = Case::of(&flag);
        let Some(control) = case.control(&flag) else {
            continue;
        };
        let evidence = seen
            .entry((flag.command, control.clone(), case.port))
            .or_insert_with(|| bench.control(&flag, &control, &case));
        assert!(
            !evidence.contains(&case.evidence),
            "{} {}: {:?} is seen without it in\n{evidence}",
            flag.command,
            flag.long,
            case.evidence
        );
    }
}

#[test]
fn the_page_is_fresh() {
    page::check(&flags());
}
