//! The one place that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dunlin_core::time::Time;

/// A clock that counts from the Unix epoch and never goes back, whatever happens to the time of day
/// while the process runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_millis: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            start: Instant::now(),
            start_millis: u64::try_from(since_epoch.as_millis()).unwrap_or_default(),
        }
    }

    pub(crate) fn now(&self) -> Time {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Time::from_millis(self.start_millis.saturating_add(elapsed))
    }
}
