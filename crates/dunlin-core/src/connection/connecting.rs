//! From CONNECT to CONNACK (sections 3.1, 3.2 and 4.12).

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use dunlin_codec::{
    Auth, AuthProperties, Connack, ConnackProperties, Connect, DecodeError, Limits, Packet,
    PacketType, ProtocolVersion, ReasonCode, Will as WillFields, decode,
};

use super::rechecking::{AccessState, Extent};
use super::topic_alias::{InboundAliases, OutboundAliases};
use super::{Connected, Connection, State, send, v3};
use crate::access::{Identity, is_servers};
use crate::broker::{Attaching, Broker, Ending, NotAttached};
use crate::error::Violation;
use crate::id::ClientIdentifier;
use crate::input::{Attempt, AuthenticationStep, CloseReason, Decision, Grant, Outcome, Secret};
use crate::output::Output;
use crate::session::will::Will;
use crate::settings::Settings;
use crate::storage::Position;
use crate::worker::Occasion;

/// What the client at the other end can read.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketReader {
    version: ProtocolVersion,
    /// Its Maximum Packet Size.
    packet_bytes_max: usize,
}

impl PacketReader {
    fn of(connect: &Connect<'_>) -> Self {
        Self {
            version: connect.version,
            packet_bytes_max: packet_bytes_max(connect),
        }
    }
}

fn packet_bytes_max(connect: &Connect<'_>) -> usize {
    let size = connect.properties.maximum_packet_size;
    size.and_then(|size| usize::try_from(size.get()).ok())
        .unwrap_or(usize::MAX)
}

/// A CONNECT whose sender is not known yet.
pub(super) struct Connecting {
    /// The packet, encoded: it is decoded again when it goes on.
    connect: Box<[u8]>,
    reader: PacketReader,
    method: Option<Box<str>>,
    /// Whether the client has to send an AUTH next.
    awaits_auth: bool,
}

impl Connecting {
    pub(super) const fn version(&self) -> ProtocolVersion {
        self.reader.version
    }

    pub(super) const fn reader(&self) -> PacketReader {
        self.reader
    }

    /// AUTH in the exchange that CONNECT began.
    pub(super) fn handle_auth(&mut self, auth: &Auth<'_>) -> Result<Outcome, Violation> {
        let is_next = self.awaits_auth && auth.reason_code == ReasonCode::ContinueAuthentication;
        if !is_next {
            return Err(Violation::UnexpectedAuth);
        }
        if auth.properties.authentication_method != self.method.as_deref() {
            return Err(Violation::AuthenticationMethodChanged);
        }
        self.awaits_auth = false;
        let mut attempt = match self.decoded() {
            Some(connect) => attempt(&connect, AuthenticationStep::Continue),
            None => return Err(Violation::UnexpectedAuth),
        };
        attempt.data = auth.properties.authentication_data.map(secret);
        Ok(Outcome::Authenticate(Box::new(attempt)))
    }

    fn decoded(&self) -> Option<Connect<'_>> {
        match decode(&self.connect, self.version(), &Limits::default()) {
            Ok(Some((Packet::Connect(connect), _))) => Some(*connect),
            _ => None,
        }
    }
}

fn attempt(connect: &Connect<'_>, step: AuthenticationStep) -> Attempt {
    Attempt {
        step,
        version: connect.version,
        client_id: connect.client_id.to_owned(),
        user_name: connect.user_name.map(str::to_owned),
        password: connect.password.map(secret),
        method: connect.properties.authentication_method.map(str::to_owned),
        data: connect.properties.authentication_data.map(secret),
    }
}

fn secret(bytes: &[u8]) -> Secret {
    Secret(bytes.to_vec())
}

impl Connection {
    pub(super) fn handle_connect(
        &mut self,
        context: &mut Occasion<'_>,
        connect: &Connect<'_>,
        out: &mut Output,
    ) -> Outcome {
        if let Err(reason_code) = check(connect, context.broker.settings()) {
            return self.refuse_connect(PacketReader::of(connect), reason_code, out);
        }
        let mut bytes = Vec::new();
        if Packet::Connect(Box::new(*connect))
            .encode(connect.version, &mut bytes)
            .is_err()
        {
            let reader = PacketReader::of(connect);
            return self.refuse_connect(reader, ReasonCode::MalformedPacket, out);
        }
        self.state = State::Connecting(Box::new(Connecting {
            connect: bytes.into_boxed_slice(),
            reader: PacketReader::of(connect),
            method: connect.properties.authentication_method.map(Into::into),
            awaits_auth: false,
        }));
        Outcome::Authenticate(Box::new(attempt(connect, AuthenticationStep::Connect)))
    }

    /// The answer to [`Outcome::Authenticate`].
    pub fn handle_decision(
        &mut self,
        context: &mut Occasion<'_>,
        decision: &Decision,
        out: &mut Output,
    ) -> Outcome {
        if matches!(self.state, State::Connected(_)) {
            return self.handle_re_authentication(context, decision, out);
        }
        let State::Connecting(connecting) = &mut self.state else {
            return Outcome::Close;
        };
        match decision {
            Decision::Continue { data } if connecting.method.is_some() => {
                connecting.awaits_auth = true;
                let auth = auth_packet(
                    ReasonCode::ContinueAuthentication,
                    connecting.method.as_deref(),
                    Some(data),
                );
                let reader = connecting.reader;
                if send(&auth, reader.version, reader.packet_bytes_max, out) {
                    Outcome::Continue
                } else {
                    self.refuse_connect(reader, ReasonCode::PacketTooLarge, out)
                }
            }
            // An exchange needs a method; without one nothing was decided.
            Decision::Continue { .. } => {
                let reader = connecting.reader;
                self.refuse_connect(reader, ReasonCode::NotAuthorized, out)
            }
            Decision::Deny { reason_code } => {
                let reader = connecting.reader;
                self.refuse_connect(reader, *reason_code, out)
            }
            Decision::Allow(grant) => self.accept(context, grant, out),
        }
    }

    /// CONNACK with an error, after which the Network Connection ends [MQTT-3.1.4-2]; without
    /// CONNACK if the version has no code for it or the client could not read it.
    pub(super) fn refuse_connect(
        &mut self,
        reader: PacketReader,
        reason_code: ReasonCode,
        out: &mut Output,
    ) -> Outcome {
        let reason_code = reason_code.nearest_in(PacketType::Connack);
        self.state = State::Closed(CloseReason::Refused(reason_code));
        if !v3::has_connect_return_code(reader.version, reason_code) {
            return Outcome::Close;
        }
        let properties = ConnackProperties::default();
        let connack = Connack {
            session_present: false,
            reason_code,
            properties,
        };
        send(
            &Packet::Connack(Box::new(connack)),
            reader.version,
            reader.packet_bytes_max,
            out,
        );
        Outcome::Close
    }

    /// What a broken CONNECT is answered with: CONNACK where the standard has a code for it, and
    /// nothing otherwise [MQTT-3.1.4-1].
    pub(super) fn refuse_broken_connect(&mut self, error: DecodeError, out: &mut Output) {
        if let DecodeError::UnsupportedProtocolVersion { level } = error {
            let reader = PacketReader {
                version: v3::version_for_level(level),
                packet_bytes_max: usize::MAX,
            };
            let _: Outcome =
                self.refuse_connect(reader, ReasonCode::UnsupportedProtocolVersion, out);
        }
    }

    fn accept(&mut self, context: &mut Occasion<'_>, grant: &Grant, out: &mut Output) -> Outcome {
        let State::Connecting(connecting) = std::mem::replace(&mut self.state, State::New) else {
            return Outcome::Close;
        };
        let Some(connect) = connecting.decoded() else {
            return self.refuse_connect(connecting.reader, ReasonCode::MalformedPacket, out);
        };
        match self.begin(context, &connect, grant) {
            Ok((connected, is_present, position)) => {
                let assigned = connect.client_id.is_empty();
                if let Some(position) = position {
                    out.hold(position);
                }
                let is_sent = send_connack(
                    context.broker,
                    &connect,
                    &connected,
                    (is_present, assigned),
                    grant.data.as_deref(),
                    out,
                );
                self.state = State::Connected(Box::new(connected));
                if is_sent {
                    return Outcome::Continue;
                }
                // A client that cannot be told what it must know cannot be served, and its will
                // is that of an accepted CONNECT only.
                let ending = Ending {
                    discards_will: true,
                    ..Ending::default()
                };
                self.end(
                    context,
                    ending,
                    CloseReason::Refused(ReasonCode::PacketTooLarge),
                );
                Outcome::Close
            }
            Err(reason_code) => self.refuse_connect(connecting.reader, reason_code, out),
        }
    }

    /// Gives the connection its session.
    fn begin(
        &self,
        context: &mut Occasion<'_>,
        connect: &Connect<'_>,
        grant: &Grant,
    ) -> Result<(Connected, bool, Option<Position>), ReasonCode> {
        let settings = context.broker.settings();
        let identity = Identity {
            client_id: client_id(context, connect, grant)?,
            user_name: match &grant.user_name {
                Some(name) => Some(Arc::clone(name)),
                None => connect.user_name.map(Into::into),
            },
            address: grant.address,
            rules: grant.rules.clone(),
        };
        let will = match &connect.will {
            Some(will) => Some(checked_will(context.broker, &identity, will)?),
            None => None,
        };
        let properties = &connect.properties;
        let receive_maximum = properties.receive_maximum.map_or(u16::MAX, NonZeroU16::get);
        let window = receive_maximum.min(settings.session.in_flight_max);
        let expiry_interval = v3::expiry_interval(connect, settings);
        let mut attaching = Attaching {
            client_id: identity.client_id.clone(),
            clean_start: connect.clean_start,
            connection: self.id,
            expiry_interval,
            window,
            will,
        };
        let broker = context.broker;
        let attachment = broker
            .attach(context, &mut attaching)
            .map_err(NotAttached::reason_code)?;
        let alias_max = properties.topic_alias_maximum.unwrap_or(0);
        let mut connected = Connected {
            session: attachment.session,
            identity,
            version: connect.version,
            keep_alive: keep_alive(connect, settings),
            window,
            packet_bytes_max: packet_bytes_max(connect),
            had_expiry_interval: expiry_interval != Some(Duration::ZERO),
            wants_problems: properties.request_problem_information.unwrap_or(true),
            pending: 0,
            may_have_received: attachment.is_present,
            may_be_behind: false,
            resend_from: attachment.is_present.then_some(0),
            resend_at: None,
            authentication_method: properties.authentication_method.map(Into::into),
            is_authenticating: false,
            unstored_until: None,
            expires_at: grant.expires_at,
            access: AccessState::new(broker.access().generation()),
            inbound_aliases: InboundAliases::default(),
            outbound_aliases: OutboundAliases::new(
                alias_max.min(settings.mqtt.outbound_topic_alias_max),
            ),
            terms: self.terms.clone(),
        };
        if attachment.is_present {
            // It may be another user's session, and the rules may have changed while nobody had it.
            connected.recheck(context, self.id, Extent::InFlightToo);
        }
        Ok((connected, attachment.is_present, attachment.position))
    }

    fn handle_re_authentication(
        &mut self,
        context: &mut Occasion<'_>,
        decision: &Decision,
        out: &mut Output,
    ) -> Outcome {
        let State::Connected(connected) = &mut self.state else {
            return Outcome::Close;
        };
        let method = connected.authentication_method.as_deref();
        match decision {
            Decision::Continue { data } => {
                let code = ReasonCode::ContinueAuthentication;
                connected.send(&auth_packet(code, method, Some(data)), out);
                Outcome::Continue
            }
            Decision::Allow(grant) => {
                let is_other =
                    grant.user_name.is_some() && grant.user_name != connected.identity.user_name;
                if is_other {
                    // What the connection has is another user's.
                    return self.close(context, ReasonCode::NotAuthorized, out);
                }
                connected.send(
                    &auth_packet(ReasonCode::Success, method, grant.data.as_deref()),
                    out,
                );
                connected.is_authenticating = false;
                connected.expires_at = grant.expires_at;
                Outcome::Continue
            }
            Decision::Deny { reason_code } => self.close(context, *reason_code, out),
        }
    }
}

impl Connected {
    /// AUTH of an accepted client: it authenticates again (section 4.12.1).
    pub(super) fn handle_auth(&mut self, auth: &Auth<'_>) -> Result<Outcome, Violation> {
        let Some(method) = self.authentication_method.as_deref() else {
            return Err(Violation::UnexpectedAuth);
        };
        if auth.properties.authentication_method != Some(method) {
            return Err(Violation::AuthenticationMethodChanged);
        }
        let step = match (auth.reason_code, self.is_authenticating) {
            (ReasonCode::ReAuthenticate, false) => AuthenticationStep::ReAuthenticate,
            (ReasonCode::ContinueAuthentication, true) => AuthenticationStep::Continue,
            _ => return Err(Violation::UnexpectedAuth),
        };
        let attempt = Attempt {
            step,
            version: self.version,
            client_id: self.identity.client_id.as_str().to_owned(),
            user_name: self.identity.user_name.as_deref().map(str::to_owned),
            password: None,
            method: Some(method.to_owned()),
            data: auth.properties.authentication_data.map(secret),
        };
        self.is_authenticating = true;
        Ok(Outcome::Authenticate(Box::new(attempt)))
    }
}

fn auth_packet<'a>(
    reason_code: ReasonCode,
    method: Option<&'a str>,
    data: Option<&'a [u8]>,
) -> Packet<'a> {
    Packet::Auth(Auth {
        reason_code,
        properties: AuthProperties {
            authentication_method: method,
            authentication_data: data,
            ..AuthProperties::default()
        },
    })
}

/// What can be said of a CONNECT without knowing who sent it.
fn check(connect: &Connect<'_>, settings: &Settings) -> Result<(), ReasonCode> {
    let mqtt = &settings.mqtt;
    let is_empty = connect.client_id.is_empty() && v3::refuses_empty_client_id(connect);
    if is_empty || connect.client_id.len() > mqtt.client_id_bytes_max {
        return Err(ReasonCode::ClientIdentifierNotValid);
    }
    let Some(will) = &connect.will else {
        return Ok(());
    };
    if will.qos > mqtt.qos_max {
        return Err(ReasonCode::QoSNotSupported);
    }
    if will.retain && !mqtt.retain_available {
        return Err(ReasonCode::RetainNotSupported);
    }
    if !mqtt.allows_topic(will.topic.as_str()) {
        return Err(ReasonCode::TopicNameInvalid);
    }
    Ok(())
}

/// The Client Identifier of a CONNECT, or one that is assigned.
fn client_id(
    context: &mut Occasion<'_>,
    connect: &Connect<'_>,
    grant: &Grant,
) -> Result<ClientIdentifier, ReasonCode> {
    let bytes_max = context.broker.settings().mqtt.client_id_bytes_max;
    match &grant.client_id {
        _ if !connect.client_id.is_empty() => Ok(ClientIdentifier::from(connect.client_id)),
        Some(assigned) if assigned.len() > bytes_max => Err(ReasonCode::ClientIdentifierNotValid),
        Some(assigned) => Ok(ClientIdentifier::from(&**assigned)),
        None => {
            let (high, low) = (context.worker.random(), context.worker.random());
            let random = format!("dunlin-{high:016x}{low:016x}");
            Ok(ClientIdentifier::from(random.as_str()))
        }
    }
}

fn checked_will(
    broker: &Broker,
    identity: &Identity,
    will: &WillFields<'_>,
) -> Result<Box<Will>, ReasonCode> {
    if is_servers(will.topic.as_str().as_bytes())
        || !broker
            .access()
            .may_publish(identity, will.topic, will.qos, will.retain)
    {
        return Err(ReasonCode::NotAuthorized);
    }
    let delay_max = broker.settings().will_delay_max;
    let number = broker.next_sequence();
    let will = Will::new(will, identity.clone(), delay_max, number);
    will.map(Box::new).map_err(|error| error.reason_code())
}

/// The Keep Alive in force: 5.0 clients can be told another one [MQTT-3.2.2-21].
fn keep_alive(connect: &Connect<'_>, settings: &Settings) -> u16 {
    let max = settings
        .mqtt
        .keep_alive_max
        .map(|max| u16::try_from(max.as_secs()));
    match max {
        Some(Ok(max)) if connect.version.is_v5() => match connect.keep_alive {
            0 => max,
            asked => asked.min(max),
        },
        _ => connect.keep_alive,
    }
}

/// CONNACK with success, and everything that the client has to know (section 3.2.2.3); false if
/// that is more than the client accepts.
fn send_connack(
    broker: &Broker,
    connect: &Connect<'_>,
    connected: &Connected,
    (session_present, assigned): (bool, bool),
    data: Option<&[u8]>,
    out: &mut Output,
) -> bool {
    let settings = broker.settings();
    let mqtt = &settings.mqtt;
    let own = connected.terms.as_ref();
    let own = own.and_then(|terms| terms.packet_bytes_max);
    let packet_bytes_max = own.unwrap_or(mqtt.packet_bytes_max);
    let client_id = connected.identity.client_id.as_str();
    let given = v3::expiry_seconds(v3::expiry_interval(connect, settings));
    let asked = connect.properties.session_expiry_interval.unwrap_or(0);
    let wants_response = connect.properties.request_response_information == Some(true);
    let response = if wants_response {
        mqtt.response_information.replace("%c", client_id)
    } else {
        String::new()
    };
    let if_not = |is_default: bool| (!is_default).then_some(false);
    let properties = ConnackProperties {
        session_expiry_interval: (given != asked).then_some(given),
        receive_maximum: NonZeroU16::new(mqtt.receive_maximum).filter(|max| max.get() < u16::MAX),
        maximum_qos: (mqtt.qos_max < dunlin_codec::QoS::ExactlyOnce).then_some(mqtt.qos_max),
        retain_available: if_not(mqtt.retain_available),
        maximum_packet_size: NonZeroU32::new(packet_bytes_max),
        assigned_client_identifier: assigned.then_some(client_id),
        topic_alias_maximum: Some(mqtt.topic_alias_maximum).filter(|&max| max > 0),
        wildcard_subscription_available: if_not(mqtt.wildcard_subscription_available),
        shared_subscription_available: if_not(mqtt.shared_subscription_available),
        server_keep_alive: (connected.keep_alive != connect.keep_alive)
            .then_some(connected.keep_alive),
        response_information: (!response.is_empty()).then_some(&response),
        authentication_method: connected.authentication_method.as_deref(),
        authentication_data: data,
        ..ConnackProperties::default()
    };
    let connack = Connack {
        session_present,
        reason_code: ReasonCode::Success,
        properties,
    };
    connected.send(&Packet::Connack(Box::new(connack)), out)
}
