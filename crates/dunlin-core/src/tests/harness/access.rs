//! Access rules that a test changes while the broker runs.

use std::sync::Arc;

use dunlin_codec::{QoS, TopicFilter, TopicName};
use parking_lot::Mutex;

use crate::access::{Access, Identity};

/// One rule: who may not do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) is_publish: bool,
    pub(crate) filter: String,
    /// The client that it is for; `None` is for all.
    pub(crate) client_id: Option<String>,
}

/// Rules that deny; what none of them denies is allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessRules(Arc<Mutex<Vec<Denied>>>);

impl AccessRules {
    pub(crate) fn deny(&self, rule: Denied) {
        self.0.lock().push(rule);
    }

    pub(crate) fn allow(&self, rule: &Denied) {
        self.0.lock().retain(|present| present != rule);
    }

    fn is_denied(&self, who: &Identity, is_publish: bool, is_meant: impl Fn(&str) -> bool) -> bool {
        self.0.lock().iter().any(|rule| {
            let is_for = |client_id: &String| client_id == who.client_id.as_str();
            rule.is_publish == is_publish
                && rule.client_id.as_ref().is_none_or(is_for)
                && is_meant(&rule.filter)
        })
    }
}

impl Access for AccessRules {
    fn may_publish(&self, who: &Identity, topic: TopicName<'_>, _: QoS, _: bool) -> bool {
        !self.is_denied(who, true, |filter| {
            TopicFilter::parse(filter).unwrap().matches(topic)
        })
    }

    fn may_subscribe(&self, who: &Identity, filter: TopicFilter<'_>, _: QoS) -> bool {
        !self.is_denied(who, false, |denied| denied == filter.as_str())
    }
}
