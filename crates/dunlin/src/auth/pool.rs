//! Threads for what computes long or blocks, with a bound on what waits for them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::error;

/// Something to do.
type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads.
pub(crate) struct Pool {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// Too much waits already, or the work broke down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDone;

impl Pool {
    /// Starts the threads; at most `waiting_max` jobs wait for them.
    pub(crate) fn start(name: &str, threads: usize, waiting_max: usize) -> io::Result<Self> {
        let (jobs, receiver) = sync_channel(waiting_max);
        let receiver = Arc::new(Mutex::new(receiver));
        let thread = |index| {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name(format!("dunlin-{name}-{index}"))
                .spawn(move || work(&receiver))
        };
        let threads = (0..threads).map(thread).collect::<io::Result<_>>()?;
        Ok(Self {
            jobs: Some(jobs),
            threads,
        })
    }

    /// Has something done for which nobody waits.
    pub(crate) fn put(&self, work: impl FnOnce() + Send + 'static) -> Result<(), NotDone> {
        match self.jobs.as_ref().map(|jobs| jobs.try_send(Box::new(work))) {
            Some(Ok(())) => Ok(()),
            None | Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => Err(NotDone),
        }
    }

    /// Has something done on one of the threads. It is not begun if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (sender, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !sender.is_closed() {
                // Nobody waits for the result any more.
                let _ = sender.send(work());
            }
        });
        self.put(job)?;
        result.await.map_err(|_| NotDone)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Panics of jobs are caught.
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            error!("a defect of the broker: authentication panicked; the client is refused");
        }
    }
}

#[cfg(test)]
mod tests;
