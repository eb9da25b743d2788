//! `dunlin bench run`.

use std::fs;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dunlin_client::ClientOptions;
use dunlin_codec::QoS;

use super::engine::connect::resolve;
use super::engine::crew::{self, Memory, Outcome, Timing};
use super::engine::plan::Plan;
use super::engine::process;
use super::flags::run::{RunArgs, Scenario};
use super::progress::Bar;
use super::report::{Report, html, json, text};
use super::scenario::{Planner, run_number};
use super::{EXIT_GOAL_MISSED, EXIT_OK};

/// How long a broker's memory may settle before it is read.
const SETTLE: Duration = Duration::from_millis(500);
/// How long the steps that prepare and clean up may take.
const STEP_MAX: Duration = Duration::from_secs(120);

/// Runs one scenario, and tells what came out.
///
/// # Errors
/// If the broker cannot be reached, refuses, or a file cannot be written.
pub(crate) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<u8> {
    let mut client = args.options()?;
    client.endpoint = resolve(client.endpoint)?;
    let outcome = match args.scenario {
        Scenario::Retained => retained(args, &client)?,
        Scenario::Resume => resume(args, &client)?,
        _ => {
            let plan = Planner::new(args, client, run_number()).plan()?;
            let timing = Timing {
                warmup: args.warmup,
                duration: Some(args.duration),
                drain_max: args.drain,
                begins_at_once: false,
            };
            go(args, plan, timing)?
        }
    };
    let report = Report { args, outcome };
    out.write_all(text::page(&report).as_bytes())?;
    if let Some(path) = &args.json {
        fs::write(path, json::page(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &args.html {
        fs::write(path, html::page(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut exit = EXIT_OK;
    for goal in &args.expect {
        let verdict = if goal.is_met(&report.outcome) {
            "met"
        } else {
            exit = EXIT_GOAL_MISSED;
            "MISSED"
        };
        writeln!(out, "goal        {goal}: {verdict}")?;
    }
    Ok(exit)
}

fn go(args: &RunArgs, plan: Plan, timing: Timing) -> Result<Outcome> {
    let mut bar = Bar::new(timing.duration);
    crew::run(plan, timing, args.watch, &mut |progress| bar.show(progress))
}

/// Runs until all is published or delivered.
fn step(args: &RunArgs, plan: Plan) -> Result<Outcome> {
    let is_reading = plan.deliveries.is_some();
    let timing = Timing {
        warmup: Duration::ZERO,
        duration: Some(STEP_MAX),
        drain_max: if is_reading {
            Duration::ZERO
        } else {
            args.drain
        },
        begins_at_once: true,
    };
    go(args, plan, timing)
}

fn watched(args: &RunArgs) -> process::Usage {
    std::thread::sleep(SETTLE);
    let usage = args.watch.and_then(|pid| process::usage(Some(pid)));
    usage.unwrap_or_default()
}

/// Sets the messages, reads them several times, clears them. The rounds are what is measured.
fn retained(args: &RunArgs, client: &ClientOptions) -> Result<Outcome> {
    let planner = || Planner::new(args, client.clone(), run_number());
    let before = watched(args);
    let mut setting = step(args, planner().retained(false)?)?;
    let ready = watched(args);
    let mut outcome = step(args, planner().reader()?)?;
    for _ in 1..args.rounds.get() {
        let round = step(args, planner().reader()?)?;
        outcome.seconds += round.seconds;
        outcome.measured.delivered += round.measured.delivered;
        outcome.measured.delivered_bytes += round.measured.delivered_bytes;
        outcome.own_cpu_seconds = sum(outcome.own_cpu_seconds, round.own_cpu_seconds);
        outcome.tally = outcome.tally.plus(&round.tally);
    }
    let end = watched(args);
    let expected = u64::from(args.messages.get()) * u64::from(args.rounds.get());
    outcome.lost = expected.saturating_sub(outcome.measured.delivered);
    outcome.tally.published = setting.tally.published;
    outcome.connect_seconds = setting.seconds;
    outcome.first_error = setting.first_error.take().or(outcome.first_error);
    account(&mut outcome, args, [before, ready, end]);
    step(args, planner().retained(true)?)?;
    Ok(outcome)
}

/// Makes sessions that are away, queues for them, and lets them come back.
fn resume(args: &RunArgs, client: &ClientOptions) -> Result<Outcome> {
    // What is queued is counted by its stamps when it is read, so all steps are one run.
    let run = run_number();
    let planner = |clean_start: bool, expiry: u32| {
        let mut client = client.clone();
        let connect = &mut client.connect;
        connect.clean_start = clean_start;
        connect.settings.session_expiry_interval = connect.version.is_v5().then_some(expiry);
        Planner::new(args, client, run)
    };
    let brief = Timing {
        warmup: Duration::ZERO,
        duration: Some(Duration::ZERO),
        drain_max: Duration::ZERO,
        begins_at_once: false,
    };
    go(args, planner(false, 3600).sessions(true)?, brief)?;
    let before = watched(args);
    let queueing = step(args, planner(true, 0).queue()?)?;
    let ready = watched(args);
    let expected = u64::from(args.messages.get()) * u64::from(args.subscribers.get());
    let mut plan = planner(false, 3600).sessions(false)?;
    plan.deliveries = Some(expected);
    let mut outcome = step(args, plan)?;
    let end = watched(args);
    outcome.lost = expected.saturating_sub(outcome.measured.delivered);
    outcome.tally.published = queueing.tally.published;
    outcome.connect_seconds = queueing.seconds;
    account(&mut outcome, args, [before, ready, end]);
    go(args, planner(true, 0).sessions(false)?, brief)?;
    Ok(outcome)
}

fn account(outcome: &mut Outcome, args: &RunArgs, [before, ready, end]: [process::Usage; 3]) {
    if args.watch.is_none() {
        return;
    }
    outcome.watched_cpu_seconds = Some(end.cpu_seconds - ready.cpu_seconds);
    outcome.connect_cpu_seconds = Some(ready.cpu_seconds - before.cpu_seconds);
    outcome.memory = Some(Memory {
        before: before.rss_bytes,
        ready: ready.rss_bytes,
        end: end.rss_bytes,
    });
}

fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? + other?)
}

/// The QoS that messages are published with, which a scenario may fix.
pub(crate) const fn published_qos(args: &RunArgs) -> QoS {
    match args.scenario {
        Scenario::Retained => QoS::AtLeastOnce,
        _ => args.qos,
    }
}
