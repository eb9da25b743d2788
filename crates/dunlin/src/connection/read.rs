//! From bytes that arrive to packets for the core.

use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use dunlin_codec::{
    Ack, DecodeError, FixedHeader, Packet, PacketType, Publish, TopicName, decode_ack, decode_body,
    decode_publish, fixed_header,
};
use dunlin_core::connection::Connection as CoreConnection;
use dunlin_core::input::Outcome;
use dunlin_core::message::{Form, SHARED_PAYLOAD_BYTES_MIN};
use dunlin_core::output::Output;
use dunlin_core::time::Time;
use dunlin_core::worker::Occasion;
use tokio::io::ReadBuf;

use super::mount::mounted;
use super::task::{Connection, Inner, Phase};
use crate::publish;
use crate::worker::Worker;

/// Publishes that are handled before what they caused is sent: so that a burst fills no queue.
const PUBLISHES_UNTIL_FLUSH: usize = 128;

/// Memory that is taken for a packet before more of its bytes are there.
const STEP_BYTES: usize = 64 * 1024;

/// The bytes of a packet that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) rest: Vec<u8>,
    /// When its first bytes came.
    pub(super) since: Option<Time>,
}

impl Input {
    /// Since when the rest of a packet is awaited.
    pub(super) const fn partial_since(&self) -> Option<Time> {
        self.since
    }
}

/// What handling a stretch of bytes came to.
pub(super) struct Handled {
    /// How many bytes were whole packets.
    pub(super) consumed: usize,
    /// Whether the connection goes on.
    pub(super) goes_on: bool,
}

impl Inner {
    /// Reads once and handles what came. `Ready(true)` to read again, `Ready(false)` when others
    /// should have their turn first.
    pub(super) fn read(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        context: &mut TaskContext<'_>,
    ) -> Poll<bool> {
        if let Some(missing) = self.missing_of_large() {
            return self.read_large(worker, connection, context, missing);
        }
        let mut buffer = worker.read_buffer();
        let mut read = ReadBuf::new(&mut buffer);
        match self.transport.poll_read(context, &mut read) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
            // The end of the stream, or of the connection.
            Poll::Ready(_) => {
                self.lose(worker);
                return Poll::Ready(true);
            }
        }
        self.lend_buffer(worker);
        let is_full = read.remaining() == 0;
        let now = worker.now();
        let filled = read.filled();
        if self.input.rest.is_empty() {
            let handled = self.handle_bytes(worker, connection, now, filled);
            let rest = filled.get(handled.consumed..).unwrap_or_default();
            if handled.goes_on && !rest.is_empty() {
                self.keep_rest(worker, connection, now, rest);
            }
        } else {
            let mut bytes = std::mem::take(&mut self.input.rest);
            bytes.extend_from_slice(filled);
            let handled = self.handle_bytes(worker, connection, now, &bytes);
            let rest = bytes.get(handled.consumed..).unwrap_or_default();
            if !handled.goes_on || rest.is_empty() {
                self.input.since = None;
            } else if handled.consumed == 0 && !self.waits() {
                self.input.rest = bytes;
            } else {
                self.keep_rest(worker, connection, now, rest);
            }
        }
        drop(buffer);
        self.yield_to_memory(worker, connection, now);
        worker.pass_on();
        worker.flush_later(connection);
        Poll::Ready(!is_full)
    }

    /// Handles what came while nothing was to be handled.
    pub(super) fn handle_rest(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
    ) {
        let bytes = std::mem::take(&mut self.input.rest);
        self.input.since = None;
        if self.phase == Phase::Open && !bytes.is_empty() {
            let handled = self.handle_bytes(worker, connection, now, &bytes);
            let rest = bytes.get(handled.consumed..).unwrap_or_default();
            if handled.goes_on && !rest.is_empty() {
                self.keep_rest(worker, connection, now, rest);
            }
        }
    }

    pub(super) fn keep_rest(
        &mut self,
        worker: &Worker,
        connection: &Connection,
        now: Time,
        rest: &[u8],
    ) {
        self.input.rest = Vec::with_capacity(rest.len());
        self.input.rest.extend_from_slice(rest);
        if self.waits() {
            // It may be whole: it is not the client who lets it wait.
            return;
        }
        self.input.since = Some(now);
        let deadline = now.after(worker.shared.timeouts.partial_packet);
        // Its own deadline is asked for again when this one comes up.
        worker.look_again_by(connection, deadline);
    }

    /// Of a packet that is large enough for a buffer of its own: what of it is missing.
    fn missing_of_large(&self) -> Option<usize> {
        let rest = &self.input.rest;
        if rest.is_empty() {
            return None;
        }
        let header = fixed_header(rest, &dunlin_codec::Limits::default()).ok()??;
        let missing = header.packet_len().checked_sub(rest.len())?;
        (header.remaining_len >= SHARED_PAYLOAD_BYTES_MIN && missing > 0).then_some(missing)
    }

    /// Reads the rest of a large packet to where it stays: its payload is not copied again.
    fn read_large(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        context: &mut TaskContext<'_>,
        missing: usize,
    ) -> Poll<bool> {
        // Memory is taken as bytes come, not as they are announced.
        let rest = &mut self.input.rest;
        if rest.capacity() == rest.len() {
            rest.reserve_exact(missing.min(rest.len().max(STEP_BYTES)));
        }
        let room = missing.min(rest.capacity() - rest.len());
        match self.transport.poll_read_to_end_of(context, rest, room) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => self.lose(worker),
            Poll::Ready(Ok(count)) if count == missing => {
                let now = worker.now();
                let packet = Bytes::from(std::mem::take(&mut self.input.rest));
                self.input.since = None;
                self.handle_large(worker, connection, now, &packet);
                if worker.shared.limits.clients.is_limited() {
                    self.slow_down(worker, connection, now, packet.len());
                }
                self.yield_to_memory(worker, connection, now);
                worker.pass_on();
                worker.flush_later(connection);
            }
            Poll::Ready(Ok(_)) => {}
        }
        Poll::Ready(true)
    }

    fn handle_large(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
        bytes: &Bytes,
    ) {
        let limits = self.core.limits(&worker.shared.broker);
        let version = self.core.version();
        match fixed_header(bytes, &limits) {
            Ok(Some(header)) if header.packet_type == PacketType::Publish => {
                let body = bytes.get(header.header_len..).unwrap_or_default();
                let known = TopicName::EMPTY;
                let publish = decode_publish(&header, body, version, &limits, known);
                let form = |publish: &Publish<'_>| Form::Payload(bytes.slice_ref(publish.payload));
                self.handle_publish(worker, connection, now, publish, form);
            }
            Ok(Some(header)) => {
                let body = bytes.get(header.header_len..).unwrap_or_default();
                let packet = decode_body(&header, body, version, &limits);
                self.handle_packet(worker, connection, now, packet);
            }
            Ok(None) => {}
            Err(error) => self.handle_packet(worker, connection, now, Err(error)),
        }
    }

    /// Handles the whole packets at the beginning of `bytes`.
    pub(super) fn handle_bytes(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
        bytes: &[u8],
    ) -> Handled {
        let (mut consumed, mut publishes) = (0, 0);
        let mut known = TopicName::EMPTY;
        let mut limits = self.core.limits(&worker.shared.broker);
        let is_limited = worker.shared.limits.clients.is_limited();
        while self.phase == Phase::Open && !self.waits() {
            let rest = bytes.get(consumed..).unwrap_or_default();
            let before = consumed;
            let was_new = self.core.is_new();
            let version = self.core.version();
            match fixed_header(rest, &limits) {
                Ok(None) => break,
                Ok(Some(header)) => {
                    let Some(body) = body(rest, &header) else {
                        break;
                    };
                    consumed += header.packet_len();
                    match header.packet_type {
                        PacketType::Publish => {
                            publishes += 1;
                            let publish = decode_publish(&header, body, version, &limits, known);
                            if let Ok(publish) = &publish {
                                known = publish.topic;
                            }
                            let form = |_: &Publish<'_>| Form::Whole(body);
                            self.handle_publish(worker, connection, now, publish, form);
                        }
                        PacketType::Puback
                        | PacketType::Pubrec
                        | PacketType::Pubrel
                        | PacketType::Pubcomp => {
                            let ack = decode_ack(&header, body, version, &limits);
                            self.handle_ack(worker, connection, now, (header.packet_type, ack));
                        }
                        _ => {
                            let packet = decode_body(&header, body, version, &limits);
                            self.handle_packet(worker, connection, now, packet);
                        }
                    }
                }
                Err(error) => self.handle_packet(worker, connection, now, Err(error)),
            }
            if is_limited {
                let packet_bytes = consumed - before;
                self.slow_down(worker, connection, now, packet_bytes);
            }
            if was_new {
                limits = self.core.limits(&worker.shared.broker);
            }
            if publishes >= PUBLISHES_UNTIL_FLUSH {
                publishes = 0;
                worker.pass_on();
                let _listed_again_after_this_read = self.flush(worker, now);
                self.lend_buffer(worker);
                worker.flush();
            }
        }
        Handled {
            consumed,
            goes_on: self.phase == Phase::Open,
        }
    }

    /// Gives one packet, or what was wrong with it, to the core.
    fn handle_packet(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
        packet: Result<Packet<'_>, DecodeError>,
    ) {
        let mount_point = connection.mount_point();
        match packet {
            Ok(packet) if !mount_point.is_empty() => mounted(packet, mount_point, |packet| {
                self.handle_mounted(worker, connection, now, packet, Form::Fields);
            }),
            packet => self.handle_mounted(worker, connection, now, packet, Form::Fields),
        }
    }

    /// Gives a packet to the core, with topics as the rest of the broker knows them.
    fn handle_mounted(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
        packet: Result<Packet<'_>, DecodeError>,
        form: Form<'_>,
    ) {
        self.handle(worker, connection, now, |core, context, out| match packet {
            Ok(packet) => core.handle_packet(context, packet, form, out),
            Err(error) => core.handle_decode_error(context, error, out),
        });
    }

    /// Gives a PUBLISH to the core; `form` says where its bytes are.
    fn handle_publish<'a>(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
        publish: Result<Publish<'_>, DecodeError>,
        form: impl FnOnce(&Publish<'_>) -> Form<'a>,
    ) {
        let mount_point = connection.mount_point();
        match publish {
            Ok(publish) if !mount_point.is_empty() => {
                // With another topic than in the packet.
                let form = match form(&publish) {
                    Form::Whole(_) => Form::Fields,
                    form => form,
                };
                mounted(Packet::Publish(publish), mount_point, |packet| {
                    self.handle_mounted(worker, connection, now, packet, form);
                });
            }
            publish => self.handle(
                worker,
                connection,
                now,
                |core, context, out| match publish {
                    Ok(publish) => core.handle_publish(context, &publish, form(&publish), out),
                    Err(error) => core.handle_decode_error(context, error, out),
                },
            ),
        }
    }

    /// Gives a PUBACK, PUBREC, PUBREL or PUBCOMP to the core.
    fn handle_ack(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
        (packet_type, ack): (PacketType, Result<Ack<'_>, DecodeError>),
    ) {
        self.handle(worker, connection, now, |core, context, out| match ack {
            Ok(ack) => core.handle_ack(context, packet_type, &ack, out),
            Err(error) => core.handle_decode_error(context, error, out),
        });
    }

    /// Gives an input to the core, and does what the core asks for.
    fn handle(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        now: Time,
        input: impl FnOnce(&mut CoreConnection, &mut Occasion<'_>, &mut Output) -> Outcome,
    ) {
        let shared = &worker.shared;
        let outcome = worker.with_core(now, |context| {
            let Self {
                core,
                out,
                pending,
                pace,
                ..
            } = self;
            let outcome = input(core, context, out);
            let Outcome::Publish(request) = outcome else {
                return outcome;
            };
            pace.published += 1;
            let begun = publish::begin(shared, context.worker, core, request);
            let was_idle = pending.is_empty();
            let left = if was_idle {
                publish::finish_one(shared, context, core, begun, out)
            } else {
                Some(begun)
            };
            if let Some(left) = left {
                pending.push_back(left);
                connection.is_behind.set(core.is_behind());
                if was_idle {
                    worker.commit_later(connection);
                }
            }
            match core.close_reason() {
                Some(_) => Outcome::Close,
                None => Outcome::Continue,
            }
        });
        if self.core.has_unstored() {
            worker.look_again_by(connection, self.deadline(worker, now));
        }
        match outcome {
            Outcome::Authenticate(attempt) => self.authenticate(worker, connection, *attempt),
            outcome => self.close_if(&outcome, worker, now),
        }
    }
}

/// The body of a packet, if all of it is there.
fn body<'a>(bytes: &'a [u8], header: &FixedHeader) -> Option<&'a [u8]> {
    bytes.get(header.header_len..header.packet_len())
}

#[cfg(test)]
mod tests;
