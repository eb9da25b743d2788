//! When a worker that saturates a broker may rest, so that what comes next comes in larger pieces.
//!
//! A broker that writes each message by itself would have this process read each by itself, and
//! answer it with one message; then the generator costs as much as the broker. With a full window
//! nobody waits: as long as half of what is in flight is still the broker's, it stays busy.

use std::time::{Duration, Instant};

/// Bytes that may collect in the socket of one subscriber, so that the broker's writes never block.
const BYTES_MAX: usize = 48 * 1024;
/// QoS 1 and 2 messages that may collect for one subscriber: brokers send a few, such as 20, before
/// they want an acknowledgement.
const UNACKNOWLEDGED_MAX: usize = 12;
/// A rest is this share of what is in flight.
const SHARE: u64 = 2;
/// Of the time that the broker seems to need for them. A broker that waited during a rest seems slower
/// than it is, and the next rest would be too long again; by this factor rests shrink until it is
/// busy.
const HASTE: f64 = 0.6;
/// Shorter ones are not worth a timer, and longer ones would show in the figures of each second.
const REST_MIN: Duration = Duration::from_micros(40);
const REST_MAX: Duration = Duration::from_millis(100);
/// How often the rate of deliveries is measured.
const RATE_EVERY: Duration = Duration::from_millis(20);

/// What decides about rests.
#[derive(Debug)]
pub(crate) struct Rest {
    /// Deliveries that may collect whatever is in flight.
    collect_max: u64,
    /// Deliveries when the last rest ended.
    rested_at: u64,
    /// Deliveries a second, and what they were measured from.
    rate: f64,
    measured_at: (Instant, u64),
}

impl Rest {
    /// For a worker with so many subscribers and messages of this size.
    pub(crate) fn new(subscribers: usize, message_bytes: usize, is_acknowledged: bool) -> Self {
        let by_bytes = (BYTES_MAX / message_bytes.max(1)).max(1);
        let each = if is_acknowledged {
            by_bytes.min(UNACKNOWLEDGED_MAX)
        } else {
            by_bytes
        };
        Self {
            collect_max: u64::try_from(each * subscribers).unwrap_or(u64::MAX),
            rested_at: 0,
            rate: 0.0,
            measured_at: (Instant::now(), 0),
        }
    }

    /// How long to rest, when so many deliveries have come and so many are in flight.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn next(&mut self, delivered: u64, in_flight: u64) -> Option<Duration> {
        let (since, before) = self.measured_at;
        let elapsed = since.elapsed();
        if elapsed >= RATE_EVERY {
            let rate = (delivered - before) as f64 / elapsed.as_secs_f64();
            // The half of it, so that one stall does not make for long rests.
            self.rate = if self.rate > 0.0 {
                (self.rate + rate) / 2.0
            } else {
                rate
            };
            self.measured_at = (Instant::now(), delivered);
        }
        let collect = self.collect_max.min(in_flight / SHARE);
        let came = delivered - self.rested_at;
        self.rested_at = delivered;
        if came >= collect || self.rate < 1.0 {
            return None;
        }
        let seconds = HASTE * (collect - came) as f64 / self.rate;
        let rest = Duration::from_secs_f64(seconds).min(REST_MAX);
        (rest >= REST_MIN).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{REST_MAX, Rest};

    /// A rest that has measured this rate.
    fn at_rate(rate: f64, subscribers: usize, bytes: usize, is_acknowledged: bool) -> Rest {
        let mut rest = Rest::new(subscribers, bytes, is_acknowledged);
        rest.rate = rate;
        rest.measured_at = (Instant::now() + Duration::from_secs(60), 0);
        rest
    }

    #[test]
    fn half_of_what_is_in_flight_may_collect() {
        let mut rest = at_rate(100_000.0, 500, 256, false);
        assert_eq!(rest.next(0, 8000), Some(Duration::from_millis(24)));
        assert_eq!(rest.next(1000, 8000), Some(Duration::from_millis(18)));
        assert_eq!(rest.next(6000, 8000), None, "more than that came by itself");
        assert_eq!(rest.next(6000, 0), None, "nothing is in flight");
    }

    #[test]
    fn sockets_and_windows_of_the_broker_do_not_fill_up() {
        let mut rest = at_rate(100_000.0, 1, 256, false);
        assert_eq!(rest.next(0, 80_000), Some(Duration::from_micros(1152)));
        let mut rest = at_rate(100_000.0, 10, 256, true);
        assert_eq!(rest.next(0, 80_000), Some(Duration::from_micros(720)));
    }

    /// A broker that serves one message in 10 us whenever it has one: it must not be kept waiting,
    /// however wrong the first estimate is.
    #[test]
    fn rests_shrink_until_the_broker_is_busy() {
        let mut rest = at_rate(1000.0, 500, 256, false);
        let (window, service) = (8000, Duration::from_micros(10));
        let (mut delivered, mut spent) = (0, Duration::ZERO);
        for _ in 0..40 {
            let pause = rest.next(delivered, window).unwrap_or_default();
            let served = u64::try_from(pause.as_nanos() / service.as_nanos()).unwrap();
            let served = served.clamp(1, window);
            delivered += served;
            spent = pause;
            let elapsed = pause.max(service * u32::try_from(served).unwrap());
            rest.rate = (rest.rate + served as f64 / elapsed.as_secs_f64()) / 2.0;
        }
        assert!(spent < service * 8000, "{spent:?}");
    }

    #[test]
    fn a_rest_is_neither_long_nor_tiny() {
        assert_eq!(at_rate(10.0, 500, 256, false).next(0, 8000), Some(REST_MAX));
        assert_eq!(at_rate(1e9, 500, 256, false).next(0, 8000), None);
        assert_eq!(at_rate(0.0, 500, 256, false).next(0, 8000), None);
    }
}
