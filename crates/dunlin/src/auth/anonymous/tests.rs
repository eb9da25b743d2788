use dunlin_codec::{ProtocolVersion, ReasonCode};
use dunlin_core::input::{Attempt, AuthenticationStep, Decision, Grant};

use super::{Anonymous, Authenticator};

fn attempt(method: Option<&str>) -> Attempt {
    Attempt {
        step: AuthenticationStep::Connect,
        version: ProtocolVersion::V5,
        client_id: "a".to_owned(),
        user_name: Some("u".to_owned()),
        password: None,
        method: method.map(str::to_owned),
        data: None,
    }
}

#[test]
fn the_listener_decides() {
    let decide = |allowed| Anonymous.decide(&attempt(None), allowed);
    assert_eq!(decide(true), Decision::Allow(Grant::default()));
    assert_eq!(
        decide(false),
        Decision::Deny {
            reason_code: ReasonCode::NotAuthorized
        }
    );
}

// [v5 MQTT-4.12.0-1]
#[test]
fn a_method_that_nobody_knows_is_refused() {
    let decision = Anonymous.decide(&attempt(Some("SCRAM-SHA-256")), true);
    let reason_code = ReasonCode::BadAuthenticationMethod;
    assert_eq!(decision, Decision::Deny { reason_code });
}
