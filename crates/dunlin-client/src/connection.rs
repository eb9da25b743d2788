//! The rules of one client's session: packets in, packets and answers out. It neither reads nor
//! writes a socket, and never waits.

mod inbound;
mod outbound;
mod writer;

use bytes::Bytes;
use dunlin_codec::{
    Connack, Disconnect, FixedHeader, Limits, Packet, PacketType, ProtocolVersion, ReasonCode,
    decode_body,
};

use crate::error::{Cause, Violation};
use crate::message::{Message, Received};
use crate::{ClientOptions, Direction, PacketObserver};
use inbound::Inbound;
use outbound::Outbound;
pub(crate) use outbound::{Command, PublishCommand};
use writer::Writer;

/// What a client remembers: of its session, and of the Network Connection that it has now.
pub(crate) struct Connection {
    version: ProtocolVersion,
    limits: Limits,
    observer: Option<PacketObserver>,
    pub(crate) writer: Writer,
    inbound: Inbound,
    pub(crate) outbound: Outbound,
}

/// What a packet from the server asks of the driver.
pub(crate) enum Step {
    /// Nothing more.
    Done,
    /// To hand this message over.
    Deliver(Message),
}

impl Connection {
    pub(crate) fn new(options: &ClientOptions) -> Self {
        let version = options.connect.version;
        Self {
            version,
            limits: limits(options),
            observer: options.observer.clone(),
            writer: Writer::new(version, options.observer.clone()),
            inbound: Inbound::new(&options.connect),
            outbound: Outbound::new(version, options.in_flight_max.get()),
        }
    }

    /// Begins a Network Connection: settles with the server what is left of the session, and sends
    /// again what was not acknowledged.
    pub(crate) fn begin(&mut self, connack: &Connack<'_>) {
        self.writer.begin();
        self.inbound.begin(connack.session_present);
        self.outbound.begin(connack, &mut self.writer);
    }

    /// The Network Connection is gone. If there will be none again, everything ends unanswered.
    pub(crate) fn lost(&mut self, reconnects: bool) {
        self.inbound.lost();
        self.outbound.lost(reconnects);
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Handles a packet.
    pub(crate) fn handle(&mut self, header: FixedHeader, body: Bytes) -> Result<Step, Cause> {
        let decoded = decode_body(&header, &body, self.version, &self.limits);
        let packet = decoded.map_err(Violation::Decode)?;
        if let Some(observer) = &self.observer {
            observer.call(Direction::Received, &packet);
        }
        match packet {
            Packet::Publish(publish) => {
                let topic = self.inbound.receive(&publish)?;
                let Some(alias_topic) = topic else {
                    return Ok(Step::Done);
                };
                let received = Received::unchecked(header, body, self.version);
                return Ok(Step::Deliver(Message::new(received, alias_topic)));
            }
            Packet::Pubrel(ack) => self.inbound.release(ack.packet_id, &mut self.writer),
            Packet::Puback(ack) => self.outbound.puback(&ack, &mut self.writer),
            Packet::Pubrec(ack) => self.outbound.pubrec(&ack, &mut self.writer),
            Packet::Pubcomp(ack) => self.outbound.pubcomp(&ack, &mut self.writer),
            Packet::Suback(suback) => self.outbound.suback(suback)?,
            Packet::Unsuback(unsuback) => self.outbound.unsuback(unsuback)?,
            Packet::Pingresp => {}
            Packet::Disconnect(_) if self.version.is_v5() => {
                return Err(Cause::Server(Received::unchecked(
                    header,
                    body,
                    self.version,
                )));
            }
            Packet::Auth(_) => return Err(Violation::Authentication.into()),
            other => return Err(Violation::Unexpected(other.packet_type()).into()),
        }
        Ok(Step::Done)
    }

    /// Acknowledges the first `taken` messages of those that were handed over.
    pub(crate) fn acknowledge(&mut self, taken: u64) {
        self.inbound.acknowledge(taken, &mut self.writer);
    }

    /// True while messages wait to be acknowledged.
    pub(crate) fn has_unacknowledged(&self) -> bool {
        self.inbound.has_unacknowledged()
    }

    pub(crate) fn ping(&mut self) {
        self.writer.put_small(&Packet::Pingreq);
    }

    /// Tells the server how it broke the protocol; 3.x has no way to.
    pub(crate) fn complain(&mut self, code: ReasonCode) {
        let code = if code.is_legal_in(PacketType::Disconnect) {
            code
        } else {
            ReasonCode::ProtocolError
        };
        if self.version.is_v5() {
            self.writer
                .put_small(&Packet::Disconnect(Disconnect::new(code)));
        }
    }
}

/// What the client accepts, as its CONNECT says.
pub(crate) fn limits(options: &ClientOptions) -> Limits {
    let maximum = options.connect.settings.maximum_packet_size;
    Limits {
        packet_bytes_max: maximum
            .filter(|_| options.connect.version.is_v5())
            .map_or(u32::MAX, std::num::NonZeroU32::get),
        ..Limits::default()
    }
}
