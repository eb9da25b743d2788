//! From bytes that arrived to packets for the core, and what the core asks for.

use std::rc::Rc;

use bytes::Bytes;
use dunlin_codec::{
    Ack, DecodeError, FixedHeader, Limits, Packet, PacketType, Publish, TopicName, decode_ack,
    decode_body, decode_publish, fixed_header,
};
use dunlin_core::broker::PublishPlan;
use dunlin_core::connection::Connection as CoreConnection;
use dunlin_core::error::Refusal;
use dunlin_core::input::{Outcome, PublishRequest};
use dunlin_core::message::Form;
use dunlin_core::output::Output;
use dunlin_core::publishing::{self, Refused};
use dunlin_core::time::Time;
use dunlin_core::worker::Occasion;

use super::mount::mounted;
use super::task::{Connection, Inner, Phase};
use crate::limits::memory::Pressure;
use crate::worker::Worker;

/// Publishes that are handled before what they caused is sent: so that a burst fills no queue.
const PUBLISHES_UNTIL_FLUSH: usize = 128;

/// Handling what was read once.
pub(super) struct Turn<'a> {
    worker: &'a Rc<Worker>,
    connection: &'a Rc<Connection>,
    now: Time,
    /// The last publish, while it is nothing but planned: the next one may join it.
    planned: Option<PublishPlan>,
    /// Whether the next one is likely to: the last one did.
    is_alike: bool,
    /// Whether nothing comes behind what is being handled.
    is_last: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn new(worker: &'a Rc<Worker>, connection: &'a Rc<Connection>, now: Time) -> Self {
        Self {
            worker,
            connection,
            now,
            planned: None,
            is_alike: true,
            is_last: true,
        }
    }

    /// Whether there is no memory for messages.
    fn is_memory_full(&self) -> bool {
        self.worker.shared.limits.memory.pressure() == Pressure::Full
    }

    /// Whether what is planned has to be done before the next PUBLISH is looked at.
    fn comes_first(&self) -> bool {
        self.planned.as_ref().is_some_and(PublishPlan::comes_first)
    }
}

/// What handling a stretch of bytes came to.
pub(super) struct Handled {
    /// How many bytes were whole packets.
    pub(super) consumed: usize,
    /// Whether the connection goes on.
    pub(super) goes_on: bool,
    /// Whether nothing came of it that the core has more to send after.
    pub(super) is_quiet: bool,
}

impl Inner {
    /// Handles one packet whose payload can be kept.
    pub(super) fn handle_large(&mut self, mut turn: Turn<'_>, bytes: &Bytes) {
        let limits = self.core.limits(&turn.worker.shared.broker);
        let version = self.core.version();
        match fixed_header(bytes, &limits) {
            Ok(Some(header)) if header.packet_type == PacketType::Publish => {
                let body = bytes.get(header.header_len..).unwrap_or_default();
                let known = TopicName::EMPTY;
                let publish = decode_publish(&header, body, version, &limits, known);
                let form = |publish: &Publish<'_>| Form::Payload(bytes.slice_ref(publish.payload));
                self.handle_publish(&mut turn, publish, form);
            }
            Ok(Some(header)) => {
                let body = bytes.get(header.header_len..).unwrap_or_default();
                let packet = decode_body(&header, body, version, &limits);
                self.handle_packet(&mut turn, packet);
            }
            Ok(None) => {}
            Err(error) => self.handle_packet(&mut turn, Err(error)),
        }
    }

    /// Handles the whole packets at the beginning of `bytes`.
    pub(super) fn handle_bytes(&mut self, mut turn: Turn<'_>, bytes: &[u8]) -> Handled {
        let turn = &mut turn;
        let worker = turn.worker;
        let (mut consumed, mut publishes) = (0, 0);
        // A PUBLISH is answered at once; whoever it goes to is told.
        let mut is_quiet = true;
        let mut known = TopicName::EMPTY;
        let mut limits = self.core.limits(&worker.shared.broker);
        let is_limited = worker.shared.limits.clients.is_limited();
        while self.phase == Phase::Open && !self.waits() {
            let mut rest = bytes.get(consumed..).unwrap_or_default();
            if turn.is_alike && turn.planned.is_some() && !is_limited {
                let room = PUBLISHES_UNTIL_FLUSH - publishes;
                let (length, count) = self.join(turn, (rest, &limits), room);
                consumed += length;
                publishes += count;
                rest = bytes.get(consumed..).unwrap_or_default();
            }
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
                    turn.is_last = consumed == bytes.len();
                    is_quiet &= header.packet_type == PacketType::Publish;
                    match header.packet_type {
                        PacketType::Publish => {
                            publishes += 1;
                            self.look_ahead(turn, (rest, &limits));
                            let publish = decode_publish(&header, body, version, &limits, known);
                            if let Ok(publish) = &publish {
                                known = publish.topic;
                            }
                            let form = |_: &Publish<'_>| Form::Whole(body);
                            self.handle_publish(turn, publish, form);
                        }
                        PacketType::Puback
                        | PacketType::Pubrec
                        | PacketType::Pubrel
                        | PacketType::Pubcomp => {
                            self.finish_planned(turn);
                            // What is limited counts each of them.
                            let length = match is_limited {
                                true => 0,
                                false => self.handle_acks(turn, rest),
                            };
                            match length {
                                0 => {
                                    let ack = decode_ack(&header, body, version, &limits);
                                    self.handle_ack(turn, header.packet_type, ack);
                                }
                                length => consumed = before + length,
                            }
                        }
                        _ => {
                            let packet = decode_body(&header, body, version, &limits);
                            self.handle_packet(turn, packet);
                        }
                    }
                }
                Err(error) => self.handle_packet(turn, Err(error)),
            }
            if is_limited {
                let packet_bytes = consumed - before;
                self.slow_down(worker, turn.connection, turn.now, packet_bytes);
            }
            if was_new {
                limits = self.core.limits(&worker.shared.broker);
            }
            if publishes >= PUBLISHES_UNTIL_FLUSH {
                publishes = 0;
                self.finish_planned(turn);
                worker.pass_on();
                let _listed_again_after_this_read = self.flush(worker, turn.now, true);
                self.lend_buffer(worker);
                worker.flush();
            }
        }
        self.finish_planned(turn);
        Handled {
            consumed,
            goes_on: self.phase == Phase::Open,
            is_quiet: is_quiet && self.phase == Phase::Open,
        }
    }

    /// Lets the core look up who gets the publishes that these bytes begin with.
    fn look_ahead(&self, turn: &Turn<'_>, (bytes, limits): (&[u8], &Limits)) {
        // Below a mount point topics are others than in the packets.
        if !turn.is_last && turn.connection.mount_point().is_empty() {
            turn.worker.with_core(turn.now, |context| {
                self.core.look_ahead(context, bytes, limits);
            });
        }
    }

    /// Adds what is like the last publish to its plan, and gives how many bytes and packets.
    fn join(
        &mut self,
        turn: &mut Turn<'_>,
        unread: (&[u8], &Limits),
        count_max: usize,
    ) -> (usize, usize) {
        let is_full = turn.is_memory_full();
        let Some(plan) = &mut turn.planned else {
            return (0, 0);
        };
        // Below a mount point topics are others than in the packets.
        if !turn.connection.mount_point().is_empty() || is_full {
            turn.is_alike = false;
            return (0, 0);
        }
        let joined = turn.worker.with_core(turn.now, |context| {
            self.core.join(context, plan, unread, count_max)
        });
        self.pace.published += joined.1 as u64;
        turn.is_alike = joined.1 > 0;
        joined
    }

    /// Gives one packet, or what was wrong with it, to the core.
    fn handle_packet(&mut self, turn: &mut Turn<'_>, packet: Result<Packet<'_>, DecodeError>) {
        let mount_point = turn.connection.mount_point();
        match packet {
            Ok(packet) if !mount_point.is_empty() => mounted(packet, mount_point, |packet| {
                self.handle_mounted(turn, packet, Form::Fields);
            }),
            packet => self.handle_mounted(turn, packet, Form::Fields),
        }
    }

    /// Gives a packet to the core, with topics as the rest of the broker knows them.
    fn handle_mounted(
        &mut self,
        turn: &mut Turn<'_>,
        packet: Result<Packet<'_>, DecodeError>,
        form: Form<'_>,
    ) {
        let is_publish = matches!(packet, Ok(Packet::Publish(_)));
        if !is_publish || turn.comes_first() {
            self.finish_planned(turn);
        }
        self.handle(turn, |core, context, out| match packet {
            Ok(packet) => core.handle_packet(context, packet, form, out),
            Err(error) => core.handle_decode_error(context, error, out),
        });
    }

    /// Gives a PUBLISH to the core; `form` says where its bytes are.
    fn handle_publish<'a>(
        &mut self,
        turn: &mut Turn<'_>,
        publish: Result<Publish<'_>, DecodeError>,
        form: impl FnOnce(&Publish<'_>) -> Form<'a>,
    ) {
        let mount_point = turn.connection.mount_point();
        match publish {
            Ok(publish) if !mount_point.is_empty() => {
                // With another topic than in the packet.
                let form = match form(&publish) {
                    Form::Whole(_) => Form::Fields,
                    form => form,
                };
                mounted(Packet::Publish(publish), mount_point, |packet| {
                    self.handle_mounted(turn, packet, form);
                });
            }
            Ok(publish) => {
                if turn.comes_first() {
                    self.finish_planned(turn);
                }
                self.handle(turn, |core, context, out| {
                    core.handle_publish(context, &publish, form(&publish), out)
                });
            }
            Err(error) => self.handle_mounted(turn, Err(error), Form::Fields),
        }
    }

    /// Gives all acknowledgements at the beginning of `bytes` that need no decoding to the core, and gives
    /// how many bytes those are.
    fn handle_acks(&mut self, turn: &Turn<'_>, bytes: &[u8]) -> usize {
        turn.worker.with_core(turn.now, |context| {
            self.core.handle_acks(context, bytes, &mut self.out)
        })
    }

    /// Gives a PUBACK, PUBREC, PUBREL or PUBCOMP to the core.
    fn handle_ack(
        &mut self,
        turn: &mut Turn<'_>,
        packet_type: PacketType,
        ack: Result<Ack<'_>, DecodeError>,
    ) {
        self.handle(turn, |core, context, out| match ack {
            Ok(ack) => core.handle_ack(context, packet_type, &ack, out),
            Err(error) => core.handle_decode_error(context, error, out),
        });
    }

    /// Gives an input to the core, and does what the core asks for. Whatever is no PUBLISH comes behind
    /// those that are planned: [`Inner::finish_planned`].
    fn handle(
        &mut self,
        turn: &mut Turn<'_>,
        input: impl FnOnce(&mut CoreConnection, &mut Occasion<'_>, &mut Output) -> Outcome,
    ) {
        let worker = turn.worker;
        let outcome = worker.with_core(turn.now, |context| {
            match input(&mut self.core, context, &mut self.out) {
                Outcome::Publish(request) => self.publish(turn, context, request),
                outcome => outcome,
            }
        });
        self.carry_out(turn, outcome);
    }

    /// Plans a publish, and does it unless the next one may join it.
    fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        context: &mut Occasion<'_>,
        mut request: PublishRequest,
    ) -> Outcome {
        self.pace.published += 1;
        let is_full = turn.is_memory_full();
        if let Some(mut plan) = turn.planned.take() {
            let left = match is_full {
                true => Err(request),
                false => context.broker.join(context.worker, &mut plan, request),
            };
            match left {
                Ok(()) => {
                    turn.is_alike = true;
                    turn.planned = Some(plan);
                    return Outcome::Continue;
                }
                Err(back) => {
                    request = back;
                    self.commit(turn, context, Ok(plan));
                }
            }
        }
        let plan = match is_full {
            true => Err(Refused::new(
                Refusal::QuotaExceeded,
                request.acknowledgement,
            )),
            false => publishing::plan(context.broker, context.worker, &self.core, request),
        };
        match plan {
            Ok(plan) if !turn.is_last && plan.may_be_joined() => turn.planned = Some(plan),
            plan => self.commit(turn, context, plan),
        }
        self.outcome()
    }

    /// Does what is planned.
    fn finish_planned(&mut self, turn: &mut Turn<'_>) {
        if let Some(plan) = turn.planned.take() {
            let worker = turn.worker;
            let outcome = worker.with_core(turn.now, |context| {
                self.commit(turn, context, Ok(plan));
                self.outcome()
            });
            self.carry_out(turn, outcome);
        }
    }

    /// Hands a publish to the store and finishes it, or puts it behind those that wait.
    fn commit(
        &mut self,
        turn: &Turn<'_>,
        context: &mut Occasion<'_>,
        plan: Result<PublishPlan, Refused>,
    ) {
        let begun = publishing::begin(context.broker, plan);
        let was_idle = self.pending.is_empty();
        let left = if was_idle {
            publishing::finish_one(context, &mut self.core, begun, &mut self.out)
        } else {
            Some(begun)
        };
        if let Some(left) = left {
            self.pending.push_back(left);
            turn.connection.is_behind.set(self.core.is_behind());
            if was_idle {
                turn.worker.commit_later(turn.connection);
            }
        }
    }

    fn outcome(&self) -> Outcome {
        match self.core.close_reason() {
            Some(_) => Outcome::Close,
            None => Outcome::Continue,
        }
    }

    /// Does what the core asks for.
    fn carry_out(&mut self, turn: &Turn<'_>, outcome: Outcome) {
        let Turn {
            worker,
            connection,
            now,
            ..
        } = *turn;
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
