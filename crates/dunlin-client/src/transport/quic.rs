//! MQTT over QUIC: one bidirectional stream, opened by the client, is the byte stream.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, RecvStream, SendStream, TransportConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::endpoint::Address;
use super::tls::TlsConfig;

/// What brokers expect as application protocol.
const ALPN: &str = "mqtt";
/// Keeps the path open through routers that forget UDP soon; MQTT has its own Keep Alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A stream of a QUIC connection, and the connection.
pub struct QuicStream {
    send: SendStream,
    receive: RecvStream,
    connection: Connection,
    /// Owns the socket.
    _endpoint: quinn::Endpoint,
}

impl fmt::Debug for QuicStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuicStream")
            .field(&self.connection.remote_address())
            .finish()
    }
}

impl QuicStream {
    pub(super) async fn open(at: &Address, tls: &TlsConfig) -> io::Result<Self> {
        let crypto = QuicClientConfig::try_from(tls.with_alpn(ALPN)).map_err(io::Error::other)?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        let mut transport = TransportConfig::default();
        transport.keep_alive_interval(Some(KEEP_ALIVE));
        config.transport_config(Arc::new(transport));
        let mut last = None;
        for address in at.resolve().await? {
            match Self::open_at(address, at.host(), config.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("no address")))
    }

    async fn open_at(address: SocketAddr, host: &str, config: ClientConfig) -> io::Result<Self> {
        let local: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let endpoint = quinn::Endpoint::client(local)?;
        let connecting = endpoint
            .connect_with(config, address, host)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        let connection = connecting.await?;
        let (send, receive) = connection.open_bi().await?;
        Ok(Self {
            send,
            receive,
            connection,
            _endpoint: endpoint,
        })
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.get_mut().receive), cx, buffer)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.get_mut().send), cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().send), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.get_mut().send), cx)
    }
}
