//! The orders in which threads can run, tried on the code that crosses threads.
//!
//! The source of the core and of the store is compiled once more here, with locks at which
//! [shuttle](https://docs.rs/shuttle) may run another thread; nothing in it is different for that. A
//! test runs its threads in many orders that a seed determines, and one that fails says how to run that
//! order again. What waits for ever is found as well, since then no thread can go on.
//!
//! Orders differ at locks and at the flags of `sync`. Other atomics are passed without a switch.
#![cfg(test)]

mod client;
mod commits;
mod mailboxes;
mod members;
mod takeover;
mod window;

/// What the mailbox of a worker locks and flags with.
mod sync {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use shuttle::sync::atomic::{AtomicBool, Ordering};
}

#[path = "../../dunlin/src/mailbox.rs"]
mod mailbox;

/// Orders that each test tries.
const ORDERS: usize = 2_000;

/// Threads that are interrupted at most so often are where most faults show.
const SWITCHES: usize = 3;

/// Runs a test in many orders: half of them drawn evenly, half with few switches.
fn in_many_orders(test: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(test, ORDERS / 2);
    shuttle::check_pct(test, ORDERS / 2, SWITCHES);
}
