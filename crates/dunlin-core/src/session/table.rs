//! All sessions, by Client Identifier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::id::{ClientIdentifier, SessionNumber};
use crate::session::{Session, SessionRef};

const SHARDS: usize = 64;

type Shard = Mutex<HashMap<ClientIdentifier, SessionRef, RandomState>>;

/// The sessions, in shards with a lock each, which is never held while another lock is.
pub(crate) struct SessionTable {
    shards: Box<[Shard]>,
    hasher: RandomState,
    count: AtomicUsize,
    count_max: usize,
    next_number: AtomicU64,
}

impl SessionTable {
    pub(crate) fn new(hasher: RandomState, count_max: usize) -> Self {
        let shard = || Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hasher,
            count: AtomicUsize::new(0),
            count_max,
            next_number: AtomicU64::new(SessionNumber::NONE.0 + 1),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn shard(&self, client_id: &str) -> Option<&Shard> {
        // The map uses the low bits of the same hash, so the shard is chosen by the high ones.
        let hash = self.hasher.hash_one(client_id) >> 56;
        self.shards
            .get(usize::try_from(hash).unwrap_or_default() % SHARDS)
    }

    /// The session of this client, if there is one.
    pub(crate) fn get(&self, client_id: &str) -> Option<SessionRef> {
        self.shard(client_id)?.lock().get(client_id).cloned()
    }

    /// A number above those of all sessions.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number.load(Ordering::Relaxed)
    }

    /// From now on numbers are at least this.
    pub(crate) fn raise_next_number(&self, to: u64) {
        self.next_number.fetch_max(to, Ordering::Relaxed);
    }

    /// All sessions.
    pub(crate) fn all(&self) -> Vec<SessionRef> {
        let mut all = Vec::with_capacity(self.count());
        for shard in &self.shards {
            all.extend(shard.lock().values().map(Arc::clone));
        }
        all
    }

    /// A session that is in no table yet.
    pub(crate) fn create(&self, client_id: ClientIdentifier) -> SessionRef {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        Session::new(SessionNumber(number), client_id)
    }

    /// Puts a session into the table, unless the table is full or the client has one: then that one
    /// is given.
    ///
    /// # Errors
    /// [`TableFull`].
    pub(crate) fn insert(&self, session: &SessionRef) -> Result<Option<SessionRef>, TableFull> {
        let Some(shard) = self.shard(session.client_id().as_str()) else {
            return Err(TableFull);
        };
        let mut sessions = shard.lock();
        if let Some(present) = sessions.get(session.client_id()) {
            return Ok(Some(Arc::clone(present)));
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.count_max {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return Err(TableFull);
        }
        sessions.insert(session.client_id().clone(), Arc::clone(session));
        Ok(None)
    }

    /// Takes this very session out of the table; one of the same client that came after it stays.
    pub(crate) fn remove(&self, session: &SessionRef) {
        let client_id = session.client_id();
        let Some(shard) = self.shard(client_id.as_str()) else {
            return;
        };
        let mut sessions = shard.lock();
        if sessions
            .get(client_id)
            .is_some_and(|present| Arc::ptr_eq(present, session))
        {
            sessions.remove(client_id);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// There are as many sessions as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableFull;
