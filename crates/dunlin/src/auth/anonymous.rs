//! No credentials: a listener lets everyone in, or nobody.

use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, Decision, Grant};

use super::Authenticator;

/// Lets clients in where the listener allows it, whatever user name and password they give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anonymous;

impl Authenticator for Anonymous {
    fn decide(&self, attempt: &Attempt, listener_allows_anonymous: bool) -> Decision {
        if attempt.method.is_some() {
            // No mechanism is there that the method could name [MQTT-4.12.0-1].
            return Decision::Deny {
                reason_code: ReasonCode::BadAuthenticationMethod,
            };
        }
        if listener_allows_anonymous {
            Decision::Allow(Grant::default())
        } else {
            Decision::Deny {
                reason_code: ReasonCode::NotAuthorized,
            }
        }
    }
}

#[cfg(test)]
mod tests;
