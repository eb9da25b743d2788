//! Filters without wildcards, by their text.
//!
//! A table has the numbers of the filters, so that its unused places are small ones, and what belongs to a
//! filter lies in one place, as long as its text is not a long one.

use ahash::RandomState;

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

    /// Who subscribes to this filter, if anybody does.
    pub(super) fn find(&self, text: &[u8], hasher: &RandomState) -> Option<&Subscribers<S>> {
        let id = self.id(text, hasher.hash_one(text))?;
        Some(&self.filters.get(id).subscribers)
    }

    /// The subscribers to this filter, which is added if need be.
    pub(super) fn make(&mut self, text: &[u8], hasher: &RandomState) -> &mut Subscribers<S> {
        let hash = hasher.hash_one(text);
        let id = self.id(text, hash).unwrap_or_else(|| {
            let id = self.filters.insert(Filter {
                text: Text::new(text),
                subscribers: Subscribers::None,
            });
            let filters = &self.filters;
            self.by_text.insert(hash, id, |&id| {
                hasher.hash_one(filters.get(id).text.as_bytes())
            });
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
            let filters = &self.filters;
            self.by_text.remove(
                hash,
                |&other| other == id,
                |&id| hasher.hash_one(filters.get(id).text.as_bytes()),
            );
            self.filters.remove(id);
        }
        Some(result)
    }
}
