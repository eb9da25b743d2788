//! The ways of authentication in their order, and what holds when none of them decides.

use std::time::Duration;

use dunlin_codec::ReasonCode;
use dunlin_core::input::Attempt;

use super::http::HttpServer;
use super::port::{Allowed, Authenticator, Caller, Exchange, Verdict};

/// Several authenticators, of which the first that decides wins.
pub(crate) struct Chain {
    links: Vec<Box<dyn Authenticator>>,
    /// Who knows what those may do that are let in.
    access: Vec<HttpServer>,
    timeout: Duration,
}

impl Chain {
    /// A chain; `timeout` is for all of it.
    pub(super) const fn new(
        links: Vec<Box<dyn Authenticator>>,
        access: Vec<HttpServer>,
        timeout: Duration,
    ) -> Self {
        Self {
            links,
            access,
            timeout,
        }
    }

    /// Decides. Whatever goes wrong, nobody is let in by it.
    pub(crate) async fn decide(
        &self,
        attempt: &Attempt,
        caller: &Caller,
        exchange: &mut Exchange,
    ) -> Verdict {
        let verdict = tokio::time::timeout(self.timeout, self.ask(attempt, caller, exchange));
        let Ok(verdict) = verdict.await else {
            return Verdict::Deny(ReasonCode::ServerBusy);
        };
        match verdict {
            Verdict::Allow(mut allowed) => {
                let address = caller.peer.address.map(|address| address.ip());
                allowed.grant.address = address.map(|address| address.to_canonical());
                Verdict::Allow(allowed)
            }
            other => other,
        }
    }

    async fn ask(&self, attempt: &Attempt, caller: &Caller, exchange: &mut Exchange) -> Verdict {
        for link in &self.links {
            match link.decide(attempt, caller, exchange).await {
                Verdict::Next => {}
                Verdict::Allow(allowed) => return self.ruled(allowed, attempt, caller).await,
                verdict => return verdict,
            }
        }
        match self.nobody_decided(attempt, caller) {
            Verdict::Allow(allowed) => self.ruled(allowed, attempt, caller).await,
            verdict => verdict,
        }
    }

    /// Has it asked what a client may do that is let in, unless its credential said so. Without an
    /// answer it is not.
    async fn ruled(&self, mut allowed: Allowed, attempt: &Attempt, caller: &Caller) -> Verdict {
        if allowed.grant.rules.is_some() {
            return Verdict::Allow(allowed);
        }
        let user_name = allowed.grant.user_name.clone();
        let user_name = user_name.as_deref().or(attempt.user_name.as_deref());
        for server in &self.access {
            match server.rules(attempt, user_name, caller).await {
                Ok(None) => {}
                Ok(Some(told)) => {
                    let grant = &mut allowed.grant;
                    grant.rules = told.rules;
                    let ends = grant.expires_at.into_iter().chain(told.expires_at);
                    grant.expires_at = ends.min();
                    break;
                }
                Err(reason_code) => return Verdict::Deny(reason_code),
            }
        }
        Verdict::Allow(allowed)
    }

    fn nobody_decided(&self, attempt: &Attempt, caller: &Caller) -> Verdict {
        if !attempt.is_basic() {
            // No mechanism is there that the method could name [MQTT-4.12.0-1].
            return Verdict::Deny(ReasonCode::BadAuthenticationMethod);
        }
        let shows_something = attempt.user_name.is_some() || attempt.password.is_some();
        if shows_something && !self.links.is_empty() {
            // Whether there is no such user or the password is wrong is told to nobody.
            return Verdict::Deny(ReasonCode::BadUserNameOrPassword);
        }
        if caller.allow_anonymous {
            // A name that nothing can prove is taken as it is.
            Verdict::Allow(Allowed::default())
        } else {
            Verdict::Deny(ReasonCode::NotAuthorized)
        }
    }
}

#[cfg(test)]
mod tests;
