//! Where connections come from, and what comes before MQTT on them. Each transport has a file of its
//! own.

mod handshake;
mod proxy_protocol;
mod quic;
mod quic_socket;
mod state;
mod tcp;
mod tls;
mod unix;
mod websocket;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tracing::{info, warn};

use crate::config::{Bind, ListenerConfig};
use crate::connection::{QuicStream, Transport};
use crate::error::StartError;
use crate::peer::Peer;
use crate::worker::Worker;

use handshake::{Handshakes, Place};
pub(crate) use state::Admission;
use state::{ListenerState, Opening};
pub(crate) use tls::Tls;
pub use tls::TlsError;
use websocket::Upgrade;

/// A socket that is bound and not served yet.
pub(crate) struct Listener {
    socket: Socket,
    bind: Bind,
    state: Arc<ListenerState>,
}

enum Socket {
    Tcp(std::net::TcpListener),
    Udp(std::net::UdpSocket, Arc<Tls>),
    Unix(unix::Socket),
}

impl Listener {
    /// Reads the files of TLS, and binds the socket.
    pub(crate) fn bind(config: &ListenerConfig) -> Result<Self, StartError> {
        let opening = Self::opening(config)?;
        let bound = match &config.bind {
            Bind::Quic(address) => quic::bind(*address).and_then(|(socket, address)| {
                let bind = config.bind.with_socket_address(address);
                let tls = opening.tls.clone();
                let tls = tls.ok_or(std::io::ErrorKind::InvalidInput)?;
                Ok((Socket::Udp(socket, tls), bind))
            }),
            Bind::Unix(path) => unix::bind(path, config.unix_mode)
                .map(|socket| (Socket::Unix(socket), config.bind.clone())),
            Bind::Tcp(address)
            | Bind::Tls(address)
            | Bind::WebSocket { address, .. }
            | Bind::SecureWebSocket { address, .. } => {
                tcp::bind(*address).map(|(socket, address)| {
                    let bind = config.bind.with_socket_address(address);
                    (Socket::Tcp(socket), bind)
                })
            }
        };
        let (socket, bind) = bound.map_err(|source| StartError::Listen {
            bind: config.bind.clone(),
            source,
        })?;
        Ok(Self {
            socket,
            state: Arc::new(ListenerState::new(bind.clone(), config, opening)),
            bind,
        })
    }

    /// What comes before MQTT on its connections.
    fn opening(config: &ListenerConfig) -> Result<Opening, StartError> {
        let tls = config
            .tls
            .as_ref()
            .map(|files| Tls::load(files, alpn(config)));
        let tls = tls.transpose().map_err(|source| StartError::Tls {
            bind: config.bind.clone(),
            source: Box::new(source),
        })?;
        let websocket = match &config.bind {
            Bind::WebSocket { path, .. } | Bind::SecureWebSocket { path, .. } => Some(Upgrade {
                path: path.clone(),
                origins: config.websocket_origins.clone(),
            }),
            Bind::Tcp(_) | Bind::Tls(_) | Bind::Quic(_) | Bind::Unix(_) => None,
        };
        Ok(Opening {
            proxies: config.proxy_protocol_from.clone(),
            tls: tls.map(Arc::new),
            websocket,
        })
    }

    /// The address, with the port that the operating system chose if it was left to it.
    pub(crate) const fn address(&self) -> &Bind {
        &self.bind
    }

    /// Its certificates, which can be read again.
    pub(crate) fn tls(&self) -> Option<Arc<Tls>> {
        self.state.opening.tls.clone()
    }

    /// Accepts connections until the worker ends, and spreads them over the workers.
    pub(crate) async fn run(self, worker: Rc<Worker>) {
        match self.socket {
            Socket::Tcp(socket) => tcp::run(socket, self.state, worker).await,
            Socket::Udp(socket, tls) => quic::run(socket, tls, self.state, worker).await,
            Socket::Unix(socket) => unix::run(socket, self.state, worker).await,
        }
    }

    /// Says where it listens.
    pub(crate) fn announce(&self) {
        info!("listening on {}", self.bind);
    }
}

/// The protocols that TLS agrees on: a browser offers HTTP, and a client of MQTT mostly nothing.
const fn alpn(config: &ListenerConfig) -> &'static [&'static [u8]] {
    match config.bind {
        Bind::SecureWebSocket { .. } => &[b"http/1.1"],
        Bind::Quic(_) => quic::ALPN,
        _ => &[],
    }
}

/// A connection that is accepted, on its way to the worker that serves it.
pub(crate) struct Accepted {
    stream: Stream,
    what_next: Next,
}

/// A stream that is with no worker.
enum Stream {
    Tcp(std::net::TcpStream, SocketAddr),
    Quic(Box<QuicStream>, Peer),
    Unix(std::os::unix::net::UnixStream),
}

/// What an accepted connection is in for.
enum Next {
    /// MQTT, at once.
    Serve(Admission),
    /// What comes before it.
    Open(Place),
}

impl Next {
    /// What a new connection is in for; nothing if there is no room for it.
    async fn of(state: &Arc<ListenerState>) -> Option<Self> {
        if state.opening.is_nothing() {
            state.admit().map(Self::Serve)
        } else {
            Some(Self::Open(Handshakes::enter(state).await))
        }
    }

    fn go_on(self, worker: &Rc<Worker>, stream: tokio::net::TcpStream, from: SocketAddr) {
        let peer = Peer {
            address: Some(from),
            ..Peer::default()
        };
        match self {
            Self::Serve(admission) => worker.serve(Transport::Tcp(stream), peer, admission),
            Self::Open(place) => handshake::begin(worker, stream, peer, place),
        }
    }

    /// Nothing comes before MQTT on a Unix socket, and nothing more on a stream of QUIC.
    fn go_on_opened(self, worker: &Rc<Worker>, transport: Transport, peer: Peer) {
        if let Self::Serve(admission) = self {
            worker.serve(transport, peer, admission);
        }
    }
}

impl Accepted {
    /// Goes on with it on this worker.
    pub(crate) fn go_on(self, worker: &Rc<Worker>) {
        let what_next = self.what_next;
        let registered = match self.stream {
            Stream::Tcp(stream, from) => tokio::net::TcpStream::from_std(stream)
                .map(|stream| what_next.go_on(worker, stream, from)),
            Stream::Quic(stream, peer) => {
                what_next.go_on_opened(worker, Transport::Quic(stream), peer);
                Ok(())
            }
            Stream::Unix(stream) => tokio::net::UnixStream::from_std(stream).map(|stream| {
                what_next.go_on_opened(worker, Transport::Unix(stream), Peer::default());
            }),
        };
        if let Err(error) = registered {
            warn!(%error, "cannot serve a connection");
        }
    }
}
