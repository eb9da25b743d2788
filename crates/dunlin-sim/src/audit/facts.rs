//! What is known of a session, a connection, a will and a message: what the model notes, and the
//! checks read.

use dunlin_codec::ProtocolVersion;

use super::model::{Number, Place};
use super::subscription::Subscription;
use crate::schedule::ConnectPlan;
use crate::trace::{Link, MessageId};

/// What is known of a client's session. The broker may not have written down what it did last when the
/// node stopped; then the next CONNACK tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    /// The place of the last change.
    pub(super) changed: Place,
    /// Whether the client was told of it.
    pub(super) is_known: bool,
    /// When a kept session ended, if no client was told of anything that was written behind it.
    pub(super) ended: Option<Place>,
    /// Whether the node stopped before either.
    pub(super) is_unsettled: bool,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: usize,
    pub(super) ended: Option<Place>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Its connections, in their order.
    pub(super) links: Vec<Link>,
    /// From when to when its client was away.
    pub(super) absences: Vec<(Place, Place)>,
    pub(super) link: Option<Link>,
    pub(super) left: Place,
    pub(super) left_ms: u64,
    /// `None` is for ever.
    pub(super) expiry_ms: Option<u64>,
    /// Since when it outlives a connection, or could.
    pub(super) kept_since: Option<Place>,
    /// The connection whose will waits, and until when.
    pub(super) will: Option<(Link, u64)>,
    /// Whether it has what another session had as well, nobody knows what: a stop undid something that
    /// no client had been told of.
    pub(super) is_mixed: bool,
    /// Whether its client was connected when the node stopped.
    pub(super) was_served: bool,
    /// Whether a stop may have undone its end, of which no client had been told.
    pub(super) may_have_stayed: bool,
    /// Whether a client was ever told of it.
    pub(super) is_confirmed: bool,
    pub(super) began: Place,
    /// Since when nobody knows whether it is still there.
    pub(super) doubted: Option<Place>,
    /// Whether the clock was set back while its client was away: then its time may be longer.
    pub(super) is_set_back: bool,
}

impl Session {
    /// Whether its client is there at the end.
    pub(super) fn is_served(&self) -> bool {
        self.ended.is_none() && self.link.is_some()
    }

    /// Whether it was there at a place, for all that one knows at the end.
    pub(super) fn is_certain_at(&self, place: Place) -> bool {
        self.doubted.is_none_or(|doubted| doubted > place)
    }

    /// The connection at the end.
    pub(super) const fn last_link(&self) -> Option<Link> {
        self.link
    }

    pub(super) fn expires_ms(&self) -> Option<u64> {
        if self.link.is_some() || self.ended.is_some() {
            return None;
        }
        Some(self.left_ms.saturating_add(self.expiry_ms?))
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) client: Option<usize>,
    pub(super) version: ProtocolVersion,
    pub(super) session: Option<Number>,
    pub(super) plan: Option<ConnectPlan>,
    /// What Session Present has to be.
    pub(super) is_present: bool,
    /// When it ended for the broker.
    pub(super) ended: Option<Place>,
    pub(super) is_taken_over: bool,
    pub(super) has_disconnected: bool,
    pub(super) will: Option<MessageId>,
    pub(super) fate: Fate,
    /// When that was decided.
    pub(super) decided: Place,
    /// When a later connection saw to it that the will that waited is not published.
    pub(super) cancelled: Option<Place>,
}

/// What has to become of a will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing, as far as one can see.
    None,
    /// It is published at this time, in ms.
    Due(u64),
    /// It may be published: the node stopped when that was decided.
    Open,
}

/// What became of a message on its way to the broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// When it was sent first.
    pub(super) sent: Option<Place>,
    /// On which connection, and in which session, that was.
    pub(super) link: Option<Link>,
    /// When the broker took it, each time.
    pub(super) taken: Vec<Place>,
    /// When its publisher knew that it was accepted.
    pub(super) accepted: Option<Place>,
    /// Whether that was said with the code for no subscriber.
    pub(super) is_for_nobody: bool,
    /// When its publisher was told anything.
    pub(super) answered: Option<Place>,
}

impl Life {
    /// From when on it can have been published.
    pub(super) fn begins(&self) -> Option<Place> {
        self.taken.first().copied()
    }
}
