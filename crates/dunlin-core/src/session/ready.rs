//! What is written for the connection of a session as soon as it comes, so that it need not wait as a
//! message.

use std::borrow::Cow;
use std::cell::OnceCell;

use dunlin_codec::{ProtocolVersion, QoS};

use crate::broker::Broker;
use crate::message::Message;
use crate::output::{Buffers, Output};
use crate::session::SessionState;
use crate::session::delivery::Offer;
use crate::session::in_flight::InFlightList;

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

    /// Sees to it that there is a buffer to write into.
    #[inline]
    fn begin(&mut self, in_flight: &InFlightList, buffers: &mut Buffers) {
        if self.bytes.is_empty() {
            self.untaken_from = in_flight.next();
            if self.bytes.capacity() == 0 {
                self.bytes = buffers.take();
            }
        }
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

/// Messages as they are written, once, for all who get them the same way: with QoS 0 and nothing of
/// their own.
pub(crate) struct Written<'a> {
    first: &'a Message,
    joined: &'a [Message],
    /// As they are before 5.0, and in 5.0. Empty if they are not written like that.
    forms: [OnceCell<Vec<u8>>; 2],
}

impl<'a> Written<'a> {
    /// These messages, which are alike.
    pub(crate) const fn of(first: &'a Message, joined: &'a [Message]) -> Self {
        Self {
            first,
            joined,
            forms: [const { OnceCell::new() }; 2],
        }
    }

    pub(crate) const fn count(&self) -> usize {
        1 + self.joined.len()
    }

    /// All of them in this version, if this offer is one like the others.
    #[inline]
    pub(crate) fn form(
        &self,
        version: ProtocolVersion,
        offer: &Offer<'_>,
        buffers: &mut Buffers,
    ) -> Option<&[u8]> {
        if offer.is_kept || offer.qos(self.first) > QoS::AtMostOnce || offer.adds_to(self.first) {
            return None;
        }
        let [before_5, in_5] = &self.forms;
        let form = if version.is_v5() { in_5 } else { before_5 };
        let form = form.get_or_init(|| self.write(version, offer, buffers));
        (!form.is_empty()).then_some(form)
    }

    fn write(&self, version: ProtocolVersion, offer: &Offer<'_>, buffers: &mut Buffers) -> Vec<u8> {
        let mut form = buffers.take();
        for message in std::iter::once(self.first).chain(self.joined) {
            if message.is_rare() || offer.write(message, version, None, &mut form).is_err() {
                form.clear();
                break;
            }
        }
        form
    }

    /// Gives the memory back.
    pub(crate) fn end(self, buffers: &mut Buffers) {
        for mut form in self.forms.into_iter().filter_map(OnceCell::into_inner) {
            form.clear();
            buffers.give_back(form);
        }
    }
}

impl SessionState {
    /// Writes messages for the present connection as they are written already; false if there is no room
    /// for all of them.
    #[inline]
    pub(crate) fn write_again(&mut self, form: &[u8], buffers: &mut Buffers) -> bool {
        if self.ready.bytes.len() + form.len() > self.ready.room as usize {
            return false;
        }
        self.ready.begin(&self.in_flight, buffers);
        self.ready.bytes.extend_from_slice(form);
        true
    }

    /// In which version messages can be written for the present connection, if nothing is before them and
    /// they need nothing but to be written.
    #[inline]
    pub(crate) fn writes_at_once(&self, broker: &Broker) -> Option<ProtocolVersion> {
        let is_open =
            self.queue.is_empty() && self.ready.access_generation == broker.access().generation();
        self.ready.version.filter(|_| is_open)
    }

    /// Writes a message for the present connection in this version; gives it back if it needs more than
    /// that, or there is no room. `window` is how many the client takes unacknowledged.
    #[inline]
    pub(crate) fn write_at_once<'m>(
        &mut self,
        message: Cow<'m, Message>,
        offer: &Offer<'_>,
        (version, window): (ProtocolVersion, u16),
        buffers: &mut Buffers,
    ) -> Result<(), Cow<'m, Message>> {
        let qos = offer.qos(&message);
        let waits_for_record = offer.is_kept && qos != QoS::AtLeastOnce;
        let has_room = self.ready.bytes.len() < self.ready.room as usize
            && (qos == QoS::AtMostOnce || self.in_flight.len() < usize::from(window));
        if waits_for_record || !has_room || message.is_rare() {
            return Err(message);
        }
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => match self.in_flight.next_packet_id() {
                None => return Err(message),
                free => free,
            },
        };
        self.ready.begin(&self.in_flight, buffers);
        // What cannot be written cannot be sent.
        let _ = offer.write(&message, version, packet_id, &mut self.ready.bytes);
        if packet_id.is_some() {
            self.in_flight.push(offer.delivery(message.into_owned()));
        }
        Ok(())
    }
}
