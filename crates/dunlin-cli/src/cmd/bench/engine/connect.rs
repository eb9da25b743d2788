//! From nothing to a client that the broker has accepted and subscribed.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dunlin_client::{
    Address, ClientOptions, ConnectError as OpenError, Endpoint, SubscribeRequest, Transport,
};
use dunlin_codec::{
    DecodeError, Disconnect, EncodeError, Limits, Packet, PacketIdentifier, ProtocolVersion,
    ReasonCode, TopicError, decode,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// How long a broker may take over each step.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// Filters in one SUBSCRIBE, at most.
const FILTERS_MAX: usize = 200;

/// Why a client could not be brought up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// There is no connection.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The broker closed the connection instead of answering.
    #[error("connection closed before {0}")]
    Closed(&'static str),
    /// The broker does not answer.
    #[error("no {0} within {seconds} s", seconds = STEP_TIMEOUT.as_secs())]
    Timeout(&'static str),
    /// SUBACK refuses.
    #[error("subscription to {filter} refused: {reason_code}")]
    SubscriptionRefused {
        /// The first filter that was refused.
        filter: String,
        /// Why.
        reason_code: ReasonCode,
    },
    /// Another packet than the expected one.
    #[error("{got} instead of {expected}")]
    Unexpected {
        /// What should have come.
        expected: &'static str,
        /// What came.
        got: &'static str,
    },
    /// The broker's bytes are no packet.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// What was asked for cannot be put into a packet.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// A topic filter is none.
    #[error("{0}")]
    Topic(#[from] TopicError),
}

/// The endpoint with its address looked up: many clients ask once. Of several addresses the first
/// that answers is taken: `localhost` often has one for each IP version, and trying them in turn for
/// each client would be load that nobody asked for.
///
/// # Errors
/// If the host has no address, or nothing answers.
pub(crate) fn resolve(endpoint: Endpoint) -> io::Result<Endpoint> {
    let Some(address) = endpoint.address() else {
        return Ok(endpoint);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let addresses = runtime.block_on(address.resolve());
    let addresses: Vec<SocketAddr> = addresses.map_err(|error| unreachable(address, &error))?;
    let chosen = match (addresses.as_slice(), &endpoint) {
        (&[only], _) => only,
        // Nothing connects to UDP.
        (&[first, ..], Endpoint::Quic(..)) => first,
        (several, _) => std::net::TcpStream::connect(several)
            .and_then(|stream| stream.peer_addr())
            .map_err(|error| unreachable(address, &error))?,
    };
    Ok(endpoint.at(chosen))
}

fn unreachable(address: &Address, error: &io::Error) -> io::Error {
    io::Error::other(format!("cannot connect to {address}: {error}"))
}

/// A socket that can be written to without waiting. Other transports than TCP and Unix sockets are
/// relayed by a task of their own: the figures then count its work to this process.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn of(transport: Transport) -> io::Result<Self> {
        match transport {
            Transport::Tcp(stream) => Ok(Self::Tcp(stream)),
            Transport::Unix(stream) => Ok(Self::Unix(stream)),
            mut other => {
                let (near, mut far) = UnixStream::pair()?;
                tokio::task::spawn_local(async move {
                    // Either side may end it, which the other learns from the end of the stream.
                    let _ = tokio::io::copy_bidirectional(&mut other, &mut far).await;
                });
                Ok(Self::Unix(near))
            }
        }
    }

    pub(crate) fn into_split(self) -> (Reader, Writer) {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Tcp(reader), Writer::Tcp(writer))
            }
            Self::Unix(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Unix(reader), Writer::Unix(writer))
            }
        }
    }

    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    async fn read_buf(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read_buf(buffer).await,
            Self::Unix(stream) => stream.read_buf(buffer).await,
        }
    }
}

/// The half of a socket that is read.
#[derive(Debug)]
pub(crate) enum Reader {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

impl Reader {
    pub(crate) fn poll_read(
        &mut self,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(half) => Pin::new(half).poll_read(task, buffer),
            Self::Unix(half) => Pin::new(half).poll_read(task, buffer),
        }
    }
}

/// The half of a socket that is written.
#[derive(Debug)]
pub(crate) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Writer {
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write(bytes),
            Self::Unix(half) => half.try_write(bytes),
        }
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.writable().await,
            Self::Unix(half) => half.writable().await,
        }
    }
}

/// An accepted client.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket.
    pub(crate) stream: Socket,
    /// The version that was agreed.
    pub(crate) version: ProtocolVersion,
    /// Bytes after the last packet that was handled.
    pub(crate) rest: Vec<u8>,
    /// How many QoS 1 and 2 messages the broker takes before it acknowledges.
    pub(crate) receive_maximum: u32,
}

impl Accepted {
    /// Connects, and waits for CONNACK.
    ///
    /// # Errors
    /// If the broker cannot be reached or refuses.
    pub(crate) async fn open(
        options: &ClientOptions,
        client_id: &str,
    ) -> Result<Self, ConnectError> {
        let mut options = options.clone();
        client_id.clone_into(&mut options.connect.client_id);
        let version = options.connect.version;
        let opened = options.open().await?;
        let connack = opened.connected.connack();
        let receive_maximum = connack.properties.receive_maximum;
        Ok(Self {
            stream: Socket::of(opened.transport)?,
            version,
            rest: opened.unread.to_vec(),
            receive_maximum: receive_maximum.map_or(u16::MAX, NonZeroU16::get).into(),
        })
    }

    /// Subscribes, in several packets if there are many filters.
    ///
    /// # Errors
    /// If the broker refuses one of them.
    pub(crate) async fn subscribe(
        &mut self,
        requests: &[SubscribeRequest],
    ) -> Result<(), ConnectError> {
        for request in requests {
            let packet = request.packet(PacketIdentifier::MIN)?;
            for filters in packet.requests.chunks(FILTERS_MAX) {
                let part = dunlin_codec::Subscribe {
                    requests: filters.to_vec(),
                    ..packet.clone()
                };
                let mut bytes = Vec::new();
                Packet::Subscribe(part).encode(self.version, &mut bytes)?;
                self.stream.write_all(&bytes).await?;
                self.packet("SUBACK", |packet| match packet {
                    Packet::Suback(suback) => {
                        let mut granted = suback.reason_codes.iter().zip(filters);
                        match granted.find(|(code, _)| code.is_error()) {
                            Some((&reason_code, refused)) => {
                                Err(ConnectError::SubscriptionRefused {
                                    filter: refused.filter.as_str().to_owned(),
                                    reason_code,
                                })
                            }
                            None => Ok(()),
                        }
                    }
                    other => Err(unexpected("SUBACK", other)),
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Waits for the next packet and takes it, if `accept` does. A retained message may come before
    /// SUBACK: PUBLISH is left in front of what is taken.
    async fn packet<T>(
        &mut self,
        expected: &'static str,
        accept: impl Fn(&Packet<'_>) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        let mut skipped = 0;
        loop {
            let unread = self.rest.get(skipped..).unwrap_or_default();
            if let Some((packet, length)) = decode(unread, self.version, &Limits::default())? {
                if matches!(packet, Packet::Publish(_)) {
                    skipped += length;
                    continue;
                }
                let value = accept(&packet)?;
                self.rest.drain(skipped..skipped + length);
                return Ok(value);
            }
            let reading = self.stream.read_buf(&mut self.rest);
            let read = tokio::time::timeout(STEP_TIMEOUT, reading)
                .await
                .map_err(|_| ConnectError::Timeout(expected))?;
            if read? == 0 {
                return Err(ConnectError::Closed(expected));
            }
        }
    }

    /// Says DISCONNECT and waits until the broker has closed its side, so that the next connection
    /// finds it done with this one, and the port's quarantine is not ours.
    ///
    /// # Errors
    /// If it does not close.
    pub(crate) async fn close(mut self) -> Result<(), ConnectError> {
        let mut bytes = Vec::new();
        Packet::Disconnect(Disconnect::new(ReasonCode::Success))
            .encode(self.version, &mut bytes)?;
        self.stream.write_all(&bytes).await?;
        self.wait_for_end().await
    }

    /// Waits until the broker has closed the connection.
    ///
    /// # Errors
    /// If it does not.
    pub(crate) async fn wait_for_end(&mut self) -> Result<(), ConnectError> {
        let mut last_words = Vec::new();
        loop {
            last_words.clear();
            let reading = self.stream.read_buf(&mut last_words);
            let read = tokio::time::timeout(STEP_TIMEOUT, reading)
                .await
                .map_err(|_| ConnectError::Timeout("end of the connection"))?;
            // A reset ends it as well.
            if !matches!(read, Ok(length) if length > 0) {
                return Ok(());
            }
        }
    }
}

fn unexpected(expected: &'static str, packet: &Packet<'_>) -> ConnectError {
    ConnectError::Unexpected {
        expected,
        got: packet.packet_type().name(),
    }
}
