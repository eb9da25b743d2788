//! Who gets a message: subscriptions by Topic Filter, and the route of a Topic Name.
//!
//! Filters without wildcards stand by their text ([`exact`]), those with wildcards in the
//! [`tree`]. The router holds no lock; a shared subscription has a short one of its own, since
//! choosing a member changes it.

mod exact;
mod list;
mod route;
mod shared;
mod slots;
mod table;
mod text;
mod tree;

use std::num::NonZeroU32;
use std::sync::Arc;

use ahash::RandomState;
use dunlin_codec::{QoS, Share, TopicFilter, TopicName};

use crate::settings::SharedSettings;
use exact::Exact;
use list::Subscribers;
pub(crate) use route::{Delivered, Identifiers, Route, Target};
pub(crate) use shared::{Group, pattern_matches};
use table::Table;
use tree::Tree;

/// Whoever can subscribe.
pub(crate) trait Subscriber: Clone {
    /// The number that tells it from all others.
    fn key(&self) -> u64;
}

/// A subscriber that can be a member of a shared subscription.
pub(crate) trait Member: Subscriber {
    /// Whether its client is connected.
    fn is_connected(&self) -> bool;
    /// Whether a message could be sent to it at once.
    fn has_room(&self) -> bool;
    /// How many messages wait for it or for its acknowledgement.
    fn in_flight(&self) -> usize;
    /// Whether the store keeps messages for it.
    fn is_kept(&self) -> bool;
}

/// What a subscription was granted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grant {
    /// The highest QoS that messages are sent at.
    pub(crate) qos: QoS,
    /// No Local.
    pub(crate) no_local: bool,
    /// Retain As Published.
    pub(crate) retain_as_published: bool,
    /// Subscription Identifier.
    pub(crate) identifier: Option<NonZeroU32>,
}

/// How much a router holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouterCounts {
    /// Subscriptions that are not shared.
    pub(crate) subscriptions: usize,
    /// Members of all shared subscriptions.
    pub(crate) shared_subscriptions: usize,
    /// Shared subscriptions, each counted once however many members it has.
    pub(crate) groups: usize,
}

/// Room for what looking up routes takes, which whoever does it again keeps.
pub(crate) struct Search<S> {
    collectors: Vec<route::Collector<S>>,
    ids: Vec<Option<u32>>,
    steps: tree::Steps,
}

impl<S> Default for Search<S> {
    fn default() -> Self {
        Self {
            collectors: Vec::new(),
            ids: Vec::new(),
            steps: tree::Steps::default(),
        }
    }
}

/// All subscriptions.
pub(crate) struct Router<S> {
    hasher: RandomState,
    settings: SharedSettings,
    exact: Exact<S>,
    tree: Tree<S>,
    groups: Table<Arc<Group<S>>>,
    generation: u64,
    subscriptions: usize,
    shared_subscriptions: usize,
}

impl<S: Subscriber> Router<S> {
    /// A router without subscriptions. The seeds of the hasher must be unknown to clients, lest they
    /// choose filters that collide.
    pub(crate) fn new(hasher: RandomState, settings: SharedSettings) -> Self {
        let mut router = Self {
            hasher,
            settings,
            exact: Exact::new(),
            tree: Tree::new(),
            groups: Table::new(),
            generation: 0,
            subscriptions: 0,
            shared_subscriptions: 0,
        };
        for rule in router.settings.durable_groups.clone() {
            if let Some(filter) = rule.filter()
                && let Ok(Some(share)) = filter.share()
                && router.group(filter).is_none()
            {
                router.add_group(filter, &share, true);
            }
        }
        router
    }

    /// Adds a subscription, or replaces the subscriber's earlier one to the very same filter; true
    /// if there was one [MQTT-3.8.4-3].
    ///
    /// The caller has refused filters for which [`TopicFilter::share`] is an error.
    pub(crate) fn subscribe(
        &mut self,
        filter: TopicFilter<'_>,
        subscriber: &S,
        grant: Grant,
    ) -> bool {
        let was_there = match filter.share() {
            Err(_) => return false,
            Ok(Some(share)) => {
                let group = match self.group(filter) {
                    Some(group) => Arc::clone(group),
                    None => self.add_group(filter, &share, false),
                };
                let was_there = group.insert(subscriber, grant);
                self.shared_subscriptions += usize::from(!was_there);
                return was_there;
            }
            Ok(None) => self.subscribers_mut(filter).insert(subscriber, grant),
        };
        self.subscriptions += usize::from(!was_there);
        self.generation += 1;
        was_there
    }

    /// Removes the subscription to the very same filter [MQTT-3.10.4-1]; false if there was none.
    pub(crate) fn unsubscribe(&mut self, filter: TopicFilter<'_>, subscriber: &S) -> bool {
        let key = subscriber.key();
        match filter.share() {
            Err(_) => false,
            Ok(Some(share)) => {
                let Some(group) = self.group(filter).map(Arc::clone) else {
                    return false;
                };
                let Some(is_empty) = group.remove(key) else {
                    return false;
                };
                self.shared_subscriptions -= 1;
                if is_empty && !group.is_durable() {
                    self.remove_group(&group, &share);
                }
                true
            }
            Ok(None) => {
                let removed = self.change(filter, |subscribers| subscribers.remove(key));
                if removed == Some(true) {
                    self.subscriptions -= 1;
                    self.generation += 1;
                }
                removed == Some(true)
            }
        }
    }

    /// Who gets the messages of these topics, in their order. The answers hold until the generation
    /// changes.
    pub(crate) fn routes<'s>(
        &self,
        topics: &[TopicName<'_>],
        search: &'s mut Search<S>,
    ) -> impl Iterator<Item = Route<S>> + use<'s, S> {
        let Search {
            collectors,
            ids,
            steps,
        } = search;
        collectors.clear();
        collectors.resize_with(topics.len(), route::Collector::new);
        let mut found = |place: usize, subscribers: &Subscribers<S>| {
            if let Some(collector) = collectors.get_mut(place) {
                collector.add(subscribers);
            }
        };
        self.exact.find(topics, &self.hasher, ids, &mut found);
        self.tree.visit(topics, &self.hasher, steps, &mut found);
        collectors.drain(..).map(route::Collector::finish)
    }

    /// The shared subscription of this filter, `$share/{name}/{filter}` or `$queue/{filter}`.
    pub(crate) fn group(&self, filter: TopicFilter<'_>) -> Option<&Arc<Group<S>>> {
        let text = filter.as_str();
        self.groups
            .find(self.hasher.hash_one(text), |group| group.text() == text)
    }

    /// All shared subscriptions.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Arc<Group<S>>> {
        self.groups.iter()
    }

    /// A number that changes with every change of any route.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// How much it holds.
    pub(crate) const fn counts(&self) -> RouterCounts {
        RouterCounts {
            subscriptions: self.subscriptions,
            shared_subscriptions: self.shared_subscriptions,
            groups: self.groups.len(),
        }
    }

    fn add_group(
        &mut self,
        filter: TopicFilter<'_>,
        share: &Share<'_>,
        is_durable: bool,
    ) -> Arc<Group<S>> {
        let strategy = shared::strategy(&self.settings, share.name);
        let group = Arc::new(Group::new(filter.as_str(), strategy, is_durable));
        self.subscribers_mut(share.filter)
            .add_group(Arc::clone(&group));
        let hash = self.hasher.hash_one(filter.as_str());
        self.groups.insert(hash, Arc::clone(&group));
        self.generation += 1;
        group
    }

    fn remove_group(&mut self, group: &Arc<Group<S>>, share: &Share<'_>) {
        self.change(share.filter, |subscribers| subscribers.remove_group(group));
        let hash = self.hasher.hash_one(group.text());
        self.groups.remove(hash, |other| Arc::ptr_eq(other, group));
        self.generation += 1;
    }

    /// The subscribers to a filter, which is added if need be.
    fn subscribers_mut(&mut self, filter: TopicFilter<'_>) -> &mut Subscribers<S> {
        if filter.has_wildcard() {
            let place = self.tree.make(filter, &self.hasher);
            return self.tree.at_mut(place);
        }
        let text = filter.as_str().as_bytes();
        self.exact.make(text, &self.hasher)
    }

    /// Changes the subscribers to a filter and drops the filter if nobody is left; `None` if it is
    /// not here.
    fn change<T>(
        &mut self,
        filter: TopicFilter<'_>,
        change: impl FnOnce(&mut Subscribers<S>) -> T,
    ) -> Option<T> {
        if filter.has_wildcard() {
            let place = self.tree.find(filter, &self.hasher)?;
            let result = change(self.tree.at_mut(place));
            self.tree.prune(place, &self.hasher);
            return Some(result);
        }
        let text = filter.as_str().as_bytes();
        self.exact.change(text, &self.hasher, change)
    }
}

#[cfg(test)]
mod tests;
