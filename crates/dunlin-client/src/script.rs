//! For tests: the other side of a connection, played by hand.
//!
//! A [`Peer`] does nothing by itself: it sends the packets and bytes that a test tells it to, well
//! formed or not, and says what came back. Played against a broker it is a client, and taken from a
//! [`PeerListener`] it is a broker to test a client with. Nothing waits longer than a deadline.
//!
//! ```no_run
//! use dunlin_client::codec::{Packet, ProtocolVersion};
//! use dunlin_client::script::{Peer, connect};
//!
//! # async fn example() -> Result<(), dunlin_client::script::ScriptError> {
//! let mut peer = Peer::connect("127.0.0.1:1883", ProtocolVersion::V5).await?;
//! peer.send(&connect("a", ProtocolVersion::V5)).await?;
//! let connack = peer.receive().await?;
//! assert!(matches!(connack.packet(), Packet::Connack(_)));
//! peer.send(&Packet::Pingreq).await?;
//! peer.expect(&Packet::Pingresp).await?;
//! peer.send_bytes(&[0xff]).await?;
//! peer.expect_disconnect().await?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dunlin_codec::{
    Connack, ConnackProperties, Connect, ConnectProperties, DecodeError, EncodeError, Limits,
    Packet, ProtocolVersion, ReasonCode,
};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::timeout;

use crate::Transport;
use crate::message::Received;
use crate::wire::Wire;

/// How long a peer waits for what must come, unless told otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How a script failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The other side's bytes are no packet.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// The script's packet cannot be encoded.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// Nothing came within the deadline.
    #[error("nothing came within {0:?}")]
    Silence(Duration),
    /// The other side closed the connection instead.
    #[error("the connection was closed")]
    Closed,
    /// Something else came.
    #[error("expected {expected}, received {received}")]
    Unexpected {
        /// What the script says.
        expected: String,
        /// What came.
        received: String,
    },
}

/// One side of a connection, played by hand.
pub struct Peer {
    wire: Wire,
    version: ProtocolVersion,
    deadline: Duration,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Where peers come from that play a broker: a port of 127.0.0.1 that the system chose.
#[derive(Debug)]
pub struct PeerListener(TcpListener);

impl PeerListener {
    /// Listens.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn bind() -> io::Result<Self> {
        Ok(Self(
            TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?,
        ))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The next connection.
    ///
    /// # Errors
    /// If none comes within [`DEADLINE`].
    pub async fn accept(&self, version: ProtocolVersion) -> Result<Peer, ScriptError> {
        let accepted = timeout(DEADLINE, self.0.accept()).await;
        let (stream, _) = accepted.map_err(|_| ScriptError::Silence(DEADLINE))??;
        Peer::new(stream, version)
    }

    /// The next connection, whose CONNECT is answered with this CONNACK; and the CONNECT.
    ///
    /// # Errors
    /// If no connection comes, or something else than CONNECT.
    pub async fn accept_client(
        &self,
        version: ProtocolVersion,
        connack: &Packet<'_>,
    ) -> Result<(Peer, Received), ScriptError> {
        let mut peer = self.accept(version).await?;
        let connect = peer.receive().await?;
        if !matches!(connect.packet(), Packet::Connect(_)) {
            return Err(unexpected("CONNECT", &connect));
        }
        peer.send(connack).await?;
        Ok((peer, connect))
    }
}

/// A CONNECT with a clean start, without keep alive.
pub fn connect(client_id: &str, version: ProtocolVersion) -> Packet<'_> {
    Packet::Connect(Box::new(Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id,
        will: None,
        user_name: None,
        password: None,
    }))
}

/// A CONNACK without properties that accepts.
pub fn connack(session_present: bool) -> Packet<'static> {
    Packet::Connack(Box::new(Connack {
        session_present,
        reason_code: ReasonCode::Success,
        properties: ConnackProperties::default(),
    }))
}

impl Peer {
    /// Connects to a server; no packet is sent yet.
    ///
    /// # Errors
    /// If it cannot be reached within [`DEADLINE`].
    pub async fn connect(
        address: impl ToSocketAddrs,
        version: ProtocolVersion,
    ) -> Result<Self, ScriptError> {
        let connected = timeout(DEADLINE, TcpStream::connect(address)).await;
        Self::new(
            connected.map_err(|_| ScriptError::Silence(DEADLINE))??,
            version,
        )
    }

    fn new(stream: TcpStream, version: ProtocolVersion) -> Result<Self, ScriptError> {
        stream.set_nodelay(true)?;
        Ok(Self::over(Transport::Tcp(stream), version))
    }

    /// Plays over a byte stream that is open already.
    pub fn over(transport: Transport, version: ProtocolVersion) -> Self {
        Self {
            wire: Wire::new(transport),
            version,
            deadline: DEADLINE,
        }
    }

    /// Connects to a server and sends this CONNECT; gives the CONNACK with the peer.
    ///
    /// # Errors
    /// If something else than CONNACK comes.
    pub async fn open(
        address: impl ToSocketAddrs,
        connect: &Packet<'_>,
    ) -> Result<(Self, Received), ScriptError> {
        let version = match connect {
            Packet::Connect(connect) => connect.version,
            _ => ProtocolVersion::V5,
        };
        let mut peer = Self::connect(address, version).await?;
        peer.send(connect).await?;
        let received = peer.receive().await?;
        match received.packet() {
            Packet::Connack(_) => Ok((peer, received)),
            _ => Err(unexpected("CONNACK", &received)),
        }
    }

    /// Waits at most this long for what must come.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub async fn send(&mut self, packet: &Packet<'_>) -> Result<(), ScriptError> {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes)?;
        self.send_bytes(&bytes).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If they cannot be written within the deadline.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ScriptError> {
        let written = timeout(self.deadline, self.wire.write_all(bytes)).await;
        Ok(written.map_err(|_| ScriptError::Silence(self.deadline))??)
    }

    /// The next packet.
    ///
    /// # Errors
    /// If the connection is closed, or no whole packet comes within the deadline.
    pub async fn receive(&mut self) -> Result<Received, ScriptError> {
        let deadline = self.deadline;
        let received = timeout(deadline, self.next()).await;
        received
            .map_err(|_| ScriptError::Silence(deadline))??
            .ok_or(ScriptError::Closed)
    }

    /// The next packet; `None` when the connection is closed.
    async fn next(&mut self) -> Result<Option<Received>, ScriptError> {
        let limits = Limits::default();
        loop {
            if let Some((header, body)) = self.wire.packet(&limits)? {
                return Ok(Some(Received::new(header, body, self.version, &limits)?));
            }
            match self.wire.read().await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next packet must be this one.
    ///
    /// # Errors
    /// If it is another, or none comes.
    pub async fn expect(&mut self, packet: &Packet<'_>) -> Result<(), ScriptError> {
        let received = self.receive().await?;
        if received.packet() == *packet {
            Ok(())
        } else {
            Err(unexpected(packet, &received))
        }
    }

    /// The next must be the end of the connection.
    ///
    /// # Errors
    /// If a packet comes, or the connection stays open.
    pub async fn expect_close(&mut self) -> Result<(), ScriptError> {
        match self.receive().await {
            Err(ScriptError::Closed) => Ok(()),
            Err(error) => Err(error),
            Ok(received) => Err(unexpected("the end of the connection", &received)),
        }
    }

    /// The next must be a DISCONNECT, if the protocol is 5.0, and then the end of the connection.
    /// Gives the reason code; [`ReasonCode::Success`] in 3.x.
    ///
    /// # Errors
    /// If another packet comes, or the connection stays open.
    pub async fn expect_disconnect(&mut self) -> Result<ReasonCode, ScriptError> {
        let mut code = ReasonCode::Success;
        if self.version.is_v5() {
            let received = self.receive().await?;
            let Packet::Disconnect(disconnect) = received.packet() else {
                return Err(unexpected("DISCONNECT", &received));
            };
            code = disconnect.reason_code;
        }
        self.expect_close().await?;
        Ok(code)
    }

    /// For this long nothing may come, nor the connection end.
    ///
    /// # Errors
    /// If something does.
    pub async fn expect_silence(&mut self, time: Duration) -> Result<(), ScriptError> {
        match timeout(time, self.next()).await {
            Err(_) => Ok(()),
            Ok(Ok(Some(received))) => Err(unexpected("nothing", &received)),
            Ok(Ok(None)) => Err(ScriptError::Closed),
            Ok(Err(error)) => Err(error),
        }
    }

    /// Closes the connection without a packet.
    pub fn close(self) {
        drop(self);
    }
}

fn unexpected(expected: impl fmt::Debug, received: &Received) -> ScriptError {
    ScriptError::Unexpected {
        expected: format!("{expected:?}"),
        received: format!("{received:?}"),
    }
}
