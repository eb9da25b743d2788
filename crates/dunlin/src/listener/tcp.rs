//! Sockets of TCP, which is below most transports.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tracing::warn;

use super::state::ListenerState;
use super::{Accepted, Next, Stream};
use crate::shared::{Command, Mailbox};
use crate::worker::Worker;

/// Connections that the operating system holds until they are accepted.
pub(super) const BACKLOG: i32 = 4096;

/// How long accepting pauses when the operating system is out of something.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

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
    let mut turns = Turns::default();
    loop {
        let (stream, from) = match listener.accept().await {
            Ok((stream, from)) => {
                // Behind proxies the address that counts is in the header.
                if state.opening.proxies.is_empty() && state.comes_too_often(&worker, from) {
                    continue;
                }
                (stream, from)
            }
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                state.tell_trouble(&error);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(what_next) = Next::of(&state).await else {
            state.tell_full();
            continue;
        };
        let Some(mailbox) = turns.next(&worker) else {
            what_next.go_on(&worker, stream, from);
            continue;
        };
        if let Ok(stream) = stream.into_std() {
            let stream = Stream::Tcp(stream, from);
            mailbox.put([Command::Serve(Accepted { stream, what_next })]);
        }
    }
}

/// Whose turn it is to serve a connection.
#[derive(Default)]
pub(super) struct Turns(usize);

impl Turns {
    /// The mailbox of the next worker; `None` if that is this one.
    pub(super) fn next<'a>(&mut self, worker: &'a Worker) -> Option<&'a Mailbox> {
        worker.shared.mailboxes.get(self.next_index(worker)?)
    }

    /// The number of the next worker; `None` if that is this one.
    pub(super) fn next_index(&mut self, worker: &Worker) -> Option<usize> {
        let chosen = self.0;
        self.0 = (chosen + 1) % worker.shared.mailboxes.len().max(1);
        (chosen != worker.index()).then_some(chosen)
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
pub(super) fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
