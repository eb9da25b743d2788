//! A Network Connection as a state machine: packets in, packets and requests out.
//!
//! The names tell the families: `handle_*` is news from outside, `poll_*` asks what to do next. After
//! any of the first, and when a [`Notice::Output`](crate::worker::Notice::Output) came, the shell
//! calls [`Connection::poll_output`] until it says that nothing more waits for room.

mod acknowledged;
mod closing;
mod connecting;
pub mod explain;
mod inbound;
mod outbound;
mod rechecking;
mod subscribing;
mod topic_alias;
mod v3;

use std::sync::Arc;

use dunlin_codec::{
    Ack, DecodeError, Limits, Packet, PacketIdentifier, PacketType, ProtocolVersion, Publish,
    ReasonCode,
};

use crate::access::Identity;
use crate::broker::Broker;
use crate::error::Violation;
use crate::id::{ClientIdentifier, ConnectionId};
use crate::input::{CloseReason, Outcome, keep_alive_limit};
use crate::message::Form;
use crate::output::Output;
use crate::session::SessionRef;
use crate::settings::{MqttSettings, Terms};
use crate::time::Time;
use crate::worker::Occasion;

use connecting::Connecting;
use rechecking::{AccessState, Extent};
use topic_alias::{InboundAliases, OutboundAliases};

/// One Network Connection.
pub struct Connection {
    id: ConnectionId,
    state: State,
    /// When the last packet came, or the connection began.
    last_received: Time,
    /// What holds for its listener; `None` is the default.
    terms: Option<Arc<Terms>>,
}

enum State {
    /// CONNECT is awaited.
    New,
    /// CONNECT came; who it is is not decided.
    Connecting(Box<Connecting>),
    /// CONNACK with success is sent.
    Connected(Box<Connected>),
    /// It is over.
    Closed(CloseReason),
}

/// What a connection knows once it is accepted.
struct Connected {
    session: SessionRef,
    identity: Identity,
    version: ProtocolVersion,
    /// Seconds; 0 is off.
    keep_alive: u16,
    /// QoS 1 and 2 messages that the client takes unacknowledged.
    window: u16,
    /// The client's Maximum Packet Size.
    packet_bytes_max: usize,
    /// Whether CONNECT had a Session Expiry Interval above 0 (section 3.14.2.2.2).
    had_expiry_interval: bool,
    /// Request Problem Information.
    wants_problems: bool,
    /// Publishes of QoS 1 that are planned and not acknowledged; the session knows those of QoS 2.
    pending: u16,
    /// Whether the session can have QoS 2 messages that were received and not released: not before the
    /// first of a new session.
    may_have_received: bool,
    /// Whether the client repeated a QoS 2 message that was under way since an earlier connection.
    may_be_behind: bool,
    /// The sequence number in flight from which on messages are to be sent again.
    resend_from: Option<u64>,
    /// When unacknowledged messages are sent again without a new connection.
    resend_at: Option<Time>,
    /// The Authentication Method of CONNECT.
    authentication_method: Option<Box<str>>,
    /// Whether an AUTH exchange is going on.
    is_authenticating: bool,
    /// When it ends because there was no room for a message of its client, which cannot be told: from
    /// then on it sends it again.
    unstored_until: Option<Time>,
    /// Until when it is let in.
    expires_at: Option<Time>,
    access: AccessState,
    inbound_aliases: InboundAliases,
    outbound_aliases: OutboundAliases,
    terms: Option<Arc<Terms>>,
}

/// There is one for each client: what an allocator gives for this size, and no more.
const _: () = assert!(size_of::<Connected>() <= 256);

impl Connection {
    /// A Network Connection that was just accepted.
    pub const fn new(id: ConnectionId, now: Time) -> Self {
        Self {
            id,
            state: State::New,
            last_received: now,
            terms: None,
        }
    }

    /// The same under the terms of its listener.
    #[must_use]
    pub fn under(mut self, terms: Arc<Terms>) -> Self {
        self.terms = Some(terms);
        self
    }

    /// Its number.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// The protocol version to decode its packets by; before CONNECT any will do.
    pub fn version(&self) -> ProtocolVersion {
        match &self.state {
            State::Connected(connected) => connected.version,
            State::Connecting(connecting) => connecting.version(),
            State::New | State::Closed(_) => ProtocolVersion::V5,
        }
    }

    /// What its packets may be: little as long as nobody knows who it is.
    pub fn limits(&self, broker: &Broker) -> Limits {
        let mqtt = &broker.settings().mqtt;
        let packet_bytes_max = match &self.state {
            State::Connected(_) => self.packet_bytes_max(mqtt),
            State::New | State::Connecting(_) | State::Closed(_) => mqtt.connect_packet_bytes_max,
        };
        Limits {
            packet_bytes_max,
            user_properties_max: mqtt.user_properties_max,
        }
    }

    /// The largest packet after CONNECT.
    fn packet_bytes_max(&self, mqtt: &MqttSettings) -> u32 {
        let own = self.terms.as_ref().and_then(|terms| terms.packet_bytes_max);
        own.unwrap_or(mqtt.packet_bytes_max)
    }

    /// Whose it is, once it is accepted.
    pub fn client_id(&self) -> Option<&ClientIdentifier> {
        match &self.state {
            State::Connected(connected) => Some(&connected.identity.client_id),
            _ => None,
        }
    }

    /// Who it is, once it is accepted.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.state {
            State::Connected(connected) => Some(&connected.identity),
            _ => None,
        }
    }

    /// The Keep Alive in force, in seconds, once it is accepted.
    pub fn keep_alive(&self) -> Option<u16> {
        match &self.state {
            State::Connected(connected) => Some(connected.keep_alive),
            _ => None,
        }
    }

    /// True before CONNECT is accepted.
    pub const fn is_new(&self) -> bool {
        matches!(self.state, State::New | State::Connecting(_))
    }

    /// Why it is over; `None` while it is not.
    pub const fn close_reason(&self) -> Option<CloseReason> {
        match &self.state {
            State::Closed(reason) => Some(*reason),
            _ => None,
        }
    }

    /// A packet came. What answers it is appended to `out`.
    pub fn handle_packet(
        &mut self,
        context: &mut Occasion<'_>,
        packet: Packet<'_>,
        form: Form<'_>,
        out: &mut Output,
    ) -> Outcome {
        self.last_received = context.now;
        let packet_type = packet.packet_type();
        let result = match &mut self.state {
            State::New => match packet {
                Packet::Connect(connect) => return self.handle_connect(context, &connect, out),
                _ => Err(Violation::NotConnected),
            },
            State::Connecting(connecting) => match packet {
                Packet::Auth(auth) => connecting.handle_auth(&auth),
                Packet::Disconnect(disconnect) => {
                    // It gave up the exchange (section 4.12).
                    let reason = CloseReason::Disconnected(disconnect.reason_code);
                    self.state = State::Closed(reason);
                    return Outcome::Close;
                }
                Packet::Connect(_) => Err(Violation::SecondConnect),
                _ => Err(Violation::NotConnected),
            },
            State::Connected(connected) => match packet {
                Packet::Publish(publish) => {
                    connected.handle_publish(context, self.id, &publish, form, out)
                }
                Packet::Puback(ack)
                | Packet::Pubrec(ack)
                | Packet::Pubrel(ack)
                | Packet::Pubcomp(ack) => {
                    connected.handle_ack(context.broker, self.id, (packet_type, &ack), out);
                    Ok(Outcome::Continue)
                }
                Packet::Subscribe(subscribe) => {
                    connected.handle_subscribe(context, self.id, &subscribe, out)
                }
                Packet::Unsubscribe(unsubscribe) => {
                    connected.handle_unsubscribe(context, self.id, &unsubscribe, out)
                }
                Packet::Pingreq => {
                    connected.send(&Packet::Pingresp, out);
                    Ok(Outcome::Continue)
                }
                Packet::Disconnect(disconnect) => {
                    return self.handle_disconnect(context, &disconnect, out);
                }
                Packet::Auth(auth) => connected.handle_auth(&auth),
                Packet::Connect(_) => Err(Violation::SecondConnect),
                Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                    Err(Violation::ServerPacket)
                }
            },
            State::Closed(_) => return Outcome::Close,
        };
        result.unwrap_or_else(|violation| self.handle_violation(context, violation, out))
    }

    /// As [`Connection::handle_packet`], for a PUBLISH.
    #[inline]
    pub fn handle_publish(
        &mut self,
        context: &mut Occasion<'_>,
        publish: &Publish<'_>,
        form: Form<'_>,
        out: &mut Output,
    ) -> Outcome {
        let State::Connected(connected) = &mut self.state else {
            return self.handle_packet(context, Packet::Publish(*publish), form, out);
        };
        self.last_received = context.now;
        connected
            .handle_publish(context, self.id, publish, form, out)
            .unwrap_or_else(|violation| self.handle_violation(context, violation, out))
    }

    /// Bytes came that are no acceptable packet.
    pub fn handle_decode_error(
        &mut self,
        context: &mut Occasion<'_>,
        error: DecodeError,
        out: &mut Output,
    ) -> Outcome {
        self.handle_violation(context, Violation::Decode(error), out)
    }

    /// When [`Connection::handle_timeout`] has something to do, if nothing comes before.
    pub fn poll_timeout(&self, broker: &Broker) -> Option<Time> {
        match &self.state {
            State::New | State::Connecting(_) => Some(
                self.last_received
                    .after(broker.settings().mqtt.connect_timeout),
            ),
            State::Connected(connected) => {
                let limit = keep_alive_limit(connected.keep_alive);
                let silent = limit.map(|limit| self.last_received.after(limit));
                let others = [
                    connected.resend_at,
                    connected.expires_at,
                    connected.unstored_until,
                ];
                silent.into_iter().chain(others.into_iter().flatten()).min()
            }
            State::Closed(_) => None,
        }
    }

    /// The time that [`Connection::poll_timeout`] gave is there, or about.
    pub fn handle_timeout(&mut self, context: &mut Occasion<'_>, out: &mut Output) -> Outcome {
        let timeout = context.broker.settings().mqtt.connect_timeout;
        match &mut self.state {
            State::New | State::Connecting(_) => {
                if self.last_received.after(timeout) > context.now {
                    return Outcome::Continue;
                }
                self.handle_violation(context, Violation::ConnectTimeout, out)
            }
            State::Connected(connected) => {
                let limit = keep_alive_limit(connected.keep_alive);
                if limit.is_some_and(|limit| self.last_received.after(limit) <= context.now) {
                    return self.handle_violation(context, Violation::KeepAlive, out);
                }
                if connected.expires_at.is_some_and(|at| at <= context.now) {
                    return self.close(context, ReasonCode::MaximumConnectTime, out);
                }
                if connected.unstored_until.is_some_and(|at| at <= context.now) {
                    return self.close(context, ReasonCode::QuotaExceeded, out);
                }
                connected.give_memory_back(self.id);
                connected.resend_when_due(context);
                Outcome::Continue
            }
            State::Closed(_) => Outcome::Close,
        }
    }

    /// Gives back what the session holds for messages to come, which it takes again when they do.
    pub fn give_memory_back(&self) {
        if let State::Connected(connected) = &self.state {
            connected.give_memory_back(self.id);
        }
    }

    /// Appends what waits for the client and may be sent now: messages to be sent again, retained
    /// messages, queued messages. True if more can be sent when there is room in `out`, or when others
    /// had their turn.
    pub fn poll_output(&mut self, context: &mut Occasion<'_>, out: &mut Output) -> bool {
        match &mut self.state {
            State::Connected(connected) => {
                // What was granted under other rules is not delivered under these.
                if connected.access.is_stale(context.broker) {
                    connected.recheck(context, self.id, Extent::Waiting);
                }
                connected.poll_output(context, self.id, out)
            }
            State::New | State::Connecting(_) | State::Closed(_) => false,
        }
    }
}

impl Connected {
    /// Appends a packet that has no reason string; false if it exceeds the client's Maximum Packet
    /// Size and is not sent [MQTT-3.1.2-24].
    fn send(&self, packet: &Packet<'_>, out: &mut Output) -> bool {
        send(packet, self.version, self.packet_bytes_max, out)
    }

    /// As [`Connected::send`], for a PUBACK, PUBREC, PUBREL or PUBCOMP.
    fn send_ack(
        &self,
        packet_type: PacketType,
        packet_id: PacketIdentifier,
        reason_code: ReasonCode,
        out: &mut Output,
    ) -> bool {
        let ack = Ack::new(packet_id, reason_code);
        let packet = match packet_type {
            // What nearly all of them say.
            _ if reason_code == ReasonCode::Success && self.packet_bytes_max == usize::MAX => {
                Ack::encode_success(packet_type, packet_id, out.buffer_mut());
                return true;
            }
            PacketType::Pubrec => Packet::Pubrec(ack),
            PacketType::Pubrel => Packet::Pubrel(ack),
            PacketType::Pubcomp => Packet::Pubcomp(ack),
            _ => Packet::Puback(ack),
        };
        self.send(&packet, out)
    }
}

/// Appends a packet, if it is not larger than the client accepts.
fn send(
    packet: &Packet<'_>,
    version: ProtocolVersion,
    packet_bytes_max: usize,
    out: &mut Output,
) -> bool {
    let buffer = out.buffer_mut();
    let before = buffer.len();
    let is_encoded = packet.encode(version, buffer).is_ok();
    debug_assert!(is_encoded || packet.packet_type() == PacketType::Auth);
    if !is_encoded || buffer.len() - before > packet_bytes_max {
        buffer.truncate(before);
        return false;
    }
    true
}
