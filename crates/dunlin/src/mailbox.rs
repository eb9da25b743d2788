//! How the threads of a broker reach a worker.

use tokio::sync::Notify;

use crate::sync::{AtomicBool, Mutex, Ordering};

/// Where others put commands for a worker, and say that the store got on.
pub(crate) struct Mailbox<C> {
    commands: Mutex<Vec<C>>,
    /// Whether the store got on.
    has_progress: AtomicBool,
    notify: Notify,
}

impl<C> Default for Mailbox<C> {
    fn default() -> Self {
        Self {
            commands: Mutex::default(),
            has_progress: AtomicBool::new(false),
            notify: Notify::new(),
        }
    }
}

impl<C> Mailbox<C> {
    /// Adds commands, and wakes the worker once if there were none.
    pub(crate) fn put(&self, commands: impl IntoIterator<Item = C>) {
        let was_empty = {
            let mut waiting = self.commands.lock();
            let was_empty = waiting.is_empty();
            waiting.extend(commands);
            was_empty
        };
        if was_empty {
            self.notify.notify_one();
        }
    }

    /// Tells the worker that the store got on, or failed.
    pub(crate) fn put_progress(&self) {
        if !self.has_progress.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Waits for commands and takes them all; true if the store got on as well.
    pub(crate) async fn take(&self, into: &mut Vec<C>) -> bool {
        loop {
            let notified = self.notify.notified();
            std::mem::swap(into, &mut *self.commands.lock());
            let has_progress = self.has_progress.swap(false, Ordering::AcqRel);
            if has_progress || !into.is_empty() {
                return has_progress;
            }
            notified.await;
        }
    }
}
