//! A server that is asked over HTTP who a client is.
//!
//! | Answer | Means |
//! |---|---|
//! | 204, or 200 with `{ "result": "allow" }` | let in; `acl` (see `claimed_rules`) and `expire_at` (seconds since the Unix epoch) may stand beside it |
//! | 200 with `{ "result": "deny" }`, 401, 403 | not let in |
//! | 200 with `{ "result": "ignore" }` | others are asked |
//! | anything else, or none in time | not let in |

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dunlin_codec::{ProtocolVersion, ReasonCode};
use dunlin_core::input::{Attempt, Grant};
use dunlin_core::time::Time;
use parking_lot::Mutex;
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{error, info};

use super::claimed_rules;
use super::pool::{NotDone, Pool};
use super::port::{Allowed, Authenticator, Caller, Deciding, Exchange, Verdict};
use crate::config::HttpAuthConfig;
use crate::http::{Answer, HttpClient};

/// Clients that wait for a request to end before theirs begins, at most.
const WAITING_MAX: usize = 1024;

/// Answers that are kept, at most.
const CACHED_MAX: usize = 10_000;

/// The server, and what it said.
pub(super) struct HttpServer {
    server: Arc<Server>,
    pool: Pool,
    cache: Mutex<Cache>,
    cached_for: Duration,
    /// What credentials are hashed with, so that they are not kept.
    cache_key: hmac::Key,
}

struct Server {
    url: String,
    client: HttpClient,
    /// Whether the last request came to nothing.
    is_failing: AtomicBool,
}

type Cache = HashMap<[u8; digest::SHA256_OUTPUT_LEN], Cached>;

struct Cached {
    until: Instant,
    grant: Grant,
}

/// What the server is told.
#[derive(Serialize)]
struct Question<'a> {
    clientid: &'a str,
    username: Option<&'a str>,
    password: Option<&'a str>,
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
            cache: Mutex::default(),
            cached_for: config.cache,
            cache_key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    async fn ask(&self, attempt: &Attempt, caller: &Caller) -> Verdict {
        let password = attempt.password.as_ref().map(|secret| secret.0.as_slice());
        let Ok(password) = password.map(str::from_utf8).transpose() else {
            // JSON has no place for it.
            return Verdict::Deny(ReasonCode::BadUserNameOrPassword);
        };
        let address = caller.peer.address.map(|address| address.ip());
        let question = Question {
            clientid: &attempt.client_id,
            username: attempt.user_name.as_deref(),
            password,
            peerhost: address.map(|address| address.to_canonical().to_string()),
            protocol: match attempt.version {
                ProtocolVersion::V31 => "3.1",
                ProtocolVersion::V311 => "3.1.1",
                ProtocolVersion::V5 => "5.0",
            },
        };
        let Ok(body) = serde_json::to_string(&question) else {
            return Verdict::Deny(ReasonCode::UnspecifiedError);
        };
        let key = self.key_of(&body);
        if let Some(grant) = self.cached(&key, caller.now) {
            return Verdict::Allow(allowed(grant));
        }
        let server = Arc::clone(&self.server);
        match self.pool.run(move || server.ask(&body)).await {
            Err(NotDone) => Verdict::Deny(ReasonCode::ServerBusy),
            Ok(None) => Verdict::Deny(ReasonCode::ServerUnavailable),
            Ok(Some(Decided::Deny)) => Verdict::Deny(ReasonCode::BadUserNameOrPassword),
            Ok(Some(Decided::Ignore)) => Verdict::Next,
            Ok(Some(Decided::Allow(grant))) if is_over(&grant, caller.now) => {
                Verdict::Deny(ReasonCode::BadUserNameOrPassword)
            }
            Ok(Some(Decided::Allow(grant))) => {
                self.keep(key, &grant);
                Verdict::Allow(allowed(grant))
            }
        }
    }

    fn key_of(&self, body: &str) -> [u8; digest::SHA256_OUTPUT_LEN] {
        let tag = hmac::sign(&self.cache_key, body.as_bytes());
        let mut key = [0; digest::SHA256_OUTPUT_LEN];
        key.copy_from_slice(tag.as_ref());
        key
    }

    fn cached(&self, key: &[u8; digest::SHA256_OUTPUT_LEN], now: Time) -> Option<Grant> {
        let cache = self.cache.lock();
        let cached = cache.get(key)?;
        let holds = cached.until > Instant::now() && !is_over(&cached.grant, now);
        holds.then(|| cached.grant.clone())
    }

    fn keep(&self, key: [u8; digest::SHA256_OUTPUT_LEN], grant: &Grant) {
        if self.cached_for.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut cache = self.cache.lock();
        if cache.len() >= CACHED_MAX {
            cache.retain(|_, cached| cached.until > now);
        }
        if cache.len() < CACHED_MAX {
            let cached = Cached {
                until: now + self.cached_for,
                grant: grant.clone(),
            };
            cache.insert(key, cached);
        }
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
                    claimed_rules::read(value, "the answer of auth.http")
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
