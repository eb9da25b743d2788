//! The upgrade of an HTTP connection to a WebSocket for MQTT (RFC 6455, section 4.2).

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use httparse::{Header, Request, Status};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, digest};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest request: browsers send some cookies along.
const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// The most header fields that a request may have.
const FIELDS_MAX: usize = 64;

/// The Subprotocol of MQTT [MQTT-6.0.0-3] [MQTT-6.0.0-4]; and what clients of 3.1 offer, for which no
/// standard names one.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// What the response to a good request says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Sec-WebSocket-Accept.
    pub(super) accept: String,
    pub(super) subprotocol: &'static str,
}

/// What a listener for WebSockets asks of a request.
pub(super) struct Upgrade {
    /// The path of the resource, such as `/mqtt`.
    pub(super) path: String,
    /// The origins whose pages may connect, in small letters; empty is all.
    pub(super) origins: Vec<String>,
}

/// Why a request does not become a WebSocket for MQTT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the request is no HTTP/1.1 that could be read")]
    Malformed,
    #[error(
        "the request is longer than {REQUEST_BYTES_MAX} bytes or has more than {FIELDS_MAX} fields"
    )]
    TooLarge,
    #[error("the method is not GET")]
    Method,
    #[error("the path is not {0}")]
    Path(String),
    #[error("the request asks for no WebSocket")]
    NoWebSocket,
    #[error("the version of WebSocket is not 13")]
    Version,
    #[error("Sec-WebSocket-Key is not 16 bytes in Base64")]
    Key,
    #[error("the Subprotocol mqtt is not offered")]
    Subprotocol,
    #[error("pages of the origin {0:?} may not connect")]
    Origin(String),
}

impl Refused {
    /// The status line and header fields of its own.
    const fn status(&self) -> &'static str {
        match self {
            Self::Malformed | Self::Key | Self::Subprotocol => "400 Bad Request",
            Self::Origin(_) => "403 Forbidden",
            Self::Path(_) => "404 Not Found",
            Self::Method => "405 Method Not Allowed\r\nAllow: GET",
            Self::NoWebSocket => "426 Upgrade Required\r\nUpgrade: websocket",
            Self::Version => {
                "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
            }
            Self::TooLarge => "431 Request Header Fields Too Large",
        }
    }

    /// The whole response, for whoever looks at it: often a person with a browser.
    fn response(&self) -> String {
        let status = self.status();
        let body = format!(
            "This is an MQTT broker, and {self}.\nConnect with an MQTT client over WebSocket, with the \
             Subprotocol mqtt.\n"
        );
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpgradeError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a request and answers it.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    upgrade: &Upgrade,
) -> Result<(), UpgradeError> {
    let answer = match read_request(stream).await? {
        Some(request) => upgrade.answer(&request),
        None => Err(Refused::TooLarge),
    };
    let response = match &answer {
        Ok(Agreed {
            accept,
            subprotocol,
        }) => format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
        ),
        Err(refused) => refused.response(),
    };
    stream.write_all(response.as_bytes()).await?;
    stream.flush().await?;
    if let Err(refused) = answer {
        stream.shutdown().await?;
        // What was not read would make the operating system throw the answer away.
        let mut discarded = [0; 1024];
        while stream.read(&mut discarded).await? > 0 {}
        return Err(refused.into());
    }
    Ok(())
}

/// Reads up to the empty line; `None` if that does not come soon enough.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Vec<u8>>> {
    let mut request = Vec::with_capacity(1024);
    loop {
        let from = request.len().saturating_sub(3);
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut ends = request.get(from..).unwrap_or_default().windows(4);
        if ends.any(|end| end == b"\r\n\r\n") {
            return Ok((request.len() <= REQUEST_BYTES_MAX).then_some(request));
        }
        if request.len() >= REQUEST_BYTES_MAX {
            return Ok(None);
        }
    }
}

impl Upgrade {
    /// What the response says, or why there is no WebSocket.
    pub(super) fn answer(&self, bytes: &[u8]) -> Result<Agreed, Refused> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = Request::new(&mut fields);
        match request.parse(bytes) {
            // Nothing may come before the answer.
            Ok(Status::Complete(len)) if len == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLarge),
            Ok(_) | Err(_) => return Err(Refused::Malformed),
        }
        if request.version != Some(1) {
            return Err(Refused::Malformed);
        }
        if request.method != Some("GET") {
            return Err(Refused::Method);
        }
        let path = request.path.unwrap_or_default();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if path != self.path {
            return Err(Refused::Path(self.path.clone()));
        }
        let fields = &*request.headers;
        if !has_token(fields, "upgrade", "websocket") || !has_token(fields, "connection", "upgrade")
        {
            return Err(Refused::NoWebSocket);
        }
        if !has_token(fields, "sec-websocket-version", "13") {
            return Err(Refused::Version);
        }
        let origin = values(fields, "origin").next().unwrap_or_default();
        if !self.allows(origin) {
            return Err(Refused::Origin(origin.to_owned()));
        }
        let is_offered = |known: &&str| {
            tokens(fields, "sec-websocket-protocol").any(|offered| offered == *known)
        };
        let subprotocol = SUBPROTOCOLS.into_iter().find(is_offered);
        let subprotocol = subprotocol.ok_or(Refused::Subprotocol)?;
        let accept = accept_of(values(fields, "sec-websocket-key")).ok_or(Refused::Key)?;
        Ok(Agreed {
            accept,
            subprotocol,
        })
    }

    /// Whether pages of this origin may connect. Who is no browser sends none.
    fn allows(&self, origin: &str) -> bool {
        self.origins.is_empty()
            || origin.is_empty()
            || self
                .origins
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// Sec-WebSocket-Accept for the only Sec-WebSocket-Key (RFC 6455, section 4.2.2).
fn accept_of<'a>(mut keys: impl Iterator<Item = &'a str>) -> Option<String> {
    let key = keys.next()?;
    let is_whole = BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16);
    if !is_whole || keys.next().is_some() {
        return None;
    }
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    Some(BASE64.encode(digest(&SHA1, text.as_bytes())))
}

/// The values of the fields of this name, of those that are text.
fn values<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a str> {
    fields
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .filter_map(|field| str::from_utf8(field.value).ok())
        .map(str::trim)
}

/// What stands between commas in the fields of this name.
fn tokens<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a str> {
    values(fields, name)
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn has_token(fields: &[Header<'_>], name: &str, token: &str) -> bool {
    tokens(fields, name).any(|found| found.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests;
