//! Shared Subscriptions (section 4.8.2): which member of a group gets a message.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;

use parking_lot::{Mutex, MutexGuard};

use super::list::{List, Subscription, spread};
use super::{Grant, Member, Subscriber};
use crate::message::Message;
use crate::settings::{QueuePolicy, QueueSettings, SharedSettings, Strategy};

/// Members that are asked at random before all are looked at.
const RANDOM_TRIES: u64 = 8;

/// A Shared Subscription: a filter, and those who share its messages.
pub(crate) struct Group<S> {
    /// The whole text, `$share/{name}/{filter}` or `$queue/{filter}`.
    text: Box<str>,
    strategy: Strategy,
    is_durable: bool,
    members: Mutex<Members<S>>,
    /// What a durable group keeps while it has no members.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    messages: VecDeque<Message>,
    bytes: usize,
}

struct Members<S> {
    list: List<S>,
    /// The place of the member whose turn it is.
    turn: usize,
    /// The member that [`Strategy::Sticky`] stays with.
    sticky: Option<u64>,
}

/// How well a member can take a message, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Ready,
    Full,
    Away,
}

impl<S: Subscriber> Group<S> {
    pub(super) fn new(text: &str, strategy: Strategy, is_durable: bool) -> Self {
        Self {
            text: text.into(),
            strategy,
            is_durable,
            members: Mutex::new(Members {
                list: List::new(),
                turn: 0,
                sticky: None,
            }),
            kept: Mutex::new(Kept::default()),
        }
    }

    /// Keeps a message for members to come, within the bounds of a session's queue, and gives those
    /// that gave way to it; `None` if it is not kept, by a group that is not durable or whose bounds
    /// say so.
    pub(crate) fn keep(&self, message: &Message, bounds: &QueueSettings) -> Option<Vec<Message>> {
        let size = message.size();
        if !self.is_durable || size > bounds.bytes_max {
            return None;
        }
        let mut gave_way = Vec::new();
        let mut kept = self.kept.lock();
        while kept.messages.len() >= bounds.messages_max || kept.bytes + size > bounds.bytes_max {
            if bounds.policy != QueuePolicy::DropOldest {
                return None;
            }
            let oldest = kept.messages.pop_front()?;
            kept.bytes -= oldest.size();
            gave_way.push(oldest);
        }
        kept.bytes += size;
        kept.messages.push_back(Message::clone(message));
        Some(gave_way)
    }

    /// What is kept, in its order; nobody takes it meanwhile.
    pub(crate) fn kept(&self) -> impl Deref<Target = VecDeque<Message>> {
        MutexGuard::map(self.kept.lock(), |kept| &mut kept.messages)
    }

    /// What was kept, in its order.
    pub(crate) fn take_kept(&self) -> VecDeque<Message> {
        std::mem::take(&mut *self.kept.lock()).messages
    }

    /// The filter as it was subscribed, `$share/{name}/{filter}` or `$queue/{filter}`.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The ShareName; `None` for `$queue`.
    #[cfg(test)]
    pub(crate) fn name(&self) -> Option<&str> {
        let (name, _) = self.text.strip_prefix("$share/")?.split_once('/')?;
        Some(name)
    }

    /// How a member is chosen.
    #[cfg(test)]
    pub(crate) const fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Whether the group exists, and keeps messages, while it has no members.
    pub(crate) const fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// How many members it has.
    pub(crate) fn member_count(&self) -> usize {
        self.members.lock().list.len()
    }

    /// What a member was granted; `None` if it is none.
    #[cfg(test)]
    pub(crate) fn grant_of(&self, key: u64) -> Option<Grant> {
        let members = self.members.lock();
        let position = members.list.position(key)?;
        Some(members.list.as_slice().get(position)?.grant.clone())
    }

    /// Adds or replaces a member; true if it was one before.
    pub(super) fn insert(&self, subscriber: &S, grant: Grant) -> bool {
        self.members.lock().list.insert(subscriber, grant)
    }

    /// Removes a member; `None` if it was none, else whether the group is empty now.
    pub(super) fn remove(&self, key: u64) -> Option<bool> {
        let mut members = self.members.lock();
        if members.sticky == Some(key) {
            members.sticky = None;
        }
        // The last member takes the free place, so that hashes hit the same members as before but
        // for two.
        members
            .list
            .swap_remove(key)
            .then(|| members.list.is_empty())
    }
}

impl<S: Member> Group<S> {
    /// Whether the store keeps messages for any of its members.
    pub(crate) fn has_kept_member(&self) -> bool {
        let members = self.members.lock();
        members
            .list
            .as_slice()
            .iter()
            .any(|member| member.subscriber.is_kept())
    }

    /// The member that gets a message, and what it was granted [MQTT-4.8.2-3]; `None` if there is
    /// none but the one excluded.
    ///
    /// One that is connected and has room comes before one that is connected, and that before one
    /// that is away. Among equals the strategy chooses; `random` is all the chance there is.
    pub(crate) fn choose(
        &self,
        topic: &[u8],
        publisher: u64,
        random: u64,
        exclude: Option<u64>,
    ) -> Option<(S, Grant)> {
        let mut guard = self.members.lock();
        let members = &mut *guard;
        let candidates = Candidates {
            list: members.list.as_slice(),
            exclude,
        };
        if candidates.list.is_empty() {
            return None;
        }
        let count = candidates.list.len();
        let position = match self.strategy {
            Strategy::Random => candidates.at_random(random)?,
            Strategy::RoundRobin => {
                let position = candidates.first_from(members.turn)?;
                members.turn = (position + 1) % count;
                position
            }
            Strategy::Sticky => {
                let kept = members.sticky.and_then(|key| members.list.position(key));
                let position = candidates.sticky(kept, random)?;
                // Passing over the excluded member once does not leave it.
                if kept.is_none_or(|kept| candidates.standing(kept).is_some()) {
                    members.sticky = candidates.key(position);
                }
                position
            }
            Strategy::HashClient => candidates.first_from(bucket(spread(publisher), count))?,
            Strategy::HashTopic => candidates.first_from(bucket(hash(topic), count))?,
            Strategy::LeastInFlight => {
                let position = candidates.least_in_flight_from(members.turn)?;
                members.turn = (position + 1) % count;
                position
            }
        };
        let chosen = candidates.list.get(position)?;
        Some((chosen.subscriber.clone(), chosen.grant.clone()))
    }
}

/// The members that a choice is made from.
struct Candidates<'a, S> {
    list: &'a [Subscription<S>],
    exclude: Option<u64>,
}

impl<S: Member> Candidates<'_, S> {
    fn key(&self, position: usize) -> Option<u64> {
        Some(self.list.get(position)?.subscriber.key())
    }

    /// `None` for the excluded member.
    fn standing(&self, position: usize) -> Option<Standing> {
        let member = &self.list.get(position)?.subscriber;
        if self.exclude == Some(member.key()) {
            None
        } else if !member.is_connected() {
            Some(Standing::Away)
        } else if member.has_room() {
            Some(Standing::Ready)
        } else {
            Some(Standing::Full)
        }
    }

    /// All places once, from this one on.
    fn places_from(&self, start: usize) -> impl Iterator<Item = usize> + use<S> {
        let count = self.list.len();
        let start = start.checked_rem(count).unwrap_or(0);
        (start..count).chain(0..start)
    }

    /// The first of the best, from this place on. It looks no further than the first that is ready.
    fn first_from(&self, start: usize) -> Option<usize> {
        let mut best = None;
        for position in self.places_from(start) {
            let Some(standing) = self.standing(position) else {
                continue;
            };
            if standing == Standing::Ready {
                return Some(position);
            }
            if best.is_none_or(|(least, _)| standing < least) {
                best = Some((standing, position));
            }
        }
        best.map(|(_, position)| position)
    }

    /// Any of the best, all of them equally likely.
    fn at_random(&self, random: u64) -> Option<usize> {
        for attempt in 0..RANDOM_TRIES {
            let position = remainder(
                random.rotate_right(8 * u32::try_from(attempt).unwrap_or(0)),
                self.list.len(),
            );
            if self.standing(position) == Some(Standing::Ready) {
                return Some(position);
            }
        }
        let standings = || {
            (0..self.list.len()).filter_map(|position| Some((self.standing(position)?, position)))
        };
        let (best, _) = standings().min()?;
        let equals = || standings().filter(|&(standing, _)| standing == best);
        let (_, position) = equals().nth(remainder(random, equals().count()))?;
        Some(position)
    }

    /// The one that was kept, if it is among the best, else any of those.
    fn sticky(&self, kept: Option<usize>, random: u64) -> Option<usize> {
        let standing = kept.and_then(|kept| self.standing(kept));
        if standing == Some(Standing::Ready) {
            return kept;
        }
        let position = self.at_random(random)?;
        if standing.is_some() && standing <= self.standing(position) {
            return kept;
        }
        Some(position)
    }

    /// The one with the fewest messages in flight among the best; the first of equals, from this
    /// place on.
    fn least_in_flight_from(&self, start: usize) -> Option<usize> {
        let mut best = None;
        for position in self.places_from(start) {
            let Some(standing) = self.standing(position) else {
                continue;
            };
            let in_flight = self.list.get(position)?.subscriber.in_flight();
            if standing == Standing::Ready && in_flight == 0 {
                return Some(position);
            }
            if best.is_none_or(|(least, _)| (standing, in_flight) < least) {
                best = Some(((standing, in_flight), position));
            }
        }
        best.map(|(_, position)| position)
    }
}

impl<S: Subscriber> fmt::Debug for Group<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("text", &self.text)
            .field("strategy", &self.strategy)
            .field("members", &self.member_count())
            .finish_non_exhaustive()
    }
}

fn remainder(number: u64, count: usize) -> usize {
    usize::try_from(number.checked_rem(count as u64).unwrap_or(0)).unwrap_or(0)
}

/// A hash of the topic that is the same in every process (FNV-1a).
fn hash(topic: &[u8]) -> u64 {
    spread(topic.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// One of `count` places for a hash, by "jump consistent hash" of Lamping and Veach: when a place is
/// added, only its share of the hashes changes.
fn bucket(mut hash: u64, count: usize) -> usize {
    let count = count as u64;
    let (mut bucket, mut next) = (0, 0);
    while next < count {
        bucket = next;
        hash = hash.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = (bucket + 1).saturating_mul(1 << 31) / ((hash >> 33) + 1);
    }
    usize::try_from(bucket).unwrap_or(0)
}

/// The strategy of a group: `$queue` has one, `$share` groups have theirs by name.
pub(super) fn strategy(settings: &SharedSettings, name: Option<&str>) -> Strategy {
    let Some(name) = name else {
        return settings.queue_strategy;
    };
    settings
        .groups
        .iter()
        .find(|(pattern, _)| pattern_matches(pattern, name))
        .map_or(settings.share_strategy, |&(_, strategy)| strategy)
}

/// Whether a pattern, in which `*` stands for any text, is the form of a whole name.
pub(crate) fn pattern_matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return name.ends_with(part);
        }
        match name.find(part) {
            Some(at) => name = name.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}
