//! Power cuts and failing disks, at every moment.

use std::sync::Arc;

use dunlin_core::storage::Durability;

use super::workload::{Dice, Workload};
use super::{append, open, settings};
use crate::disk::{Call, Fault, SimulatedDisk};
use crate::{OpenError, Store};

/// Seeds of power cuts; more with `DUNLIN_STORE_SEEDS`.
const SEEDS: u64 = 100;

fn seeds() -> u64 {
    let more = std::env::var("DUNLIN_STORE_SEEDS").ok();
    more.map_or(SEEDS, |more| {
        more.parse().expect("DUNLIN_STORE_SEEDS is a number")
    })
}

fn fails(call: Call, after: u64, is_out_of_room: bool) -> Option<Fault> {
    Some(Fault {
        call,
        after,
        is_out_of_room,
    })
}

#[test]
fn a_power_cut_between_two_commits_loses_nothing_that_was_promised() {
    for seed in 0..seeds() {
        let mut workload = Workload::new(seed);
        workload.steps(Dice(!seed).below(400));
        workload.check(&workload.disk.after_power_cut(seed), true);
        workload.check(&workload.disk.after_kill(), false);
    }
}

#[test]
fn a_store_is_the_map_that_it_was_however_often_it_stops() {
    for seed in 0..seeds() {
        let mut workload = Workload::new(seed);
        for stop in 0..8 {
            workload.steps(Dice(seed + stop).below(60));
            workload.restart();
        }
    }
}

/// Who starts acts on what it reads, even if the process before it did not live to sync it.
#[test]
fn what_a_start_read_is_there_after_a_power_cut() {
    // With one of these sizes the append fills its segment to the last byte.
    for payload_bytes in 3_800..4_096 {
        let disk = SimulatedDisk::new(1);
        let mut first = open(&disk);
        append(&first.store, 1, payload_bytes, Durability::Os).unwrap();
        first.stepper.commit();

        let disk = disk.after_kill();
        let second = open(&disk);
        assert_eq!(second.sequences, [1], "{payload_bytes} bytes");

        for seed in 0..4 {
            let third = open(&disk.after_power_cut(seed));
            assert_eq!(third.sequences, [1], "{payload_bytes} bytes, seed {seed}");
        }
    }
}

/// What the first stop tore was known to the start between the two, whatever the second leaves of that.
#[test]
fn what_two_stops_tore_is_not_called_lost() {
    for seed in 0..seeds() * 4 {
        let disk = SimulatedDisk::new(seed);
        let mut first = open(&disk);
        append(&first.store, 1, 100, Durability::Fsync).unwrap();
        first.stepper.commit();
        for sequence in 2..5 {
            append(&first.store, sequence, 100, Durability::Os).unwrap();
            first.stepper.commit();
        }

        let disk = disk.after_power_cut(seed);
        let mut second = open(&disk);
        for sequence in 5..7 {
            append(&second.store, sequence, 100, Durability::Os).unwrap();
            second.stepper.commit();
        }

        let third = open(&disk.after_power_cut(!seed));
        assert_eq!(third.sequences.first(), Some(&1), "seed {seed}");
        assert!(
            !third.report.is_damaged(),
            "seed {seed}: {:?}",
            third.report
        );
    }
}

#[test]
fn a_power_cut_in_the_middle_of_any_call_loses_nothing_that_was_promised() {
    for seed in 0..seeds() {
        let disk = SimulatedDisk::new(seed);
        let mut workload = Workload::on(&disk, seed);
        // The call after which there is no more power does half of its work, and fails.
        disk.set_fault(fails(Call::Any, Dice(!seed).below(150), false));
        workload.steps(400);
        workload.check(&disk.after_power_cut(seed), true);
    }
}

#[test]
fn a_power_cut_after_each_call_of_one_run_loses_nothing_that_was_promised() {
    let calls = {
        let mut workload = Workload::new(7);
        workload.steps(150);
        workload.disk.calls()
    };
    assert!(calls > 50, "{calls}");
    for call in 0..calls {
        let disk = SimulatedDisk::new(7);
        let mut workload = Workload::on(&disk, 7);
        disk.set_fault(fails(Call::Any, call, false));
        workload.steps(150);
        workload.check(&disk.after_power_cut(call), true);
    }
}

#[test]
fn a_stop_of_what_a_stop_left_loses_nothing_either() {
    for seed in 0..seeds() / 4 {
        let mut workload = Workload::new(seed);
        workload.steps(200);
        let left = workload.disk.after_power_cut(seed);
        for call in 0..20 {
            let starting = left.after_kill();
            starting.set_fault(fails(Call::Any, call, false));
            let _ = Store::open_stepwise(Arc::new(starting.clone()), &settings(), &mut |_| ());
            workload.check(&starting.after_power_cut(seed), true);
        }
    }
}

#[test]
fn a_write_or_sync_that_fails_is_never_taken_for_one_that_worked() {
    for (call, is_out_of_room) in [
        (Call::Write, false),
        (Call::Write, true),
        (Call::Sync, false),
        (Call::Sync, true),
    ] {
        for after in 0..100 {
            let disk = SimulatedDisk::new(after);
            let mut workload = Workload::on(&disk, after);
            disk.set_fault(fails(call, after, is_out_of_room));
            workload.steps_until(|store| store.stats().has_failed);
            let (calls, refused) = (disk.calls(), workload.refused);
            workload.steps(20);
            assert!(workload.refused > refused, "it takes no more");
            assert_eq!(disk.calls(), calls, "nothing is tried again");
            workload.check(&disk.after_kill(), false);
            workload.check(&disk.after_power_cut(after), true);
        }
    }
}

#[test]
fn room_that_is_not_there_for_a_moment_costs_no_more_than_refusals() {
    for after in 0..100 {
        let disk = SimulatedDisk::new(after);
        let mut workload = Workload::on(&disk, after);
        disk.set_fault(fails(Call::Allocate, after, true));
        workload.steps(500);
        workload.commit();
        let stats = workload.store.stats();
        assert!(!stats.has_failed && !stats.is_full, "{after}: {stats:?}");
        workload.check(&disk.after_kill(), false);
        workload.check(&disk.after_power_cut(after), true);
    }
}

#[test]
fn an_error_while_it_starts_is_said_and_loses_nothing() {
    for (is_out_of_room, seed) in [(true, 1), (false, 2)] {
        let mut workload = Workload::new(seed);
        workload.steps(300);
        for after in 0..40 {
            for call in [Call::Allocate, Call::Write, Call::Sync, Call::Any] {
                let left = workload.disk.after_kill();
                left.set_fault(fails(call, after, is_out_of_room));
                let opened = Store::open_stepwise(Arc::new(left.clone()), &settings(), &mut |_| ());
                match opened {
                    Ok(_) => {}
                    Err(OpenError::Write(_)) if !is_out_of_room || call != Call::Allocate => {}
                    Err(error) => panic!("{call:?} {after}: {error}"),
                }
                workload.check(&left.after_power_cut(after), false);
            }
        }
    }
}
