//! Backups, and reading a store that is in use.

use std::fs;
use std::path::Path;

use dunlin_core::id::SessionNumber;
use dunlin_core::message::Message;
use dunlin_core::storage::{Durability, Record, Storage as _};

use super::{message, message_of, publish, sequences, settings};
use crate::{CopyError, ReadError, Store, copy, read};

fn found(directory: &Path) -> Vec<i64> {
    let mut found = Vec::new();
    let report = read(directory, &mut |_, record| found.extend(sequences(&record))).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    found
}

fn wait_until_stored(store: &Store, sequence: u64) {
    wait_until_message_stored(store, &message(sequence, 300));
}

fn wait_until_message_stored(store: &Store, message: &Message) {
    let position = store.append(&[publish(message)], Durability::Fsync);
    let position = position.unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    store.set_progress(move || {
        let _ = sender.send(());
    });
    while store.stored(position).unwrap().is_none() {
        receiver.recv().unwrap();
    }
}

#[test]
fn a_backup_of_a_store_in_use_is_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let (store, _) = Store::open(&data, &settings(), &mut |_| ()).unwrap();
    (1..=50).for_each(|sequence| wait_until_stored(&store, sequence));
    let report = copy(&data, &backup).unwrap();
    assert_eq!((report.appends, report.is_damaged()), (50, false));
    assert!(report.segments > 3);
    (51..=60).for_each(|sequence| wait_until_stored(&store, sequence));
    assert_eq!(found(&data), (1..=60).collect::<Vec<_>>());
    assert_eq!(found(&backup), (1..=50).collect::<Vec<_>>());

    let restored = folder.path().join("restored");
    copy(&backup, &restored).unwrap();
    let mut again = Vec::new();
    let (second, report) = Store::open(&restored, &settings(), &mut |record| {
        again.extend(sequences(&record));
    })
    .unwrap();
    assert_eq!(again, (1..=50).collect::<Vec<_>>());
    assert!(!report.is_damaged() && report.torn.is_none(), "{report:?}");
    wait_until_stored(&second, 51);
}

#[test]
fn a_backup_has_the_zeros_that_the_last_append_ends_with() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let (store, _) = Store::open(&data, &settings(), &mut |_| ()).unwrap();
    wait_until_stored(&store, 1);
    wait_until_message_stored(&store, &message_of(2, &[0; 100]));
    let report = copy(&data, &backup).unwrap();
    assert_eq!((report.appends, report.torn), (2, None));
    assert_eq!(found(&backup), [1, 2]);
}

#[test]
fn backups_while_the_log_is_written_anew_have_every_message_that_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (store, _) = Store::open(&data, &settings(), &mut |_| ()).unwrap();
    (1..=20).for_each(|sequence| wait_until_stored(&store, sequence));
    std::thread::scope(|scope| {
        let rewriting = scope.spawn(|| {
            for number in 1..=30 {
                let begun = Record::RewriteBegun {
                    number,
                    next_session: 2,
                    next_sequence: 21,
                };
                store.append(&[begun], Durability::Fsync).unwrap();
                for sequence in 1..=20 {
                    let message = message(sequence, 300);
                    store
                        .append(&[publish(&message)], Durability::Memory)
                        .unwrap();
                }
                let done = Record::RewriteDone { number };
                store.append(&[done], Durability::Fsync).unwrap();
                wait_until_stored(&store, 20);
            }
        });
        for number in 0.. {
            let backup = folder.path().join(number.to_string());
            copy(&data, &backup).unwrap();
            let mut found = found(&backup);
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, (1..=20).collect::<Vec<_>>());
            fs::remove_dir_all(&backup).unwrap();
            if rewriting.is_finished() {
                break;
            }
        }
    });
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (store, _) = Store::open(&at("data"), &settings(), &mut |_| ()).unwrap();
    wait_until_stored(&store, 1);
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/file"), "mine").unwrap();
    fs::create_dir(at("backup.partial")).unwrap();
    fs::write(at("backup.partial/file"), "").unwrap();
    fs::create_dir(at("empty")).unwrap();
    let told = |from: &str, to: &str| copy(&at(from), &at(to)).unwrap_err();
    assert!(matches!(told("data", "full"), CopyError::NotEmpty(_)));
    assert!(matches!(told("data", "full/file"), CopyError::NotEmpty(_)));
    assert!(matches!(told("data", "backup"), CopyError::Interrupted(_)));
    for from in ["empty", "nowhere", "full/file"] {
        assert!(
            matches!(told(from, "new"), CopyError::Read { .. }),
            "{from}"
        );
    }
    assert_eq!(fs::read_dir(at("full")).unwrap().count(), 1);
    copy(&at("data"), &at("empty")).unwrap();
    assert_eq!(found(&at("empty")), [1]);
}

#[test]
fn an_empty_store_is_one_and_an_empty_directory_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = read(folder.path(), &mut |_, _| ());
    assert!(matches!(nothing, Err(ReadError::NoStore)));
    drop(Store::open(folder.path(), &settings(), &mut |_| ()).unwrap());
    assert_eq!(found(folder.path()), []);
    let done = Record::Done {
        session: SessionNumber::from_u64(1),
        sequence: 5,
    };
    let (store, _) = Store::open(folder.path(), &settings(), &mut |_| ()).unwrap();
    store.append(&[done], Durability::Os).unwrap();
    store.close().unwrap();
    assert_eq!(found(folder.path()), [-5]);
}
