//! What one session subscribed to.

use std::num::NonZeroU32;

use dunlin_codec::SubscriptionOptions;

/// A subscription of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) options: SubscriptionOptions,
    pub(crate) identifier: Option<NonZeroU32>,
}

/// The subscriptions of a session, by the text of their filter. A sorted list: most sessions have
/// one or two, and a session without any takes no memory for them.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<(Box<str>, Subscription)>);

impl Subscriptions {
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    fn position(&self, filter: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(present, _)| (**present).cmp(filter))
    }

    pub(crate) fn contains(&self, filter: &str) -> bool {
        self.position(filter).is_ok()
    }

    /// Adds a subscription, or puts it in the place of that with the same filter; true if there was
    /// one [MQTT-3.8.4-3].
    pub(crate) fn insert(&mut self, filter: &str, subscription: Subscription) -> bool {
        match self.position(filter) {
            Ok(position) => {
                if let Some((_, present)) = self.0.get_mut(position) {
                    *present = subscription;
                }
                true
            }
            Err(position) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(position, (filter.into(), subscription));
                false
            }
        }
    }

    /// Removes a subscription; false if there was none.
    pub(crate) fn remove(&mut self, filter: &str) -> bool {
        let position = self.position(filter);
        if let Ok(position) = position {
            self.0.remove(position);
        }
        position.is_ok()
    }

    /// Removes those that `is_meant` is true of, and gives their filters.
    pub(crate) fn extract(
        &mut self,
        is_meant: impl Fn(&str, &Subscription) -> bool,
    ) -> Vec<Box<str>> {
        let removed = self
            .0
            .extract_if(.., |(filter, subscription)| is_meant(filter, subscription));
        removed.map(|(filter, _)| filter).collect()
    }

    /// The filters and what was asked for with each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Subscription)> {
        self.0
            .iter()
            .map(|(filter, subscription)| (&**filter, subscription))
    }

    /// The filters.
    pub(crate) fn filters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(filter, _)| &**filter)
    }
}
