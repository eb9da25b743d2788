//! Sessions: what outlives a Network Connection (section 4.1).

pub(crate) mod delivery;
pub(crate) mod in_flight;
pub(crate) mod payload_memory;
pub(crate) mod queue;
pub(crate) mod ready;
pub(crate) mod received;
pub(crate) mod retained_cursor;
pub(crate) mod subscriptions;
pub(crate) mod table;
pub(crate) mod will;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use dunlin_codec::QoS;
use parking_lot::{Mutex, MutexGuard};

use crate::broker::Broker;
use crate::id::{ClientIdentifier, ConnectionId, SessionNumber};
use crate::message::Message;
use crate::router::{Member, Subscriber};
use crate::session::delivery::{Delivery, Offer};
use crate::session::in_flight::InFlightList;
use crate::session::queue::{Enqueued, Queue};
use crate::session::ready::Ready;
use crate::session::received::Received;
use crate::session::retained_cursor::RetainedCursor;
use crate::session::subscriptions::Subscriptions;
use crate::session::will::Will;
use crate::settings::QueueSettings;
use crate::time::Time;
use crate::worker::Worker;

/// Messages that the empty lists of a session keep room for, while its client may get more soon.
pub(crate) const KEPT_ENTRIES: usize = 16;

/// A session, shared by its connection and by everyone who has a message for it.
pub(crate) type SessionRef = Arc<Session>;

/// A session. Its state is behind a lock that is held for a push or a few takes, never while
/// another lock is.
pub(crate) struct Session {
    number: SessionNumber,
    client_id: ClientIdentifier,
    /// Copies of what the state says, for those who need no more than to read it: the choice of a
    /// shared subscription's member, and whether a connection still has the session.
    is_connected: AtomicBool,
    connection: AtomicU64,
    /// Whether the store keeps it: its messages, subscriptions and packet identifiers.
    is_kept: AtomicBool,
    backlog: AtomicU32,
    window: AtomicU16,
    state: Mutex<SessionState>,
}

/// What a session consists of.
pub(crate) struct SessionState {
    /// The Network Connection, while there is one.
    pub(crate) connection: Option<ConnectionId>,
    /// Whether that connection has been told to look at the queue since it last did.
    pub(crate) is_woken: bool,
    /// Whether the session is over: nothing may be added to it.
    pub(crate) is_ended: bool,
    /// Whether the store knows of it: its end has to be written down.
    pub(crate) is_recorded: bool,
    /// Whether the session is over but for its will: it ended with the connection that it had when
    /// the broker stopped.
    pub(crate) is_ghost: bool,
    /// How long it outlives its connection; `None` is for ever.
    pub(crate) expiry_interval: Option<Duration>,
    /// When the last connection ended.
    pub(crate) disconnected_at: Option<Time>,
    /// The Will Message, until it is published or discarded.
    pub(crate) will: Option<Box<Will>>,
    /// When a will that waits for its Will Delay Interval is due.
    pub(crate) will_due: Option<Time>,
    /// What it subscribed to.
    pub(crate) subscriptions: Subscriptions,
    /// Retained messages that it is still to be given.
    pub(crate) retained: Vec<RetainedCursor>,
    /// What is written for the client.
    pub(crate) ready: Ready,
    /// What waits for the client.
    pub(crate) queue: Queue,
    /// What was sent and is not acknowledged.
    pub(crate) in_flight: InFlightList,
    /// QoS 2 messages that were received and not released.
    pub(crate) received: Received,
}

/// What became of a message for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// The queue's answer.
    Queued(Enqueued),
    /// The client is away, and the session keeps no message of this QoS for it.
    NotKept,
    /// The session is over.
    Ended,
}

impl Session {
    pub(crate) fn new(number: SessionNumber, client_id: ClientIdentifier) -> SessionRef {
        Arc::new(Self {
            number,
            client_id,
            is_connected: AtomicBool::new(false),
            connection: AtomicU64::new(0),
            is_kept: AtomicBool::new(false),
            backlog: AtomicU32::new(0),
            window: AtomicU16::new(0),
            state: Mutex::new(SessionState {
                connection: None,
                is_woken: false,
                is_ended: false,
                is_recorded: false,
                is_ghost: false,
                expiry_interval: Some(Duration::ZERO),
                disconnected_at: None,
                will: None,
                will_due: None,
                subscriptions: Subscriptions::default(),
                retained: Vec::new(),
                ready: Ready::default(),
                queue: Queue::default(),
                in_flight: InFlightList::default(),
                received: Received::default(),
            }),
        })
    }

    pub(crate) fn number(&self) -> SessionNumber {
        self.number
    }

    pub(crate) fn client_id(&self) -> &ClientIdentifier {
        &self.client_id
    }

    /// The state, whoever is connected.
    pub(crate) fn lock(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock()
    }

    /// The state for the connection that owns the session; `None` once another one has it.
    pub(crate) fn lock_for(
        &self,
        connection: ConnectionId,
    ) -> Option<MutexGuard<'_, SessionState>> {
        let state = self.state.lock();
        (state.connection == Some(connection) && !state.is_ended).then_some(state)
    }

    /// Whether this connection has the session. Another one may take it over at any time; who is to
    /// change the session asks with [`Session::lock_for`].
    pub(crate) fn is_of(&self, connection: ConnectionId) -> bool {
        self.is_connected.load(Ordering::Acquire)
            && self.connection.load(Ordering::Acquire) == connection.0
    }

    /// Makes the copies agree with the state, which the caller has locked.
    pub(crate) fn publish_load(&self, state: &SessionState) {
        let backlog = state.queue.len() + state.in_flight.len();
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        self.backlog.store(backlog, Ordering::Relaxed);
    }

    /// Notes who is connected, and how many messages it takes at once.
    pub(crate) fn set_connected(&self, state: &mut SessionState, to: Option<(ConnectionId, u16)>) {
        state.connection = to.map(|(connection, _)| connection);
        state.is_woken = false;
        if let Some(untaken_from) = state.ready.close() {
            state.in_flight.note_unsent(untaken_from);
        }
        if let Some((connection, _)) = to {
            self.connection.store(connection.0, Ordering::Release);
        }
        self.is_connected.store(to.is_some(), Ordering::Release);
        let window = to.map_or(0, |(_, window)| window);
        self.window.store(window, Ordering::Relaxed);
        self.publish_load(state);
    }

    /// How many messages its client takes unacknowledged; 0 while it is away.
    pub(crate) fn window(&self) -> u16 {
        self.window.load(Ordering::Relaxed)
    }

    /// Whether the store keeps it.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed)
    }

    /// Says whether the store keeps it, to whoever holds its lock.
    pub(crate) fn set_kept(&self, _: &mut SessionState, is_kept: bool) {
        self.is_kept.store(is_kept, Ordering::Relaxed);
    }

    /// Whether a message of this QoS waits in the queue, were it offered now, and is to be there
    /// after a stop.
    pub(crate) fn keeps(&self, qos: QoS, settings: &QueueSettings) -> bool {
        if !self.is_kept() {
            return false;
        }
        if self.is_connected.load(Ordering::Relaxed) {
            qos > QoS::AtMostOnce
        } else {
            qos >= settings.offline_qos_min
        }
    }

    /// Writes messages for the connection, if they are urgent and that can be, or puts them into the
    /// queue; `tell` hears what became of each that was not written together with others. Gives the
    /// connection that has to be woken.
    #[inline]
    pub(crate) fn offer<'m>(
        &self,
        broker: &Broker,
        messages: impl Iterator<Item = Cow<'m, Message>>,
        offer: &Offer<'_>,
        worker: &mut Worker,
        mut tell: impl FnMut(Offered),
    ) -> Option<ConnectionId> {
        let mut state = self.state.lock();
        // Another connection may have taken over before that.
        let window = self.window();
        let mut version = match offer.is_urgent && !state.is_ended {
            true => state.writes_at_once(broker),
            false => None,
        };
        if let Some(open) = version
            && let Some(written) = offer.written
            && let Some(form) = written.form(open, offer, &mut worker.buffers)
            && state.write_again(form, &mut worker.buffers)
        {
            worker.stats.publish_sent += written.count() as u64;
            return state.wakes();
        }
        let mut is_given = false;
        for mut message in messages {
            if let Some(open) = version {
                let terms = (open, window);
                match state.write_at_once(message, offer, terms, &mut worker.buffers) {
                    Ok(()) => {
                        worker.stats.publish_sent += 1;
                        is_given = true;
                        tell(Offered::Queued(Enqueued::Kept));
                        continue;
                    }
                    Err(back) => message = back,
                }
                // Those behind it come after it.
                version = None;
            }
            let delivery = offer.delivery(message.into_owned());
            let offered = self.offer_one(broker, &mut state, delivery, worker);
            is_given |= matches!(offered, Offered::Queued(_));
            tell(offered);
        }
        self.publish_load(&state);
        if is_given { state.wakes() } else { None }
    }

    fn offer_one(
        &self,
        broker: &Broker,
        state: &mut SessionState,
        delivery: Delivery,
        worker: &mut Worker,
    ) -> Offered {
        if state.is_ended {
            return Offered::Ended;
        }
        let settings = &broker.settings().session.queue;
        if state.connection.is_none() && delivery.qos < settings.offline_qos_min {
            if delivery.is_kept {
                broker.note_done(self.number, delivery.message.sequence());
            }
            return Offered::NotKept;
        }
        let enqueued = state.enqueue(broker, delivery, &mut worker.stored_form);
        broker.note_discarded(self, state);
        match enqueued {
            Enqueued::Kept => {}
            Enqueued::Dropped | Enqueued::Refused => worker.stats.dropped_queue_full += 1,
            Enqueued::KeptDropping(count) => worker.stats.dropped_queue_full += u64::from(count),
        }
        Offered::Queued(enqueued)
    }
}

/// The last message that was queued without its payload: many sessions may be away that get it.
pub(crate) type StoredForm = Option<Message>;

impl SessionState {
    /// There is something for the connection: gives it if it has to be told.
    fn wakes(&mut self) -> Option<ConnectionId> {
        let wakes = self.connection.filter(|_| !self.is_woken);
        self.is_woken |= wakes.is_some();
        wakes
    }

    /// Puts a message into the queue. While the client is away, and others that are away have all the
    /// memory that there is for that, its payload stays in the store.
    #[inline]
    pub(crate) fn enqueue(
        &mut self,
        broker: &Broker,
        mut delivery: Delivery,
        stored: &mut StoredForm,
    ) -> Enqueued {
        let settings = &broker.settings().session;
        let payload_bytes = delivery.message.payload().len();
        let is_meant = self.connection.is_none()
            && delivery.is_kept
            && payload_bytes >= settings.stored_payload_bytes_min;
        if !is_meant {
            return self.queue.push(delivery, &settings.queue);
        }
        let memory = broker.queues_memory();
        let sequence = delivery.message.sequence();
        let size = delivery.message.size();
        if !memory.has_room(size) && broker.storage().has_message(sequence) {
            if stored.as_ref().is_none_or(|it| it.sequence() != sequence) {
                *stored = Some(delivery.message.without_payload());
            }
            if let Some(stored) = stored {
                delivery.message = Message::clone(stored);
            }
            return self.queue.push(delivery, &settings.queue);
        }
        let enqueued = self.queue.push(delivery, &settings.queue);
        if matches!(enqueued, Enqueued::Kept | Enqueued::KeptDropping(_)) {
            self.queue.take_memory(memory, size);
        }
        enqueued
    }

    /// Whether it goes on when its connection ends.
    pub(crate) fn is_persistent(&self) -> bool {
        self.expiry_interval != Some(Duration::ZERO)
    }

    /// When it ends, if its client stays away.
    pub(crate) fn expires_at(&self) -> Option<Time> {
        Some(self.disconnected_at?.after(self.expiry_interval?))
    }

    /// Whether its will is due.
    pub(crate) fn is_will_due(&self, now: Time) -> bool {
        self.will_due.is_some_and(|at| at <= now)
    }

    /// When its will or its end is due, while its client is away.
    pub(crate) fn next_due(&self) -> Option<Time> {
        self.will_due.into_iter().chain(self.expires_at()).min()
    }

    /// Drops queued messages that an absent client is not kept.
    pub(crate) fn drop_unkept(&mut self, qos_min: QoS) {
        if qos_min > QoS::AtMostOnce {
            self.queue.drop_if(|delivery| delivery.qos < qos_min);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("number", &self.number)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Subscriber for SessionRef {
    fn key(&self) -> u64 {
        self.number.0
    }
}

impl Member for SessionRef {
    fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.in_flight() < usize::from(self.window())
    }

    fn in_flight(&self) -> usize {
        self.backlog.load(Ordering::Relaxed) as usize
    }

    fn is_kept(&self) -> bool {
        Session::is_kept(self)
    }
}

#[cfg(test)]
mod tests;
