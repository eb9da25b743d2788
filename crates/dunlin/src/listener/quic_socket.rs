//! The socket of all connections over QUIC, at which very many who begin at once wait apart.
//!
//! Answering a first datagram takes longer than sending one. So when many begin, all that is there is
//! taken from the operating system at once, what belongs to connections that are open goes on, and of
//! those who begin the newest come first: of a flood of clients that never go on most are late anyhow, and
//! whoever means well is behind none of them.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// How many datagrams of those who begin wait; the oldest gives way. A datagram of so small a packet
/// has some 1 200 bytes.
const WAITING_MAX: usize = 4096;

/// Datagrams that are taken before others have their turn.
const TAKEN_MAX: usize = 1024;

/// The length of the longest datagram that waits.
const WAITING_BYTES_MAX: usize = 2048;

#[derive(Debug)]
pub(super) struct QuicSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    waiting: Mutex<VecDeque<Datagram>>,
}

#[derive(Debug)]
struct Datagram {
    about: RecvMeta,
    bytes: Box<[u8]>,
}

impl QuicSocket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>) -> Self {
        Self {
            inner,
            waiting: Mutex::default(),
        }
    }

    /// Whether more begin than can be answered as they come. If not, all stay in the order in which they
    /// came: what follows a handshake cannot be read before it.
    fn is_flooded(&self, buffers: &[IoSliceMut<'_>], about: &[RecvMeta], count: usize) -> bool {
        if !self.waiting.lock().is_empty() {
            return true;
        }
        let received = buffers.iter().zip(about).take(count);
        let begin = received.filter(|(buffer, about)| {
            begins(
                buffer
                    .get(..about.stride.min(about.len))
                    .unwrap_or_default(),
            )
        });
        count == buffers.len() && begin.count() > count / 2
    }

    /// Lets those of these datagrams wait who begin, and moves the others to the front.
    fn sort(&self, buffers: &mut [IoSliceMut<'_>], about: &mut [RecvMeta], count: usize) -> usize {
        let mut waiting = self.waiting.lock();
        let mut others = 0;
        for index in 0..count {
            let (Some(buffer), Some(meta)) = (buffers.get(index), about.get(index).copied()) else {
                break;
            };
            let bytes = buffer.get(..meta.len).unwrap_or_default();
            let datagrams = bytes.chunks(meta.stride.max(1));
            if datagrams.clone().all(begins) {
                for datagram in datagrams {
                    if waiting.len() >= WAITING_MAX {
                        waiting.pop_front();
                    }
                    waiting.push_back(Datagram {
                        about: RecvMeta {
                            len: datagram.len(),
                            stride: datagram.len(),
                            ..meta
                        },
                        bytes: datagram.into(),
                    });
                }
            } else {
                shift(buffers, index, others, meta.len);
                about.swap(others, index);
                others += 1;
            }
        }
        others
    }

    /// The newest of those who wait, as many as there are buffers for, in their order.
    fn take(&self, buffers: &mut [IoSliceMut<'_>], about: &mut [RecvMeta]) -> usize {
        let mut waiting = self.waiting.lock();
        let room = buffers.len().min(about.len());
        let from = waiting.len().saturating_sub(room);
        let taken = waiting.drain(from..);
        let mut count = 0;
        for ((buffer, meta), datagram) in buffers.iter_mut().zip(about).zip(taken) {
            if let Some(place) = buffer.get_mut(..datagram.bytes.len()) {
                place.copy_from_slice(&datagram.bytes);
                *meta = datagram.about;
            } else {
                *meta = RecvMeta::default();
            }
            count += 1;
        }
        count
    }
}

impl AsyncUdpSocket for QuicSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        while taken < TAKEN_MAX {
            match self.inner.poll_recv(context, buffers, about) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(count)) => {
                    if !self.is_flooded(buffers, about, count) {
                        return Poll::Ready(Ok(count));
                    }
                    taken += count;
                    let others = self.sort(buffers, about, count);
                    if others > 0 {
                        return Poll::Ready(Ok(others));
                    }
                }
            }
        }
        match self.take(buffers, about) {
            // The socket knows who to wake.
            0 if taken < TAKEN_MAX => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// Copies what is in a buffer to one before it.
fn shift(buffers: &mut [IoSliceMut<'_>], from: usize, to: usize, len: usize) {
    let Some((before, behind)) = buffers.split_at_mut_checked(from) else {
        return;
    };
    let from = behind.first().and_then(|buffer| buffer.get(..len));
    let to = before.get_mut(to).and_then(|buffer| buffer.get_mut(..len));
    // There is no buffer before the first one, which is in its place.
    if let (Some(from), Some(to)) = (from, to) {
        to.copy_from_slice(from);
    }
}

/// Whether a datagram is one of those that connections begin with: its first packet is an Initial
/// packet, or of another version, to which the version is answered (RFC 9000, 17.2).
fn begins(datagram: &[u8]) -> bool {
    let [first, version @ .., _] = datagram.get(..6).unwrap_or_default() else {
        return false;
    };
    let is_initial = first & 0x30 == 0;
    first & 0x80 != 0
        && (is_initial || version != [0, 0, 0, 1])
        && datagram.len() <= WAITING_BYTES_MAX
}

#[cfg(test)]
mod tests;
