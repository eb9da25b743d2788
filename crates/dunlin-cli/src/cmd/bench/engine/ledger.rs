//! Which messages of a publisher have arrived, and what that says about loss, duplicates and order.

/// The missing ranges that a stream remembers, at most. What is forgotten stays counted as lost.
const MISSING_RANGES_MAX: usize = 4096;

/// What the arrival of a sequence number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Higher than all before; this many were skipped.
    New {
        /// Numbers between the highest before and this one.
        skipped: u64,
    },
    /// It had been skipped and comes after a later one.
    Late,
    /// It was here before.
    Duplicate,
}

/// The messages of one publisher as one subscriber, or the members of one group together, get them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// One past the highest number seen.
    next: u64,
    /// How many different numbers were seen.
    distinct: u64,
    /// Ranges below `next` that were not seen: first and one past the last, ascending.
    missing: Vec<(u64, u64)>,
}

impl Stream {
    /// Notes a sequence number.
    pub(crate) fn record(&mut self, sequence: u64) -> Arrival {
        if sequence >= self.next {
            let skipped = sequence - self.next;
            if skipped > 0 {
                if self.missing.len() >= MISSING_RANGES_MAX {
                    self.missing.remove(0);
                }
                self.missing.push((self.next, sequence));
            }
            self.next = sequence + 1;
            self.distinct += 1;
            return Arrival::New { skipped };
        }
        let at = self.missing.partition_point(|&(_, end)| end <= sequence);
        let Some(range) = self.missing.get_mut(at).filter(|range| range.0 <= sequence) else {
            return Arrival::Duplicate;
        };
        self.distinct += 1;
        let (first, end) = *range;
        match (first == sequence, sequence + 1 == end) {
            (true, true) => {
                self.missing.remove(at);
            }
            (true, false) => range.0 = sequence + 1,
            (false, true) => range.1 = sequence,
            (false, false) => {
                range.1 = sequence;
                self.missing.insert(at + 1, (sequence + 1, end));
            }
        }
        Arrival::Late
    }

    /// How many different messages have arrived.
    pub(crate) const fn distinct(&self) -> u64 {
        self.distinct
    }
}

/// Who hears the same messages: one subscriber, or the members of a shared subscription, of which
/// each message reaches one.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Which publishers it hears: `first`, `first + step` and so on.
    pub(crate) first: u32,
    /// See `first`.
    pub(crate) step: u32,
    /// One for each of those publishers.
    pub(crate) streams: Vec<Stream>,
    /// The messages are divided among several subscribers, so that only what each of them sees must
    /// ascend.
    pub(crate) is_divided: bool,
}

/// What one arrival adds to the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Deliveries that the publisher need not wait for any more.
    pub(crate) credit: u64,
    /// It was here before.
    pub(crate) is_duplicate: bool,
    /// A later message of the same publisher came before it to this subscriber.
    pub(crate) is_reordered: bool,
}

impl Group {
    /// A group that hears `count` publishers: `first`, `first + step` and so on.
    pub(crate) fn new(first: u32, step: u32, count: usize, is_divided: bool) -> Self {
        Self {
            first,
            step: step.max(1),
            streams: vec![Stream::default(); count],
            is_divided,
        }
    }

    /// The place of a publisher's stream, if this group hears it.
    pub(crate) fn index(&self, publisher: u32) -> Option<usize> {
        let offset = publisher.checked_sub(self.first)?;
        let index = usize::try_from(offset / self.step).ok()?;
        (offset % self.step == 0 && index < self.streams.len()).then_some(index)
    }

    /// Notes an arrival. `seen` is what the subscriber that got it keeps for each publisher of a
    /// divided group: one past the highest number that itself has seen.
    pub(crate) fn record(&mut self, index: usize, sequence: u64, seen: &mut [u64]) -> Verdict {
        let Some(stream) = self.streams.get_mut(index) else {
            return Verdict::default();
        };
        let arrival = stream.record(sequence);
        let mut verdict = Verdict {
            is_duplicate: arrival == Arrival::Duplicate,
            ..Verdict::default()
        };
        if self.is_divided {
            verdict.credit = u64::from(!verdict.is_duplicate);
            if let Some(next) = seen.get_mut(index) {
                verdict.is_reordered = !verdict.is_duplicate && sequence < *next;
                *next = (*next).max(sequence + 1);
            }
        } else {
            verdict.is_reordered = arrival == Arrival::Late;
            if let Arrival::New { skipped } = arrival {
                // What was skipped is lost or late: the publisher waits for neither.
                verdict.credit = skipped + 1;
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests;
