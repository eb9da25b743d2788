//! An authenticator for tests: passwords, and the two-step method `two-step` over AUTH.

use std::collections::BTreeMap;
use std::sync::Arc;

use dunlin_codec::ReasonCode;

use crate::access::{Action, Effect, FilterTemplate, QoSSet, Rule, RuleSet, RuleSource, Users};
use crate::input::{Attempt, AuthenticationStep, Decision, Grant};

/// Decides by what the test told it; as long as it was told nothing it allows everyone.
#[derive(Debug, Default)]
pub(crate) struct Authenticator {
    /// User names and passwords.
    pub(crate) users: BTreeMap<String, Vec<u8>>,
    /// Client identifiers that are refused, and with which code.
    pub(crate) refused: BTreeMap<String, ReasonCode>,
}

impl Authenticator {
    /// The method `two-step`: the client says `one`, the broker asks `first?`, the client says
    /// `two`, and the broker ends with `done`. What else the client says is wrong.
    pub(crate) const METHOD: &str = "two-step";

    /// A user whose own rules allow everything, whatever the broker's say.
    pub(crate) const RULED: &str = "ruled";

    pub(crate) fn decide(&self, attempt: &Attempt) -> Decision {
        if let Some(&reason_code) = self.refused.get(&attempt.client_id) {
            return Decision::Deny { reason_code };
        }
        if let Some(method) = attempt.method.as_deref() {
            return Self::step(method, attempt);
        }
        let is_known = self.users.is_empty()
            || attempt.user_name.as_ref().is_some_and(|name| {
                self.users.get(name) == attempt.password.as_ref().map(|password| &password.0)
                    && attempt.password.is_some()
            });
        if is_known {
            Decision::Allow(Grant {
                rules: (attempt.user_name.as_deref() == Some(Self::RULED)).then(everything),
                ..Grant::default()
            })
        } else {
            let reason_code = ReasonCode::BadUserNameOrPassword;
            Decision::Deny { reason_code }
        }
    }

    fn step(method: &str, attempt: &Attempt) -> Decision {
        if method != Self::METHOD {
            let reason_code = ReasonCode::BadAuthenticationMethod;
            return Decision::Deny { reason_code };
        }
        let is_second = attempt.step == AuthenticationStep::Continue;
        match attempt.data.as_ref().map(|data| &*data.0) {
            Some(b"one") if !is_second => Decision::Continue {
                data: b"first?".to_vec(),
            },
            Some(b"two") if is_second => Decision::Allow(Grant {
                data: Some(b"done".to_vec()),
                ..Grant::default()
            }),
            _ => Decision::Deny {
                reason_code: ReasonCode::NotAuthorized,
            },
        }
    }
}

fn everything() -> Arc<RuleSet> {
    let rule = Rule {
        effect: Effect::Allow,
        action: Action::All,
        filter: FilterTemplate::parse("#", false).unwrap(),
        users: Users::All,
        clients: Vec::new(),
        networks: Vec::new(),
        qos: QoSSet::ALL,
        retain: None,
        source: RuleSource {
            file: "a token".into(),
            line: 0,
        },
    };
    Arc::new(RuleSet::new(vec![rule], Effect::Deny))
}
