//! A budget of memory, and what is given up before the operating system ends the process.

use std::fs;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tracing::{info, warn};

/// How far memory is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// From 80 %: whoever publishes is slowed.
    Slow,
    /// From 90 %: new connections are refused as well.
    Refuse,
    /// From 95 %: what would be kept is refused as well.
    Full,
}

/// Percent from which each step holds. A step ends five percent below the one where it began.
const STEPS: [(Pressure, u64); 3] = [
    (Pressure::Full, 95),
    (Pressure::Refuse, 90),
    (Pressure::Slow, 80),
];
const BACK_PERCENT: u64 = 5;

/// The budget, and how far it is used up.
pub(crate) struct Memory {
    /// `None` without one.
    bytes_max: Option<u64>,
    pressure: AtomicU8,
}

impl Memory {
    /// A budget of so many bytes; with 0 it is what the control group of the process allows, if it
    /// says something.
    pub(super) fn new(bytes_max: u64) -> Self {
        let bytes_max = match bytes_max {
            0 => control_group_max(),
            bytes => Some(bytes),
        };
        Self {
            bytes_max,
            pressure: AtomicU8::new(0),
        }
    }

    /// How far memory is used up.
    pub(crate) fn pressure(&self) -> Pressure {
        match self.pressure.load(Ordering::Relaxed) {
            0 => Pressure::None,
            1 => Pressure::Slow,
            2 => Pressure::Refuse,
            _ => Pressure::Full,
        }
    }

    /// Looks how much is used.
    pub(crate) fn look(&self) {
        if let Some(bytes_max) = self.bytes_max
            && let Some(used) = resident()
        {
            self.take(used, bytes_max);
        }
    }

    fn take(&self, used: u64, bytes_max: u64) {
        let before = self.pressure();
        let now = next(before, used.saturating_mul(100) / bytes_max.max(1));
        if now == before {
            return;
        }
        self.pressure.store(now as u8, Ordering::Relaxed);
        let mib = |bytes: u64| bytes >> 20;
        let (used, max) = (mib(used), mib(bytes_max));
        match now {
            Pressure::None => info!("memory: {used} of {max} MiB: enough again"),
            Pressure::Slow => warn!("memory: {used} of {max} MiB: publishers are slowed"),
            Pressure::Refuse => warn!("memory: {used} of {max} MiB: new connections are refused"),
            Pressure::Full => warn!("memory: {used} of {max} MiB: messages are refused"),
        }
    }
}

impl Pressure {
    /// How long a connection that published is not read from.
    pub(crate) const fn pause(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Slow => Some(Duration::from_millis(200)),
            Self::Refuse | Self::Full => Some(Duration::from_secs(1)),
        }
    }
}

/// The step at so many percent, coming from another.
fn next(before: Pressure, percent: u64) -> Pressure {
    let holds = |&&(step, from): &&(Pressure, u64)| {
        let from = if step <= before {
            from - BACK_PERCENT
        } else {
            from
        };
        percent >= from
    };
    STEPS
        .iter()
        .find(holds)
        .map_or(Pressure::None, |&(step, _)| step)
}

/// The memory of this process that is in use, in bytes, where the operating system tells it in a file.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What the control group of this process allows (version 2).
fn control_group_max() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let max = fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.max")).ok()?;
    max.trim().parse().ok()
}

#[cfg(test)]
mod tests;
