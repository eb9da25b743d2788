//! MQTT over TCP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tracing::warn;

use crate::shared::{Command, ListenerState};
use crate::worker::Worker;

/// Connections that the operating system holds until they are accepted.
const BACKLOG: i32 = 4096;

/// How long accepting pauses when the operating system is out of something.
const PAUSE: Duration = Duration::from_millis(100);

/// The least time between two warnings of one kind.
const WARN_EVERY: Duration = Duration::from_secs(10);

pub(super) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A broker that is started again need not wait for the connections of the one before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // [::] is every address, of both versions, whatever the machine's default is.
        socket.set_only_v6(false)?;
    }
    prepare(&socket);
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(super) async fn run(socket: TcpListener, state: Arc<ListenerState>, worker: Rc<Worker>) {
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return warn!(%error, "cannot accept connections"),
    };
    let mut next_worker = 0_usize;
    let mut warned: Option<Instant> = None;
    let mut warn_sometimes = |what: &str, detail: String| {
        if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            warned = Some(Instant::now());
            warn!("{what}: {detail}");
        }
    };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, peer)) => {
                if !worker.shared.limits.admits(peer.ip(), worker.now()) {
                    let max = "limits.address_connections_max".to_owned();
                    warn_sometimes("connections were refused", max);
                    continue;
                }
                stream
            }
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                warn_sometimes("cannot accept connections for now", error.to_string());
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if state.connections.fetch_add(1, Ordering::Relaxed) >= state.connections_max {
            state.connections.fetch_sub(1, Ordering::Relaxed);
            let max = format!("max_connections is {}", state.connections_max);
            warn_sometimes("a connection was refused", max);
            continue;
        }
        let count = worker.shared.mailboxes.len();
        let chosen = next_worker;
        next_worker = (next_worker + 1) % count.max(1);
        if chosen == worker.index() {
            worker.serve(stream, Arc::clone(&state));
            continue;
        }
        match (stream.into_std(), worker.shared.mailboxes.get(chosen)) {
            (Ok(stream), Some(mailbox)) => {
                mailbox.put([Command::Serve(stream, Arc::clone(&state))]);
            }
            _ => {
                state.connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// A small packet must not wait for a later one, and a peer that vanished must be found out even if
/// the client switched its Keep Alive off. Connections have this from the socket that accepts them.
fn prepare(socket: &Socket) {
    // Both are wishes: a connection works without them.
    let _ = socket.set_tcp_nodelay(true);
    let keep_alive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    let _ = socket.set_tcp_keepalive(&keep_alive);
}

/// Errors that concern one connection, which is gone by the time it is accepted.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
