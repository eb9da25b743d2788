//! What carries the bytes of a Network Connection: one shape for all transports.
//!
//! It is an enum, so that a connection over TCP is read and written without an indirection.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BufMut;
use dunlin_core::output::Output;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::quic::QuicStream;
use super::websocket::WebSocket;

/// Pieces that one vectored write takes.
const SLICES_MAX: usize = 64;

/// An open transport, past whatever it needs before the first byte of MQTT.
pub(crate) enum Transport {
    /// TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// WebSocket over TCP.
    WebSocket(Box<WebSocket<TcpStream>>),
    /// WebSocket over TLS.
    SecureWebSocket(Box<WebSocket<TlsStream<TcpStream>>>),
    /// A stream of QUIC.
    Quic(Box<QuicStream>),
    /// A Unix socket.
    Unix(UnixStream),
}

impl Transport {
    /// Reads what is there; an unchanged buffer is the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => fill(stream, context, buffer),
            Self::WebSocket(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::SecureWebSocket(stream) => fill(stream, context, buffer),
            Self::Quic(stream) => fill(stream.as_mut(), context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    /// Reads up to `room` bytes to the end of `buffer`, whose memory need not be initialised for it;
    /// 0 is the end of the stream.
    pub(super) fn poll_read_to_end_of(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<u8>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = buffer.limit(room);
        match self {
            Self::Tcp(stream) => pin!(stream.read_buf(&mut buffer)).poll(context),
            Self::Tls(stream) => pin!(stream.read_buf(&mut buffer)).poll(context),
            Self::WebSocket(stream) => pin!(stream.read_buf(&mut buffer)).poll(context),
            Self::SecureWebSocket(stream) => pin!(stream.read_buf(&mut buffer)).poll(context),
            Self::Quic(stream) => pin!(stream.read_buf(&mut buffer)).poll(context),
            Self::Unix(stream) => pin!(stream.read_buf(&mut buffer)).poll(context),
        }
    }

    /// Writes until everything is written (true) or the transport takes no more for now (false).
    /// After the latter [`Transport::poll_write_ready`] tells when it goes on; `waker` may be woken
    /// as well.
    pub(super) fn write(&mut self, out: &mut Output, waker: Option<&Waker>) -> io::Result<bool> {
        let mut context = Context::from_waker(waker.unwrap_or(const { Waker::noop() }));
        match self {
            Self::Tcp(stream) => write_all(out, |slices| match slices {
                [single] => stream.try_write(single),
                several => stream.try_write_vectored(several),
            }),
            Self::Unix(stream) => write_all(out, |slices| match slices {
                [single] => stream.try_write(single),
                several => stream.try_write_vectored(several),
            }),
            Self::Tls(stream) => write_and_flush(stream, out, &mut context),
            Self::WebSocket(stream) => stream.write(out, &mut context),
            Self::SecureWebSocket(stream) => stream.write(out, &mut context),
            Self::Quic(stream) => stream.write(out, &mut context),
        }
    }

    /// Its socket, if it carries the bytes as they are.
    pub(super) fn as_socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(stream) => Some(stream.as_fd()),
            Self::Unix(stream) => Some(stream.as_fd()),
            Self::Tls(_) | Self::WebSocket(_) | Self::SecureWebSocket(_) | Self::Quic(_) => None,
        }
    }

    /// Ready when more can be written, or when writing would fail.
    pub(super) fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Tls(stream) => Stream::poll_write_ready(stream.as_mut(), context),
            Self::WebSocket(stream) => stream.poll_write_ready(context),
            Self::SecureWebSocket(stream) => stream.poll_write_ready(context),
            Self::Quic(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    /// Whether its peer is told in its own words that it ends.
    pub(super) fn has_to_say_goodbye(&self) -> bool {
        match self {
            Self::WebSocket(stream) => stream.is_closing(),
            Self::SecureWebSocket(stream) => stream.is_closing(),
            Self::Tcp(_) | Self::Tls(_) | Self::Quic(_) | Self::Unix(_) => false,
        }
    }

    /// Whether closing it is all that its peer expects.
    pub(super) const fn ends_without_a_word(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unix(_))
    }

    /// Ends the direction to the peer, once everything is written.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::WebSocket(stream) => stream.poll_shutdown(context),
            Self::SecureWebSocket(stream) => stream.poll_shutdown(context),
            Self::Quic(stream) => stream.poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A stream that others are built on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Ready when more can be written.
    fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Stream for TcpStream {
    fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, context)
    }
}

impl Stream for TlsStream<TcpStream> {
    /// What was taken and is not written yet is in the way of more.
    fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(context)
    }
}

/// Gives what can be written of `out` to `write` until nothing is left (true) or it would block (false).
fn write_all(
    out: &mut Output,
    mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<bool> {
    while out.writable() > 0 {
        let written = if let Some(single) = out.as_single() {
            write(&[IoSlice::new(single)])
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = out.slices(&mut slices, usize::MAX);
            write(slices.get(..count).unwrap_or_default())
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => out.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Reads until nothing more is there or the buffer is full: a transport that gives a little at a time
/// is to give no more occasions than TCP does.
fn fill<T: AsyncRead + Unpin + ?Sized>(
    stream: &mut T,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let before = buffer.filled().len();
    loop {
        let so_far = buffer.filled().len();
        match Pin::new(&mut *stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() == so_far || buffer.remaining() == 0 => {
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(())) => {}
            // What is there is handled first; the next read meets the same again.
            Poll::Pending | Poll::Ready(Err(_)) if so_far > before => return Poll::Ready(Ok(())),
            other => return other,
        }
    }
}

/// Writes everything, and sees it on its way to the peer (true), or as much as the transport takes for
/// now (false).
fn write_and_flush<T: AsyncWrite + Unpin + ?Sized>(
    stream: &mut T,
    out: &mut Output,
    context: &mut Context<'_>,
) -> io::Result<bool> {
    let mut stream = Pin::new(stream);
    let is_taken = write_all(out, |slices| {
        match stream.as_mut().poll_write_vectored(context, slices) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    })?;
    match stream.poll_flush(context) {
        Poll::Ready(flushed) => flushed.map(|()| is_taken),
        Poll::Pending => Ok(false),
    }
}
