//! Answers of a server that hold for a while.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use ring::digest;

/// Answers that are kept, at most.
const ANSWERS_MAX: usize = 10_000;

/// What a question is hashed to, with a key that nobody knows: it holds credentials.
pub(super) type Key = [u8; digest::SHA256_OUTPUT_LEN];

/// Answers, each of which holds equally long. What they cost does not depend on how many there are: the
/// oldest gives way.
pub(super) struct Answers<T> {
    hold_for: Duration,
    by_key: HashMap<Key, (Instant, T)>,
    /// When each ends to hold, the oldest first; one that was given again is in it twice.
    ends: VecDeque<(Instant, Key)>,
}

impl<T: Clone> Answers<T> {
    /// None yet.
    pub(super) fn new(hold_for: Duration) -> Self {
        Self {
            hold_for,
            by_key: HashMap::new(),
            ends: VecDeque::new(),
        }
    }

    /// The answer that holds now.
    pub(super) fn find(&self, key: &Key, now: Instant) -> Option<T> {
        let (until, answer) = self.by_key.get(key)?;
        (*until > now).then(|| answer.clone())
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, key: Key, answer: T, now: Instant) {
        if self.hold_for.is_zero() {
            return;
        }
        // Two for each that comes, so that they become fewer.
        for _ in 0..2 {
            let is_full = self.ends.len() >= ANSWERS_MAX;
            let ends = self.ends.front();
            if ends.is_some_and(|(until, _)| is_full || *until <= now) {
                self.forget_oldest();
            }
        }
        let until = now + self.hold_for;
        self.by_key.insert(key, (until, answer));
        self.ends.push_back((until, key));
    }

    fn forget_oldest(&mut self) {
        let Some((until, key)) = self.ends.pop_front() else {
            return;
        };
        // It may have been given again since.
        if self
            .by_key
            .get(&key)
            .is_some_and(|(held, _)| *held == until)
        {
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
