//! Requests to the server: packet identifiers, QoS 1 and 2, what the server allows.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dunlin_codec::{
    Ack, Connack, Packet, PacketIdentifier, ProtocolVersion, Publish, QoS, ReasonCode, Suback,
    TopicName, Unsuback,
};
use tokio::sync::oneshot;

use super::Writer;
use crate::error::{RequestError, Violation};
use crate::request::{
    PublishRequest, Published, SubscribeRequest, Subscribed, UnsubscribeRequest, Unsubscribed,
};

/// Where the answer to a request goes. Whoever asked may have stopped listening.
type Answer<T> = oneshot::Sender<Result<T, RequestError>>;

/// A message to publish, and who wants to know how it fared.
pub(crate) struct PublishCommand {
    pub(crate) request: PublishRequest,
    pub(crate) answer: Option<Answer<Published>>,
}

impl PublishCommand {
    fn answer(self, result: Result<Published, RequestError>) {
        if let Some(answer) = self.answer {
            let _ = answer.send(result);
        }
    }
}

/// A request other than to publish.
pub(crate) enum Command {
    Subscribe(SubscribeRequest, Answer<Subscribed>),
    Unsubscribe(UnsubscribeRequest, Answer<Unsubscribed>),
}

impl Command {
    pub(crate) fn fail(self, error: RequestError) {
        match self {
            Self::Subscribe(_, answer) => drop(answer.send(Err(error))),
            Self::Unsubscribe(_, answer) => drop(answer.send(Err(error))),
        }
    }
}

/// What holds a packet identifier.
enum InFlight {
    Publish {
        command: PublishCommand,
        /// The order of the first PUBLISH [MQTT-4.6.0-1].
        order: u64,
        /// PUBREC came: PUBREL is sent, PUBCOMP awaited.
        is_released: bool,
        /// It counts against the server's Receive Maximum on this Network Connection.
        counts: bool,
    },
    Command(Command),
}

/// What the server of this Network Connection allows.
struct Allowed {
    receive_maximum: usize,
    packet_bytes_max: u32,
    maximum_qos: QoS,
    retain: bool,
    alias_maximum: u16,
}

/// The sending side of a session.
pub(crate) struct Outbound {
    is_v5: bool,
    in_flight_max: u16,
    allowed: Allowed,
    in_flight: HashMap<PacketIdentifier, InFlight>,
    /// Messages to send again, oldest first, as the Receive Maximum allows.
    again: VecDeque<PacketIdentifier>,
    last_id: PacketIdentifier,
    next_order: u64,
    /// How many messages count against the Receive Maximum.
    counted: usize,
    /// What the server knows each topic alias for.
    aliases: HashMap<u16, Arc<str>>,
    /// Messages of QoS 0 whose last byte has this number and is not written yet.
    unwritten: VecDeque<(u64, Answer<Published>)>,
}

impl Outbound {
    pub(super) fn new(version: ProtocolVersion, in_flight_max: u16) -> Self {
        Self {
            is_v5: version.is_v5(),
            in_flight_max,
            allowed: Allowed {
                receive_maximum: 0,
                packet_bytes_max: u32::MAX,
                maximum_qos: QoS::ExactlyOnce,
                retain: true,
                alias_maximum: 0,
            },
            in_flight: HashMap::new(),
            again: VecDeque::new(),
            // The next one is 1.
            last_id: PacketIdentifier::new(u16::MAX).unwrap_or(PacketIdentifier::MIN),
            next_order: 0,
            counted: 0,
            aliases: HashMap::new(),
            unwritten: VecDeque::new(),
        }
    }

    pub(super) fn begin(&mut self, connack: &Connack<'_>, writer: &mut Writer) {
        let properties = &connack.properties;
        let maximum = properties.receive_maximum.map_or(u16::MAX, |max| max.get());
        self.allowed = Allowed {
            receive_maximum: usize::from(maximum.min(self.in_flight_max)),
            packet_bytes_max: properties
                .maximum_packet_size
                .map_or(u32::MAX, |max| max.get()),
            maximum_qos: properties.maximum_qos.unwrap_or(QoS::ExactlyOnce),
            retain: properties.retain_available.unwrap_or(true),
            alias_maximum: properties.topic_alias_maximum.unwrap_or(0),
        };
        self.aliases.clear();
        self.counted = 0;
        if connack.session_present {
            let mut again: Vec<(u64, PacketIdentifier)> = Vec::new();
            for (&packet_id, entry) in &mut self.in_flight {
                if let InFlight::Publish { order, counts, .. } = entry {
                    *counts = false;
                    again.push((*order, packet_id));
                }
            }
            again.sort_unstable();
            self.again = again.into_iter().map(|(_, packet_id)| packet_id).collect();
            self.send_again(writer);
        } else {
            self.again.clear();
            for (_, entry) in self.in_flight.drain() {
                if let InFlight::Publish { command, .. } = entry {
                    command.answer(Err(RequestError::SessionLost));
                }
            }
        }
    }

    /// Sends again what the server may not have got [MQTT-4.4.0-1].
    fn send_again(&mut self, writer: &mut Writer) {
        while let Some(&packet_id) = self.again.front() {
            match self.in_flight.get_mut(&packet_id) {
                Some(InFlight::Publish {
                    is_released: true, ..
                }) => writer.put_small(&Packet::Pubrel(Ack::success(packet_id))),
                Some(InFlight::Publish {
                    command, counts, ..
                }) => {
                    if self.counted >= self.allowed.receive_maximum {
                        return;
                    }
                    *counts = true;
                    self.counted += 1;
                    let max = usize::try_from(self.allowed.packet_bytes_max).unwrap_or(usize::MAX);
                    let sent =
                        put_publish(&command.request, Some(packet_id), true, None, max, writer);
                    // It fitted the last connection. If this one takes less, it cannot be sent.
                    if let Err(error) = sent {
                        self.finish(packet_id, Err(error));
                    }
                }
                Some(InFlight::Command(_)) | None => {}
            }
            self.again.pop_front();
        }
    }

    pub(super) fn lost(&mut self, reconnects: bool) {
        for (_, answer) in self.unwritten.drain(..) {
            let _ = answer.send(Err(RequestError::ConnectionLost));
        }
        let gone = self
            .in_flight
            .extract_if(|_, entry| !reconnects || matches!(entry, InFlight::Command(_)));
        for (_, entry) in gone {
            match entry {
                InFlight::Publish { command, .. } => {
                    command.answer(Err(RequestError::ConnectionLost));
                }
                InFlight::Command(command) => command.fail(RequestError::ConnectionLost),
            }
        }
    }

    /// Whether another message may be sent now. Messages of QoS 0 wait as well, to keep the order.
    pub(crate) fn may_publish(&self) -> bool {
        self.again.is_empty() && self.counted < self.allowed.receive_maximum
    }

    fn next_id(&mut self) -> Option<PacketIdentifier> {
        let mut candidate = self.last_id;
        for _ in 0..=u16::MAX {
            candidate = candidate.next();
            if !self.in_flight.contains_key(&candidate) {
                self.last_id = candidate;
                return Some(candidate);
            }
        }
        None
    }

    pub(crate) fn publish(&mut self, command: PublishCommand, writer: &mut Writer) {
        let qos = command.request.qos;
        let packet_id = match self.try_publish(&command.request, writer) {
            Ok(packet_id) => packet_id,
            Err(error) => return command.answer(Err(error)),
        };
        match packet_id {
            Some(packet_id) => {
                debug_assert_ne!(qos, QoS::AtMostOnce);
                let entry = InFlight::Publish {
                    command,
                    order: self.next_order,
                    is_released: false,
                    counts: true,
                };
                self.next_order += 1;
                self.counted += 1;
                self.in_flight.insert(packet_id, entry);
            }
            None => {
                if let Some(answer) = command.answer {
                    self.unwritten.push_back((writer.total(), answer));
                }
            }
        }
    }

    fn try_publish(
        &mut self,
        request: &PublishRequest,
        writer: &mut Writer,
    ) -> Result<Option<PacketIdentifier>, RequestError> {
        if request.qos > self.allowed.maximum_qos {
            return Err(RequestError::QoSNotSupported(request.qos));
        }
        if request.retain && !self.allowed.retain {
            return Err(RequestError::RetainNotSupported);
        }
        let alias = match request.topic_alias.filter(|_| self.is_v5) {
            Some(alias) if alias == 0 || alias > self.allowed.alias_maximum => {
                return Err(RequestError::TopicAlias {
                    alias,
                    maximum: self.allowed.alias_maximum,
                });
            }
            Some(alias) => Some(TopicAlias {
                alias,
                is_set: self.aliases.get(&alias) == Some(&request.topic),
            }),
            None => None,
        };
        let packet_id = match request.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => {
                Some(self.next_id().ok_or(RequestError::NoPacketIdentifier)?)
            }
        };
        let max = usize::try_from(self.allowed.packet_bytes_max).unwrap_or(usize::MAX);
        put_publish(request, packet_id, request.dup, alias, max, writer)?;
        if let Some(TopicAlias {
            alias,
            is_set: false,
        }) = alias
        {
            self.aliases.insert(alias, Arc::clone(&request.topic));
        }
        Ok(packet_id)
    }

    pub(crate) fn command(&mut self, command: Command, writer: &mut Writer) {
        let Some(packet_id) = self.next_id() else {
            return command.fail(RequestError::NoPacketIdentifier);
        };
        match self.put_command(&command, packet_id, writer) {
            Ok(()) => drop(self.in_flight.insert(packet_id, InFlight::Command(command))),
            Err(error) => command.fail(error),
        }
    }

    fn put_command(
        &self,
        command: &Command,
        packet_id: PacketIdentifier,
        writer: &mut Writer,
    ) -> Result<(), RequestError> {
        let packet = match command {
            Command::Subscribe(request, _) => Packet::Subscribe(request.packet(packet_id)?),
            Command::Unsubscribe(request, _) => Packet::Unsubscribe(request.packet(packet_id)?),
        };
        let max = usize::try_from(self.allowed.packet_bytes_max).unwrap_or(usize::MAX);
        put(&packet, max, writer)
    }

    /// Bytes were written: tells who waits for them.
    pub(crate) fn written(&mut self, writer: &Writer) {
        let written = writer.written_total();
        while self
            .unwritten
            .front()
            .is_some_and(|(last, _)| *last <= written)
        {
            if let Some((_, answer)) = self.unwritten.pop_front() {
                let _ = answer.send(Ok(Published {
                    reason_code: ReasonCode::Success,
                    reason_string: None,
                }));
            }
        }
    }

    /// The delivery of a message ended; its packet identifier is free.
    fn finish(&mut self, packet_id: PacketIdentifier, result: Result<Published, RequestError>) {
        if let Some(InFlight::Publish {
            command, counts, ..
        }) = self.in_flight.remove(&packet_id)
        {
            self.counted -= usize::from(counts);
            command.answer(result);
        }
    }

    fn qos_of(&self, packet_id: PacketIdentifier) -> Option<QoS> {
        match self.in_flight.get(&packet_id)? {
            InFlight::Publish { command, .. } => Some(command.request.qos),
            InFlight::Command(_) => None,
        }
    }

    /// PUBACK. One that nothing waits for is a late repetition.
    pub(super) fn puback(&mut self, ack: &Ack<'_>, writer: &mut Writer) {
        if self.qos_of(ack.packet_id) == Some(QoS::AtLeastOnce) {
            self.finish(ack.packet_id, Ok(published(ack)));
            self.send_again(writer);
        }
    }

    /// PUBREC [MQTT-4.3.3-4].
    pub(super) fn pubrec(&mut self, ack: &Ack<'_>, writer: &mut Writer) {
        let packet_id = ack.packet_id;
        let is_known = self.qos_of(packet_id) == Some(QoS::ExactlyOnce);
        if is_known && ack.reason_code.is_error() {
            self.finish(packet_id, Ok(published(ack)));
            return self.send_again(writer);
        }
        if ack.reason_code.is_error() {
            return;
        }
        if let Some(InFlight::Publish { is_released, .. }) = self.in_flight.get_mut(&packet_id)
            && is_known
        {
            *is_released = true;
        }
        let code = if is_known || !self.is_v5 {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        writer.put_small(&Packet::Pubrel(Ack::new(packet_id, code)));
    }

    /// PUBCOMP.
    pub(super) fn pubcomp(&mut self, ack: &Ack<'_>, writer: &mut Writer) {
        if self.qos_of(ack.packet_id) == Some(QoS::ExactlyOnce) {
            self.finish(ack.packet_id, Ok(published(ack)));
            self.send_again(writer);
        }
    }

    /// SUBACK. It must have a code for each filter [MQTT-3.9.3-1].
    pub(super) fn suback(&mut self, suback: Suback<'_>) -> Result<(), Violation> {
        match self.in_flight.remove(&suback.packet_id) {
            Some(InFlight::Command(Command::Subscribe(request, answer)))
                if request.filters.len() == suback.reason_codes.len() =>
            {
                let _ = answer.send(Ok(Subscribed {
                    reason_codes: suback.reason_codes,
                    reason_string: suback.properties.reason_string.map(Into::into),
                }));
                Ok(())
            }
            Some(entry) => {
                self.in_flight.insert(suback.packet_id, entry);
                Err(Violation::Unexpected(dunlin_codec::PacketType::Suback))
            }
            None => Ok(()),
        }
    }

    /// UNSUBACK. In 3.x it has no codes.
    pub(super) fn unsuback(&mut self, unsuback: Unsuback<'_>) -> Result<(), Violation> {
        match self.in_flight.remove(&unsuback.packet_id) {
            Some(InFlight::Command(Command::Unsubscribe(request, answer)))
                if !self.is_v5 || request.filters.len() == unsuback.reason_codes.len() =>
            {
                let reason_codes = if self.is_v5 {
                    unsuback.reason_codes
                } else {
                    vec![ReasonCode::Success; request.filters.len()]
                };
                let _ = answer.send(Ok(Unsubscribed {
                    reason_codes,
                    reason_string: unsuback.properties.reason_string.map(Into::into),
                }));
                Ok(())
            }
            Some(entry) => {
                self.in_flight.insert(unsuback.packet_id, entry);
                Err(Violation::Unexpected(dunlin_codec::PacketType::Unsuback))
            }
            None => Ok(()),
        }
    }
}

/// A topic alias to send, and whether the server knows it already.
#[derive(Clone, Copy)]
struct TopicAlias {
    alias: u16,
    is_set: bool,
}

fn put_publish(
    request: &PublishRequest,
    packet_id: Option<PacketIdentifier>,
    dup: bool,
    alias: Option<TopicAlias>,
    max: usize,
    writer: &mut Writer,
) -> Result<(), RequestError> {
    let mut properties = request.properties()?;
    properties.topic_alias = alias.map(|alias| alias.alias);
    let topic = match alias {
        Some(TopicAlias { is_set: true, .. }) => TopicName::EMPTY,
        _ => request.topic_name()?,
    };
    let packet = Packet::Publish(Publish {
        dup,
        qos: request.qos,
        retain: request.retain,
        topic,
        packet_id,
        properties,
        payload: &request.payload,
    });
    put(&packet, max, writer)
}

fn put(packet: &Packet<'_>, max: usize, writer: &mut Writer) -> Result<(), RequestError> {
    let length = writer.put(packet, max)?;
    if length > max {
        return Err(RequestError::PacketTooLarge {
            length,
            maximum: u32::try_from(max).unwrap_or(u32::MAX),
        });
    }
    Ok(())
}

fn published(ack: &Ack<'_>) -> Published {
    Published {
        reason_code: ack.reason_code,
        reason_string: ack.properties.reason_string.map(Into::into),
    }
}
