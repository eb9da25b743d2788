//! Runs seeds of the simulator, or one of them again.
#![expect(clippy::print_stdout, reason = "it is a program that prints")]

use std::io::{self, Write as _};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use dunlin_sim::generate;
use dunlin_sim::judge::{judge, shrink};
use dunlin_sim::sabotage::Plant;
use dunlin_sim::schedule::Schedule;

/// Seeds within which a planted fault has to be found.
const PLANT_SEEDS: u64 = 2_000;

/// Runs the whole broker in virtual time and judges what can be seen from outside. See
/// docs/simulation.md.
#[derive(Parser)]
#[command(name = "dunlin-sim")]
struct Arguments {
    /// The seeds to run, from the first to before the last, as in 0..20000
    #[arg(long, value_name = "FIRST..END", value_parser = range, conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    /// One seed, of which everything is printed
    #[arg(long)]
    seed: Option<u64>,
    /// The steps of its schedule that are kept, as in 0,3,7-12; all if not given
    #[arg(long, value_name = "STEPS", requires = "seed")]
    keep: Option<String>,
    /// A fault that is put into the broker
    #[arg(long, value_name = "NAME", value_parser = plant)]
    plant: Option<Plant>,
    /// See how soon each fault that can be put into the broker is found
    #[arg(long, conflicts_with_all = ["seed", "seeds", "plant"])]
    plants: bool,
    /// Threads, each with a world of its own
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Failing seeds after which no more are begun
    #[arg(long, default_value_t = 3)]
    failures: usize,
}

fn range(text: &str) -> Result<Range<u64>> {
    let (first, end) = text.split_once("..").context("write FIRST..END")?;
    Ok(first.parse()?..end.parse()?)
}

fn plant(name: &str) -> Result<Plant> {
    let mut all = Plant::ALL.iter().copied();
    all.find(|plant| plant.name() == name).with_context(|| {
        let names: Vec<_> = Plant::ALL.iter().map(|plant| plant.name()).collect();
        format!("there is {}", names.join(", "))
    })
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let all_is_well = if arguments.plants {
        find_plants()
    } else if let Some(seed) = arguments.seed {
        match replay(&arguments, seed) {
            // The reader is gone, as with `dunlin-sim … | head`.
            Err(error) if is_broken_pipe(&error) => true,
            told => told?,
        }
    } else if let Some(seeds) = arguments.seeds.clone() {
        run_all(&arguments, seeds)
    } else {
        bail!("give --seeds FIRST..END, --seed N or --plants; --help says more");
    };
    Ok(if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Runs seeds, on several threads; true if nothing was wrong.
fn run_all(arguments: &Arguments, seeds: Range<u64>) -> bool {
    let started = Instant::now();
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicUsize::new(0));
    let printing = Mutex::new(());
    let work = || {
        while failed.load(Ordering::Relaxed) < arguments.failures {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let schedule = generate::schedule(seed);
            if judge(&schedule, arguments.plant).violations.is_empty() {
                continue;
            }
            failed.fetch_add(1, Ordering::Relaxed);
            let short = shrink(&schedule, arguments.plant);
            let _one_after_the_other = printing.lock();
            report(&short, arguments.plant);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(work);
        }
    });
    let done = next.load(Ordering::Relaxed).min(seeds.end) - seeds.start;
    let failed = failed.load(Ordering::Relaxed);
    let seconds = started.elapsed().as_secs_f64();
    println!("{done} seeds in {seconds:.1} s, {failed} of them with something that must not be");
    failed == 0
}

/// Says what is wrong with a schedule, and how to see it again.
fn report(schedule: &Schedule, plant: Option<Plant>) {
    let verdict = judge(schedule, plant);
    println!("seed {}", schedule.seed);
    for step in &schedule.steps {
        println!("    {step}");
    }
    for violation in verdict.violations.iter().take(3) {
        println!("  {violation}");
    }
    let plant = plant.map_or_else(String::new, |plant| format!(" --plant {}", plant.name()));
    let (seed, kept) = (schedule.seed, kept(schedule));
    println!("  again: cargo run -p dunlin-sim --release -- --seed {seed} --keep {kept}{plant}\n");
}

/// The steps of a schedule, as `--keep` takes them.
fn kept(schedule: &Schedule) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for step in &schedule.steps {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == step.number => *last = step.number,
            _ => runs.push((step.number, step.number)),
        }
    }
    let texts: Vec<_> = runs
        .into_iter()
        .map(|(first, last)| match first == last {
            true => format!("{first}"),
            false => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

/// Whether a step is among those to be kept.
fn is_kept(keep: &str, number: usize) -> Result<bool> {
    for part in keep.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let wrong = || format!("{part} is no step, nor a range of them such as 3-7");
        let first: usize = first.parse().with_context(wrong)?;
        let last: usize = last.parse().with_context(wrong)?;
        if (first..=last).contains(&number) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs one seed and prints everything; true if nothing was wrong.
fn replay(arguments: &Arguments, seed: u64) -> Result<bool> {
    let mut schedule = generate::schedule(seed);
    if let Some(keep) = &arguments.keep {
        let mut steps = Vec::new();
        for step in schedule.steps {
            if is_kept(keep, step.number)? {
                steps.push(step);
            }
        }
        schedule.steps = steps;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{:#?}", schedule.setup)?;
    for step in &schedule.steps {
        writeln!(out, "{step}")?;
    }
    let verdict = judge(&schedule, arguments.plant);
    for (place, entry) in verdict.trace.entries.iter().enumerate() {
        if !entry.event.is_ping() {
            writeln!(out, "{place:>5}  {entry}")?;
        }
    }
    for violation in &verdict.violations {
        writeln!(out, "at {}: {violation}", violation.place)?;
    }
    Ok(verdict.violations.is_empty())
}

/// Looks for each fault that can be put into the broker; true if all are found soon enough.
fn find_plants() -> bool {
    let mut are_found = true;
    for &plant in Plant::ALL {
        let found = (0..PLANT_SEEDS).find_map(|seed| {
            let verdict = judge(&generate::schedule(seed), Some(plant));
            Some((seed, verdict.violations.into_iter().next()?))
        });
        match found {
            Some((seed, violation)) => {
                println!("{:<28} seed {seed}: {violation}", plant.name());
            }
            None => {
                println!("{:<28} not found within {PLANT_SEEDS} seeds", plant.name());
                are_found = false;
            }
        }
    }
    are_found
}
