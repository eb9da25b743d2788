//! A message on its way to one session.

use std::num::NonZeroU32;
use std::sync::Arc;

use dunlin_codec::QoS;

use crate::message::Message;
use crate::router::{Group, Identifiers};
use crate::session::SessionRef;

/// A message that one session has to be given.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// What.
    pub(crate) message: Arc<Message>,
    /// The Subscription Identifiers of the subscriptions that it is given for.
    pub(crate) identifiers: Identifiers,
    /// The shared subscription that chose this session, where another member can take its place.
    pub(crate) group: Option<Arc<Group<SessionRef>>>,
    /// The lower of the message's QoS and that of the subscription.
    pub(crate) qos: QoS,
    /// The RETAIN flag that the subscriber sees.
    pub(crate) retain: bool,
}

impl Delivery {
    /// The identifiers as a slice.
    pub(crate) fn identifiers(&self) -> &[NonZeroU32] {
        self.identifiers.as_slice()
    }
}
