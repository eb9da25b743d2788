//! The broker is killed at any moment, over and over, under load; then what was acknowledged is compared
//! with what arrived.
//!
//! `planted.sh` beside this shows that mistakes planted into the broker are caught.
//!
//! `DUNLIN_KILL_CYCLES` says how often, `DUNLIN_KILL_SEED` repeats the moments of a run, and
//! `DUNLIN_KILL_PROGRAM` is another program than the one built here.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what is not as expected fails the test"
)]

#[path = "../broker/mod.rs"]
mod broker;
mod clients;
mod ledger;
mod wire;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::Broker;
use clients::{Flow, Manner, Phase, World, arm, publish, read_retained, subscribe};

const FLOWS: [Flow; 5] = [
    flow("p1", &["q1/a"], 1, 1000),
    flow("p2", &["q1/b", "q1/c"], 1, 1000),
    flow("p3", &["q2/a"], 2, 300),
    Flow {
        takes_over: true,
        ..flow("p4", &["q2/b", "q2/c"], 2, 200)
    },
    Flow {
        retain: true,
        ..flow("p5", &["r/a", "r/b", "r/c", "r/d"], 1, 100)
    },
];

const SUBSCRIBERS: [(&str, Manner); 4] = [
    ("stays", Manner::Stays),
    ("away", Manner::ComesAndGoes),
    ("taken", Manner::TakesOver),
    ("seldom", Manner::ComesAndGoes),
];

/// How long everything that is left may take to arrive once nothing new is published.
const SETTLE: Duration = Duration::from_secs(120);

const fn flow(
    client_id: &'static str,
    topics: &'static [&'static str],
    qos: u8,
    rate: u32,
) -> Flow {
    Flow {
        client_id,
        topics,
        qos,
        retain: false,
        rate,
        takes_over: false,
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    let cycles = from_environment("DUNLIN_KILL_CYCLES").unwrap_or(25);
    let complaint = run(cycles, &[]);
    assert!(complaint.is_none(), "{}", complaint.unwrap());
}

/// With acknowledgements that promise nothing of the disk the same kills lose messages, and the checker
/// says so.
#[test]
fn the_checker_sees_what_is_lost() {
    let complaint = run(25, &["--set", "store.durability=memory"]);
    assert!(complaint.is_some());
}

/// Kills the broker so many times, or until something is wrong; gives what is wrong then.
fn run(cycles: u64, more: &[&str]) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = from_environment("DUNLIN_KILL_SEED").unwrap_or_else(|| now.subsec_nanos().into());
    println!("DUNLIN_KILL_SEED={seed}");
    let directory = tempfile::tempdir().unwrap();
    let world = World::new();
    let names = SUBSCRIBERS.map(|(name, _)| name);
    thread::scope(|scope| {
        let _end = EndOnDrop(&world);
        let mut broker = start(directory.path(), more);
        world.started(broker.port());
        // Whoever subscribes later does not get everything.
        for (name, manner) in SUBSCRIBERS {
            let world = &world;
            scope.spawn(move || subscribe(world, name, manner));
        }
        world.wait_until_subscribed(names.len());
        for flow in &FLOWS {
            let world = &world;
            scope.spawn(move || publish(world, flow));
        }
        let mut moments = Moments(seed);
        for cycle in 0..cycles {
            // The broker is there, so what it refuses here is a mistake.
            let armed = arm(&world, &format!("w/{cycle}")).unwrap();
            moments.sleep_until_next();
            broker.kill();
            let before = world.with(|ledger| ledger.retained());
            drop(armed);
            broker = start(directory.path(), more);
            world.started(broker.port());
            let is_right =
                |there: &_| world.with(|ledger| ledger.wrongly_retained(&before, there).is_empty());
            let there = read_retained(&world, is_right).unwrap();
            let is_wrong = world.with(|ledger| {
                let wrong = ledger.wrongly_retained(&before, &there);
                wrong.into_iter().for_each(|what| ledger.violate(what));
                ledger.has_violations()
            });
            if is_wrong {
                println!("after {} kills", cycle + 1);
                return;
            }
        }
        world.set_phase(Phase::Settle);
        world.wait_for_publishers(FLOWS.len(), SETTLE);
        poll_until_complete(&world, &names);
        world.with(|ledger| {
            for what in ledger.missing(&names) {
                ledger.violate(what);
            }
            println!("{cycles} kills: {}", ledger.summary());
        });
    });
    world.with(|ledger| ledger.complaint())
}

/// Until everything has arrived, or for too long.
fn poll_until_complete(world: &World, names: &[&'static str]) {
    let until = Instant::now() + SETTLE;
    while !world.with(|ledger| ledger.missing(names).is_empty()) && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
}

fn start(directory: &Path, more: &[&str]) -> Broker {
    let directory = directory.to_str().unwrap();
    let mut args = vec![
        "--data-dir",
        directory,
        "--set",
        "session.queue_messages_max=10000000",
        "--set",
        "session.queue_bytes_max=4000000000",
        // So short that it is written anew all the time.
        "--set",
        "store.rewrite_bytes_min=4194304",
        "--set",
        "session.queues_memory_bytes_max=100000",
        "--set",
        "will.grace_period_s=1",
    ];
    args.extend(more);
    Broker::start_kept(&args)
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Lets the clients end whatever happens.
struct EndOnDrop<'a>(&'a World);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set_phase(Phase::Over);
    }
}

/// Random moments to kill at.
struct Moments(u64);

impl Moments {
    /// Some time up to a second and a half, often a short one. The moment is what is tried here, and
    /// nothing is waited for.
    fn sleep_until_next(&mut self) {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let most = if mixed & 1 == 0 { 300 } else { 1500 };
        thread::sleep(Duration::from_micros((mixed >> 1) % (most * 1000)));
    }
}
