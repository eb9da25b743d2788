//! Keys that a server publishes as a JSON Web Key Set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{error, info};

use super::keys::Key;
use crate::auth::pool::Pool;
use crate::files::Reload;
use crate::http::HttpClient;

/// How often keys are fetched when nothing is missing.
const REFRESH_EVERY: Duration = Duration::from_secs(300);

/// The least time between two fetches, whatever tokens ask for.
const FETCHES_APART_MIN: Duration = Duration::from_secs(10);

/// How long keys are used while their server does not answer.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of one URL.
pub(super) struct Jwks {
    url: String,
    client: HttpClient,
    /// One thread.
    pool: Pool,
    keys: ArcSwap<Vec<Key>>,
    fetches: Mutex<Fetches>,
    /// Counts the fetches that ended.
    ended: watch::Sender<u64>,
    /// Whether other keys came since somebody looked.
    has_changed: AtomicBool,
}

#[derive(Default)]
struct Fetches {
    is_going_on: bool,
    begun_at: Option<Instant>,
    succeeded_at: Option<Instant>,
}

impl Jwks {
    /// Begins to fetch the keys.
    pub(super) fn start(url: String, client: HttpClient) -> std::io::Result<Arc<Self>> {
        let jwks = Arc::new(Self {
            url,
            client,
            pool: Pool::start("jwks", 1, 1)?,
            keys: ArcSwap::default(),
            fetches: Mutex::default(),
            ended: watch::Sender::default(),
            has_changed: AtomicBool::new(false),
        });
        jwks.fetch_later(Duration::ZERO);
        Ok(jwks)
    }

    /// The keys, unless they are too old to be believed.
    pub(super) fn keys(&self) -> Arc<Vec<Key>> {
        let succeeded_at = self.fetches.lock().succeeded_at;
        match succeeded_at {
            Some(at) if at.elapsed() < AGE_MAX => self.keys.load_full(),
            _ => Arc::default(),
        }
    }

    /// The keys, after they were fetched again if the one with this identifier is missing and the last
    /// fetch is long enough ago.
    pub(super) async fn keys_with(self: &Arc<Self>, id: Option<&str>) -> Arc<Vec<Key>> {
        let mut ended = self.ended.subscribe();
        let keys = self.keys();
        let is_there = match id {
            Some(id) => keys.iter().any(|key| key.has_id(id)),
            None => !keys.is_empty(),
        };
        if is_there || !self.fetch_later(FETCHES_APART_MIN) {
            return keys;
        }
        // The sender is this one's own.
        let _ = ended.changed().await;
        self.keys()
    }

    /// Begins a fetch unless one began less than `apart` ago; true if one is going on.
    fn fetch_later(self: &Arc<Self>, apart: Duration) -> bool {
        {
            let mut fetches = self.fetches.lock();
            if fetches.is_going_on {
                return true;
            }
            if fetches.begun_at.is_some_and(|at| at.elapsed() < apart) {
                return false;
            }
            fetches.is_going_on = true;
            fetches.begun_at = Some(Instant::now());
        }
        // Not the whole of it: the pool's own thread must not be the last to hold the pool.
        let weak = Arc::downgrade(self);
        let is_put = self.pool.put(move || {
            if let Some(jwks) = weak.upgrade() {
                jwks.fetch();
            }
        });
        if is_put.is_err() {
            self.fetches.lock().is_going_on = false;
        }
        is_put.is_ok()
    }

    fn fetch(&self) {
        let fetched = self.client.get(&self.url);
        let fetched = fetched.map_err(|error| error.to_string());
        let fetched =
            fetched.and_then(|body| Key::of_json(&body).map_err(|error| error.to_string()));
        match &fetched {
            Ok(keys) if **self.keys.load() != *keys => {
                info!("{}: {} keys", self.url, keys.len());
                self.keys.store(Arc::new(keys.clone()));
                self.has_changed.store(true, Ordering::Release);
            }
            Ok(_) => {}
            Err(what) => error!("{}: {what}; the keys that it held before stay", self.url),
        }
        let mut fetches = self.fetches.lock();
        fetches.is_going_on = false;
        if fetched.is_ok() {
            fetches.succeeded_at = Some(Instant::now());
        }
        drop(fetches);
        self.ended.send_modify(|ended| *ended += 1);
    }
}

/// Asked every second; says whether keys changed since, which may be long after the fetch began.
impl Reload for Arc<Jwks> {
    fn reload(&self, is_forced: bool) -> bool {
        self.fetch_later(if is_forced {
            Duration::ZERO
        } else {
            REFRESH_EVERY
        });
        self.has_changed.swap(false, Ordering::AcqRel)
    }
}
