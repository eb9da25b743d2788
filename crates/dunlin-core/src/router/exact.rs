//! Filters without wildcards, by their text.
//!
//! A table has the numbers of the filters, so that its unused places are small ones, and what belongs to a
//! filter lies in one place, as long as its text is not a long one.

use ahash::RandomState;
use dunlin_codec::TopicName;

use super::Subscriber;
use super::list::Subscribers;
use super::slots::Slots;
use super::table::Table;
use super::text::Text;

/// All filters without wildcards.
pub(super) struct Exact<S> {
    filters: Slots<Filter<S>>,
    /// Numbers of the filters, by their text.
    by_text: Table<u32>,
}

/// What a filter takes if a subscriber is a pointer; for a test.
#[cfg(test)]
pub(super) const FILTER_BYTES: usize = size_of::<Filter<std::rc::Rc<u8>>>();

struct Filter<S> {
    text: Text<46>,
    subscribers: Subscribers<S>,
}

impl<S> Default for Filter<S> {
    fn default() -> Self {
        Self {
            text: Text::new(&[]),
            subscribers: Subscribers::None,
        }
    }
}

impl<S: Subscriber> Exact<S> {
    pub(super) fn new() -> Self {
        Self {
            filters: Slots::new(),
            by_text: Table::new(),
        }
    }

    /// Filters in it.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.filters.len()
    }

    fn id(&self, text: &[u8], hash: u64) -> Option<u32> {
        let is_it = |&id: &u32| self.filters.get(id).text.as_bytes() == text;
        self.by_text.find(hash, is_it).copied()
    }

    /// Calls `found` with the place of each topic that is a filter, and who subscribes to that. Where the
    /// filters are is found for all of them before any is looked at, so that memory is waited for once.
    pub(super) fn find(
        &self,
        topics: &[TopicName<'_>],
        hasher: &RandomState,
        ids: &mut Vec<Option<u32>>,
        mut found: impl FnMut(usize, &Subscribers<S>),
    ) {
        if self.filters.len() == 0 {
            return;
        }
        let texts = || topics.iter().map(|topic| topic.as_str().as_bytes());
        let likely = |text| self.by_text.likely(hasher.hash_one(text)).copied();
        ids.clear();
        ids.extend(texts().map(likely));
        for (place, (text, id)) in texts().zip(ids).enumerate() {
            let mut filter = id.map(|id| self.filters.get(id));
            if filter.is_some_and(|filter| filter.text.as_bytes() != text) {
                let other = self.id(text, hasher.hash_one(text));
                filter = other.map(|id| self.filters.get(id));
            }
            if let Some(filter) = filter {
                found(place, &filter.subscribers);
            }
        }
    }

    /// The subscribers to this filter, which is added if need be.
    pub(super) fn make(&mut self, text: &[u8], hasher: &RandomState) -> &mut Subscribers<S> {
        let hash = hasher.hash_one(text);
        let id = self.id(text, hash).unwrap_or_else(|| {
            let id = self.filters.insert(Filter {
                text: Text::new(text),
                subscribers: Subscribers::None,
            });
            self.by_text.insert(hash, id);
            id
        });
        &mut self.filters.get_mut(id).subscribers
    }

    /// Changes the subscribers to a filter and drops the filter if nobody is left; `None` if it is
    /// not here.
    pub(super) fn change<T>(
        &mut self,
        text: &[u8],
        hasher: &RandomState,
        change: impl FnOnce(&mut Subscribers<S>) -> T,
    ) -> Option<T> {
        let hash = hasher.hash_one(text);
        let id = self.id(text, hash)?;
        let filter = self.filters.get_mut(id);
        let result = change(&mut filter.subscribers);
        if filter.subscribers.is_empty() {
            self.by_text.remove(hash, |&other| other == id);
            self.filters.remove(id);
        }
        Some(result)
    }
}
