//! Who subscribes to one filter, from nobody to tens of thousands.

use std::sync::Arc;

use hashbrown::HashTable;

use super::shared::Group;
use super::{Grant, Subscriber};

/// Entries up to which a list is searched from its start.
const SEARCH_MAX: usize = 16;

/// Who subscribes with which grant.
#[derive(Clone, Debug)]
pub(super) struct Subscription<S> {
    pub(super) subscriber: S,
    pub(super) grant: Grant,
}

/// Subscriptions of different subscribers. Neither adding nor removing one is linear in their
/// number.
pub(super) struct List<S> {
    items: Vec<Subscription<S>>,
    /// The places in `items` by key, once there are more than [`SEARCH_MAX`].
    index: Option<Box<HashTable<u32>>>,
}

/// Spreads keys that count up, or up in steps, over all bits of a hash.
pub(super) const fn spread(key: u64) -> u64 {
    let product = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("2^32 subscriptions to one filter do not fit into memory")
}

fn key_at<S: Subscriber>(items: &[Subscription<S>], place: u32) -> Option<u64> {
    let item = items.get(usize::try_from(place).ok()?)?;
    Some(item.subscriber.key())
}

impl<S: Subscriber> List<S> {
    pub(super) const fn new() -> Self {
        Self {
            items: Vec::new(),
            index: None,
        }
    }

    pub(super) fn as_slice(&self) -> &[Subscription<S>] {
        &self.items
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn position(&self, key: u64) -> Option<usize> {
        match &self.index {
            None => self
                .items
                .iter()
                .position(|item| item.subscriber.key() == key),
            Some(index) => index
                .find(spread(key), |&place| {
                    key_at(&self.items, place) == Some(key)
                })
                .and_then(|&place| usize::try_from(place).ok()),
        }
    }

    /// Adds a subscription or replaces the subscriber's earlier one; true if there was one.
    pub(super) fn insert(&mut self, subscriber: &S, grant: Grant) -> bool {
        let key = subscriber.key();
        let new = Subscription {
            subscriber: subscriber.clone(),
            grant,
        };
        if let Some(there) = self
            .position(key)
            .and_then(|position| self.items.get_mut(position))
        {
            *there = new;
            return true;
        }
        self.items.push(new);
        let items = &self.items;
        if let Some(index) = &mut self.index {
            index.insert_unique(spread(key), place(items.len() - 1), |&place| {
                key_at(items, place).map_or(0, spread)
            });
        } else if items.len() > SEARCH_MAX {
            let mut index = HashTable::with_capacity(items.len() * 2);
            for (position, item) in items.iter().enumerate() {
                index.insert_unique(
                    spread(item.subscriber.key()),
                    place(position),
                    |&place: &u32| key_at(items, place).map_or(0, spread),
                );
            }
            self.index = Some(Box::new(index));
        }
        false
    }

    /// Removes a subscription. The others keep their order while they are few; of many, the last
    /// takes the place that is free.
    pub(super) fn remove(&mut self, key: u64) -> bool {
        if self.index.is_some() {
            return self.swap_remove(key);
        }
        let Some(position) = self.position(key) else {
            return false;
        };
        self.items.remove(position);
        true
    }

    /// Removes a subscription; the last takes its place.
    pub(super) fn swap_remove(&mut self, key: u64) -> bool {
        let Some(position) = self.position(key) else {
            return false;
        };
        if let Some(index) = &mut self.index {
            let (last, freed) = (place(self.items.len() - 1), place(position));
            if let Ok(entry) = index.find_entry(spread(key), |&at| at == freed) {
                entry.remove();
            }
            if let Some(moved) = key_at(&self.items, last)
                && let Some(at) = index.find_mut(spread(moved), |&at| at == last)
            {
                *at = freed;
            }
        }
        self.items.swap_remove(position);
        // Half of the limit, so that one subscriber that comes and goes does not make and drop the
        // index each time.
        if self.items.len() <= SEARCH_MAX / 2 {
            self.index = None;
        }
        if self.items.capacity() > 4 * SEARCH_MAX && self.items.len() < self.items.capacity() / 4 {
            self.items.shrink_to(self.items.len() * 2);
            let items = &self.items;
            if let Some(index) = &mut self.index {
                index.shrink_to(items.len() * 2, |&place| {
                    key_at(items, place).map_or(0, spread)
                });
            }
        }
        true
    }
}

/// All that one filter is subscribed by. Most filters have one subscriber, so that one lies here
/// itself.
#[derive(Default)]
pub(super) enum Subscribers<S> {
    #[default]
    None,
    One(Subscription<S>),
    Many(Box<Many<S>>),
}

/// Several subscribers, or shared subscriptions.
pub(super) struct Many<S> {
    pub(super) list: List<S>,
    pub(super) groups: Vec<Arc<Group<S>>>,
}

impl<S: Subscriber> Subscribers<S> {
    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Adds a subscription or replaces the subscriber's earlier one; true if there was one.
    pub(super) fn insert(&mut self, subscriber: &S, grant: Grant) -> bool {
        match self {
            Self::None => {
                *self = Self::One(Subscription {
                    subscriber: subscriber.clone(),
                    grant,
                });
                false
            }
            Self::One(there) if there.subscriber.key() == subscriber.key() => {
                *there = Subscription {
                    subscriber: subscriber.clone(),
                    grant,
                };
                true
            }
            Self::One(_) | Self::Many(_) => self.many().list.insert(subscriber, grant),
        }
    }

    /// Removes a subscription; false if there was none.
    pub(super) fn remove(&mut self, key: u64) -> bool {
        let removed = match self {
            Self::None => false,
            Self::One(there) => {
                let is_it = there.subscriber.key() == key;
                if is_it {
                    *self = Self::None;
                }
                return is_it;
            }
            Self::Many(many) => many.list.remove(key),
        };
        self.settle();
        removed
    }

    pub(super) fn add_group(&mut self, group: Arc<Group<S>>) {
        self.many().groups.push(group);
    }

    pub(super) fn remove_group(&mut self, group: &Arc<Group<S>>) {
        if let Self::Many(many) = self {
            many.groups.retain(|other| !Arc::ptr_eq(other, group));
            self.settle();
        }
    }

    /// The form that holds several, whatever is held now.
    fn many(&mut self) -> &mut Many<S> {
        if !matches!(self, Self::Many(_)) {
            let mut list = List::new();
            if let Self::One(there) = std::mem::take(self) {
                list.insert(&there.subscriber, there.grant);
            }
            *self = Self::Many(Box::new(Many {
                list,
                groups: Vec::new(),
            }));
        }
        match self {
            Self::Many(many) => many,
            Self::None | Self::One(_) => unreachable!("made a line above"),
        }
    }

    /// Back to the smallest form.
    fn settle(&mut self) {
        let Self::Many(many) = self else { return };
        if !many.groups.is_empty() {
            return;
        }
        match many.list.as_slice() {
            [] => *self = Self::None,
            [only] => *self = Self::One(only.clone()),
            _ => {}
        }
    }
}
