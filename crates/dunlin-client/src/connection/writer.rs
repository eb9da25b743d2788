//! The bytes that wait to be written.

use dunlin_codec::{EncodeError, Packet, ProtocolVersion};

use crate::{Direction, PacketObserver};

/// Encoded packets that wait to be written, oldest first.
pub(crate) struct Writer {
    version: ProtocolVersion,
    observer: Option<PacketObserver>,
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    written: usize,
    /// How many bytes were put in since the Network Connection began.
    total: u64,
}

impl Writer {
    pub(super) const fn new(version: ProtocolVersion, observer: Option<PacketObserver>) -> Self {
        Self {
            version,
            observer,
            bytes: Vec::new(),
            written: 0,
            total: 0,
        }
    }

    /// Forgets what another Network Connection did not take.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
        (self.written, self.total) = (0, 0);
    }

    /// Appends a packet, if it has at most `max` bytes. `Ok` tells its length, which may be above.
    pub(super) fn put(&mut self, packet: &Packet<'_>, max: usize) -> Result<usize, EncodeError> {
        let before = self.bytes.len();
        packet.encode(self.version, &mut self.bytes)?;
        let length = self.bytes.len() - before;
        if length > max {
            self.bytes.truncate(before);
            return Ok(length);
        }
        self.total += u64::try_from(length).unwrap_or(0);
        if let Some(observer) = &self.observer {
            observer.call(Direction::Sent, packet);
        }
        Ok(length)
    }

    /// Appends a packet that always fits: an acknowledgement, PINGREQ, DISCONNECT without a text.
    pub(super) fn put_small(&mut self, packet: &Packet<'_>) {
        let result = self.put(packet, usize::MAX);
        debug_assert!(result.is_ok(), "{packet:?} does not fit");
    }

    /// Appends DISCONNECT.
    pub(crate) fn put_disconnect(
        &mut self,
        request: &crate::DisconnectRequest,
    ) -> Result<(), EncodeError> {
        let packet = Packet::Disconnect(request.packet());
        self.put(&packet, usize::MAX).map(|_| ())
    }

    /// What waits.
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// The first `count` bytes of what waits are written.
    pub(crate) fn consume(&mut self, count: usize) {
        self.written += count;
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
            // A burst is over: its memory goes, that of everyday traffic stays.
            self.bytes.shrink_to(KEPT_BYTES);
        } else if self.written >= KEPT_BYTES {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// The number of the last byte that was put in.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// The number of the last byte that was written.
    pub(super) fn written_total(&self) -> u64 {
        let waiting = self.bytes.len().saturating_sub(self.written);
        self.total - u64::try_from(waiting).unwrap_or(0)
    }
}

/// How much memory is kept between bursts.
const KEPT_BYTES: usize = 64 * 1024;
