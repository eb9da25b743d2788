//! What MQTT 3.1 and 3.1.1 have otherwise than 5.0.

use std::time::Duration;

use dunlin_codec::{Connect, ProtocolVersion, ReasonCode};

use crate::error::Refusal;
use crate::settings::Settings;

/// An expiry interval that is the same as none (section 3.1.2.11.2).
const NEVER: u32 = u32::MAX;

/// How long the session outlives its connection; `None` is for ever. Before 5.0 Clean Session says
/// only whether it does [MQTT-3.1.2-4] [MQTT-3.1.2-6].
pub(super) fn expiry_interval(connect: &Connect<'_>, settings: &Settings) -> Option<Duration> {
    if connect.version.is_v5() {
        let seconds = connect.properties.session_expiry_interval.unwrap_or(0);
        return capped_expiry_interval(seconds, settings);
    }
    if connect.clean_start {
        Some(Duration::ZERO)
    } else {
        settings.session.expiry_interval_3x
    }
}

/// The Session Expiry Interval that a 5.0 client is given when it asks for this one.
pub(super) fn capped_expiry_interval(seconds: u32, settings: &Settings) -> Option<Duration> {
    let max = settings.session.expiry_interval_max;
    if seconds == NEVER {
        return max;
    }
    let asked = Duration::from_secs(seconds.into());
    Some(max.map_or(asked, |max| asked.min(max)))
}

/// The value on the wire for an interval.
pub(super) fn expiry_seconds(interval: Option<Duration>) -> u32 {
    interval.map_or(NEVER, |interval| {
        u32::try_from(interval.as_secs()).unwrap_or(NEVER - 1)
    })
}

/// Why an empty Client Identifier is refused: 3.1 needs one, and 3.1.1 needs one for a session that
/// is to be found again [MQTT-3.1.3-8].
pub(super) fn refuses_empty_client_id(connect: &Connect<'_>) -> bool {
    match connect.version {
        ProtocolVersion::V31 => true,
        ProtocolVersion::V311 => !connect.clean_start,
        ProtocolVersion::V5 => false,
    }
}

/// Whether a publish that is not done is not acknowledged either. Before 5.0 an acknowledgement says
/// nothing, so a message that will never be accepted is acknowledged all the same [MQTT-3.3.5-2]; that
/// it has to send one again that the broker could not store, a client learns by the end of its
/// connection [MQTT-4.8.0-2].
pub(super) const fn leaves_unacknowledged(version: ProtocolVersion, refusal: Refusal) -> bool {
    !version.is_v5() && matches!(refusal, Refusal::NotStored | Refusal::NoRoom)
}

/// Whether CONNACK can say this. Before 5.0 there are five return codes of refusal, and where none of
/// them fits there is no CONNACK [MQTT-3.2.2-6].
pub(super) const fn has_connect_return_code(
    version: ProtocolVersion,
    reason_code: ReasonCode,
) -> bool {
    version.is_v5()
        || matches!(
            reason_code,
            ReasonCode::UnsupportedProtocolVersion
                | ReasonCode::ClientIdentifierNotValid
                | ReasonCode::BadUserNameOrPassword
                | ReasonCode::BadAuthenticationMethod
                | ReasonCode::NotAuthorized
                | ReasonCode::Banned
                | ReasonCode::ServerUnavailable
                | ReasonCode::ServerBusy
                | ReasonCode::QuotaExceeded
                | ReasonCode::UseAnotherServer
                | ReasonCode::ServerMoved
                | ReasonCode::ConnectionRateExceeded
        )
}

/// The version in which a CONNECT is answered that names this level, which is not served: the
/// nearest one.
pub(super) const fn version_for_level(level: u8) -> ProtocolVersion {
    if level < 5 {
        ProtocolVersion::V311
    } else {
        ProtocolVersion::V5
    }
}
