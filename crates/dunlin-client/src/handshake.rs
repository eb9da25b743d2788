//! From a socket to a CONNACK that accepts, with enhanced authentication (section 4.12) on the way.

use dunlin_codec::{Auth, AuthProperties, Limits, Packet, ProtocolVersion, ReasonCode};
use tokio::time::timeout;

use crate::connection::limits;
use crate::error::{ConnectError, Foreign, Violation};
use crate::event::{Connected, Refusal};
use crate::message::Received;
use crate::scram::{Scram, ScramError};
use crate::wire::Wire;
use crate::{ClientOptions, ConnectOptions, Direction};

/// Connects to the server, up to a CONNACK that accepts.
pub(crate) async fn open(
    options: &ClientOptions,
    connect: &ConnectOptions,
) -> Result<(Wire, Connected), ConnectError> {
    timeout(options.connect_timeout, handshake(options, connect))
        .await
        .unwrap_or(Err(ConnectError::Timeout))
}

async fn handshake(
    options: &ClientOptions,
    connect: &ConnectOptions,
) -> Result<(Wire, Connected), ConnectError> {
    let version = connect.version;
    let mut scram = connect.scram.as_ref().map(Scram::new).transpose()?;
    let first = scram.as_ref().map(Scram::first);
    let packet = Packet::Connect(Box::new(connect.packet(first.as_deref())?));
    let mut wire = Wire::new(options.endpoint.open().await?);
    send(&mut wire, options, version, &packet).await?;
    let limits = limits(options);
    let connected = loop {
        let received = next(&mut wire, options, &limits).await?;
        match (received.packet(), &mut scram) {
            (Packet::Auth(auth), Some(scram))
                if auth.reason_code == ReasonCode::ContinueAuthentication =>
            {
                let data = auth.properties.authentication_data.unwrap_or_default();
                let answer = scram.answer(data)?;
                let answer = Packet::Auth(Auth {
                    reason_code: ReasonCode::ContinueAuthentication,
                    properties: AuthProperties {
                        authentication_method: auth.properties.authentication_method,
                        authentication_data: Some(&answer),
                        ..AuthProperties::default()
                    },
                });
                send(&mut wire, options, version, &answer).await?;
            }
            (Packet::Connack(_), _) => break Connected { received },
            (Packet::Auth(_), _) => return Err(Violation::Authentication.into()),
            (other, _) => return Err(Violation::Unexpected(other.packet_type()).into()),
        }
    };
    let connack = connected.connack();
    if connack.reason_code.is_error() {
        let Connected { received } = connected;
        return Err(ConnectError::Refused(Refusal { received, version }));
    }
    if let Some(scram) = &mut scram {
        if let Some(data) = connack.properties.authentication_data {
            scram.finish(data)?;
        }
        if !scram.is_proven() {
            return Err(ScramError::Unproven.into());
        }
    }
    if connack.session_present && connect.clean_start {
        return Err(Violation::SessionPresent.into());
    }
    Ok((wire, connected))
}

async fn send(
    wire: &mut Wire,
    options: &ClientOptions,
    version: ProtocolVersion,
    packet: &Packet<'_>,
) -> Result<(), ConnectError> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes)?;
    if let Some(observer) = &options.observer {
        observer.call(Direction::Sent, packet);
    }
    Ok(wire.write_all(&bytes).await?)
}

/// The next packet before CONNACK, or that.
async fn next(
    wire: &mut Wire,
    options: &ClientOptions,
    limits: &Limits,
) -> Result<Received, ConnectError> {
    let (header, body) = loop {
        match wire.packet(limits) {
            Ok(Some(packet)) => break packet,
            Ok(None) if wire.read().await? == 0 => return Err(ConnectError::Closed),
            Ok(None) => {}
            Err(error) => {
                return Err(match Foreign::of(wire.unread()) {
                    Some(foreign) => ConnectError::Foreign(foreign),
                    None => Violation::Decode(error).into(),
                });
            }
        }
    };
    let version = options.connect.version;
    let received = Received::new(header, body, version, limits).map_err(Violation::Decode)?;
    if let Some(observer) = &options.observer {
        observer.call(Direction::Received, &received.packet());
    }
    Ok(received)
}
