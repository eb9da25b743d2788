//! MQTT in the frames of a WebSocket (section 6 of the standards, RFC 6455), past its upgrade.
//!
//! Frames are taken apart in the buffer that they are read into, and put before what is written: an
//! open WebSocket holds no buffer of its own.

mod frame;
mod input;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dunlin_core::output::Output;
use tokio::io::{AsyncRead, ReadBuf};

use frame::{write_binary_header, write_close, write_pong};
use input::{Control, Input};

use super::transport::Stream;

/// Pieces that one vectored write takes.
const SLICES_MAX: usize = 64;

/// Normal closure (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;

/// A WebSocket over another stream.
pub(crate) struct WebSocket<S> {
    stream: S,
    input: Input,
    /// Headers and control frames that go before the next payload.
    head: Vec<u8>,
    /// How much of the payload of the frame that is being written is still to come.
    payload_left: usize,
    /// The Pong that is due, which waits for the end of the frame that is being written.
    pong: Option<Vec<u8>>,
    /// The status of the Close that is due, or was written: of MQTT nothing is read or written then.
    close: Option<u16>,
    is_close_written: bool,
    /// Whether the broker ends it, and what the client still sends is of no interest.
    is_shut: bool,
}

impl<S: Stream> WebSocket<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            input: Input::default(),
            head: Vec::new(),
            payload_left: 0,
            pong: None,
            close: None,
            is_close_written: false,
            is_shut: false,
        }
    }

    /// Writes until everything is written (true) or the stream takes no more for now (false).
    pub(super) fn write(
        &mut self,
        out: &mut Output,
        context: &mut Context<'_>,
    ) -> io::Result<bool> {
        loop {
            if self.head.is_empty() && self.payload_left == 0 {
                self.begin_frame(out);
                if self.head.is_empty() {
                    break;
                }
            }
            match self.write_some(out, context) {
                Poll::Ready(written) => written?,
                Poll::Pending => return Ok(false),
            }
        }
        if self.close.is_some() {
            // Nothing goes behind a Close.
            out.advance(out.len());
        }
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(flushed) => flushed.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Puts what is due into the head: control frames, or the header of a frame for everything that
    /// waits.
    fn begin_frame(&mut self, out: &Output) {
        if let Some(payload) = self.pong.take() {
            write_pong(&mut self.head, &payload);
        }
        match self.close {
            Some(status) if !self.is_close_written => {
                write_close(&mut self.head, status);
                self.is_close_written = true;
            }
            None if out.writable() > 0 => {
                write_binary_header(&mut self.head, out.writable());
                self.payload_left = out.writable();
            }
            _ => {}
        }
    }

    /// Writes the head, and the payload of the frame that is being written, as much as goes at once.
    fn write_some(&mut self, out: &mut Output, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let [first, room @ ..] = &mut slices;
        *first = IoSlice::new(&self.head);
        let count = 1 + out.slices(room, self.payload_left);
        let slices = slices.get(..count).unwrap_or_default();
        let stream = Pin::new(&mut self.stream);
        let written = ready!(stream.poll_write_vectored(context, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let of_head = written.min(self.head.len());
        self.head.drain(..of_head);
        if self.head.is_empty() {
            self.head = Vec::new();
        }
        out.advance(written - of_head);
        self.payload_left -= written - of_head;
        Poll::Ready(Ok(()))
    }

    /// Writes the control frames that are due, unless they have to wait for the end of another frame.
    fn poll_write_control(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.payload_left > 0 {
            return Poll::Ready(Ok(()));
        }
        let mut nothing = Output::default();
        self.begin_frame(&nothing);
        while !self.head.is_empty() {
            ready!(self.write_some(&mut nothing, context))?;
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Takes frames out of what was read to its front, and gives the length of what of MQTT was in
    /// them.
    fn unframe(&mut self, bytes: &mut [u8]) -> usize {
        let Self {
            input, pong, close, ..
        } = self;
        let taken = input.take(bytes, |control| match control {
            // The last Ping is the one to answer (RFC 6455, section 5.5.3).
            Control::Pong(payload) => *pong = Some(payload),
            Control::Close(status) => *close = Some(status.unwrap_or(NORMAL)),
        });
        taken.unwrap_or_else(|error| {
            tracing::debug!("a WebSocket ends: {error}");
            self.close = Some(error.status());
            0
        })
    }

    /// Ready when more can be written.
    pub(super) fn poll_write_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_control(context))?;
        self.stream.poll_write_ready(context)
    }

    /// Whether a Close is due or was written.
    pub(super) const fn is_closing(&self) -> bool {
        self.close.is_some()
    }

    /// Says Close, and ends the direction to the client.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close.get_or_insert(NORMAL);
        self.is_shut = true;
        ready!(self.poll_write_control(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Stream> AsyncRead for WebSocket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_shut {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        loop {
            if this.close.is_some() {
                // The peer's Close is answered, if that goes.
                let _ended = ready!(this.poll_write_control(context));
                return Poll::Ready(Ok(()));
            }
            if this.pong.is_some() || !this.head.is_empty() {
                match this.poll_write_control(context) {
                    Poll::Ready(written) => written?,
                    // It is tried again when the stream takes more.
                    Poll::Pending => {}
                }
            }
            let mut read = ReadBuf::new(buffer.initialize_unfilled());
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
            let bytes = read.filled_mut();
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let count = this.unframe(bytes);
            if count > 0 {
                buffer.advance(count);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
