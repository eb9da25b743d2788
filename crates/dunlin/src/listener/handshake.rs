//! What comes before MQTT on a connection: bounded in time, and in number.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::proxy_protocol::ProxyError;
use super::state::{ListenerState, Opening};
use super::websocket::UpgradeError;
use super::{proxy_protocol, websocket};
use crate::connection::{Transport, WebSocket};
use crate::peer::{Peer, PeerCertificate};
use crate::worker::Worker;

/// Why a connection did not come to MQTT.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("nothing came of it in time")]
    TimedOut,
    #[error("too many connections from its address")]
    TooOften,
    #[error("PROXY protocol: {0}")]
    Proxy(#[from] ProxyError),
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    #[error("WebSocket: {0}")]
    WebSocket(#[from] UpgradeError),
}

/// The connections of a listener that are not at MQTT yet.
///
/// When there are too many the oldest gives way: a client that means well is done in a moment, and
/// those who never finish only push each other out.
pub(super) struct Handshakes {
    max: usize,
    going_on: Mutex<GoingOn>,
    /// Told when there is one less.
    room: Notify,
}

#[derive(Default)]
struct GoingOn {
    next: u64,
    /// How many connections there are, with those that no worker has begun with yet and those that
    /// gave way and are not closed yet.
    held: usize,
    /// Those that can give way.
    tasks: BTreeMap<u64, AbortHandle>,
}

impl Handshakes {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            going_on: Mutex::default(),
            room: Notify::new(),
        }
    }

    /// How many connections may be in the list.
    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.going_on.lock().held
    }

    /// A place for one more connection, once the workers keep up: who waits to be accepted meanwhile
    /// waits in the operating system, and is not turned away for the sake of those who gave way.
    pub(super) async fn enter(state: &Arc<ListenerState>) -> Place {
        loop {
            if let Some(place) = Self::try_enter(state) {
                return place;
            }
            // What was told since is not missed: a notice is kept until somebody waits for it.
            state.handshakes.room.notified().await;
        }
    }

    fn try_enter(state: &Arc<ListenerState>) -> Option<Place> {
        let mut going_on = state.handshakes.going_on.lock();
        if going_on.held >= state.handshakes.max.saturating_mul(2) {
            return None;
        }
        going_on.held += 1;
        going_on.next += 1;
        Some(Place {
            state: Arc::clone(state),
            number: going_on.next,
        })
    }
}

/// A connection's place among those that are not at MQTT yet, which is free again when this is
/// dropped.
pub(crate) struct Place {
    state: Arc<ListenerState>,
    number: u64,
}

impl Place {
    /// Runs a handshake as a task of this worker.
    pub(super) fn run(self, handshake: impl Future<Output = ()> + 'static) {
        let (state, number) = (Arc::clone(&self.state), self.number);
        // It runs on this thread, so not before it is in the list.
        let task = spawn_local(async move {
            let _place = self;
            handshake.await;
        });
        let oldest = {
            let mut going_on = state.handshakes.going_on.lock();
            going_on.tasks.insert(number, task.abort_handle());
            let is_full = going_on.tasks.len() > state.handshakes.max;
            is_full.then(|| going_on.tasks.pop_first()).flatten()
        };
        if let Some((_, oldest)) = oldest {
            oldest.abort();
            state.tell_failure(None, "max_handshakes is reached, the oldest gives way");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut going_on = self.state.handshakes.going_on.lock();
        going_on.held -= 1;
        going_on.tasks.remove(&self.number);
        drop(going_on);
        self.state.handshakes.room.notify_one();
    }
}

/// Does what comes before MQTT, then serves the connection on this worker.
pub(super) fn begin(worker: &Rc<Worker>, stream: TcpStream, peer: Peer, place: Place) {
    let (worker, shared) = (Rc::clone(worker), Arc::clone(&place.state));
    place.run(async move {
        let address = peer.address;
        let opened = open(stream, peer, &shared, &worker);
        let opened = tokio::time::timeout(shared.handshake_timeout, opened).await;
        let opened = opened.unwrap_or(Err(HandshakeError::TimedOut));
        match opened {
            Ok((transport, peer)) => match shared.admit() {
                Some(admission) => worker.serve(transport, peer, admission),
                None => shared.tell_full(),
            },
            // It is told of by whoever counts.
            Err(HandshakeError::TooOften) => {}
            Err(error) => shared.tell_failure(address, &error.to_string()),
        }
    });
}

async fn open(
    mut stream: TcpStream,
    mut peer: Peer,
    state: &ListenerState,
    worker: &Worker,
) -> Result<(Transport, Peer), HandshakeError> {
    let Opening {
        proxies,
        tls,
        websocket,
    } = &state.opening;
    if !proxies.is_empty() {
        let proxy = peer.address;
        peer.address = proxy_protocol::read(&mut stream, proxy, proxies).await?;
        // A proxy that speaks for itself looks whether the broker is there.
        let client = peer.address.filter(|_| peer.address != proxy);
        if client.is_some_and(|client| state.comes_too_often(worker, client)) {
            return Err(HandshakeError::TooOften);
        }
    }
    let transport = match (tls, websocket) {
        (None, None) => Transport::Tcp(stream),
        (None, Some(upgrade)) => {
            websocket::accept(&mut stream, upgrade).await?;
            Transport::WebSocket(Box::new(WebSocket::new(stream)))
        }
        (Some(tls), None) => Transport::Tls(Box::new(
            accept_tls(stream, &mut peer, tls.current()).await?,
        )),
        (Some(tls), Some(upgrade)) => {
            let mut stream = accept_tls(stream, &mut peer, tls.current()).await?;
            websocket::accept(&mut stream, upgrade).await?;
            Transport::SecureWebSocket(Box::new(WebSocket::new(stream)))
        }
    };
    Ok((transport, peer))
}

async fn accept_tls(
    stream: TcpStream,
    peer: &mut Peer,
    config: Arc<ServerConfig>,
) -> Result<TlsStream<TcpStream>, HandshakeError> {
    let stream = TlsAcceptor::from(config).accept(stream).await;
    let stream = stream.map_err(HandshakeError::Tls)?;
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    peer.certificate = certificate.map(|certificate| Arc::new(PeerCertificate::of(certificate)));
    Ok(stream)
}
