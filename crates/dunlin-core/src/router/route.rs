//! What the router answers: who gets a message, and how.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use dunlin_codec::QoS;
use hashbrown::HashTable;

use super::list::{Subscribers, Subscription, spread};
use super::shared::Group;
use super::{Grant, Subscriber};

/// Comparisons of keys up to which it is not worth making an index.
const COMPARE_MAX: usize = 64;

/// Who gets the messages of one topic.
pub(crate) struct Route<S> {
    /// The subscribers, each of them once, in the order of subscribing as far as that was cheap.
    pub(crate) targets: Box<[Target<S>]>,
    /// The shared subscriptions, one member of each of which gets a message.
    pub(crate) groups: Box<[Arc<Group<S>>]>,
}

impl<S> fmt::Debug for Route<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("targets", &self.targets.len())
            .field("groups", &self.groups.len())
            .finish()
    }
}

impl<S> Route<S> {
    /// True if nobody gets them.
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.groups.is_empty()
    }
}

/// A subscriber of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Target<S> {
    /// Whom to.
    pub(crate) subscriber: S,
    /// How, if somebody else published the message.
    pub(crate) delivered: Delivered,
    /// How, if the subscriber published it.
    pub(crate) for_own: ForOwn,
}

/// What a subscriber gets of the messages that it published: subscriptions with No Local do not
/// count [MQTT-3.8.3-3].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ForOwn {
    /// The same as of others' messages: none of its matching subscriptions has No Local.
    Same,
    /// Nothing: all have it.
    Nothing,
    /// What the subscriptions without it ask for.
    Other(Box<Delivered>),
}

impl<S: Subscriber> Target<S> {
    fn new(subscription: &Subscription<S>) -> Self {
        let grant = &subscription.grant;
        Self {
            subscriber: subscription.subscriber.clone(),
            delivered: Delivered::new(grant),
            for_own: if grant.no_local {
                ForOwn::Nothing
            } else {
                ForOwn::Same
            },
        }
    }

    /// How a message of this publisher is sent; `None` if it is not sent.
    pub(crate) fn delivered_from(&self, publisher: u64) -> Option<&Delivered> {
        match &self.for_own {
            ForOwn::Same => Some(&self.delivered),
            _ if self.subscriber.key() != publisher => Some(&self.delivered),
            ForOwn::Nothing => None,
            ForOwn::Other(other) => Some(other),
        }
    }

    /// Adds another matching subscription of the same subscriber.
    fn merge(&mut self, grant: &Grant) {
        match (&mut self.for_own, grant.no_local) {
            (ForOwn::Same, false) | (ForOwn::Nothing | ForOwn::Other(_), true) => {}
            (ForOwn::Same, true) => self.for_own = ForOwn::Other(Box::new(self.delivered.clone())),
            (ForOwn::Nothing, false) => {
                self.for_own = ForOwn::Other(Box::new(Delivered::new(grant)));
            }
            (ForOwn::Other(other), false) => other.merge(grant),
        }
        self.delivered.merge(grant);
    }
}

/// How a message is sent to a subscriber, from all of its subscriptions that match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivered {
    /// The highest QoS granted [MQTT-3.3.4-2].
    pub(crate) qos: QoS,
    /// Whether one has Retain As Published.
    pub(crate) retain_as_published: bool,
    /// The Subscription Identifiers of all that match [MQTT-3.3.4-4]; one may stand there twice.
    pub(crate) identifiers: Identifiers,
}

/// Subscription Identifiers: none or one, almost always.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Identifiers {
    one: Option<NonZeroU32>,
    /// All of them, if there are several.
    several: Option<Arc<Vec<NonZeroU32>>>,
}

impl Identifiers {
    /// The first.
    pub(crate) const fn one(&self) -> Option<NonZeroU32> {
        self.one
    }

    /// All of them in the order in which they were added, if there are several.
    pub(crate) const fn several(&self) -> Option<&Arc<Vec<NonZeroU32>>> {
        self.several.as_ref()
    }

    /// These identifiers.
    pub(crate) fn from_slice(identifiers: &[NonZeroU32]) -> Self {
        let mut all = Self::default();
        identifiers.iter().for_each(|&one| all.push(one));
        all
    }

    /// All of them in the order in which they were added.
    pub(crate) fn as_slice(&self) -> &[NonZeroU32] {
        match &self.several {
            Some(several) => several,
            None => self.one.as_slice(),
        }
    }

    fn push(&mut self, identifier: NonZeroU32) {
        match (self.one, &mut self.several) {
            (_, Some(several)) => Arc::make_mut(several).push(identifier),
            (Some(one), None) => self.several = Some(Arc::new(vec![one, identifier])),
            (None, None) => self.one = Some(identifier),
        }
    }
}

impl From<Option<NonZeroU32>> for Identifiers {
    fn from(one: Option<NonZeroU32>) -> Self {
        Self { one, several: None }
    }
}

impl Delivered {
    /// What one subscription asks for.
    pub(crate) fn new(grant: &Grant) -> Self {
        Self {
            qos: grant.qos,
            retain_as_published: grant.retain_as_published,
            identifiers: grant.identifier.into(),
        }
    }

    fn merge(&mut self, grant: &Grant) {
        self.qos = self.qos.max(grant.qos);
        self.retain_as_published |= grant.retain_as_published;
        if let Some(identifier) = grant.identifier {
            self.identifiers.push(identifier);
        }
    }
}

/// Collects a route from the filters that match.
pub(super) struct Collector<S> {
    targets: Vec<Target<S>>,
    groups: Vec<Arc<Group<S>>>,
    /// The places in `targets` by key; made only when several filters have many subscribers.
    index: Option<HashTable<u32>>,
}

impl<S: Subscriber> Collector<S> {
    pub(super) const fn new() -> Self {
        Self {
            targets: Vec::new(),
            groups: Vec::new(),
            index: None,
        }
    }

    pub(super) fn add(&mut self, subscribers: &Subscribers<S>) {
        match subscribers {
            Subscribers::None => {}
            Subscribers::One(one) => self.add_all(std::slice::from_ref(one)),
            Subscribers::Many(many) => {
                self.groups.extend(many.groups.iter().cloned());
                self.add_all(many.list.as_slice());
            }
        }
    }

    pub(super) fn finish(self) -> Route<S> {
        Route {
            targets: self.targets.into_boxed_slice(),
            groups: self.groups.into_boxed_slice(),
        }
    }

    /// Adds the subscribers of one filter, who all differ.
    fn add_all(&mut self, subscriptions: &[Subscription<S>]) {
        let before = self.targets.len();
        if before == 0 {
            self.targets.reserve_exact(subscriptions.len());
            self.targets.extend(subscriptions.iter().map(Target::new));
        } else if self.index.is_none() && before * subscriptions.len() <= COMPARE_MAX {
            for subscription in subscriptions {
                let key = subscription.subscriber.key();
                let mut earlier = self.targets.iter_mut().take(before);
                match earlier.find(|target| target.subscriber.key() == key) {
                    Some(target) => target.merge(&subscription.grant),
                    None => self.targets.push(Target::new(subscription)),
                }
            }
        } else {
            self.add_by_index(subscriptions);
        }
    }

    fn add_by_index(&mut self, subscriptions: &[Subscription<S>]) {
        let targets = &mut self.targets;
        let index = self.index.get_or_insert_with(|| {
            let mut index = HashTable::with_capacity(targets.len() + subscriptions.len());
            for (place, target) in (0..).zip(targets.iter()) {
                index.insert_unique(spread(target.subscriber.key()), place, |&place: &u32| {
                    target_at(targets, place).map_or(0, |target| spread(target.subscriber.key()))
                });
            }
            index
        });
        for subscription in subscriptions {
            let key = subscription.subscriber.key();
            let there = index
                .find(spread(key), |&place| {
                    target_at(targets, place).is_some_and(|target| target.subscriber.key() == key)
                })
                .and_then(|&place| targets.get_mut(usize::try_from(place).ok()?));
            if let Some(target) = there {
                target.merge(&subscription.grant);
                continue;
            }
            let place = u32::try_from(targets.len())
                .expect("2^32 subscribers of one topic do not fit into memory");
            targets.push(Target::new(subscription));
            index.insert_unique(spread(key), place, |&place| {
                target_at(targets, place).map_or(0, |target| spread(target.subscriber.key()))
            });
        }
    }
}

fn target_at<S>(targets: &[Target<S>], place: u32) -> Option<&Target<S>> {
    targets.get(usize::try_from(place).ok()?)
}
