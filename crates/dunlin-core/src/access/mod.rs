//! Who may do what: the port behind which rules stand, and the rules.

mod filter;
mod names;
mod rules;

use std::net::IpAddr;
use std::sync::Arc;

use dunlin_codec::{QoS, TopicFilter, TopicName};

pub use filter::FilterTemplate;
pub use names::{NamePattern, Network, Users};
pub use rules::{Action, Effect, QoSSet, Question, Rule, RuleSet, RuleSource, Verdict};

use crate::id::ClientIdentifier;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Client Identifier.
    pub client_id: ClientIdentifier,
    /// User Name, once it is authenticated.
    pub user_name: Option<Arc<str>>,
    /// Where it connects from, if that has an address.
    pub address: Option<IpAddr>,
    /// Rules that came with its authentication; they are asked before those of the broker.
    pub rules: Option<Arc<RuleSet>>,
}

/// Answers whether a client may publish or subscribe. Called on the path of every message, and with
/// sessions locked, so an implementation neither waits nor locks.
pub trait Access: Send + Sync {
    /// Whether it may publish this; asked for a Will Message at CONNECT and when it is published.
    fn may_publish(&self, who: &Identity, topic: TopicName<'_>, qos: QoS, retain: bool) -> bool;

    /// Whether it may subscribe to this, that is, receive every message that the filter matches;
    /// for a shared subscription the filter is the inner one.
    fn may_subscribe(&self, who: &Identity, filter: TopicFilter<'_>, qos: QoS) -> bool;

    /// A number that changes whenever an answer may be another one than before: what was granted
    /// is asked again then.
    fn generation(&self) -> u64;

    /// Whether everyone who has no rules of its own may publish everything, so that nothing is looked
    /// up for the question.
    fn allows_all_publishes(&self) -> bool {
        false
    }
}

impl<T: Access + ?Sized> Access for Arc<T> {
    fn may_publish(&self, who: &Identity, topic: TopicName<'_>, qos: QoS, retain: bool) -> bool {
        (**self).may_publish(who, topic, qos, retain)
    }

    fn may_subscribe(&self, who: &Identity, filter: TopicFilter<'_>, qos: QoS) -> bool {
        (**self).may_subscribe(who, filter, qos)
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }

    fn allows_all_publishes(&self) -> bool {
        (**self).allows_all_publishes()
    }
}

/// Whether a topic is the server's to publish to: server-specific information (section 4.7.2).
pub(crate) fn is_servers(topic: &[u8]) -> bool {
    let below = topic.strip_prefix(b"$SYS");
    below.is_some_and(|below| matches!(below, [] | [b'/', ..]))
}

/// Everyone may do everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Access for AllowAll {
    fn may_publish(&self, _: &Identity, _: TopicName<'_>, _: QoS, _: bool) -> bool {
        true
    }

    fn may_subscribe(&self, _: &Identity, _: TopicFilter<'_>, _: QoS) -> bool {
        true
    }

    fn generation(&self) -> u64 {
        0
    }

    fn allows_all_publishes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
