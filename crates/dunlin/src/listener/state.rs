//! What the workers know of a listener, and who it lets in.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dunlin_core::settings::Terms;
use parking_lot::Mutex;
use tracing::{debug, warn};

use super::handshake::Handshakes;
use super::tls::Tls;
use super::websocket::Upgrade;
use crate::config::{Bind, CertificateNames, ListenerConfig, Network};
use crate::worker::Worker;

/// The least time between two warnings of one kind.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// What all connections of a listener share.
pub(crate) struct ListenerState {
    bind: Bind,
    pub(crate) allow_anonymous: bool,
    /// What it takes from the certificate of a client.
    pub(crate) certificate_names: CertificateNames,
    /// What holds for its connections, if that is not what holds for all.
    pub(crate) terms: Option<Arc<Terms>>,
    connections_max: usize,
    connections: AtomicUsize,
    pub(super) opening: Opening,
    pub(super) handshake_timeout: Duration,
    pub(super) handshakes: Handshakes,
    told_trouble: Seldom,
    told_full: Seldom,
    told_often: Seldom,
    told_failure: Seldom,
}

/// What comes before MQTT, in this order.
pub(super) struct Opening {
    /// A PROXY header, from these networks; nothing if there are none.
    pub(super) proxies: Vec<Network>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) websocket: Option<Upgrade>,
}

impl Opening {
    /// Whether MQTT begins with the connection.
    pub(super) const fn is_nothing(&self) -> bool {
        self.proxies.is_empty() && !self.has_handshake()
    }

    /// Whether it costs the broker an answer or a computation.
    const fn has_handshake(&self) -> bool {
        self.tls.is_some() || self.websocket.is_some()
    }
}

impl ListenerState {
    pub(super) fn new(bind: Bind, config: &ListenerConfig, opening: Opening) -> Self {
        Self {
            bind,
            allow_anonymous: config.allow_anonymous,
            certificate_names: config.certificate_names,
            terms: terms(config).map(Arc::new),
            connections_max: config.max_connections,
            connections: AtomicUsize::new(0),
            opening,
            handshake_timeout: config.handshake_timeout,
            handshakes: Handshakes::new(config.max_handshakes),
            told_trouble: Seldom::default(),
            told_full: Seldom::default(),
            told_often: Seldom::default(),
            told_failure: Seldom::default(),
        }
    }

    /// A place for one connection, if the listener has one left.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admission> {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        // Made first: when it is dropped the count is right again.
        let admission = Admission(Arc::clone(self));
        (before < self.connections_max).then_some(admission)
    }

    /// Counts a connection from this address, and says so if it is one too many.
    pub(super) fn comes_too_often(&self, worker: &Worker, peer: SocketAddr) -> bool {
        let limits = &worker.shared.limits;
        let has_handshake = self.opening.has_handshake();
        let Err(limit) = limits.admit(peer.ip(), has_handshake, worker.now()) else {
            return false;
        };
        if let Some(since) = self.told_often.is_due() {
            let bind = &self.bind;
            warn!(
                "{bind}: {since} connections refused, the last one from {peer}: {limit} is reached"
            );
        }
        true
    }

    /// Says that no connection can be accepted for now.
    pub(super) fn tell_trouble(&self, error: &io::Error) {
        if self.told_trouble.is_due().is_some() {
            warn!("{}: cannot accept connections for now: {error}", self.bind);
        }
    }

    /// Says that there is no place left.
    pub(super) fn tell_full(&self) {
        if let Some(since) = self.told_full.is_due() {
            let (bind, max) = (&self.bind, self.connections_max);
            warn!(
                "{bind}: {since} connections refused, the listener is full: max_connections is {max}"
            );
        }
    }

    /// Says that a connection did not come to MQTT. Who scans the network makes many of them.
    pub(super) fn tell_failure(&self, peer: Option<SocketAddr>, why: &str) {
        let peer = peer.map(tracing::field::display);
        debug!(peer, "{}: no connection: {why}", self.bind);
        if let Some(since) = self.told_failure.is_due() {
            let bind = &self.bind;
            warn!(
                peer,
                "{bind}: {since} connections came to nothing, the last one: {why}"
            );
        }
    }
}

fn terms(config: &ListenerConfig) -> Option<Terms> {
    let terms = Terms {
        packet_bytes_max: config
            .packet_bytes_max
            .map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
        mount_point: config.mount_point.clone(),
    };
    (terms != Terms::default()).then_some(terms)
}

/// Counts what happens, and lets it be told every now and then.
#[derive(Default)]
struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Notes one more; how many there are since it was told, if it is to be told now.
    fn is_due(&self) -> Option<u64> {
        let mut told = self.0.lock();
        let (at, count) = &mut *told;
        *count += 1;
        if at.is_some_and(|at| at.elapsed() < WARN_EVERY) {
            return None;
        }
        *at = Some(Instant::now());
        Some(std::mem::take(count))
    }
}

/// A place among the connections of a listener, which is free again when this is dropped.
pub(crate) struct Admission(Arc<ListenerState>);

impl Admission {
    pub(crate) fn listener(&self) -> &ListenerState {
        &self.0
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
