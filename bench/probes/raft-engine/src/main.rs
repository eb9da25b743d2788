//! What raft-engine does with a flipped bit, at every 64th byte of a file, in each recovery mode.
//!
//! Usage: `raft-engine-probe DIR`. DIR is made, and best lies in memory: each trial copies the log.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use raft::eraftpb::Entry;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize, RecoveryMode};

const BATCHES: u64 = 4_000;
const PAYLOAD_BYTES: usize = 256;
const GROUP: u64 = 1;

#[derive(Clone)]
struct Extension;

impl MessageExt for Extension {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

fn config(dir: &Path, recovery_mode: RecoveryMode) -> Config {
    Config {
        dir: dir.to_str().expect("a path of text").to_owned(),
        recovery_mode,
        target_file_size: ReadableSize::kb(128),
        batch_compression_threshold: ReadableSize::kb(0),
        ..Config::default()
    }
}

fn fill(dir: &Path) {
    let engine = Engine::open(config(dir, RecoveryMode::TolerateTailCorruption)).expect("open");
    for index in 1..=BATCHES {
        let mut entry = Entry::new();
        entry.set_index(index);
        entry.set_data(vec![index as u8; PAYLOAD_BYTES].into());
        let mut batch = LogBatch::default();
        batch.add_entries::<Extension>(GROUP, &[entry]).expect("add");
        engine.write(&mut batch, false).expect("write");
    }
    engine.sync().expect("sync");
}

/// The files of the append queue, in order.
fn log_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "raftlog"))
        .collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("make");
    for entry in fs::read_dir(from).expect("list") {
        let path = entry.expect("entry").path();
        if path.extension().is_some_and(|extension| extension != "lock") || path.is_file() {
            fs::copy(&path, to.join(path.file_name().expect("name"))).expect("copy");
        }
    }
}

/// What became of one flipped bit, and how many entries cannot be read any more.
fn trial(dir: &Path, mode: RecoveryMode) -> (&'static str, u64) {
    let opened = catch_unwind(AssertUnwindSafe(|| Engine::open(config(dir, mode))));
    let engine = match opened {
        Err(_) => return ("panicked", 0),
        Ok(Err(_)) => return ("refused to open", 0),
        Ok(Ok(engine)) => engine,
    };
    let readable = (1..=BATCHES)
        .filter(|&index| {
            let read = catch_unwind(AssertUnwindSafe(|| {
                engine.get_entry::<Extension>(GROUP, index)
            }));
            matches!(read, Ok(Ok(Some(_))))
        })
        .count() as u64;
    match BATCHES - readable {
        0 => ("opened, nothing lost", 0),
        1 => ("opened, the damaged entry lost", 1),
        lost => ("opened, others lost as well", lost),
    }
}

fn main() {
    let base = PathBuf::from(std::env::args().nth(1).expect("usage: raft-engine-probe DIR"));
    let (whole, copy_dir) = (base.join("whole"), base.join("copy"));
    fs::create_dir_all(&whole).expect("make");
    fill(&whole);
    let files = log_files(&whole);
    println!("{} files, {BATCHES} batches of {PAYLOAD_BYTES} bytes", files.len());
    std::panic::set_hook(Box::new(|_| ()));
    for (which, file) in [
        ("a file in the middle", &files[files.len() / 2]),
        ("the last file", &files[files.len() - 1]),
    ] {
        let bytes = fs::read(file).expect("read");
        let written = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        for mode in [
            RecoveryMode::AbsoluteConsistency,
            RecoveryMode::TolerateTailCorruption,
            RecoveryMode::TolerateAnyCorruption,
        ] {
            let mut counts: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
            for at in (0..written).step_by(64) {
                copy(&whole, &copy_dir);
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (at / 64 % 8);
                fs::write(copy_dir.join(file.file_name().expect("name")), damaged).expect("write");
                let (outcome, lost) = trial(&copy_dir, mode);
                let count = counts.entry(outcome).or_default();
                *count = (count.0 + 1, count.1 + lost, count.2.max(lost));
            }
            for (outcome, (count, lost, most)) in counts {
                let mean = lost / count;
                println!("{which}, {mode:?}: {outcome}: {count} (lost {mean} on average, {most} at most)");
            }
        }
    }
}
