//! From an append over the store's thread to the worker that waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use dunlin_core::id::SessionNumber;
use dunlin_core::storage::{Durability, Record, Storage as _};
use dunlin_store::disk::SimulatedDisk;
use dunlin_store::{Settings, Store};
use shuttle::future::block_on;
use shuttle::thread;

use crate::in_many_orders;
use crate::mailbox::Mailbox;

const WORKERS: u64 = 2;
const APPENDS: u64 = 2;

/// An append that says whose it is, and which.
fn record(worker: u64, number: u64) -> Record<'static> {
    Record::Done {
        session: SessionNumber::from_u64(worker),
        sequence: number,
    }
}

/// A segment is made and thrown away in each order.
fn settings() -> Settings {
    Settings {
        segment_bytes: 4096,
        ..Settings::default()
    }
}

/// The appends of each worker, in their order, that a store on this disk begins with.
fn found(disk: SimulatedDisk) -> Vec<Vec<u64>> {
    let mut found = vec![Vec::new(); usize::try_from(WORKERS).unwrap()];
    let opened = Store::open_stepwise(Arc::new(disk), &settings(), &mut |it| {
        if let Record::Done { session, sequence } = it {
            found[usize::try_from(session.as_u64()).unwrap()].push(sequence);
        }
    });
    drop(opened.unwrap());
    found
}

/// Appends, and waits for what it appended as a worker of the broker does.
fn work(worker: u64, store: &Store, mailbox: &Mailbox<()>) -> Vec<u64> {
    let (mut waiting, mut done) = (VecDeque::new(), Vec::new());
    for number in 0..APPENDS {
        let position = store.append(&[record(worker, number)], Durability::Fsync);
        waiting.push_back((number, position.unwrap()));
    }
    while !waiting.is_empty() {
        let has_progress = block_on(mailbox.take(&mut Vec::new()));
        assert!(has_progress, "nothing else is put there");
        while let Some(&(number, position)) = waiting.front()
            && store.stored(position).unwrap().is_some()
        {
            waiting.pop_front();
            done.push(number);
        }
    }
    done
}

#[test]
fn each_append_is_completed_once_in_its_order_and_when_it_is_safe() {
    in_many_orders(|| {
        let disk = SimulatedDisk::new(1);
        let opened = Store::open_stepwise(Arc::new(disk.clone()), &settings(), &mut |_| {});
        let (store, stepper, _) = opened.unwrap();
        let store = Arc::new(store);
        let mailboxes: Arc<Vec<Mailbox<()>>> =
            Arc::new((0..WORKERS).map(|_| Mailbox::default()).collect());
        let woken = Arc::clone(&mailboxes);
        store.set_progress(move || woken.iter().for_each(Mailbox::put_progress));
        let writer = thread::spawn(move || stepper.run());
        let workers = (0..WORKERS).map(|worker| {
            let (store, mailboxes) = (Arc::clone(&store), Arc::clone(&mailboxes));
            let mailbox = usize::try_from(worker).unwrap();
            thread::spawn(move || work(worker, &store, &mailboxes[mailbox]))
        });
        let workers: Vec<_> = workers.collect();
        let all: Vec<u64> = (0..APPENDS).collect();
        for worker in workers {
            assert_eq!(worker.join().unwrap(), all);
        }
        let left = found(disk.after_power_cut(2));
        assert!(left.iter().all(|of_worker| *of_worker == all), "{left:?}");
        store.close().unwrap();
        writer.join().unwrap();
    });
}
