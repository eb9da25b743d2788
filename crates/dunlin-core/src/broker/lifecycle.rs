//! How sessions begin, change hands and end (sections 3.1.2.4, 3.1.4 and 4.1).

use std::sync::atomic::Ordering;
use std::time::Duration;

use dunlin_codec::{ReasonCode, TopicFilter};

use crate::broker::apply::may_move;
use crate::broker::{Broker, Outstanding};
use crate::id::{ClientIdentifier, ConnectionId, SessionNumber};
use crate::session::in_flight::Progress;
use crate::session::table::TableFull;
use crate::session::will::Will;
use crate::session::{SessionRef, SessionState};
use crate::storage::{Position, PublishRecord, Record, StorageFault};
use crate::time::Time;
use crate::worker::{Notice, Occasion, Publication};

/// A session that a connection has now.
pub(crate) struct Attachment {
    pub(crate) session: SessionRef,
    /// Session Present.
    pub(crate) is_present: bool,
    /// What CONNACK has to wait for.
    pub(crate) position: Option<Position>,
}

/// Why a connection is given no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAttached {
    /// There are as many sessions as there may be.
    TableFull,
    /// The store does not take it.
    Storage(StorageFault),
}

impl NotAttached {
    pub(crate) const fn reason_code(self) -> ReasonCode {
        match self {
            Self::TableFull | Self::Storage(StorageFault::Full) => ReasonCode::QuotaExceeded,
            Self::Storage(StorageFault::Failed) => ReasonCode::ServerUnavailable,
        }
    }
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
    pub(crate) window: u16,
    pub(crate) will: Option<Box<Will>>,
}

impl Broker {
    /// Gives the connection the session of its client: the one that there is, or a new one.
    pub(crate) fn attach(
        &self,
        context: &mut Occasion<'_>,
        attaching: &mut Attaching,
    ) -> Result<Attachment, NotAttached> {
        let awaited = self.await_end(&attaching.client_id);
        let mut position = awaited.map_err(NotAttached::Storage)?;
        let mut found = self.sessions.get(attaching.client_id.as_str());
        loop {
            if let Some(session) = found.take() {
                let is_over = {
                    let mut state = session.lock();
                    if state.is_ghost && !state.is_will_due(context.now) {
                        // Its client is back in time.
                        state.will = None;
                    }
                    // One that does not outlive its connection ends with that, whether or not the
                    // broker has noticed that the connection is lost.
                    state.is_ghost
                        || !state.is_persistent()
                        || state.expires_at().is_some_and(|at| at <= context.now)
                };
                if attaching.clean_start || is_over {
                    // A new session takes its place [MQTT-3.1.2-4]. One that comes back after a stop
                    // would be present again: CONNACK waits for its end.
                    let ended = self.end_session(context, &session);
                    position = ended.map_err(NotAttached::Storage)?.or(position);
                } else if let Some(begun) = self.resume(context, &session, attaching) {
                    let position = begun.map_err(NotAttached::Storage)?;
                    return Ok(Attachment {
                        session,
                        is_present: true,
                        position,
                    });
                }
            }
            let session = self.sessions.create(attaching.client_id.clone());
            // In the table before it is written down, lest the store knows one that never was.
            let mut state = session.lock();
            match self.insert(&session)? {
                None => {
                    let begun = self.begin(&session, &mut state, attaching, None);
                    drop(state);
                    let begun = begun.map_err(|fault| {
                        self.sessions.remove(&session);
                        let mut state = session.lock();
                        self.set_connected(&session, &mut state, None);
                        state.is_ended = true;
                        NotAttached::Storage(fault)
                    })?;
                    return Ok(Attachment {
                        session,
                        is_present: false,
                        position: begun.or(position),
                    });
                }
                present => found = present,
            }
        }
    }

    /// The connection that has the session of this client now.
    pub fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        self.sessions.get(client_id)?.lock().connection
    }

    fn insert(&self, session: &SessionRef) -> Result<Option<SessionRef>, NotAttached> {
        let inserted = self.sessions.insert(session);
        inserted.map_err(|TableFull| NotAttached::TableFull)
    }

    /// Takes a session over from whoever has it; `None` if it ended meanwhile.
    fn resume(
        &self,
        context: &mut Occasion<'_>,
        session: &SessionRef,
        attaching: &mut Attaching,
    ) -> Option<Result<Option<Position>, StorageFault>> {
        let (will, before, begun) = {
            let mut state = session.lock();
            if state.is_ended {
                return None;
            }
            let before = state.connection;
            // The first connection ended without DISCONNECT; a new one within the Will Delay Interval
            // cancels the will [MQTT-3.1.3-9]. One that is due is published even if no timer has looked yet.
            let is_due = state.is_will_due(context.now);
            let will = state.will.take();
            let will = will.filter(|will| is_due || before.is_some() && will.delay().is_zero());
            let will = will.map(|will| self.owed(session, &state, will));
            state.queue.drop_expired(context.now);
            self.note_discarded(session, &mut state);
            let begun = self.begin(session, &mut state, attaching, will.as_ref());
            if begun.is_err() {
                self.set_connected(session, &mut state, None);
                state.disconnected_at = Some(context.now);
            }
            (will, before, begun)
        };
        if let Some(connection) = before {
            context.worker.notify(Notice::TakenOver(connection));
        }
        if let Some(will) = will {
            self.publish_will(context, will);
        }
        Some(begun)
    }

    /// Makes the session that of this connection, and writes so if it is one that is kept, or has a
    /// will.
    fn begin(
        &self,
        session: &SessionRef,
        state: &mut SessionState,
        attaching: &mut Attaching,
        owed: Option<&OwedWill>,
    ) -> Result<Option<Position>, StorageFault> {
        let to = Some((attaching.connection, attaching.window));
        self.set_connected(session, state, to);
        state.expiry_interval = attaching.expiry_interval;
        state.received.begin_connection();
        state.disconnected_at = None;
        state.will_due = None;
        state.will = attaching.will.take();
        if !self.storage().is_durable() {
            return Ok(None);
        }
        let (was_kept, was_recorded) = (session.is_kept(), state.is_recorded);
        let is_kept = was_kept || state.is_persistent();
        if !is_kept && !was_recorded && state.will.is_none() && owed.is_none() {
            return Ok(None);
        }
        session.set_kept(state, is_kept);
        state.is_recorded = true;
        let owed = owed.and_then(OwedWill::record);
        let position = if is_kept && !was_kept {
            // One that is kept from now on is new: none that ends with its connection is resumed.
            self.keep(&[owed.as_slice(), &Self::whole(session, state)].concat())
        } else {
            let head = Record::Session(Self::head(session, state));
            self.keep(&[owed.as_slice(), &[head]].concat())
        };
        position.map(Some)
    }

    /// Notes who has a session, and counts those that somebody has.
    fn set_connected(
        &self,
        session: &SessionRef,
        state: &mut SessionState,
        to: Option<(ConnectionId, u16)>,
    ) {
        match (state.connection.is_some(), to.is_some()) {
            (false, true) => self.connected.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.connected.fetch_sub(1, Ordering::Relaxed),
            (true, true) | (false, false) => 0,
        };
        session.set_connected(state, to);
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
        self.set_connected(session, &mut state, None);
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
            let _nobody_waits = self.end_session(context, session);
            return;
        }
        let delay = state.will.as_ref().map(|will| will.delay());
        let will = if delay == Some(Duration::ZERO) {
            state.will.take()
        } else {
            None
        };
        let will = will.map(|will| self.owed(session, &state, will));
        state.will_due = state
            .will
            .as_ref()
            .map(|will| context.now.after(will.delay()));
        state.drop_unkept(self.settings().session.queue.offline_qos_min);
        self.note_discarded(session, &mut state);
        session.publish_load(&state);
        if state.is_recorded {
            self.note_sent(session.number(), &state);
            let head = Record::Session(Self::head(session, &state));
            let owed = will.as_ref().and_then(OwedWill::record);
            // Nobody waits for it; the sooner it is written, the less time a stop can hide.
            let _ = self.keep(&[owed.as_slice(), &[head]].concat());
        }
        let due = state.next_due();
        drop(state);
        if let Some(will) = will {
            self.publish_will(context, will);
        }
        if let Some(at) = due {
            self.set_timer(at, session);
        }
    }

    /// Ends a session: its subscriptions, its messages, and its connection if it has one. Gives what
    /// has to be waited for until a stop does not bring it back.
    ///
    /// # Errors
    /// [`StorageFault`] if a stop will bring it back: it is over all the same, but nobody may be told so.
    pub(crate) fn end_session(
        &self,
        context: &mut Occasion<'_>,
        session: &SessionRef,
    ) -> Result<Option<Position>, StorageFault> {
        let (subscriptions, moving, will, connection, written) = {
            let mut state = session.lock();
            if state.is_ended {
                return Ok(None);
            }
            state.is_ended = true;
            let connection = state.connection;
            self.set_connected(session, &mut state, None);
            let sent =
                state
                    .in_flight
                    .take_all()
                    .into_iter()
                    .filter_map(|sent| match sent.progress {
                        Progress::Published(delivery) => {
                            may_move(&delivery, !sent.is_unsent).then_some(delivery)
                        }
                        Progress::Released { .. } => None,
                    });
            let mut moving: Vec<_> = sent.collect();
            moving.extend(state.queue.extract(|delivery| may_move(delivery, false)));
            // While the lock is held: once they are in no queue, a rewriting passes them by.
            moving.retain_mut(|delivery| {
                let whole = self.with_payload(&delivery.message);
                whole.map(|message| delivery.message = message).is_some()
            });
            state.queue = Default::default();
            state.retained = Vec::new();
            state.received.clear();
            session.publish_load(&state);
            let subscriptions = std::mem::take(&mut state.subscriptions);
            let will = state.will.take();
            let will = will.map(|will| self.owed(session, &state, will));
            let written = state.is_recorded.then(|| {
                let ended = Record::Ended {
                    session: session.number(),
                };
                let owed = will.as_ref().and_then(OwedWill::record);
                self.keep(&[owed.as_slice(), &[ended]].concat())
            });
            if !state.is_recorded && moving.iter().any(|delivery| delivery.is_kept) {
                // A rewriting under way may have read that it has them.
                let session = session.number();
                self.note(&[Record::Ended { session }]);
            }
            (subscriptions, moving, will, connection, written)
        };
        if let Some(written) = written {
            self.note_end(session.client_id(), session.number(), written);
        }
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
            self.publish_will(context, will);
        }
        self.give_to_others(context.worker, moving);
        written.transpose()
    }

    /// A will that is to be published, with what the store has to be told of it.
    fn owed(&self, session: &SessionRef, state: &SessionState, will: Box<Will>) -> OwedWill {
        OwedWill {
            session: state.is_recorded.then(|| session.number()),
            will,
            outstanding: self.outstanding(),
        }
    }

    /// Publishes a will, if its client may publish it now.
    pub(crate) fn publish_will(&self, context: &mut Occasion<'_>, owed: OwedWill) {
        let OwedWill {
            session,
            will,
            outstanding,
        } = owed;
        let will_of = session.map(|session| (session, will.number()));
        let (message, identity) =
            will.into_message(context.now, self.settings().message_expiry_max);
        let is_allowed =
            self.access()
                .may_publish(&identity, message.topic(), message.qos(), message.retain());
        if is_allowed {
            context.worker.publish(Publication {
                message,
                will_of,
                outstanding,
            });
        } else {
            context.worker.stats.refused += 1;
            if will_of.is_some() {
                self.note(&[Record::Publish(PublishRecord {
                    message: None,
                    retains: false,
                    receivers: &[],
                    received: None,
                    will_of,
                })]);
            }
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
            let is_due = state.is_will_due(context.now);
            let will = if is_due { state.will.take() } else { None };
            let will = will.map(|will| self.owed(session, &state, will));
            if is_due {
                state.will_due = None;
            }
            let has_expired = state.expires_at().is_some_and(|at| at <= context.now);
            (will, state.next_due(), has_expired)
        };
        if let Some(will) = will {
            self.publish_will(context, will);
        }
        if has_expired {
            let _nobody_waits = self.end_session(context, session);
        } else if let Some(at) = next {
            self.set_timer(at, session);
        }
    }
}

/// A will that is taken out of its session and not published yet.
pub(crate) struct OwedWill {
    /// Whose, if the store knows it.
    pub(crate) session: Option<SessionNumber>,
    pub(crate) will: Box<Will>,
    pub(crate) outstanding: Option<Outstanding>,
}

impl OwedWill {
    /// What the store has to be told before it hears that the session has no will.
    fn record(&self) -> Option<Record<'_>> {
        Some(Record::WillDue {
            session: self.session?,
            will: self.will.record(),
        })
    }
}
