//! Where a session is in the retained messages that a new subscription gives it.

use std::num::NonZeroU32;

use dunlin_codec::QoS;

/// The retained messages that match a filter and were not sent yet. They are read a page at a time,
/// as the client has room for them, so that a million of them take no memory here.
#[derive(Clone, Debug)]
pub(crate) struct RetainedCursor {
    /// The filter of the subscription.
    pub(crate) filter: Box<str>,
    /// The topic of the last message that was read.
    pub(crate) after: Option<Box<str>>,
    /// Messages set later than this publish came over the subscription itself.
    pub(crate) as_of: u64,
    /// The QoS that the subscription was granted.
    pub(crate) qos: QoS,
    /// Whether the session's own messages are left out.
    pub(crate) no_local: bool,
    /// Its Subscription Identifier.
    pub(crate) identifier: Option<NonZeroU32>,
}
