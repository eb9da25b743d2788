//! What is known of a subscription, and what is not: a SUBSCRIBE or UNSUBSCRIBE that was not acknowledged
//! may be done or not after a stop, or while the disk takes nothing.

use dunlin_codec::RetainHandling;

use super::model::Place;
use crate::schedule::Request;
use crate::trace::Link;

/// A subscription, from SUBSCRIBE to UNSUBSCRIBE or the next SUBSCRIBE with its filter.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) request: Request,
    pub(super) identifier: Option<u32>,
    pub(super) from: Place,
    pub(super) until: Option<Place>,
    /// Since when the filter has been subscribed to without a break, if with other options.
    pub(super) since: Place,
    /// Whether another with the same filter took its place.
    pub(super) is_replaced: bool,
    /// Whether its retained messages are sent, for all that one knows.
    pub(super) sends_retained: bool,
    /// Whether they are sent for certain.
    pub(super) must_send_retained: bool,
    /// The SUBSCRIBE and what ended it: connection and Packet Identifier.
    pub(super) began_by: (Link, u16),
    pub(super) ended_by: Option<(Link, u16)>,
    /// Whether their acknowledgements came.
    pub(super) is_granted: bool,
    pub(super) is_end_known: bool,
    /// Whether the SUBSCRIBE, and what ended it, came while the disk took nothing: it is done only if
    /// that was acknowledged.
    is_doubtful: bool,
    pub(super) is_end_doubtful: bool,
    /// Whether nobody knows if it is there: the node stopped before it was acknowledged.
    pub(super) is_vague: bool,
}

impl Subscription {
    pub(super) fn is_shared(&self) -> bool {
        self.request.filter.starts_with('$')
    }

    /// Whether nobody knows if it is there.
    pub(super) const fn is_vague(&self) -> bool {
        self.is_vague || self.is_doubtful && !self.is_granted
    }

    /// Whether it may be there all the same after what ended it.
    pub(super) const fn may_have_stayed(&self) -> bool {
        self.is_end_doubtful && !self.is_end_known && self.ended_by.is_some()
    }

    /// The node stops: what was done since a place and not acknowledged may be undone.
    pub(super) fn settle(&mut self, safe: Place) {
        self.is_vague |= self.from >= safe && !self.is_granted;
        let is_end_safe = self.is_end_known || self.until.is_none_or(|until| until < safe);
        if !is_end_safe && self.ended_by.is_some() {
            self.revive();
        }
    }

    /// What ended it may have been undone.
    pub(super) const fn revive(&mut self) {
        self.is_vague = true;
        self.until = None;
        self.ended_by = None;
    }

    /// Whether it matches a topic; of a shared one, what is shared.
    pub(super) fn matches(&self, topic: &str) -> bool {
        matches(inner(&self.request.filter), topic)
    }
}

/// What a shared subscription matches.
fn inner(filter: &str) -> &str {
    if let Some(rest) = filter.strip_prefix("$share/") {
        return rest.split_once('/').map_or(rest, |(_, inner)| inner);
    }
    filter.strip_prefix("$queue/").unwrap_or(filter)
}

/// Whether a filter matches a topic, the simple way (section 4.7).
fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// A SUBSCRIBE that the broker took.
#[derive(Clone, Copy)]
pub(super) struct Cause {
    pub(super) place: Place,
    pub(super) by: (Link, u16),
    /// Whether the disk took nothing then.
    pub(super) is_doubtful: bool,
}

/// Adds a subscription to those of a session, and ends the one whose place it takes.
pub(super) fn subscribe(
    subscriptions: &mut Vec<Subscription>,
    request: &Request,
    identifier: Option<u32>,
    cause: Cause,
) {
    let mut since = cause.place;
    let (mut existed, mut may_have_existed) = (false, false);
    for present in &mut *subscriptions {
        if present.request.filter != request.filter {
            continue;
        }
        may_have_existed |= present.until.is_none() || present.may_have_stayed();
        if present.until.is_none() {
            present.until = Some(cause.place);
            present.is_replaced = true;
            present.ended_by = Some(cause.by);
            present.is_end_doubtful = cause.is_doubtful;
            since = present.since;
            existed |= !present.is_vague();
        }
    }
    let wants = |existed: bool| match request.retain_handling {
        RetainHandling::Send => true,
        RetainHandling::SendIfNew => !existed,
        RetainHandling::DoNotSend => false,
    };
    let is_shared = request.filter.starts_with('$');
    subscriptions.push(Subscription {
        request: request.clone(),
        identifier,
        from: cause.place,
        until: None,
        since,
        is_replaced: false,
        sends_retained: wants(existed) && !is_shared,
        must_send_retained: wants(may_have_existed) && !is_shared,
        began_by: cause.by,
        ended_by: None,
        is_granted: false,
        is_end_known: false,
        is_doubtful: cause.is_doubtful,
        is_end_doubtful: false,
        is_vague: false,
    });
}
