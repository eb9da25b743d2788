//! The PROXY protocol, versions 1 and 2: what a proxy in front says of the client behind it.
//!
//! Only the networks that a listener names may say it, and on such a listener everybody has to: who
//! could choose whether to say it could say what he likes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::config::Network;

/// The longest header of version 1, with its line end.
const V1_BYTES_MAX: usize = 107;

/// The longest header of version 2 that is read; what it has behind the addresses is not of interest.
const V2_BYTES_MAX: usize = 2048;

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("no PROXY header")]
    None,
    #[error("a PROXY header that is too long")]
    TooLong,
    #[error("a malformed PROXY header")]
    Malformed,
    #[error("a PROXY header for something else than a stream")]
    NoStream,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("proxy_protocol_from does not name the address it comes from")]
    Stranger,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a whole header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The client's address.
    Client(SocketAddr),
    /// Nothing of a client: the proxy speaks for itself, or does not know.
    Nothing,
}

/// Reads the header, and gives the address of whoever is behind the proxy.
pub(super) async fn read(
    stream: &mut TcpStream,
    proxy: Option<SocketAddr>,
    trusted: &[Network],
) -> Result<Option<SocketAddr>, ProxyError> {
    let is_trusted = proxy.is_some_and(|proxy| {
        let mut networks = trusted.iter();
        networks.any(|network| network.contains(proxy.ip()))
    });
    if !is_trusted {
        return Err(ProxyError::Stranger);
    }
    let mut header = Vec::new();
    let mut ahead = [0; V2_BYTES_MAX];
    loop {
        // What is behind the header is not the header's, so it is only looked at.
        let count = stream.peek(&mut ahead).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let before = header.len();
        header.extend_from_slice(ahead.get(..count).unwrap_or_default());
        let parsed = parse(&header)?;
        let taken = parsed.map_or(count, |(_, len)| len - before);
        stream
            .read_exact(ahead.get_mut(..taken).unwrap_or_default())
            .await?;
        match parsed {
            Some((Said::Client(client), _)) => return Ok(Some(client)),
            Some((Said::Nothing, _)) => return Ok(proxy),
            None => {}
        }
    }
}

/// Reads a header at the beginning of `bytes`, and gives its length too; nothing if it is not whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Said, usize)>, HeaderError> {
    let begins = |signature: &[u8]| {
        let len = signature.len().min(bytes.len());
        bytes.get(..len) == signature.get(..len)
    };
    if begins(V2_SIGNATURE) {
        parse_v2(bytes)
    } else if begins(b"PROXY ") {
        parse_v1(bytes)
    } else {
        Err(HeaderError::None)
    }
}

fn parse_v1(bytes: &[u8]) -> Result<Option<(Said, usize)>, HeaderError> {
    let start = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = start.windows(2).position(|end| end == b"\r\n") else {
        return match bytes.len() {
            len if len >= V1_BYTES_MAX => Err(HeaderError::TooLong),
            _ => Ok(None),
        };
    };
    let line = str::from_utf8(start.get(..end).unwrap_or_default());
    let line = line.map_err(|_| HeaderError::Malformed)?;
    let words: Vec<&str> = line.split(' ').collect();
    let said = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Some(Said::Nothing),
        ["PROXY", "TCP4", source, destination, ports @ ..] => {
            said_v1::<Ipv4Addr>(source, destination, ports)
        }
        ["PROXY", "TCP6", source, destination, ports @ ..] => {
            said_v1::<Ipv6Addr>(source, destination, ports)
        }
        _ => None,
    };
    match said {
        Some(said) => Ok(Some((said, end + 2))),
        None => Err(HeaderError::Malformed),
    }
}

fn said_v1<A: FromStr + Into<IpAddr>>(
    source: &str,
    destination: &str,
    ports: &[&str],
) -> Option<Said> {
    let [source_port, destination_port] = ports else {
        return None;
    };
    let source: A = source.parse().ok()?;
    let _nobody_asks: A = destination.parse().ok()?;
    let _nobody_asks: u16 = port(destination_port)?;
    let source = SocketAddr::new(source.into(), port(source_port)?);
    Some(Said::Client(source))
}

/// A number without a sign or zeros before it.
fn port(text: &str) -> Option<u16> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn parse_v2(bytes: &[u8]) -> Result<Option<(Said, usize)>, HeaderError> {
    let Some((_, rest)) = bytes.split_first_chunk::<12>() else {
        return Ok(None);
    };
    let Some(([version_and_command, family, len @ ..], rest)) = rest.split_first_chunk::<4>()
    else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*len));
    if 16 + len > V2_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    let is_from_proxy = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(HeaderError::Malformed),
    };
    let Some(addresses) = rest.get(..len) else {
        return Ok(None);
    };
    let said = match family {
        _ if is_from_proxy => Said::Nothing,
        // Unspecified, and Unix sockets.
        0x00 | 0x31 => Said::Nothing,
        0x11 => said_v2::<4, 12>(addresses)?,
        0x21 => said_v2::<16, 36>(addresses)?,
        0x12 | 0x22 | 0x32 => return Err(HeaderError::NoStream),
        _ => return Err(HeaderError::Malformed),
    };
    Ok(Some((said, 16 + len)))
}

/// Source and destination, each with `N` bytes, then their ports: `ALL` bytes.
fn said_v2<const N: usize, const ALL: usize>(addresses: &[u8]) -> Result<Said, HeaderError>
where
    IpAddr: From<[u8; N]>,
{
    let addresses = addresses.first_chunk::<ALL>();
    let addresses = addresses.ok_or(HeaderError::Malformed)?;
    let source = addresses.first_chunk::<N>();
    let ports = addresses.last_chunk::<4>();
    let (Some(source), Some([high, low, ..])) = (source, ports) else {
        return Err(HeaderError::Malformed);
    };
    let port = u16::from_be_bytes([*high, *low]);
    Ok(Said::Client(SocketAddr::new((*source).into(), port)))
}

#[cfg(test)]
mod tests;
