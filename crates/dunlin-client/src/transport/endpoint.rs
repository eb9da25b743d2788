//! Where a server is, and how it is spoken to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpStream;

use super::Transport;
use super::quic::QuicStream;
use super::tls::TlsConfig;
use super::websocket::WebSocket;

/// Where a server is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Endpoint {
    /// MQTT over TCP.
    Tcp(Address),
    /// MQTT over TLS.
    Tls(Address, TlsConfig),
    /// MQTT over a WebSocket (section 6).
    WebSocket(Box<WebSocketEndpoint>),
    /// MQTT over a Unix domain socket, which has this path.
    Unix(PathBuf),
    /// MQTT over one stream of a QUIC connection.
    Quic(Address, TlsConfig),
}

/// Where a server is that speaks MQTT over WebSocket.
#[derive(Clone, Debug)]
pub struct WebSocketEndpoint {
    /// Where it is.
    pub address: Address,
    /// Path of the request, such as `/mqtt`.
    pub path: String,
    /// Further headers of the request.
    pub headers: Vec<(String, String)>,
    /// Whom to trust; `None` for a WebSocket without TLS.
    pub tls: Option<TlsConfig>,
}

/// A host and a port. With TLS the host is the name that the certificate must be for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
    resolved: Option<SocketAddr>,
}

impl Address {
    /// A host name or address, and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            resolved: None,
        }
    }

    /// Host name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Goes to this address from now on, without asking for the host's again.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        let resolved = Some(address);
        Self { resolved, ..self }
    }

    /// The addresses that the host has.
    ///
    /// # Errors
    /// If it has none.
    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.resolved {
            return Ok(vec![address]);
        }
        let host = self.host.as_str();
        let found = tokio::net::lookup_host((host, self.port)).await?;
        let addresses: Vec<_> = found.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{host} has no address"),
            ));
        }
        Ok(addresses)
    }

    async fn tcp(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.resolve().await?.as_slice()).await?;
        // Packets are batched here already; waiting for more would only delay them.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl Endpoint {
    /// MQTT over TCP.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp(Address::new(host, port))
    }

    /// Host and port; a Unix domain socket has none.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Tcp(address) | Self::Tls(address, _) | Self::Quic(address, _) => Some(address),
            Self::WebSocket(endpoint) => Some(&endpoint.address),
            Self::Unix(_) => None,
        }
    }

    /// Goes to this address from now on, without asking for the host's again.
    #[must_use]
    pub fn at(mut self, to: SocketAddr) -> Self {
        let address = match &mut self {
            Self::Tcp(address) | Self::Tls(address, _) | Self::Quic(address, _) => address,
            Self::WebSocket(endpoint) => &mut endpoint.address,
            Self::Unix(_) => return self,
        };
        address.resolved = Some(to);
        self
    }

    /// How it speaks TLS, if it does.
    pub fn tls_mut(&mut self) -> Option<&mut TlsConfig> {
        match self {
            Self::Tls(_, tls) | Self::Quic(_, tls) => Some(tls),
            Self::WebSocket(endpoint) => endpoint.tls.as_mut(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// Opens a byte stream to it.
    ///
    /// # Errors
    /// If the name cannot be resolved, no address of it can be reached, or the server is not what
    /// the endpoint says: no trusted certificate, no WebSocket.
    pub async fn open(&self) -> io::Result<Transport> {
        match self {
            Self::Tcp(address) => Ok(Transport::Tcp(address.tcp().await?)),
            Self::Tls(address, tls) => {
                let stream = tls.connect(&address.host, address.tcp().await?).await?;
                Ok(Transport::Tls(Box::new(stream)))
            }
            Self::WebSocket(endpoint) => {
                let address = &endpoint.address;
                let stream = address.tcp().await?;
                let stream = match &endpoint.tls {
                    Some(tls) => {
                        Transport::Tls(Box::new(tls.connect(&address.host, stream).await?))
                    }
                    None => Transport::Tcp(stream),
                };
                let socket = WebSocket::open(endpoint, stream).await?;
                Ok(Transport::WebSocket(Box::new(socket)))
            }
            #[cfg(unix)]
            Self::Unix(path) => Ok(Transport::Unix(
                tokio::net::UnixStream::connect(path).await?,
            )),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system has no Unix domain sockets",
            )),
            Self::Quic(address, tls) => {
                let stream = QuicStream::open(address, tls).await?;
                Ok(Transport::Quic(Box::new(stream)))
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address, _) => write!(f, "mqtts://{address}"),
            Self::WebSocket(endpoint) => {
                let scheme = if endpoint.tls.is_some() { "wss" } else { "ws" };
                write!(f, "{scheme}://{}{}", endpoint.address, endpoint.path)
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Quic(address, _) => write!(f, "quic://{address}"),
        }
    }
}
