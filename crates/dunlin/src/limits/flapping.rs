//! Clients that connect again and again.

use std::collections::HashMap;
use std::time::Duration;

use dunlin_core::time::Time;
use parking_lot::Mutex;

use crate::config::LimitsConfig;

/// Clients that are watched at once, at most.
const CLIENTS_MAX: usize = 100_000;

/// The least time between two looks at all of them.
const SWEEPS_APART: Duration = Duration::from_secs(1);

/// How often each client came.
pub(super) struct Flapping {
    connects_max: u32,
    window: Duration,
    ban: Duration,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    by_id: HashMap<Box<str>, Came>,
    swept_at: Time,
}

#[derive(Clone, Copy)]
struct Came {
    since: Time,
    count: u32,
}

impl Flapping {
    /// `None` if nobody comes too often.
    pub(super) fn new(config: &LimitsConfig) -> Option<Self> {
        (config.flapping_connects_max > 0).then(|| Self {
            connects_max: config.flapping_connects_max,
            window: config.flapping_window,
            ban: config.flapping_ban,
            clients: Mutex::default(),
        })
    }

    /// For how long it is kept out then.
    pub(super) const fn ban(&self) -> Duration {
        self.ban
    }

    /// Notes that a client came; true if it was once too often.
    pub(super) fn is_one_too_many(&self, client_id: &str, now: Time) -> bool {
        let mut clients = self.clients.lock();
        let Clients { by_id, swept_at } = &mut *clients;
        if let Some(came) = by_id.get_mut(client_id) {
            if now >= came.since.after(self.window) {
                *came = Came {
                    since: now,
                    count: 0,
                };
            }
            came.count += 1;
            let is_too_many = came.count > self.connects_max;
            if is_too_many {
                // It begins anew when the ban is over.
                by_id.remove(client_id);
            }
            return is_too_many;
        }
        if by_id.len() >= CLIENTS_MAX && now >= swept_at.after(SWEEPS_APART) {
            by_id.retain(|_, came| now < came.since.after(self.window));
            *swept_at = now;
        }
        if by_id.len() < CLIENTS_MAX {
            let came = Came {
                since: now,
                count: 1,
            };
            by_id.insert(client_id.into(), came);
        }
        false
    }
}

#[cfg(test)]
mod tests;
