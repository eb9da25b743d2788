use dunlin_core::storage::{Durability, Position, Storage as _, StorageFault};

use super::{append, is_stored, open, settings};
use crate::disk::{Disk as _, SimulatedDisk};
use crate::{OpenError, Store};

#[test]
fn what_was_appended_comes_back_in_its_order() {
    let disk = SimulatedDisk::new(1);
    let mut first = open(&disk);
    assert_eq!(first.report, crate::Report::default());
    for sequence in 1..=200 {
        let position = append(&first.store, sequence, 100, Durability::Fsync).unwrap();
        assert!(!is_stored(&first.store, position));
        if sequence % 7 == 0 {
            first.stepper.commit();
            assert!(is_stored(&first.store, position));
        }
    }
    first.stepper.commit();
    assert!(first.store.stats().segments > 3);

    let mut second = open(&disk.after_kill());
    assert_eq!(second.sequences, (1..=200).collect::<Vec<_>>());
    assert_eq!((second.report.appends, second.report.records), (200, 200));
    assert!(!second.report.is_damaged());
    assert_eq!(second.report.torn, None);
    assert!(!second.report.is_closed);
    let position = append(&second.store, 201, 1, Durability::Fsync).unwrap();
    assert_eq!(position.place, 201);
    second.stepper.commit();
    second.stepper.close();
}

#[test]
fn a_store_that_was_closed_says_so() {
    let disk = SimulatedDisk::new(1);
    let mut first = open(&disk);
    append(&first.store, 1, 1, Durability::Memory).unwrap();
    first.stepper.close();
    let disk = disk.after_power_cut(1);
    let mut second = open(&disk);
    assert!(second.report.is_closed);
    assert_eq!(second.sequences, [1]);
    append(&second.store, 2, 1, Durability::Os).unwrap();
    second.stepper.commit();
    let third = open(&disk.after_kill());
    assert!(!third.report.is_closed);
    assert_eq!(third.sequences, [1, 2]);
}

#[test]
fn each_durability_is_what_it_says() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    let positions = |sequence| {
        [Durability::Memory, Durability::Os, Durability::Fsync]
            .map(|durability| append(&opened.store, sequence, 1, durability).unwrap())
    };
    let stored = |positions: &[Position]| {
        let stored = positions.iter().map(|&it| is_stored(&opened.store, it));
        stored.collect::<Vec<_>>()
    };
    let all = positions(1);
    assert_eq!(stored(&all), [true, false, false]);
    opened.stepper.commit();
    assert_eq!(stored(&all), [true, true, true]);

    let syncs = disk.syncs();
    let lazy = append(&opened.store, 2, 1, Durability::Os).unwrap();
    opened.stepper.commit();
    assert!(is_stored(&opened.store, lazy));
    assert_eq!(disk.syncs(), syncs, "nobody asked for a sync");
    let nothing = opened.store.append(&[], Durability::Fsync).unwrap();
    assert!(!is_stored(&opened.store, nothing));
    opened.stepper.commit();
    assert!(is_stored(&opened.store, nothing));
    assert_eq!(disk.syncs(), syncs + 1);
}

#[test]
fn appends_of_many_threads_share_commits_and_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    const THREADS: u64 = 8;
    const EACH: u64 = 200;
    let (store, _) = Store::open(&path, &settings(), &mut |_| panic!("it is new")).unwrap();
    let (sender, receiver) = std::sync::mpsc::sync_channel(0);
    let waiting = std::sync::Arc::new(parking_lot::Mutex::new(()));
    let changed = std::sync::Arc::new(parking_lot::Condvar::new());
    let (lock, condition) = (waiting.clone(), changed.clone());
    store.set_progress(move || {
        drop(lock.lock());
        condition.notify_all();
    });
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, waiting, changed) = (&store, &waiting, &changed);
            let sender = sender.clone();
            scope.spawn(move || {
                for index in 0..EACH {
                    let sequence = thread * EACH + index + 1;
                    let position = append(store, sequence, 50, Durability::Fsync).unwrap();
                    let mut guard = waiting.lock();
                    while store.stored(position).unwrap().is_none() {
                        changed.wait(&mut guard);
                    }
                }
                sender.send(thread).unwrap();
            });
        }
        drop(sender);
        assert_eq!(receiver.iter().count() as u64, THREADS);
    });
    let stats = store.stats();
    assert_eq!(
        (stats.appends, stats.written),
        (THREADS * EACH, THREADS * EACH)
    );
    assert!(stats.syncs <= stats.commits, "{stats:?}");
    store.close().unwrap();
    assert_eq!(
        append(&store, 1, 1, Durability::Os),
        Err(StorageFault::Failed)
    );
    drop(store);

    let mut found = Vec::new();
    let (_store, report) = Store::open(&path, &settings(), &mut |record| {
        found.extend(super::sequences(&record).and_then(|it| u64::try_from(it - 1).ok()));
    })
    .unwrap();
    assert!(report.is_closed);
    for thread in 0..THREADS {
        let of_thread = found.iter().filter(|&&it| it / EACH == thread);
        let of_thread: Vec<u64> = of_thread.map(|it| it % EACH).collect();
        assert_eq!(of_thread, (0..EACH).collect::<Vec<_>>());
    }
}

#[test]
fn one_broker_has_the_store_and_nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let (store, _) = Store::open(&path, &settings(), &mut |_| ()).unwrap();
    let again = Store::open(&path, &settings(), &mut |_| ());
    assert!(matches!(again, Err(OpenError::Locked)));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in path.read_dir().unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    drop(store);
    Store::open(&path, &settings(), &mut |_| ()).unwrap();
}

#[test]
fn what_cannot_be_a_store_is_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "").unwrap();
    let Err(error) = Store::open(&path, &settings(), &mut |_| ()) else {
        panic!("a file is no directory");
    };
    assert!(error.to_string().starts_with("cannot write the store: "));
}

#[test]
fn a_message_longer_than_a_segment_has_one_of_its_own() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    for (sequence, bytes) in [
        (1, 10),
        (2, 20_000),
        (3, 10),
        (4, 4096),
        (5, 3000),
        (6, 3000),
    ] {
        append(&opened.store, sequence, bytes, Durability::Fsync).unwrap();
        opened.stepper.commit();
    }
    assert_eq!(open(&disk.after_kill()).sequences, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_waits_to_be_written_has_a_bound() {
    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    let taken = (1..1000).take_while(|&it| append(&opened.store, it, 1000, Durability::Os).is_ok());
    let taken = taken.count();
    assert!((60..=64).contains(&taken), "{taken}");
    assert_eq!(
        append(&opened.store, 1, 1000, Durability::Os),
        Err(StorageFault::Full)
    );
    opened.stepper.commit();
    append(&opened.store, 1, 1000, Durability::Os).unwrap();
}

/// As `docs/file-format.md` says.
#[test]
fn the_bytes_on_disk_are_those_of_format_version_1() {
    use dunlin_core::id::SessionNumber;
    use dunlin_core::storage::Record;

    let disk = SimulatedDisk::new(1);
    let mut opened = open(&disk);
    let done = Record::Done {
        session: SessionNumber::from_u64(300),
        sequence: 5,
    };
    opened.store.append(&[done], Durability::Fsync).unwrap();
    opened.stepper.close();
    let [name] = disk.list().unwrap().try_into().unwrap();
    assert_eq!(name, "0000000001-910a2dec89025cc1.log");
    let hex: String = disk
        .read(&name)
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let expected = [
        // Magic, version, flags, number, first place, key, checksum.
        "8a44554e4c4f470a",
        "0100",
        "0000",
        "0100000000000000",
        "0100000000000000",
        "c15c0289ec2d0a91",
        "7ebb078b",
        // Length with S, checksum, place, checksum.
        "04000080",
        "62935902",
        "0100000000000000",
        "af7eb1ee",
        // Done: session 300, message 5.
        "0b",
        "ac02",
        "05",
        // The end of the log.
        "00000080",
        "00000000",
        "0100000000000000",
        "7b56b6ca",
    ];
    assert_eq!(hex, expected.concat());
}
