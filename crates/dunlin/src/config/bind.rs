//! The addresses of listeners, written as URLs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::nearest::most_alike;

/// What a listener binds to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bind {
    /// `mqtt://ADDRESS:PORT`: MQTT over TCP, without TLS.
    Tcp(SocketAddr),
    /// `mqtts://ADDRESS:PORT`: MQTT over TLS.
    Tls(SocketAddr),
    /// `ws://ADDRESS:PORT/PATH`: MQTT over WebSocket.
    WebSocket {
        /// Where.
        address: SocketAddr,
        /// The path of the resource, which begins with a slash.
        path: String,
    },
    /// `wss://ADDRESS:PORT/PATH`: MQTT over WebSocket over TLS.
    SecureWebSocket {
        /// Where.
        address: SocketAddr,
        /// As above.
        path: String,
    },
    /// `quic://ADDRESS:PORT`: MQTT over QUIC, in one bidirectional stream.
    Quic(SocketAddr),
    /// `unix:///PATH`: MQTT over a Unix socket.
    Unix(PathBuf),
}

/// A scheme that a listener's URL may have.
struct Scheme {
    name: &'static str,
    /// What other programs call it.
    elsewhere: &'static [&'static str],
    default_port: u16,
    /// What is behind the address: a path where one may be.
    bind: fn(SocketAddr, Option<&str>) -> Result<Bind, BindError>,
}

/// Every transport with an address that this build can listen on.
const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "mqtt",
        elsewhere: &["tcp"],
        default_port: 1883,
        bind: |address, path| no_path(path).map(|()| Bind::Tcp(address)),
    },
    Scheme {
        name: "mqtts",
        elsewhere: &["ssl", "tls"],
        default_port: 8883,
        bind: |address, path| no_path(path).map(|()| Bind::Tls(address)),
    },
    Scheme {
        name: "ws",
        elsewhere: &["http"],
        default_port: 8083,
        bind: |address, path| url_path(path).map(|path| Bind::WebSocket { address, path }),
    },
    Scheme {
        name: "wss",
        elsewhere: &["https"],
        default_port: 8084,
        bind: |address, path| url_path(path).map(|path| Bind::SecureWebSocket { address, path }),
    },
    Scheme {
        name: "quic",
        elsewhere: &["udp", "h3"],
        default_port: 14567,
        bind: |address, path| no_path(path).map(|()| Bind::Quic(address)),
    },
];

/// The scheme of Unix sockets, which have a path and no address.
const UNIX: &str = "unix";

/// The longest path of a Unix socket: the operating system has room for a few bytes more, which the
/// socket needs while it is made.
const UNIX_PATH_BYTES_MAX: usize = 100;

/// The path of WebSockets when none is written.
const DEFAULT_PATH: &str = "/mqtt";

/// Nothing may be behind the port; but a lone slash says nothing, and people write it by habit.
fn no_path(path: Option<&str>) -> Result<(), BindError> {
    match path {
        None | Some("/") => Ok(()),
        Some(path) => Err(BindError::Trailing(path.to_owned())),
    }
}

/// The path of a WebSocket.
fn url_path(path: Option<&str>) -> Result<String, BindError> {
    let path = path.unwrap_or(DEFAULT_PATH);
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path && !path.contains(['?', '#']) {
        Ok(path.to_owned())
    } else {
        Err(BindError::Path(path.to_owned()))
    }
}

/// Why a text is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// There is no `://`.
    #[error("it has no scheme; write mqtt://{}", _0.escape_debug())]
    NoScheme(String),
    /// A scheme that no transport of this build has.
    #[error(
        "the scheme {scheme:?} is not known; the nearest known one is {}, of {}",
        nearest_scheme(scheme),
        scheme_names()
    )]
    Scheme {
        /// The one that was given.
        scheme: String,
    },
    /// Text after the port.
    #[error("nothing may follow the port, and there is {0:?}")]
    Trailing(String),
    /// Not the path of a WebSocket.
    #[error("{0:?} is not a path such as /mqtt, without ? and #")]
    Path(String),
    /// Not the path of a Unix socket.
    #[error("{0:?} is not the whole path of a file; write unix:///run/dunlin.sock")]
    UnixPath(String),
    /// A user name or a password.
    #[error("a listener's URL holds no user name or password")]
    Credentials,
    /// The part before the port is missing.
    #[error("it has no address; 0.0.0.0 stands for every IPv4 address, [::] for every address")]
    NoAddress,
    /// A host name, or a misspelt address.
    #[error(
        "{0:?} is not an IP address; write an IPv4 address such as 0.0.0.0, an IPv6 address in \
         brackets such as [::1], or localhost"
    )]
    Address(String),
    /// Not a number that fits.
    #[error("the port {0:?} is not a number from 0 to 65535")]
    Port(String),
}

/// The names of [`SCHEMES`], to be shown.
fn scheme_names() -> String {
    schemes().collect::<Vec<_>>().join(", ")
}

fn schemes() -> impl Iterator<Item = &'static str> {
    SCHEMES.iter().map(|scheme| scheme.name).chain([UNIX])
}

/// The scheme that was probably meant.
fn nearest_scheme(unknown: &str) -> &'static str {
    let unknown = unknown.to_ascii_lowercase();
    let said_elsewhere = SCHEMES
        .iter()
        .find(|scheme| scheme.elsewhere.contains(&unknown.as_str()));
    match said_elsewhere {
        Some(scheme) => scheme.name,
        None => most_alike(&unknown, schemes()),
    }
}

impl Bind {
    /// Reads `SCHEME://ADDRESS[:PORT][/PATH]`, or `unix:///PATH`. An IPv6 address stands in brackets; `localhost` is
    /// 127.0.0.1; port 0 lets the operating system choose.
    ///
    /// # Errors
    /// [`BindError`] says which part is wrong and what may stand there.
    pub fn parse(text: &str) -> Result<Self, BindError> {
        let Some((name, rest)) = text.split_once("://") else {
            return Err(BindError::NoScheme(text.to_owned()));
        };
        if name == UNIX {
            let is_whole = rest.starts_with('/') && !rest.ends_with('/') && !rest.contains('\0');
            let is_file = is_whole && rest.len() <= UNIX_PATH_BYTES_MAX;
            return match is_file {
                true => Ok(Self::Unix(rest.into())),
                false => Err(BindError::UnixPath(rest.to_owned())),
            };
        }
        let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.name == name) else {
            return Err(BindError::Scheme {
                scheme: name.to_owned(),
            });
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(end) => {
                let (authority, path) = rest.split_at(end);
                (authority, Some(path))
            }
            None => (rest, None),
        };
        if authority.contains('@') {
            return Err(BindError::Credentials);
        }
        let address = socket_address(authority, scheme.default_port)?;
        (scheme.bind)(address, path)
    }

    /// The address and port, of a transport that has them.
    pub const fn socket_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address)
            | Self::Tls(address)
            | Self::WebSocket { address, .. }
            | Self::SecureWebSocket { address, .. }
            | Self::Quic(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The same with another address, such as the one that the operating system chose.
    #[must_use]
    pub fn with_socket_address(&self, chosen: SocketAddr) -> Self {
        let mut bind = self.clone();
        match &mut bind {
            Self::Tcp(address)
            | Self::Tls(address)
            | Self::WebSocket { address, .. }
            | Self::SecureWebSocket { address, .. }
            | Self::Quic(address) => *address = chosen,
            Self::Unix(_) => {}
        }
        bind
    }

    /// Whether it needs a certificate.
    pub const fn is_secure(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::WebSocket { .. } | Self::Unix(_) => false,
            Self::Tls(_) | Self::SecureWebSocket { .. } | Self::Quic(_) => true,
        }
    }

    /// Whether only programs of this machine can reach it.
    pub const fn is_loopback(&self) -> bool {
        let Some(address) = self.socket_address() else {
            return true;
        };
        match address.ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => address.is_loopback(),
                None => address.is_loopback(),
            },
        }
    }

    /// Whether one program can not listen on both.
    pub(super) fn is_in_the_way_of(&self, other: &Self) -> bool {
        // Ports of UDP are others than those of TCP.
        let is_udp = |bind: &Self| matches!(bind, Self::Quic(_));
        match self.socket_address() {
            Some(address) => {
                address.port() != 0
                    && Some(address) == other.socket_address()
                    && is_udp(self) == is_udp(other)
            }
            None => self == other,
        }
    }
}

/// Reads `ADDRESS[:PORT]`.
fn socket_address(authority: &str, default_port: u16) -> Result<SocketAddr, BindError> {
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let Some((host, after)) = bracketed.split_once(']') else {
            return Err(BindError::Address(authority.to_owned()));
        };
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(BindError::Trailing(after.to_owned())),
        }
    } else {
        match authority.rsplit_once(':') {
            // Two colons outside brackets: an IPv6 address whose port cannot be told from it.
            Some((host, _)) if host.contains(':') => {
                return Err(BindError::Address(authority.to_owned()));
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_err(|_| BindError::Port(port.to_owned()))?
        }
        Some(port) => return Err(BindError::Port(port.to_owned())),
        None => default_port,
    };
    if host.is_empty() {
        return Err(BindError::NoAddress);
    }
    if authority.starts_with('[') {
        // Through SocketAddrV6, since that type alone reads a scope such as [fe80::1%2].
        return format!("[{host}]:{port}")
            .parse()
            .map_err(|_| BindError::Address(format!("[{host}]")));
    }
    let address = if host == "localhost" {
        Ipv4Addr::LOCALHOST
    } else {
        host.parse()
            .map_err(|_| BindError::Address(host.to_owned()))?
    };
    Ok(SocketAddr::from((address, port)))
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "mqtt://{address}"),
            Self::Tls(address) => write!(f, "mqtts://{address}"),
            Self::WebSocket { address, path } => write!(f, "ws://{address}{path}"),
            Self::SecureWebSocket { address, path } => write!(f, "wss://{address}{path}"),
            Self::Quic(address) => write!(f, "quic://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}
