//! What one thread of the broker keeps for itself between the inputs that it handles.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::RandomState;
use dunlin_codec::{EncodeError, TopicName};
use hashbrown::HashMap;

use crate::broker::{Broker, Joined, Outstanding};
use crate::id::{ConnectionId, SessionNumber};
use crate::message::{Draft, Message};
use crate::output::Buffers;
use crate::router::{Route, Search};
use crate::session::delivery::Delivery;
use crate::session::{SessionRef, StoredForm};
use crate::stats::Stats;
use crate::time::Time;

/// Topics whose route a worker remembers.
const ROUTES_MAX: usize = 16_384;

/// Topics that a worker remembers to have seen once; a power of two.
const SEEN_MAX: usize = 4096;

/// Receivers of one topic up to which those of the next are looked up ahead: of more it is not the look-up
/// that takes long, and it may have been for nothing.
const AHEAD_TARGETS_MAX: usize = 64;

/// The scratch state of one thread. Nothing in it outlives the process or is seen by others.
pub struct Worker {
    /// By the bytes of their topic, which a message has without looking at them again.
    routes: HashMap<Box<[u8]>, Arc<Route<SessionRef>>, RandomState>,
    routes_generation: u64,
    /// The route of the last message: the next one often has the same topic.
    last: LastRoute,
    /// Routes of the messages that come next.
    ahead: RoutesAhead,
    search: Search<SessionRef>,
    /// Whether the topic of the last message was not remembered, and few get it.
    is_new: bool,
    /// Parts of the hashes of topics that were not remembered when they came last: one that does not
    /// come again soon is not worth it.
    seen: Box<[u32]>,
    random: u64,
    notices: Vec<Notice>,
    publications: Vec<Publication>,
    /// Memory for those that join a plan.
    pub(crate) joined: Option<Box<Joined>>,
    pub(crate) stored_form: StoredForm,
    /// Where the bytes of a message are put together.
    pub(crate) scratch: Vec<u8>,
    /// Buffers for output.
    pub buffers: Buffers,
    /// Messages between a queue and the output of its connection.
    pub(crate) outgoing: Vec<Delivery>,
    /// What this worker counted.
    pub stats: Stats,
}

/// The route that was looked up last.
#[derive(Default)]
struct LastRoute {
    topic: Vec<u8>,
    /// Where in memory the route is.
    address: usize,
    /// The route, unless a plan has it.
    route: Option<Arc<Route<SessionRef>>>,
}

impl LastRoute {
    fn set(&mut self, topic: &[u8], route: &Arc<Route<SessionRef>>) {
        self.topic.clear();
        self.topic.extend_from_slice(topic);
        self.address = Arc::as_ptr(route).addr();
        self.route = None;
    }
}

/// Routes that were looked up before their messages were handled.
#[derive(Default)]
struct RoutesAhead {
    /// The topics, one behind the other.
    topics: Vec<u8>,
    /// Where the next topic begins.
    at: usize,
    /// Where each topic ends, and its route.
    routes: VecDeque<(usize, Arc<Route<SessionRef>>)>,
}

impl RoutesAhead {
    fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    fn clear(&mut self) {
        self.topics.clear();
        self.at = 0;
        self.routes.clear();
    }

    fn push(&mut self, topic: &[u8], route: Route<SessionRef>) {
        self.topics.extend_from_slice(topic);
        self.routes.push_back((self.topics.len(), Arc::new(route)));
    }

    /// The route of a topic. Those before it are forgotten: their messages do not come.
    fn take(&mut self, topic: &[u8]) -> Option<Arc<Route<SessionRef>>> {
        while let Some((end, route)) = self.routes.pop_front() {
            let begin = std::mem::replace(&mut self.at, end);
            if self.topics.get(begin..end) == Some(topic) {
                return Some(route);
            }
        }
        None
    }
}

/// News for the task of a connection, which may be another worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Messages wait for it: call [`Connection::poll_output`](crate::connection::Connection::poll_output).
    Output(ConnectionId),
    /// Another connection took its session: call
    /// [`Connection::handle_taken_over`](crate::connection::Connection::handle_taken_over).
    TakenOver(ConnectionId),
}

/// A message that the broker itself publishes: a Will Message, or what it says of itself. It takes the
/// same steps as one of a client.
#[derive(Debug)]
pub struct Publication {
    pub(crate) message: Message,
    /// The session whose will it is, and which, if the store knows that.
    pub(crate) will_of: Option<(SessionNumber, u64)>,
    pub(crate) outstanding: Option<Outstanding>,
}

impl Publication {
    /// What the broker says of itself.
    ///
    /// # Errors
    /// [`EncodeError`] if a property is too long for the wire.
    pub fn of_server(draft: &Draft<'_>, now: Time) -> Result<Self, EncodeError> {
        Ok(Self {
            message: Message::new(draft, SessionNumber::NONE, (now, None), &mut Vec::new())?,
            will_of: None,
            outstanding: None,
        })
    }

    /// The message.
    pub const fn message(&self) -> &Message {
        &self.message
    }
}

impl Worker {
    /// A worker whose random choices follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            routes: HashMap::with_hasher(RandomState::with_seeds(
                seed,
                !seed,
                seed.rotate_left(32),
                1,
            )),
            routes_generation: 0,
            last: LastRoute::default(),
            ahead: RoutesAhead::default(),
            search: Search::default(),
            is_new: false,
            seen: vec![0; SEEN_MAX].into(),
            random: seed,
            notices: Vec::new(),
            publications: Vec::new(),
            joined: None,
            stored_form: None,
            scratch: Vec::new(),
            buffers: Buffers::default(),
            outgoing: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// The next number of a sequence that the seed determines (SplitMix64).
    pub(crate) const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Who gets this message, from memory as long as no subscription changed. Whoever has done with it
    /// gives it back: [`Worker::take_back`].
    #[inline]
    pub(crate) fn route(&mut self, broker: &Broker, message: &Message) -> Arc<Route<SessionRef>> {
        let topic = message.topic_bytes();
        self.forget_stale(broker);
        if self.last.topic == topic
            && let Some(route) = self.last.route.take()
        {
            self.is_new = false;
            return route;
        }
        if !self.ahead.is_empty()
            && let Some(route) = self.ahead.take(topic)
        {
            return self.remember(topic, route);
        }
        if let Some(route) = self.routes.get(topic) {
            self.last.set(topic, route);
            self.is_new = false;
            return Arc::clone(route);
        }
        let mut routes = broker.routes(&[message.topic()], &mut self.search);
        let route = Arc::new(routes.next().expect("each topic has a route"));
        drop(routes);
        self.remember(topic, route)
    }

    /// Forgets the routes that hold no more.
    fn forget_stale(&mut self, broker: &Broker) {
        let generation = broker.routes_generation();
        if generation != self.routes_generation {
            self.routes.clear();
            self.last = LastRoute::default();
            self.ahead.clear();
            self.is_new = false;
            self.routes_generation = generation;
        }
    }

    /// Remembers a route if its topic comes again and again.
    fn remember(&mut self, topic: &[u8], route: Arc<Route<SessionRef>>) -> Arc<Route<SessionRef>> {
        self.last.set(topic, &route);
        self.is_new = route.targets.len() <= AHEAD_TARGETS_MAX;
        if !self.comes_again(topic) {
            return route;
        }
        if self.routes.len() >= ROUTES_MAX {
            self.routes.clear();
        }
        self.routes.insert(topic.into(), Arc::clone(&route));
        route
    }

    /// Whether it is worth it to look up where the next messages go: the last topic was not remembered,
    /// and nothing is looked up yet.
    #[inline]
    pub(crate) fn looks_ahead(&self) -> bool {
        self.is_new && self.ahead.is_empty()
    }

    /// Looks up where messages go that come next, in this order. Several at once wait for memory together.
    pub(crate) fn look_ahead(&mut self, broker: &Broker, topics: &[TopicName<'_>]) {
        self.forget_stale(broker);
        let first = topics.first().map(|topic| topic.as_str().as_bytes());
        if first.is_some_and(|first| self.routes.contains_key(first)) {
            self.is_new = false;
            return;
        }
        self.ahead.clear();
        for (topic, route) in topics.iter().zip(broker.routes(topics, &mut self.search)) {
            self.ahead.push(topic.as_str().as_bytes(), route);
        }
    }

    /// Takes a route back, for the next message of its topic.
    #[inline]
    pub(crate) fn take_back(&mut self, route: Arc<Route<SessionRef>>) {
        // While it was away it lay where no other can.
        if Arc::as_ptr(&route).addr() == self.last.address {
            self.last.route = Some(route);
        }
    }

    /// Whether a topic has come before, and few others since.
    fn comes_again(&mut self, topic: &[u8]) -> bool {
        let hash = self.routes.hasher().hash_one(topic);
        let [low, high] = [hash, hash >> 32].map(|part| u32::try_from(part & 0xffff_ffff));
        let (Ok(low), Ok(high)) = (low, high) else {
            return true;
        };
        let place = usize::try_from(low).unwrap_or_default() % SEEN_MAX;
        let seen = self.seen.get_mut(place);
        seen.is_none_or(|seen| std::mem::replace(seen, high) == high)
    }

    /// Gives back what is held for messages to come: what is remembered of routes, and with it the sessions
    /// in them, spare buffers, and room in lists.
    pub fn give_memory_back(&mut self) {
        self.buffers = Buffers::default();
        self.notices.shrink_to_fit();
        self.outgoing.shrink_to_fit();
        self.scratch = Vec::new();
        self.joined = None;
        self.stored_form = None;
        self.routes = HashMap::with_hasher(self.routes.hasher().clone());
        self.last = LastRoute::default();
        self.ahead = RoutesAhead::default();
        self.search = Search::default();
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    pub(crate) fn publish(&mut self, publication: Publication) {
        self.publications.push(publication);
    }

    /// The news that the last inputs made, in their order. Whoever gave the inputs passes them on.
    pub fn take_notices(&mut self) -> std::vec::Drain<'_, Notice> {
        self.notices.drain(..)
    }

    /// Whether there is news.
    pub fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// The next message that the last inputs made the broker publish. Whoever gave the inputs plans,
    /// commits and applies it.
    pub fn next_publication(&mut self) -> Option<Publication> {
        if self.publications.is_empty() {
            return None;
        }
        Some(self.publications.remove(0))
    }
}

/// What an input comes with.
pub struct Occasion<'a> {
    /// The broker, which all workers share.
    pub broker: &'a Broker,
    /// The worker that handles the input.
    pub worker: &'a mut Worker,
    /// When.
    pub now: Time,
}
