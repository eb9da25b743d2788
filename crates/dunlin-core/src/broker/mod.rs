//! What all connections share: sessions, subscriptions, retained messages.

mod apply;
mod ends;
mod keep;
mod lifecycle;
mod plan;
mod rewrite;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use ahash::RandomState;
use dunlin_codec::{TopicFilter, TopicName};
use parking_lot::{Mutex, RwLock};

pub use apply::Receipt;
pub(crate) use apply::may_move;
pub(crate) use plan::Joined;
pub use plan::{Committed, Forwarded, Origin, PublishPlan};
pub use rewrite::{Progress, Rewrite};

use crate::access::Access;
use crate::message::Message;
use crate::retained::Retained;
use crate::router::{Grant, Group, Route, Router, Search};
use crate::session::payload_memory::PayloadMemory;
use crate::session::table::SessionTable;
use crate::session::{Session, SessionRef};
use crate::settings::Settings;
use crate::storage::Storage;
use crate::time::Time;

use ends::Ends;
pub(crate) use keep::given;
pub(crate) use lifecycle::{Attaching, Ending, NotAttached, OwedWill};
use rewrite::Outstandings;
pub(crate) use rewrite::{Outstanding, message_record};

/// The broker: the only thing that workers share.
///
/// Its parts have a lock each. No two of them are held at once, so their order does not matter; only
/// the members of a shared subscription are locked inside the router.
pub struct Broker {
    settings: Settings,
    access: Box<dyn Access>,
    storage: Arc<dyn Storage>,
    pub(crate) sessions: SessionTable,
    /// Sessions whose client is connected.
    connected: AtomicUsize,
    router: RwLock<Router<SessionRef>>,
    /// The router's generation, readable without its lock.
    generation: AtomicU64,
    pub(crate) retained: RwLock<Retained>,
    /// Counts the publishes that were planned; the order of retained messages.
    sequence: AtomicU64,
    outstandings: Arc<Outstandings>,
    /// The number above those of all publishes when the last rewriting began.
    rewritten_before: AtomicU64,
    /// Sessions whose client is away, by when their will or their end is due.
    timers: Mutex<BTreeMap<(Time, u64), Weak<Session>>>,
    queues_memory: Arc<PayloadMemory>,
    ends: Mutex<Ends>,
}

impl Broker {
    /// A broker without sessions. `seed` makes its hash tables unpredictable to clients.
    pub fn new(
        settings: Settings,
        access: Box<dyn Access>,
        storage: Arc<dyn Storage>,
        seed: [u64; 4],
    ) -> Self {
        let [a, b, c, d] = seed;
        let hasher = RandomState::with_seeds(a, b, c, d);
        let router = Router::new(hasher.clone(), settings.shared.clone());
        Self {
            access,
            storage,
            sessions: SessionTable::new(hasher.clone(), settings.session.count_max),
            connected: AtomicUsize::new(0),
            generation: AtomicU64::new(router.generation()),
            router: RwLock::new(router),
            retained: RwLock::new(Retained::new(&settings.retained)),
            sequence: AtomicU64::new(0),
            outstandings: Arc::default(),
            rewritten_before: AtomicU64::new(0),
            timers: Mutex::new(BTreeMap::new()),
            queues_memory: Arc::new(PayloadMemory::new(settings.session.queues_memory_bytes_max)),
            ends: Mutex::default(),
            settings,
        }
    }

    /// What holds for it.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn access(&self) -> &dyn Access {
        self.access.as_ref()
    }

    /// Where it keeps what must outlive the process.
    pub fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// What the queues of absent clients may have of the memory.
    pub(crate) const fn queues_memory(&self) -> &Arc<PayloadMemory> {
        &self.queues_memory
    }

    /// A message with its payload, which may have to be read from the store; `None` if that cannot
    /// give it.
    pub(crate) fn with_payload(&self, message: &Message) -> Option<Message> {
        if message.is_payload_stored() {
            self.storage.message(message.sequence())
        } else {
            Some(Message::clone(message))
        }
    }

    /// How many sessions there are, connected or not.
    pub fn session_count(&self) -> usize {
        self.sessions.count()
    }

    /// How many sessions have a connection.
    pub fn connected_count(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// How many messages are retained.
    pub fn retained_count(&self) -> usize {
        self.retained.read().count()
    }

    /// How many members all shared subscriptions have.
    pub fn shared_subscription_count(&self) -> usize {
        self.router.read().counts().shared_subscriptions
    }

    /// How many subscriptions there are that are not shared.
    pub fn subscription_count(&self) -> usize {
        self.router.read().counts().subscriptions
    }

    /// A number that changes whenever who gets a message may change.
    pub(crate) fn routes_generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Who gets the messages of these topics, in their order.
    pub(crate) fn routes<'s>(
        &self,
        topics: &[TopicName<'_>],
        search: &'s mut Search<SessionRef>,
    ) -> impl Iterator<Item = Route<SessionRef>> + use<'s> {
        self.router.read().routes(topics, search)
    }

    /// A number above that of every publish planned so far.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequences(1)
    }

    /// The first of so many numbers above that of every publish planned so far.
    pub(crate) fn next_sequences(&self, count: u64) -> u64 {
        self.sequence.fetch_add(count, Ordering::AcqRel) + 1
    }

    /// The number of the last publish planned.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Adds or replaces a subscription in the tree; true if it was there before.
    pub(crate) fn subscribe(
        &self,
        filter: TopicFilter<'_>,
        session: &SessionRef,
        grant: Grant,
    ) -> bool {
        let mut router = self.router.write();
        let existed = router.subscribe(filter, session, grant);
        self.generation
            .store(router.generation(), Ordering::Release);
        existed
    }

    /// Removes a subscription from the tree; false if there was none.
    pub(crate) fn unsubscribe(&self, filter: TopicFilter<'_>, session: &SessionRef) -> bool {
        let mut router = self.router.write();
        let existed = router.unsubscribe(filter, session);
        self.generation
            .store(router.generation(), Ordering::Release);
        existed
    }

    /// The group of a shared subscription.
    pub(crate) fn group(&self, filter: TopicFilter<'_>) -> Option<Arc<Group<SessionRef>>> {
        self.router.read().group(filter).cloned()
    }

    /// All shared subscriptions.
    pub(crate) fn all_groups(&self) -> Vec<Arc<Group<SessionRef>>> {
        self.router.read().groups().map(Arc::clone).collect()
    }

    /// From now on numbers of sessions and publishes are at least these.
    pub(crate) fn raise_numbers(&self, session: u64, sequence: u64) {
        self.sessions.raise_next_number(session);
        self.sequence.fetch_max(sequence, Ordering::AcqRel);
    }

    /// Notes that something of this session is due at `at`.
    pub(crate) fn set_timer(&self, at: Time, session: &SessionRef) {
        let key = (at, session.number().0);
        self.timers.lock().insert(key, Arc::downgrade(session));
    }
}
