//! How sessions begin, change hands and end (sections 3.1.2.4, 3.1.4 and 4.1).

use std::time::Duration;

use dunlin_codec::TopicFilter;

use crate::broker::Broker;
use crate::broker::apply::may_move;
use crate::id::{ClientIdentifier, ConnectionId};
use crate::session::in_flight::Progress;
use crate::session::table::TableFull;
use crate::session::will::Will;
use crate::session::{SessionRef, SessionState};
use crate::time::Time;
use crate::worker::{Notice, Occasion};

/// A session that a connection has now.
pub(crate) struct Attachment {
    pub(crate) session: SessionRef,
    /// Session Present.
    pub(crate) is_present: bool,
}

/// How a connection ended, for its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Whether the Will Message is discarded: after DISCONNECT with reason code 0x00 only
    /// [MQTT-3.1.2-10].
    pub(crate) discards_will: bool,
    /// The Session Expiry Interval of DISCONNECT, capped; the inner `None` is for ever.
    pub(crate) expiry_interval: Option<Option<Duration>>,
}

/// What CONNECT says of its session.
pub(crate) struct Attaching {
    pub(crate) client_id: ClientIdentifier,
    pub(crate) clean_start: bool,
    pub(crate) connection: ConnectionId,
    pub(crate) expiry_interval: Option<Duration>,
    /// How many messages the client takes without acknowledging them.
    pub(crate) window: usize,
    pub(crate) will: Option<Box<Will>>,
}

impl Broker {
    /// Gives the connection the session of its client: the one that there is, or a new one.
    pub(crate) fn attach(
        &self,
        context: &mut Occasion<'_>,
        attaching: &mut Attaching,
    ) -> Result<Attachment, TableFull> {
        let mut found = self.sessions.get(attaching.client_id.as_str());
        loop {
            if let Some(session) = found.take() {
                let is_stale = session
                    .lock()
                    .expires_at()
                    .is_some_and(|at| at <= context.now);
                if attaching.clean_start || is_stale {
                    // A new session takes its place [MQTT-3.1.2-4].
                    self.end_session(context, &session);
                } else if self.resume(context, &session, attaching) {
                    return Ok(Attachment {
                        session,
                        is_present: true,
                    });
                }
            }
            let session = self.sessions.create(attaching.client_id.clone());
            {
                let mut state = session.lock();
                begin(&session, &mut state, attaching);
            }
            match self.sessions.insert(&session)? {
                None => {
                    return Ok(Attachment {
                        session,
                        is_present: false,
                    });
                }
                present => found = present,
            }
        }
    }

    /// Takes a session over from whoever has it; false if it ended meanwhile.
    fn resume(
        &self,
        context: &mut Occasion<'_>,
        session: &SessionRef,
        attaching: &mut Attaching,
    ) -> bool {
        let (will, before) = {
            let mut state = session.lock();
            if state.is_ended {
                return false;
            }
            let before = state.connection;
            let will = state.will.take();
            state.queue.drop_expired(context.now);
            begin(session, &mut state, attaching);
            (will, before)
        };
        if let Some(connection) = before {
            context.worker.notify(Notice::TakenOver(connection));
        }
        // The first connection ended without DISCONNECT; a new one within the Will Delay Interval
        // cancels the will [MQTT-3.1.3-9].
        if let Some(will) = will
            && before.is_some()
            && will.delay().is_zero()
        {
            self.publish_will(context, *will);
        }
        true
    }

    /// Ends the connection's hold on its session. Nothing happens if another connection has it.
    pub(crate) fn detach(
        &self,
        context: &mut Occasion<'_>,
        session: &SessionRef,
        connection: ConnectionId,
        ending: Ending,
    ) {
        let Some(mut state) = session.lock_for(connection) else {
            return;
        };
        session.set_connected(&mut state, None);
        state.disconnected_at = Some(context.now);
        if let Some(interval) = ending.expiry_interval {
            state.expiry_interval = interval;
        }
        if ending.discards_will {
            state.will = None;
        }
        if !state.is_persistent() {
            drop(state);
            // Publishes the will as well: the session ends with its connection.
            return self.end_session(context, session);
        }
        let delay = state.will.as_ref().map(|will| will.delay());
        let will = if delay == Some(Duration::ZERO) {
            state.will.take()
        } else {
            None
        };
        state.will_due = state
            .will
            .as_ref()
            .map(|will| context.now.after(will.delay()));
        state.drop_unkept(self.settings().session.queue.offline_qos_min);
        session.publish_load(&state);
        let due = state.next_due();
        drop(state);
        if let Some(will) = will {
            self.publish_will(context, *will);
        }
        if let Some(at) = due {
            self.set_timer(at, session);
        }
    }

    /// Ends a session: its subscriptions, its messages, and its connection if it has one.
    pub(crate) fn end_session(&self, context: &mut Occasion<'_>, session: &SessionRef) {
        let (subscriptions, moving, will, connection) = {
            let mut state = session.lock();
            if state.is_ended {
                return;
            }
            state.is_ended = true;
            let connection = state.connection;
            session.set_connected(&mut state, None);
            let sent =
                state
                    .in_flight
                    .take_all()
                    .into_iter()
                    .filter_map(|sent| match sent.progress {
                        Progress::Published(delivery) => {
                            may_move(&delivery, true).then_some(delivery)
                        }
                        Progress::Released => None,
                    });
            let mut moving: Vec<_> = sent.collect();
            moving.extend(state.queue.extract(|delivery| may_move(delivery, false)));
            state.queue = Default::default();
            state.retained = Vec::new();
            state.received.clear();
            session.publish_load(&state);
            let subscriptions = std::mem::take(&mut state.subscriptions);
            (subscriptions, moving, state.will.take(), connection)
        };
        self.sessions.remove(session);
        for filter in subscriptions.filters() {
            if let Ok(filter) = TopicFilter::parse(filter) {
                self.unsubscribe(filter, session);
            }
        }
        if let Some(connection) = connection {
            context.worker.notify(Notice::TakenOver(connection));
        }
        // The will is due when the session ends, if not before [MQTT-3.1.2-8].
        if let Some(will) = will {
            self.publish_will(context, *will);
        }
        self.give_to_others(context.worker, moving);
    }

    /// Publishes a will, if its client may publish it now.
    fn publish_will(&self, context: &mut Occasion<'_>, will: Will) {
        let (message, identity) =
            will.into_message(context.now, self.settings().message_expiry_max);
        let is_allowed =
            self.access()
                .may_publish(&identity, message.topic(), message.qos(), message.retain());
        if is_allowed {
            context.worker.publish(message);
        } else {
            context.worker.stats.refused += 1;
        }
    }

    /// When [`Broker::handle_timeout`] has something to do, if no other input comes before.
    pub fn poll_timeout(&self) -> Option<Time> {
        let timer = self.timers.lock().first_key_value().map(|(&(at, _), _)| at);
        let expiry = self.retained.read().next_expiry();
        timer.into_iter().chain(expiry).min()
    }

    /// Publishes the wills, ends the sessions and drops the retained messages that are due, a bounded
    /// number of them; call it again while [`Broker::poll_timeout`] is not later than now.
    pub fn handle_timeout(&self, context: &mut Occasion<'_>) {
        const AT_ONCE_MAX: usize = 256;
        for _ in 0..AT_ONCE_MAX {
            let due = {
                let mut timers = self.timers.lock();
                match timers.first_entry() {
                    Some(entry) if entry.key().0 <= context.now => entry.remove(),
                    _ => break,
                }
            };
            if let Some(session) = due.upgrade() {
                self.handle_due(context, &session);
            }
        }
        self.retained.write().expire(context.now, AT_ONCE_MAX);
    }

    fn handle_due(&self, context: &mut Occasion<'_>, session: &SessionRef) {
        let (will, next, has_expired) = {
            let mut state = session.lock();
            if state.is_ended || state.connection.is_some() {
                return;
            }
            let is_due = state.will_due.is_some_and(|at| at <= context.now);
            let will = if is_due { state.will.take() } else { None };
            if is_due {
                state.will_due = None;
            }
            let has_expired = state.expires_at().is_some_and(|at| at <= context.now);
            (will, state.next_due(), has_expired)
        };
        if let Some(will) = will {
            self.publish_will(context, *will);
        }
        if has_expired {
            self.end_session(context, session);
        } else if let Some(at) = next {
            self.set_timer(at, session);
        }
    }
}

/// Makes the session that of this connection.
fn begin(session: &SessionRef, state: &mut SessionState, attaching: &mut Attaching) {
    session.set_connected(state, Some((attaching.connection, attaching.window)));
    state.expiry_interval = attaching.expiry_interval;
    state.received.begin_connection();
    state.disconnected_at = None;
    state.will_due = None;
    state.will = attaching.will.take();
}
