//! MQTT over QUIC: each connection has one bidirectional stream, which the client opens.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use quinn::{
    AsyncTimer, AsyncUdpSocket, Connection, Endpoint, EndpointConfig, Incoming, Runtime,
    TokioRuntime, TransportConfig, VarInt,
};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::spawn_local;
use tracing::warn;

use super::handshake::Handshakes;
use super::quic_socket::QuicSocket;
use super::state::ListenerState;
use super::tcp::Turns;
use super::tls::Tls;
use super::{Accepted, Next, Stream};
use crate::connection::QuicStream;
use crate::peer::{Peer, PeerCertificate};
use crate::shared::Command;
use crate::worker::Worker;

/// The protocol that the handshake agrees on.
pub(super) const ALPN: &[&[u8]] = &[b"mqtt"];

/// How long a connection on which nothing comes is held; MQTT has its own Keep Alive.
const IDLE_TIMEOUT_MS: u32 = 120_000;

/// So that a client that is there is known to be, and address translation on the way knows it too.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What a client may send before it is read.
const WINDOW_BYTES: u32 = 256 * 1024;

/// What waits in the one socket of all connections: a datagram that finds it full comes again only
/// after a second.
const SOCKET_BYTES: usize = 4 << 20;

/// Connections that began and were not looked at; what comes beyond is forgotten without an answer.
const UNSEEN_MAX: usize = 2048;

/// Handshakes after which a client has to show that its address is its own.
const UNVALIDATED_MAX: usize = 64;

/// The application's error code of a connection that ends as it should, and of one that is not wanted.
const DONE: VarInt = VarInt::from_u32(0);
const FULL: VarInt = VarInt::from_u32(1);

pub(super) fn bind(address: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // [::] is every address, of both versions, whatever the machine's default is.
        socket.set_only_v6(false)?;
    }
    // Wishes, which the operating system may cut short.
    let _ = socket.set_recv_buffer_size(SOCKET_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BYTES);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from(socket);
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// What a connection is accepted with.
fn server_config(tls: Arc<ServerConfig>) -> Result<quinn::ServerConfig, NoInitialCipherSuite> {
    let crypto = QuicServerConfig::try_from(tls)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(WINDOW_BYTES.into())
        .datagram_receive_buffer_size(None);
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Runs what QUIC does as tasks of the worker, in turns with its others. As tasks of the runtime they
/// would have dozens of turns for one of all the worker's, and those who begin would not be answered as
/// fast as they come.
#[derive(Debug)]
struct WorkerRuntime;

impl Runtime for WorkerRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        spawn_local(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Arc::new(QuicSocket::new(socket)))
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

/// The certificates of now, as QUIC takes them.
struct Current {
    tls: Arc<Tls>,
    /// What it was made of, and what was made.
    made: Option<(Arc<ServerConfig>, Arc<quinn::ServerConfig>)>,
}

impl Current {
    fn config(&mut self) -> Result<Arc<quinn::ServerConfig>, NoInitialCipherSuite> {
        let current = self.tls.current();
        if let Some((of, made)) = &self.made
            && Arc::ptr_eq(of, &current)
        {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(server_config(Arc::clone(&current))?);
        self.made = Some((current, Arc::clone(&made)));
        Ok(made)
    }
}

/// Accepts connections, and spreads them over the workers. What is below their streams stays with this
/// one.
pub(super) async fn run(
    socket: UdpSocket,
    tls: Arc<Tls>,
    state: Arc<ListenerState>,
    worker: Rc<Worker>,
) {
    let mut current = Current { tls, made: None };
    let endpoint = current
        .config()
        .map_err(io::Error::other)
        .and_then(|config| {
            let mut config = quinn::ServerConfig::clone(&config);
            config.max_incoming(UNSEEN_MAX);
            let runtime = Arc::new(WorkerRuntime);
            Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime)
        });
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => return warn!(%error, "cannot accept connections over QUIC"),
    };
    // So that those who pretend to be somebody else never push out who is not.
    let unvalidated_max = UNVALIDATED_MAX.min(state.handshakes.max() / 2);
    let mut turns = Turns::default();
    while let Some(incoming) = endpoint.accept().await {
        let is_busy = state.handshakes.count() >= unvalidated_max;
        if is_busy && !incoming.remote_address_validated() && incoming.may_retry() {
            // Whoever pretends to be somebody else does not hear this.
            let _it_may_be_retried = incoming.retry();
            continue;
        }
        if state.comes_too_often(&worker, incoming.remote_address()) {
            incoming.refuse();
            continue;
        }
        let place = Handshakes::enter(&state).await;
        let Ok(config) = current.config() else {
            incoming.refuse();
            continue;
        };
        let turn = turns.next_index(&worker);
        let (worker, state) = (Rc::clone(&worker), Arc::clone(&state));
        place.run(async move {
            let address = incoming.remote_address();
            let opened = tokio::time::timeout(state.handshake_timeout, open(incoming, config));
            let (connection, stream) = match opened.await {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => {
                    return state.tell_failure(Some(address), &format!("QUIC: {error}"));
                }
                Err(_) => return state.tell_failure(Some(address), "QUIC: nothing came in time"),
            };
            let Some(admission) = state.admit() else {
                connection.close(FULL, b"the listener is full");
                return state.tell_full();
            };
            let accepted = Accepted {
                stream: Stream::Quic(Box::new(stream), peer(&connection)),
                what_next: Next::Serve(admission),
            };
            match turn.and_then(|turn| worker.shared.mailboxes.get(turn)) {
                Some(mailbox) => mailbox.put([Command::Serve(accepted)]),
                None => accepted.go_on(&worker),
            }
        });
    }
}

/// The handshake, and the stream that the client opens.
async fn open(
    incoming: Incoming,
    config: Arc<quinn::ServerConfig>,
) -> Result<(Connection, QuicStream), quinn::ConnectionError> {
    let connection = incoming.accept_with(config)?.await?;
    match connection.accept_bi().await {
        Ok((send, receive)) => Ok((connection, QuicStream::new(send, receive))),
        Err(error) => {
            connection.close(DONE, b"");
            Err(error)
        }
    }
}

fn peer(connection: &Connection) -> Peer {
    let chain = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificate = chain.as_ref().and_then(|chain| chain.first());
    Peer {
        address: Some(connection.remote_address()),
        certificate: certificate.map(|certificate| Arc::new(PeerCertificate::of(certificate))),
    }
}
