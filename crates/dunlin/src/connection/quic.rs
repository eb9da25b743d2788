//! MQTT in one bidirectional stream of a QUIC connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dunlin_core::output::Output;
use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncRead, ReadBuf};

/// What a stream that takes no more for now is given at once when it does.
const CHUNK_BYTES: usize = 16 * 1024;

/// The stream that carries MQTT.
pub(crate) struct QuicStream {
    send: SendStream,
    receive: RecvStream,
    /// What is next to be sent when the stream takes more: that it does can only be found out by
    /// giving it something.
    chunk: Vec<u8>,
    is_finished: bool,
}

impl QuicStream {
    pub(crate) const fn new(send: SendStream, receive: RecvStream) -> Self {
        Self {
            send,
            receive,
            chunk: Vec::new(),
            is_finished: false,
        }
    }

    /// Writes until everything is written (true) or the stream takes no more for now (false).
    pub(super) fn write(
        &mut self,
        out: &mut Output,
        context: &mut Context<'_>,
    ) -> io::Result<bool> {
        match self.poll_write_ready(context) {
            Poll::Ready(written) => written?,
            Poll::Pending => return Ok(false),
        }
        while out.writable() > 0 {
            let mut slices = [IoSlice::new(&[]); 1];
            let _one = out.slices(&mut slices, usize::MAX);
            let [slice] = &slices;
            match Pin::new(&mut self.send).poll_write(context, slice) {
                Poll::Ready(Ok(count)) => out.advance(count),
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => {
                    let count = slice.len().min(CHUNK_BYTES);
                    self.chunk
                        .extend_from_slice(slice.get(..count).unwrap_or_default());
                    out.advance(count);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Ready when more can be written.
    pub(super) fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.chunk.is_empty() {
            let count = ready!(Pin::new(&mut self.send).poll_write(context, &self.chunk))?;
            self.chunk.drain(..count);
        }
        self.chunk = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Ends the direction to the client.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_ready(context))?;
        if !self.is_finished {
            self.is_finished = true;
            self.send.finish()?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receive), context, buffer)
    }
}
