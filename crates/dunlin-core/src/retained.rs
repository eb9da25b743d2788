//! Retained Messages (section 3.3.1.3): one for each topic, in the order of topics.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use dunlin_codec::TopicFilter;

use crate::access::is_servers;
use crate::error::Refusal;
use crate::message::Message;
use crate::settings::{RetainedPolicy, RetainedSettings};
use crate::time::Time;

/// Deleted topics that are remembered.
const CLEARED_MAX: usize = 1024;

/// Topics in a row that do not match, after which a page looks for the next that can. Finding it
/// takes as long as looking at several that lie in order.
const SKIP_AFTER: usize = 8;

/// The retained messages.
pub(crate) struct Retained {
    settings: RetainedSettings,
    entries: BTreeSet<Entry>,
    cleared: Cleared,
    /// Those that clients published, and their size: what the limits are about.
    counted: usize,
    bytes: u64,
    /// The topics by when they were set, if the oldest may have to give way.
    by_age: BTreeMap<u64, Message>,
    /// Those that expire, by when they do.
    by_expiry: BTreeMap<(Time, u64), Message>,
}

/// A retained message. Its place follows from its topic alone.
struct Entry {
    message: Message,
    /// The publish that set it.
    sequence: u64,
    /// When it was set: subscriptions up to that number get it as a live message.
    applied: u64,
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.message.topic_bytes()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.message.topic_bytes().cmp(other.message.topic_bytes())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// Which topics were deleted last, and by which publish: an earlier publish that is applied later
/// must not bring a deleted message back.
#[derive(Default)]
struct Cleared {
    by_topic: BTreeMap<Arc<[u8]>, u64>,
    order: VecDeque<(Arc<[u8]>, u64)>,
}

impl Cleared {
    fn add(&mut self, topic: &[u8], sequence: u64) {
        let topic: Arc<[u8]> = topic.into();
        let latest = self.by_topic.entry(Arc::clone(&topic)).or_default();
        *latest = sequence.max(*latest);
        self.order.push_back((topic, sequence));
        if self.order.len() > CLEARED_MAX
            && let Some((topic, sequence)) = self.order.pop_front()
            && self.by_topic.get(&topic) == Some(&sequence)
        {
            self.by_topic.remove(&topic);
        }
    }

    fn is_later(&self, topic: &[u8], sequence: u64) -> bool {
        self.by_topic.get(topic).is_some_and(|&at| at > sequence)
    }
}

/// Some of the retained messages that match a filter.
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    /// The topic after which the next page begins; `None` if there is none.
    pub(crate) next: Option<Box<str>>,
}

impl Retained {
    pub(crate) fn new(settings: &RetainedSettings) -> Self {
        Self {
            settings: settings.clone(),
            entries: BTreeSet::new(),
            cleared: Cleared::default(),
            counted: 0,
            bytes: 0,
            by_age: BTreeMap::new(),
            by_expiry: BTreeMap::new(),
        }
    }

    /// The messages behind this topic, in the order of topics.
    pub(crate) fn after<'a>(
        &'a self,
        topic: Option<&'a [u8]>,
    ) -> impl Iterator<Item = &'a Message> {
        let from = topic.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.range::<[u8], _>((from, Bound::Unbounded));
        entries.map(|entry| &entry.message)
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Whether a message can become the retained one of its topic.
    pub(crate) fn may_set(&self, message: &Message) -> Result<(), Refusal> {
        self.may_replace(self.entries.get(message.topic_bytes()), message)
    }

    fn may_replace(&self, replaced: Option<&Entry>, message: &Message) -> Result<(), Refusal> {
        let payload = message.payload();
        if payload.is_empty() || is_servers(message.topic_bytes()) {
            return Ok(());
        }
        let is_too_large = payload.len() > self.settings.payload_bytes_max
            || message.size() as u64 > self.settings.bytes_max
            || self.settings.messages_max == 0;
        if is_too_large {
            return Err(Refusal::QuotaExceeded);
        }
        if self.settings.policy_at_limit == RetainedPolicy::DropOldest {
            return Ok(());
        }
        let freed = replaced.map_or(0, |entry| entry.message.size() as u64);
        let is_full = (replaced.is_none() && self.counted >= self.settings.messages_max)
            || self.bytes - freed + message.size() as u64 > self.settings.bytes_max;
        if is_full {
            Err(Refusal::QuotaExceeded)
        } else {
            Ok(())
        }
    }

    /// Makes a message the retained one of its topic, unless a later publish has set or deleted it
    /// already. What is at a limit gives way or is refused, as the settings say.
    pub(crate) fn set(
        &mut self,
        message: Message,
        (sequence, applied): (u64, u64),
    ) -> Result<(), Refusal> {
        let topic = message.topic_bytes();
        let present = self.entries.get(topic);
        if present.is_some_and(|present| present.sequence > sequence)
            || self.cleared.is_later(topic, sequence)
        {
            return Ok(());
        }
        self.may_replace(present, &message)?;
        if present.is_some() {
            self.remove(topic);
        }
        if !is_servers(message.topic_bytes()) {
            self.make_room(message.size() as u64)?;
            self.counted += 1;
            self.bytes += message.size() as u64;
            if self.settings.policy_at_limit == RetainedPolicy::DropOldest {
                self.by_age.insert(sequence, Message::clone(&message));
            }
        }
        if let Some(at) = message.expires_at() {
            self.by_expiry
                .insert((at, sequence), Message::clone(&message));
        }
        self.entries.insert(Entry {
            message,
            sequence,
            applied,
        });
        Ok(())
    }

    /// Lets the oldest give way until there is room for one more message of this size.
    fn make_room(&mut self, size: u64) -> Result<(), Refusal> {
        while self.counted >= self.settings.messages_max
            || self.bytes + size > self.settings.bytes_max
        {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                return Err(Refusal::QuotaExceeded);
            };
            self.remove(oldest.topic_bytes());
        }
        Ok(())
    }

    /// Deletes the retained message of a topic, unless a later publish set it.
    pub(crate) fn clear(&mut self, topic: &[u8], sequence: u64) {
        let present = self.entries.get(topic);
        if present.is_some_and(|present| present.sequence > sequence) {
            return;
        }
        self.remove(topic);
        self.cleared.add(topic, sequence);
    }

    fn remove(&mut self, topic: &[u8]) {
        if let Some(entry) = self.entries.take(topic) {
            if !is_servers(topic) {
                self.counted -= 1;
                self.bytes -= entry.message.size() as u64;
            }
            if let Some(at) = entry.message.expires_at() {
                self.by_expiry.remove(&(at, entry.sequence));
            }
            self.by_age.remove(&entry.sequence);
        }
    }

    /// When the next one expires.
    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.by_expiry.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Drops those that have expired, at most `dropped_max` of them.
    pub(crate) fn expire(&mut self, now: Time, dropped_max: usize) {
        for _ in 0..dropped_max {
            let expired = match self.by_expiry.first_entry() {
                Some(entry) if entry.key().0 <= now => entry.remove(),
                _ => return,
            };
            self.remove(expired.topic_bytes());
        }
    }

    /// The next retained messages that match a filter, in the order of topics, from the one after
    /// `after` on: those that were set up to `as_of` and have not expired. A page ends
    /// after `messages_max` of them, or when `scanned_max` were looked at.
    pub(crate) fn page(
        &self,
        filter: TopicFilter<'_>,
        after: Option<&str>,
        (as_of, now): (u64, Time),
        (messages_max, scanned_max): (usize, usize),
    ) -> Page {
        let mut messages = Vec::new();
        let is_meant = |entry: &Entry| entry.applied <= as_of && !entry.message.is_expired(now);
        if !filter.has_wildcard() {
            let entry = self.entries.get(filter.as_str().as_bytes());
            messages.extend(
                entry
                    .filter(|entry| is_meant(entry))
                    .map(|e| Message::clone(&e.message)),
            );
            return Page {
                messages,
                next: None,
            };
        }
        let prefix = literal_prefix(filter.as_str()).as_bytes();
        let from = match after {
            Some(after) if after.as_bytes() >= prefix => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(prefix),
        };
        let mut entries = self.entries.range::<[u8], _>((from, Bound::Unbounded));
        let mut last = after.unwrap_or_default();
        let (mut scanned, mut misses) = (0, 0);
        while let Some(entry) = entries.next() {
            let topic = entry.message.topic();
            if !topic.as_str().as_bytes().starts_with(prefix) {
                break;
            }
            if messages.len() >= messages_max || scanned >= scanned_max {
                return Page {
                    messages,
                    next: Some(last.into()),
                };
            }
            last = topic.as_str();
            scanned += 1;
            if filter.matches(topic) {
                misses = 0;
                if is_meant(entry) {
                    messages.push(Message::clone(&entry.message));
                }
                continue;
            }
            misses += 1;
            if misses < SKIP_AFTER {
                continue;
            }
            misses = 0;
            match onward(filter.as_str().as_bytes(), topic.as_str().as_bytes()) {
                Onward::Next => {}
                Onward::To(topic) => {
                    let from = Bound::Included(topic.as_slice());
                    entries = self.entries.range::<[u8], _>((from, Bound::Unbounded));
                }
                Onward::Nowhere => break,
            }
        }
        Page {
            messages,
            next: None,
        }
    }
}

/// Where the next topic can be that matches a filter.
#[derive(Debug, PartialEq)]
enum Onward {
    /// Right behind.
    Next,
    /// At this text, or behind it.
    To(Vec<u8>),
    /// There is none.
    Nowhere,
}

/// Where the next topic can be that matches a filter, behind one that does not. Topics lie in the
/// order of their bytes, so that all below one level lie together, but not with the level itself:
/// `a!` lies between `a` and `a/b`.
fn onward(filter: &[u8], topic: &[u8]) -> Onward {
    if topic.starts_with(b"$") && matches!(filter.first(), Some(b'+' | b'#')) {
        return Onward::To(vec![b'$' + 1]);
    }
    let mut levels = topic.split(|&byte| byte == b'/');
    // The levels that were compared, each with its slash.
    let mut compared = 0;
    for wanted in filter.split(|&byte| byte == b'/') {
        let Some(level) = levels.next() else {
            return Onward::Next;
        };
        if wanted == b"#" {
            return Onward::Next;
        }
        if wanted == b"+" || wanted == level {
            compared += level.len() + 1;
            continue;
        }
        let above = topic.get(..compared).unwrap_or_default();
        let mut nearest = [above, wanted].concat();
        if nearest.as_slice() > topic {
            return Onward::To(nearest);
        }
        nearest.push(b'/');
        if nearest.as_slice() > topic {
            return Onward::To(nearest);
        }
        return behind(above);
    }
    // All below these levels is too deep.
    behind(topic.get(..compared).unwrap_or_default())
}

/// Behind all topics that begin with these levels.
fn behind(levels: &[u8]) -> Onward {
    match levels.split_last() {
        Some((_, levels)) => Onward::To([levels, &[b'/' + 1]].concat()),
        None => Onward::Nowhere,
    }
}

/// What every topic that matches begins with. `sport/#` matches `sport` as well.
fn literal_prefix(filter: &str) -> &str {
    let literal = filter.split(['+', '#']).next().unwrap_or_default();
    if filter.ends_with("/#") && literal.len() + 1 == filter.len() {
        return literal.strip_suffix('/').unwrap_or(literal);
    }
    literal
}

#[cfg(test)]
mod tests;
