//! The addresses of listeners, written as URLs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a listener binds to. Each transport is a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bind {
    /// `mqtt://ADDRESS:PORT`: MQTT over TCP, without TLS.
    Tcp(SocketAddr),
}

/// A scheme that a listener's URL may have.
struct Scheme {
    name: &'static str,
    default_port: u16,
    bind: fn(SocketAddr) -> Bind,
}

/// Every transport that this build can listen on.
const SCHEMES: &[Scheme] = &[Scheme {
    name: "mqtt",
    default_port: 1883,
    bind: Bind::Tcp,
}];

/// Why a text is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// There is no `://`.
    #[error("it has no scheme; write mqtt://{0}")]
    NoScheme(String),
    /// A scheme that no transport of this build has.
    #[error(
        "the scheme {scheme:?} is not supported; supported: {}",
        scheme_names()
    )]
    Scheme {
        /// The one that was given.
        scheme: String,
    },
    /// Text after the port.
    #[error("nothing may follow the port, and there is {0:?}")]
    Trailing(String),
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
    SCHEMES
        .iter()
        .map(|scheme| scheme.name)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Bind {
    /// Reads `SCHEME://ADDRESS[:PORT]`. An IPv6 address stands in brackets; `localhost` is
    /// 127.0.0.1; port 0 lets the operating system choose.
    ///
    /// # Errors
    /// [`BindError`] says which part is wrong and what may stand there.
    pub fn parse(text: &str) -> Result<Self, BindError> {
        let Some((name, rest)) = text.split_once("://") else {
            return Err(BindError::NoScheme(text.to_owned()));
        };
        let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.name == name) else {
            return Err(BindError::Scheme {
                scheme: name.to_owned(),
            });
        };
        let authority = match rest.find(['/', '?']) {
            Some(end) => {
                let (authority, trailing) = rest.split_at(end);
                // A lone slash says nothing, and people write it by habit.
                if trailing != "/" {
                    return Err(BindError::Trailing(trailing.to_owned()));
                }
                authority
            }
            None => rest,
        };
        if authority.contains('@') {
            return Err(BindError::Credentials);
        }
        socket_address(authority, scheme.default_port).map(scheme.bind)
    }

    /// The address and port.
    pub const fn socket_address(&self) -> SocketAddr {
        match self {
            Self::Tcp(address) => *address,
        }
    }

    /// Whether only programs of this machine can reach it.
    pub const fn is_loopback(&self) -> bool {
        match self.socket_address().ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => address.is_loopback(),
                None => address.is_loopback(),
            },
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
        }
    }
}
