//! The bytes of one Network Connection, in both directions.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use dunlin_codec::{DecodeError, FixedHeader, Limits, fixed_header};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};

use crate::Transport;

/// How much is asked of the transport at first, and at most, in one read.
const READ_BYTES: std::ops::RangeInclusive<usize> = 2 * 1024..=256 * 1024;

/// A transport, and what was read from it and not taken.
pub(crate) struct Wire {
    transport: Transport,
    input: BytesMut,
    read_bytes: usize,
}

/// What [`Wire::step`] did.
#[derive(Debug)]
pub(crate) enum Moved {
    /// This many bytes were read; 0 means that the peer closed the connection.
    Read(usize),
    /// This many bytes were written.
    Written(usize),
}

impl Wire {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            input: BytesMut::new(),
            read_bytes: *READ_BYTES.start(),
        }
    }

    /// The transport, and what was read and not taken.
    pub(crate) fn into_parts(self) -> (Transport, Bytes) {
        (self.transport, self.input.freeze())
    }

    /// What was read and not taken.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.input
    }

    /// The next whole packet of what was read.
    pub(crate) fn packet(
        &mut self,
        limits: &Limits,
    ) -> Result<Option<(FixedHeader, Bytes)>, DecodeError> {
        let Some(header) = fixed_header(&self.input, limits)? else {
            return Ok(None);
        };
        if self.input.len() < header.packet_len() {
            return Ok(None);
        }
        self.input.advance(header.header_len);
        let body = self.input.split_to(header.remaining_len).freeze();
        Ok(Some((header, body)))
    }

    /// Writes some of `output`, or reads if that can be done first, and if `may_read`. Nothing is
    /// lost if the future is dropped before it is ready.
    pub(crate) async fn step(&mut self, output: &[u8], may_read: bool) -> io::Result<Moved> {
        let moved = poll_fn(|cx| {
            // What a transport took and could not pass on at once; TCP keeps nothing back.
            if let Poll::Ready(Err(error)) = Pin::new(&mut self.transport).poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            if !output.is_empty()
                && let Poll::Ready(result) = Pin::new(&mut self.transport).poll_write(cx, output)
            {
                return Poll::Ready(match result {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    other => other.map(Moved::Written),
                });
            }
            if may_read {
                self.input.reserve(self.read_bytes);
                let read = pin!(self.transport.read_buf(&mut self.input));
                return read.poll(cx).map_ok(Moved::Read);
            }
            Poll::Pending
        });
        let moved = moved.await?;
        if let Moved::Read(count) = moved {
            // Busy connections read more at once; idle ones keep little memory.
            if count >= self.read_bytes {
                self.read_bytes = (self.read_bytes * 2).min(*READ_BYTES.end());
            } else if count < self.read_bytes / 8 {
                self.read_bytes = (self.read_bytes / 2).max(*READ_BYTES.start());
            }
        }
        Ok(moved)
    }

    /// Writes all of `output`, says that no more follows, and waits for the peer to close; all of it
    /// within `patience`. Gives whether all was written. A connection that is closed with unread
    /// input is reset, and then the peer may lose the last packets; so what comes is read and thrown
    /// away.
    pub(crate) async fn close(mut self, output: &[u8], patience: Duration) -> bool {
        let mut is_written = false;
        let closing = async {
            self.transport.write_all(output).await?;
            self.transport.flush().await?;
            is_written = true;
            self.transport.shutdown().await?;
            loop {
                self.input.clear();
                self.input.reserve(*READ_BYTES.start());
                if self.transport.read_buf(&mut self.input).await? == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        // Whatever fails here, the connection is gone: that was the wish.
        let _ = tokio::time::timeout(patience, closing).await;
        is_written
    }

    /// Writes all of `output`.
    pub(crate) async fn write_all(&mut self, output: &[u8]) -> io::Result<()> {
        self.transport.write_all(output).await?;
        self.transport.flush().await
    }

    /// Reads some bytes; 0 means that the peer closed the connection.
    pub(crate) async fn read(&mut self) -> io::Result<usize> {
        self.input.reserve(*READ_BYTES.start());
        self.transport.read_buf(&mut self.input).await
    }
}
