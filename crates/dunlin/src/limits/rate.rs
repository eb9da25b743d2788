//! How fast something may go on: buckets that are emptied by use and filled by time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use dunlin_core::time::Time;
use parking_lot::Mutex;

use crate::config::LimitsConfig;

/// Addresses whose connections are counted at once, at most.
const ADDRESSES_MAX: usize = 65_536;

/// The least time between two looks at all of them.
const SWEEPS_APART: Duration = Duration::from_secs(1);

/// So many a second, in the long run, and as many at once.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of what is left; below zero if more was taken.
    left: i64,
    at: Time,
}

impl Bucket {
    const fn full(per_second: u32, now: Time) -> Self {
        Self {
            left: per_second as i64 * 1000,
            at: now,
        }
    }

    /// Takes this much, and says from when on there is something again, if there is nothing now.
    fn take(&mut self, amount: u64, per_second: u32, now: Time) -> Option<Time> {
        let millis = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        let rate = i64::from(per_second);
        self.left = self
            .left
            .saturating_add(millis.saturating_mul(rate))
            .min(rate * 1000);
        self.at = now;
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        self.left = self.left.saturating_sub(amount.saturating_mul(1000));
        if self.left >= 0 {
            return None;
        }
        let wait = self
            .left
            .unsigned_abs()
            .div_ceil(u64::from(per_second.max(1)));
        Some(now.after(Duration::from_millis(wait)))
    }
}

/// Connections a second from each address.
pub(super) struct AddressRates {
    per_second: u32,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    of: HashMap<IpAddr, Bucket>,
    swept_at: Time,
}

impl AddressRates {
    /// `None` for any number.
    pub(super) fn new(per_second: u32) -> Option<Self> {
        (per_second > 0).then(|| Self {
            per_second,
            buckets: Mutex::default(),
        })
    }

    /// Counts a connection, and says whether it is one of those that may be.
    pub(super) fn admits(&self, address: IpAddr, now: Time) -> bool {
        let mut buckets = self.buckets.lock();
        if buckets.of.len() >= ADDRESSES_MAX && now >= buckets.swept_at.after(SWEEPS_APART) {
            // One that was left alone for a second is as full as a new one.
            buckets
                .of
                .retain(|_, bucket| now.since(bucket.at).as_millis() < 1000);
            buckets.swept_at = now;
        }
        let is_full = buckets.of.len() >= ADDRESSES_MAX;
        let address = owner(address);
        if is_full && !buckets.of.contains_key(&address) {
            // So many at once are no accident; those that are known are served.
            return false;
        }
        let full = Bucket::full(self.per_second, now);
        let bucket = buckets.of.entry(address).or_insert(full);
        let is_admitted = bucket.take(1, self.per_second, now).is_none();
        if !is_admitted {
            // Who is refused has taken nothing.
            bucket.left = bucket.left.saturating_add(1000);
        }
        is_admitted
    }
}

/// What one owner has: an address of IPv4, and a network of 64 bits of IPv6.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// What each client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientRates {
    messages: u32,
    bytes: u32,
}

/// What one client has sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    messages: Bucket,
    bytes: Bucket,
}

impl ClientRates {
    pub(super) const fn new(config: &LimitsConfig) -> Self {
        Self {
            messages: config.client_messages_max,
            bytes: config.client_bytes_max,
        }
    }

    /// Whether there is any limit.
    pub(crate) const fn is_limited(self) -> bool {
        self.messages > 0 || self.bytes > 0
    }

    /// Notes what a client sent, and says until when it is not read from, if it was too much.
    pub(crate) fn note(
        self,
        sent: &mut Option<Box<Sent>>,
        (messages, bytes): (u64, u64),
        now: Time,
    ) -> Option<Time> {
        let sent = sent.get_or_insert_with(|| {
            Box::new(Sent {
                messages: Bucket::full(self.messages, now),
                bytes: Bucket::full(self.bytes, now),
            })
        });
        let take = |bucket: &mut Bucket, amount, rate: u32| {
            (rate > 0).then(|| bucket.take(amount, rate, now)).flatten()
        };
        let by_messages = take(&mut sent.messages, messages, self.messages);
        by_messages.max(take(&mut sent.bytes, bytes, self.bytes))
    }
}

#[cfg(test)]
mod tests;
