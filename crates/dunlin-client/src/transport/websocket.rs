//! MQTT over WebSocket (section 6): the payloads of binary messages, one after the other, are the
//! byte stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

use super::Transport;
use super::endpoint::WebSocketEndpoint;

/// The name of the subprotocol [MQTT-6.0.0-3].
const SUBPROTOCOL: &str = "mqtt";
/// The largest message to accept: a packet, with room for its header.
const MESSAGE_BYTES_MAX: usize = 257 << 20;
/// The largest message to send.
const WRITE_BYTES_MAX: usize = 256 << 10;

/// A WebSocket as a byte stream.
pub struct WebSocket {
    stream: WebSocketStream<Box<Transport>>,
    /// What is left of a message.
    rest: Bytes,
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebSocket")
            .field(self.stream.get_ref())
            .finish()
    }
}

impl WebSocket {
    /// Asks a server for a WebSocket.
    pub(super) async fn open(endpoint: &WebSocketEndpoint, stream: Transport) -> io::Result<Self> {
        let WebSocketEndpoint { address, path, .. } = endpoint;
        let scheme = if endpoint.tls.is_some() { "wss" } else { "ws" };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let uri = format!("{scheme}://{address}{slash}{path}");
        let mut request = uri.into_client_request().map_err(told)?;
        let headers = request.headers_mut();
        headers.insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );
        for (name, value) in &endpoint.headers {
            let invalid = |what: String| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("header {name}: {what}"),
                )
            };
            let key = HeaderName::try_from(name.as_str());
            let value = HeaderValue::try_from(value.as_str());
            headers.append(
                key.map_err(|error| invalid(error.to_string()))?,
                value.map_err(|error| invalid(error.to_string()))?,
            );
        }
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(MESSAGE_BYTES_MAX);
        config.max_frame_size = Some(MESSAGE_BYTES_MAX);
        // What is written goes out at once: packets are batched before.
        config.write_buffer_size = 0;
        let config = Some(config);
        let (stream, _) =
            tokio_tungstenite::client_async_with_config(request, Box::new(stream), config)
                .await
                .map_err(told)?;
        let rest = Bytes::new();
        Ok(Self { stream, rest })
    }
}

/// An error of the WebSocket as one of the stream.
fn told(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::ConnectionReset.into(),
        Error::Http(response) => io::Error::other(format!(
            "the server answers {} instead of opening a WebSocket",
            response.status()
        )),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            io::Error::other("the server closes the connection instead of opening a WebSocket")
        }
        Error::Url(error) => io::Error::new(io::ErrorKind::InvalidInput, error.to_string()),
        error => io::Error::other(format!("WebSocket: {error}")),
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.stream).poll_next(cx)) {
                Some(Ok(Message::Binary(payload))) => this.rest = payload,
                // [MQTT-6.0.0-1]
                Some(Ok(Message::Text(_))) => {
                    let text = "the server sends text over the WebSocket, which is not MQTT";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    return Poll::Ready(Ok(()));
                }
                // TCP that closes without saying so in the WebSocket.
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(told(error))),
            }
        }
        let length = this.rest.len().min(buffer.remaining());
        if let Some(part) = this.rest.get(..length) {
            buffer.put_slice(part);
        }
        this.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut stream = Pin::new(&mut self.get_mut().stream);
        ready!(stream.as_mut().poll_ready(cx)).map_err(told)?;
        // One message at a time is under way: the bound of what is kept here.
        ready!(stream.as_mut().poll_flush(cx)).map_err(told)?;
        let part = bytes.get(..WRITE_BYTES_MAX).unwrap_or(bytes);
        let message = Message::Binary(Bytes::copy_from_slice(part));
        stream.as_mut().start_send(message).map_err(told)?;
        // What does not go at once goes with the next flush.
        if let Poll::Ready(Err(error)) = stream.poll_flush(cx) {
            return Poll::Ready(Err(told(error)));
        }
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream)
            .poll_flush(cx)
            .map_err(told)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream)
            .poll_close(cx)
            .map_err(told)
    }
}
