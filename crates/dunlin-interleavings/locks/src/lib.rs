//! Locks with the interface of `parking_lot`, at which shuttle may run another thread.
//!
//! Time does not pass: what waits for a time waits for a notification.

use std::time::Instant;

use shuttle::sync::{Condvar as ShuttleCondvar, Mutex as ShuttleMutex};

pub use shuttle_parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A condition variable for [`Mutex`].
#[derive(Debug, Default)]
pub struct Condvar {
    /// Counts the notifications, so that none is missed between unlocking and waiting.
    notified: ShuttleMutex<u64>,
    condvar: ShuttleCondvar,
}

impl Condvar {
    /// One that nobody waits for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Unlocks, waits for a notification, and locks again.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let seen = *self.count();
        MutexGuard::unlocked(guard, || {
            let mut count = self.count();
            while *count == seen {
                count = self.condvar.wait(count).expect(NO_PANIC);
            }
        });
    }

    /// The same: the time never comes.
    pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) {
        self.wait(guard);
    }

    /// Wakes one that waits.
    pub fn notify_one(&self) {
        *self.count() += 1;
        self.condvar.notify_one();
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        *self.count() += 1;
        self.condvar.notify_all();
    }

    fn count(&self) -> shuttle::sync::MutexGuard<'_, u64> {
        self.notified.lock().expect(NO_PANIC)
    }
}

const NO_PANIC: &str = "nothing panics while it counts";
