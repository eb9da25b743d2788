//! The mailbox of a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::block_on;
use shuttle::thread;

use crate::in_many_orders;
use crate::mailbox::Mailbox;

const COMMITS: usize = 2;

#[test]
fn no_wake_up_is_lost() {
    in_many_orders(|| {
        let mailbox = Arc::new(Mailbox::default());
        let commits = Arc::new(AtomicUsize::new(0));
        let senders = [0, 10].map(|first| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                mailbox.put([first]);
                mailbox.put([first + 1, first + 2]);
            })
        });
        let store = {
            let (mailbox, commits) = (Arc::clone(&mailbox), Arc::clone(&commits));
            thread::spawn(move || {
                for _ in 0..COMMITS {
                    commits.fetch_add(1, Ordering::SeqCst);
                    mailbox.put_progress();
                }
            })
        };
        // The worker. If it is not woken for something, it waits for ever.
        let (mut taken, mut batch, mut seen) = (Vec::new(), Vec::new(), 0);
        while taken.len() < 6 || seen < COMMITS {
            if block_on(mailbox.take(&mut batch)) {
                seen = commits.load(Ordering::SeqCst);
            }
            taken.append(&mut batch);
        }
        let of_sender = |first| {
            taken
                .iter()
                .filter(move |it| (first..first + 3).contains(*it))
        };
        assert!(of_sender(0).eq(&[0, 1, 2]) && of_sender(10).eq(&[10, 11, 12]));
        for sender in senders {
            sender.join().unwrap();
        }
        store.join().unwrap();
    });
}
