//! A server that is asked over HTTP who a client is, or what a client may do whom another way of
//! authentication let in.
//!
//! | Answer | Means |
//! |---|---|
//! | 204, or 200 with `{ "result": "allow" }` | let in; `acl` (see `claimed_rules`) and `expire_at` (seconds since the Unix epoch) may stand beside it |
//! | 200 with `{ "result": "deny" }`, 401, 403 | not let in |
//! | 200 with `{ "result": "ignore" }` | others are asked |
//! | anything else, or none in time | not let in |
//!
//! What a client may do is asked once, when it connects, and is rules from then on: nothing that it
//! sends or is sent waits for another machine, and its will and what its session holds have rules too
//! when nobody could be asked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dunlin_codec::{ProtocolVersion, ReasonCode};
use dunlin_core::input::{Attempt, Grant};
use dunlin_core::time::Time;
use parking_lot::Mutex;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{error, info};

use super::answers::{Answers, Key};
use super::claimed_rules;
use super::pool::{NotDone, Pool};
use super::port::{Allowed, Authenticator, Caller, Deciding, Exchange, Verdict};
use crate::config::HttpAuthConfig;
use crate::http::{Answer, HttpClient};

/// Clients that wait for a request to end before theirs begins, at most.
const WAITING_MAX: usize = 1024;

/// The server, and what it said.
pub(super) struct HttpServer {
    server: Arc<Server>,
    pool: Pool,
    cache: Mutex<Answers<Grant>>,
    /// What credentials are hashed with, so that they are not kept.
    cache_key: hmac::Key,
}

struct Server {
    url: String,
    client: HttpClient,
    /// Whether the last request came to nothing.
    is_failing: AtomicBool,
}

/// What the server is told.
#[derive(Serialize)]
struct Question<'a> {
    clientid: &'a str,
    username: Option<&'a str>,
    /// Where it is asked who a client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Option<&'a str>>,
    peerhost: Option<String>,
    protocol: &'static str,
}

/// What it says.
#[derive(Debug, Deserialize)]
struct Said {
    result: Word,
    acl: Option<Value>,
    expire_at: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Allow,
    Deny,
    Ignore,
}

/// What an answer comes to.
enum Decided {
    Allow(Grant),
    Deny,
    Ignore,
}

impl HttpServer {
    /// Prepares to ask.
    pub(super) fn new(client: HttpClient, config: &HttpAuthConfig) -> io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self {
            server: Arc::new(Server {
                url: config.url.clone(),
                client,
                is_failing: AtomicBool::new(false),
            }),
            pool: Pool::start("auth-http", config.requests_max, WAITING_MAX)?,
            cache: Mutex::new(Answers::new(config.cache)),
            cache_key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// Asks who a client is.
    async fn ask(&self, attempt: &Attempt, caller: &Caller) -> Verdict {
        let password = attempt.password.as_ref().map(|secret| secret.0.as_slice());
        let Ok(password) = password.map(str::from_utf8).transpose() else {
            // JSON has no place for it.
            return Verdict::Deny(ReasonCode::BadUserNameOrPassword);
        };
        let question = Question {
            username: attempt.user_name.as_deref(),
            password: Some(password),
            ..question(attempt, caller)
        };
        match self.answer(&question, caller.now).await {
            Ok(Decided::Allow(grant)) => Verdict::Allow(allowed(grant)),
            Ok(Decided::Deny) => Verdict::Deny(ReasonCode::BadUserNameOrPassword),
            Ok(Decided::Ignore) => Verdict::Next,
            Err(reason_code) => Verdict::Deny(reason_code),
        }
    }

    /// Asks what a client may do that was let in, as this user.
    ///
    /// # Errors
    /// Why it is not let in after all.
    pub(super) async fn rules(
        &self,
        attempt: &Attempt,
        user_name: Option<&str>,
        caller: &Caller,
    ) -> Result<Option<Grant>, ReasonCode> {
        let question = Question {
            username: user_name,
            ..question(attempt, caller)
        };
        match self.answer(&question, caller.now).await? {
            Decided::Allow(grant) => Ok(Some(grant)),
            Decided::Deny => Err(ReasonCode::NotAuthorized),
            Decided::Ignore => Ok(None),
        }
    }

    async fn answer(&self, question: &Question<'_>, now: Time) -> Result<Decided, ReasonCode> {
        let body = serde_json::to_string(question).map_err(|_| ReasonCode::UnspecifiedError)?;
        let key = self.key_of(&body);
        let kept = self.cache.lock().find(&key, Instant::now());
        if let Some(grant) = kept.filter(|grant| !is_over(grant, now)) {
            return Ok(Decided::Allow(grant));
        }
        let server = Arc::clone(&self.server);
        match self.pool.run(move || server.ask(&body)).await {
            Err(NotDone) => Err(ReasonCode::ServerBusy),
            Ok(None) => Err(ReasonCode::ServerUnavailable),
            Ok(Some(Decided::Allow(grant))) if is_over(&grant, now) => Ok(Decided::Deny),
            Ok(Some(Decided::Allow(grant))) => {
                let mut cache = self.cache.lock();
                cache.keep(key, grant.clone(), Instant::now());
                Ok(Decided::Allow(grant))
            }
            Ok(Some(decided)) => Ok(decided),
        }
    }

    fn key_of(&self, body: &str) -> Key {
        let tag = hmac::sign(&self.cache_key, body.as_bytes());
        let mut key = Key::default();
        key.copy_from_slice(tag.as_ref());
        key
    }
}

/// What every question says.
fn question<'a>(attempt: &'a Attempt, caller: &Caller) -> Question<'a> {
    let address = caller.peer.address.map(|address| address.ip());
    Question {
        clientid: &attempt.client_id,
        username: None,
        password: None,
        peerhost: address.map(|address| address.to_canonical().to_string()),
        protocol: match attempt.version {
            ProtocolVersion::V31 => "3.1",
            ProtocolVersion::V311 => "3.1.1",
            ProtocolVersion::V5 => "5.0",
        },
    }
}

fn allowed(grant: Grant) -> Allowed {
    Allowed {
        grant,
        still_holds: None,
    }
}

fn is_over(grant: &Grant, now: Time) -> bool {
    grant.expires_at.is_some_and(|at| at <= now)
}

impl Server {
    /// Asks; `None` if the server gave no answer that means something.
    fn ask(&self, body: &str) -> Option<Decided> {
        let answer = self.client.post_json(&self.url, body);
        let decided = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| decided(&answer));
        let is_failing = decided.is_err();
        let was_failing = self.is_failing.swap(is_failing, Ordering::Relaxed);
        match &decided {
            Err(what) if !was_failing => {
                error!("{}: {what}; nobody is let in meanwhile", self.url);
            }
            Ok(_) if was_failing => info!("{}: answers again", self.url),
            _ => {}
        }
        decided.ok()
    }
}

fn decided(answer: &Answer) -> Result<Decided, String> {
    let said: Said = match answer.status {
        200 => serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the answer is not as expected: {error}"))?,
        204 => return Ok(Decided::Allow(Grant::default())),
        401 | 403 => return Ok(Decided::Deny),
        status => return Err(format!("the answer has status {status}")),
    };
    Ok(match said.result {
        Word::Allow => Decided::Allow(Grant {
            rules: match &said.acl {
                Some(value) => Some(
                    claimed_rules::read(value, "the answer over HTTP")
                        .map_err(|error| format!("acl: {error}"))?,
                ),
                None => None,
            },
            expires_at: said
                .expire_at
                .map(|seconds| Time::ZERO.after(Duration::from_secs(seconds))),
            ..Grant::default()
        }),
        Word::Deny => Decided::Deny,
        Word::Ignore => Decided::Ignore,
    })
}

impl Authenticator for HttpServer {
    fn decide<'a>(
        &'a self,
        attempt: &'a Attempt,
        caller: &'a Caller,
        _: &'a mut Exchange,
    ) -> Deciding<'a> {
        Box::pin(async move {
            if !attempt.is_basic() {
                return Verdict::Next;
            }
            self.ask(attempt, caller).await
        })
    }
}

#[cfg(test)]
mod tests;
