//! What is written for the connection of a session as soon as it comes, so that it need not wait as a
//! message.

use dunlin_codec::{PacketIdentifier, ProtocolVersion, QoS};

use crate::broker::Broker;
use crate::output::{Buffers, Output};
use crate::session::SessionState;
use crate::session::delivery::Delivery;

/// Packets for the present connection, which takes them before anything of the queue. Nothing of it is
/// left when that connection ends: what is in flight is sent to the next one.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    bytes: Vec<u8>,
    /// The access rules under which the connection has its subscriptions.
    access_generation: u64,
    /// Bytes that may be written before the connection takes them.
    room: u32,
    /// How messages are written; `None` while they have to wait in the queue.
    version: Option<ProtocolVersion>,
    /// The first in flight of those that the connection has not taken.
    untaken_from: u64,
}

impl Ready {
    /// From now on messages for this connection are written as they come, in this version (`None` if they
    /// have to wait), as long as access rules are these, and about so many bytes until the connection
    /// takes them.
    pub(crate) fn open(
        &mut self,
        version: Option<ProtocolVersion>,
        access_generation: u64,
        room: usize,
    ) {
        self.version = version;
        self.access_generation = access_generation;
        self.room = u32::try_from(room).unwrap_or(u32::MAX);
    }

    /// Forgets all of it: the connection is over. Gives the first in flight of those that it did not take.
    pub(crate) fn close(&mut self) -> Option<u64> {
        let closed = std::mem::take(self);
        (!closed.bytes.is_empty()).then_some(closed.untaken_from)
    }

    /// Passes on what is written.
    pub(crate) fn pass_on(&mut self, out: &mut Output, buffers: &mut Buffers) {
        if self.bytes.is_empty() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        if out.is_empty() {
            buffers.give_back(out.take_buffer());
            out.set_buffer(bytes);
        } else {
            out.buffer_mut().extend_from_slice(&bytes);
            bytes.clear();
            buffers.give_back(bytes);
        }
    }
}

impl SessionState {
    /// Writes a message for the present connection, if nothing is before it and it needs nothing but to
    /// be written; else gives it back. `window` is how many the client takes unacknowledged.
    #[inline]
    pub(crate) fn write_at_once(
        &mut self,
        broker: &Broker,
        delivery: Delivery,
        window: u16,
        buffers: &mut Buffers,
    ) -> Result<(), Delivery> {
        let Some(version) = self.ready.version else {
            return Err(delivery);
        };
        let waits_for_record = match delivery.qos {
            QoS::AtLeastOnce => false,
            QoS::AtMostOnce | QoS::ExactlyOnce => delivery.is_kept,
        };
        let has_room = self.ready.bytes.len() < self.ready.room as usize
            && (delivery.qos == QoS::AtMostOnce || self.in_flight.len() < usize::from(window));
        if waits_for_record
            || !has_room
            || !self.queue.is_empty()
            || delivery.message.is_rare()
            || self.ready.access_generation != broker.access().generation()
        {
            return Err(delivery);
        }
        if self.ready.bytes.is_empty() {
            self.ready.untaken_from = self.in_flight.next();
            if self.ready.bytes.capacity() == 0 {
                self.ready.bytes = buffers.take();
            }
        }
        if delivery.qos == QoS::AtMostOnce {
            // What cannot be written cannot be sent.
            let _ = delivery.write(version, None, &mut self.ready.bytes);
            return Ok(());
        }
        let Some(sent) = self.in_flight.push(delivery) else {
            return Ok(());
        };
        let packet_id: PacketIdentifier = sent.packet_id();
        if let Some(delivery) = sent.delivery() {
            let _ = delivery.write(version, Some((packet_id, false)), &mut self.ready.bytes);
        }
        Ok(())
    }
}
