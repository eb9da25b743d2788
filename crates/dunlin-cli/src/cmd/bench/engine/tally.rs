//! What workers count and measure.

use hdrhistogram::Histogram;

/// Latencies above this count as this: ten minutes.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// A histogram of nanoseconds with three significant digits.
///
/// # Panics
/// Never: the bounds are constants that the library accepts.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("1 < maximum / 2, and 3 digits are few")
}

/// What a worker counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    pub(crate) delivered_bytes: u64,
    pub(crate) published: u64,
    pub(crate) duplicates: u64,
    pub(crate) reordered: u64,
    /// Messages of this run that another subscriber should have got.
    pub(crate) misrouted: u64,
    /// Messages that are not of this run.
    pub(crate) foreign: u64,
    /// Messages that the broker refused in its acknowledgement.
    pub(crate) refused: u64,
    /// Publishers that gave up waiting for lost messages.
    pub(crate) stalls: u64,
    /// Deliveries that publishers wait for.
    pub(super) outstanding: u64,
    /// Messages that were not acknowledged.
    pub(crate) unacknowledged: u64,
}

impl Tally {
    /// Both together.
    pub(crate) const fn plus(&self, other: &Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            delivered_bytes: self.delivered_bytes + other.delivered_bytes,
            published: self.published + other.published,
            duplicates: self.duplicates + other.duplicates,
            reordered: self.reordered + other.reordered,
            misrouted: self.misrouted + other.misrouted,
            foreign: self.foreign + other.foreign,
            refused: self.refused + other.refused,
            stalls: self.stalls + other.stalls,
            outstanding: self.outstanding + other.outstanding,
            unacknowledged: self.unacknowledged + other.unacknowledged,
        }
    }
}

/// What a worker knows when all is over.
#[derive(Debug)]
pub(crate) struct Account {
    /// What each publisher sent, by its number.
    pub(crate) sent: Vec<(u32, u64)>,
    /// What each stream got, by its publisher's number.
    pub(crate) got: Vec<(u32, u64)>,
    pub(crate) histogram: Histogram<u64>,
    pub(crate) acknowledged: Histogram<u64>,
    pub(crate) tally: Tally,
}
