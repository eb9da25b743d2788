//! The vocabulary between the core and the shell around it: what inputs come to.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dunlin_codec::{PacketIdentifier, ProtocolVersion, QoS, ReasonCode};

use crate::access::RuleSet;
use crate::error::Violation;
use crate::message::Message;
use crate::session::received::Exchange;
use crate::time::Time;

/// What the shell has to do after an input.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// Nothing but to go on.
    Continue,
    /// Plan, commit and apply this publish, then call
    /// [`Connection::acknowledge`](crate::connection::Connection::acknowledge) or
    /// [`Connection::refuse`](crate::connection::Connection::refuse) with its acknowledgement. It may
    /// [join](crate::broker::Broker::join) the plan of the publish before it.
    Publish(PublishRequest),
    /// Decide who this is, then call
    /// [`Connection::handle_decision`](crate::connection::Connection::handle_decision).
    Authenticate(Box<Attempt>),
    /// Write what is to be sent, then close the Network Connection.
    Close,
}

/// A message that a client published.
#[derive(Debug)]
pub struct PublishRequest {
    /// The message.
    pub message: Message,
    /// What it is acknowledged by.
    pub acknowledgement: Acknowledgement,
    /// What the session knows of it meanwhile: QoS 2.
    pub(crate) exchange: Option<Exchange>,
}

/// Which packet acknowledges a PUBLISH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledgement {
    /// None: QoS 0.
    #[default]
    None,
    /// PUBACK: QoS 1.
    Puback(PacketIdentifier),
    /// PUBREC: QoS 2.
    Pubrec(PacketIdentifier),
}

impl Acknowledgement {
    pub(crate) const fn of(qos: QoS, packet_id: Option<PacketIdentifier>) -> Self {
        match (qos, packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => Self::Puback(packet_id),
            (QoS::ExactlyOnce, Some(packet_id)) => Self::Pubrec(packet_id),
            _ => Self::None,
        }
    }
}

/// A client's claim to be someone (sections 3.1.3.5 and 4.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which step of an exchange it is.
    pub step: AuthenticationStep,
    /// The protocol version.
    pub version: ProtocolVersion,
    /// Client Identifier as the client sent it; empty if it wants one assigned.
    pub client_id: String,
    /// User Name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Authentication Method of an enhanced authentication.
    pub method: Option<String>,
    /// Authentication Data.
    pub data: Option<Secret>,
}

impl Attempt {
    /// Whether it is a CONNECT without an Authentication Method: User Name and Password are all that
    /// the client shows.
    pub fn is_basic(&self) -> bool {
        self.method.is_none() && self.step == AuthenticationStep::Connect
    }
}

/// Bytes that no log may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A step of authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationStep {
    /// CONNECT.
    Connect,
    /// AUTH with Continue authentication.
    Continue,
    /// AUTH with Re-authenticate.
    ReAuthenticate,
}

/// The answer to an [`Attempt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is who it says.
    Allow(Grant),
    /// The exchange goes on with an AUTH.
    Continue {
        /// Authentication Data for the client.
        data: Vec<u8>,
    },
    /// It is not.
    Deny {
        /// The reason code for CONNACK or DISCONNECT.
        reason_code: ReasonCode,
    },
}

/// What comes with being let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Authentication Data for the client, of an enhanced authentication.
    pub data: Option<Vec<u8>>,
    /// Who it is, where that does not stand in CONNECT or is proven by something else.
    pub user_name: Option<Arc<str>>,
    /// The Client Identifier that it is assigned if CONNECT has none.
    pub client_id: Option<Arc<str>>,
    /// Where it connects from.
    pub address: Option<IpAddr>,
    /// Access rules for this client alone.
    pub rules: Option<Arc<RuleSet>>,
    /// Until when it is let in; then its connection ends.
    pub expires_at: Option<Time>,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent DISCONNECT with this reason code.
    Disconnected(ReasonCode),
    /// The Network Connection ended without one.
    Lost,
    /// The client broke the protocol.
    Violation(Violation),
    /// CONNECT was answered with this reason code.
    Refused(ReasonCode),
    /// Another connection has the session.
    TakenOver,
    /// The broker ends it, for this reason.
    ByBroker(ReasonCode),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(code) => write!(f, "client disconnected: {code}"),
            Self::Lost => f.write_str("network connection lost"),
            Self::Violation(violation) => write!(f, "{violation}"),
            Self::Refused(code) => write!(f, "refused: {code}"),
            Self::TakenOver => f.write_str("session taken over by another connection"),
            Self::ByBroker(code) => write!(f, "{code}"),
        }
    }
}

/// One and a half times the Keep Alive, after which a silent client is gone [MQTT-3.1.2-22].
pub(crate) fn keep_alive_limit(seconds: u16) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_millis(u64::from(seconds) * 1500))
}
