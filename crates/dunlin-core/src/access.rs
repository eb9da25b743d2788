//! Who may do what: the port behind which rules stand.

use std::sync::Arc;

use dunlin_codec::{QoS, TopicFilter, TopicName};

use crate::id::ClientIdentifier;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Client Identifier.
    pub client_id: ClientIdentifier,
    /// User Name, once it is authenticated.
    pub user_name: Option<Arc<str>>,
}

/// Answers whether a client may publish or subscribe. Called on the path of every message, so an
/// implementation neither waits nor locks for long.
pub trait Access: Send + Sync {
    /// Whether it may publish this; asked for a Will Message at CONNECT and when it is published.
    fn may_publish(&self, who: &Identity, topic: TopicName<'_>, qos: QoS, retain: bool) -> bool;

    /// Whether it may subscribe to this; for a shared subscription the filter is the inner one.
    fn may_subscribe(&self, who: &Identity, filter: TopicFilter<'_>, qos: QoS) -> bool;
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
}
