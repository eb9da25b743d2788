//! JSON Web Tokens as passwords.
//!
//! A token says who the client is, for how long, and optionally what it may do. Its keys come from
//! files, which are read again when they change, and from a server.

mod jwks;
mod keys;
mod token;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dunlin_codec::ReasonCode;
use dunlin_core::access::RuleSet;
use dunlin_core::input::{Attempt, Grant};
use dunlin_core::time::Time;
use parking_lot::Mutex;
use ring::digest;
use serde_json::Value;
use tracing::{debug, error, info};

use super::claimed_rules;
use super::port::{Allowed, Authenticator, Caller, Deciding, Exchange, StillHolds, Verdict};
use crate::config::{AuthConfig, JwtConfig};
use crate::files::{Reload, WatchedFile};
use crate::http::HttpClient;
use jwks::Jwks;
use keys::Key;
use token::{Claims, Expected, Token, TokenError};

/// The largest file of keys.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Clients that show a token.
pub(super) struct Tokens {
    issuers: Vec<Arc<Issuer>>,
}

/// Someone whose tokens are believed.
struct Issuer {
    /// Those of files.
    keys: ArcSwap<Vec<Key>>,
    files: Mutex<Files>,
    jwks: Option<Arc<Jwks>>,
    expected: Expected,
    config: JwtConfig,
}

struct Files {
    secret: Option<WatchedFile>,
    public: Vec<WatchedFile>,
}

/// What is decided about a token that is right.
struct Accepted {
    grant: Grant,
    signer: digest::Digest,
}

impl Tokens {
    /// Reads the files, and begins to fetch what servers have.
    pub(super) fn open(config: &AuthConfig) -> Result<Self, String> {
        let issuers = config.jwt.iter();
        let issuers = issuers.map(|issuer| Issuer::open(issuer, config.timeout));
        Ok(Self {
            issuers: issuers.collect::<Result<_, _>>()?,
        })
    }

    /// What has to be read again.
    pub(super) fn sources(&self) -> Vec<Arc<dyn Reload>> {
        let mut sources: Vec<Arc<dyn Reload>> = Vec::new();
        for issuer in &self.issuers {
            sources.push(Arc::clone(issuer) as _);
            if let Some(jwks) = &issuer.jwks {
                sources.push(Arc::new(Arc::clone(jwks)));
            }
        }
        sources
    }

    async fn check(&self, password: &[u8], client_id: &str, now: Time) -> Verdict {
        let token = match Token::parse(password) {
            Ok(token) => token,
            Err(why) => return refused(client_id, why),
        };
        let mut why = TokenError::Signature;
        for issuer in &self.issuers {
            match issuer.check(&token, client_id, now).await {
                Ok(Accepted { grant, signer }) => {
                    return Verdict::Allow(Allowed {
                        grant,
                        still_holds: Some(issuer.still_holds(signer)),
                    });
                }
                // Another issuer's.
                Err(TokenError::Signature) => {}
                Err(other) => why = other,
            }
        }
        refused(client_id, why)
    }
}

fn refused(client_id: &str, why: TokenError) -> Verdict {
    debug!(client = ?client_id, "{why}");
    Verdict::Deny(ReasonCode::BadUserNameOrPassword)
}

impl Issuer {
    fn open(config: &JwtConfig, timeout: Duration) -> Result<Arc<Self>, String> {
        let public = config.key_files.iter().cloned();
        let mut files = Files {
            secret: config.secret_file.clone().map(WatchedFile::new),
            public: public.map(WatchedFile::new).collect(),
        };
        let keys = files.read()?;
        let jwks = match &config.jwks_url {
            Some(url) => {
                let client = HttpClient::new(timeout, config.ca_file.as_deref())?;
                let started = Jwks::start(url.clone(), client);
                Some(started.map_err(|error| format!("cannot start a thread: {error}"))?)
            }
            None => None,
        };
        Ok(Arc::new(Self {
            keys: ArcSwap::from_pointee(keys),
            files: Mutex::new(files),
            jwks,
            expected: Expected {
                issuer: config.issuer.clone(),
                audience: config.audience.clone(),
            },
            config: config.clone(),
        }))
    }

    async fn check(
        &self,
        token: &Token<'_>,
        client_id: &str,
        now: Time,
    ) -> Result<Accepted, TokenError> {
        let own = self.keys.load_full();
        let accepted = |signer: &Key| {
            let claims = token.claims(signer, now, &self.expected)?;
            let signer = signer.fingerprint();
            let grant = self.grant(&claims, client_id)?;
            Ok(Accepted { grant, signer })
        };
        if let Some(signer) = token.signer(own.iter()) {
            return accepted(signer);
        }
        let Some(jwks) = &self.jwks else {
            return Err(TokenError::Signature);
        };
        let fetched = jwks.keys_with(token.key_id()).await;
        let signer = token.signer(fetched.iter()).ok_or(TokenError::Signature)?;
        accepted(signer)
    }

    fn grant(&self, claims: &Claims, client_id: &str) -> Result<Grant, TokenError> {
        // The name is what the token says, whatever CONNECT says: nothing else is proven.
        let user = claims.text(&self.config.user_claim);
        let user = user.ok_or(TokenError::Claim("that names the user"))?;
        if let Some(name) = &self.config.client_claim
            && claims.text(name) != Some(client_id)
        {
            return Err(TokenError::Claim("that names the client"));
        }
        let access = self.config.access_claim.as_deref();
        let rules = match access.and_then(|name| claims.find(name)) {
            Some(value) => Some(rules(value)?),
            None => None,
        };
        Ok(Grant {
            user_name: Some(user.into()),
            rules,
            expires_at: claims.expires_at,
            ..Grant::default()
        })
    }

    /// As long as the key is there.
    fn still_holds(self: &Arc<Self>, signer: digest::Digest) -> StillHolds {
        let issuer = Arc::clone(self);
        Box::new(move || {
            let is_signer = |key: &Key| key.fingerprint().as_ref() == signer.as_ref();
            let fetched = issuer.jwks.as_ref().map(|jwks| jwks.keys());
            issuer.keys.load().iter().any(is_signer)
                || fetched.is_some_and(|keys| keys.iter().any(is_signer))
        })
    }
}

fn rules(value: &Value) -> Result<Arc<RuleSet>, TokenError> {
    let rules = claimed_rules::read(value, "the token");
    rules.map_err(|_| TokenError::Claim("that holds access rules"))
}

impl Authenticator for Tokens {
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
            let Some(password) = &attempt.password else {
                return Verdict::Next;
            };
            if !token::looks_like(&password.0) {
                return Verdict::Next;
            }
            self.check(&password.0, &attempt.client_id, caller.now)
                .await
        })
    }
}

impl Files {
    fn read(&mut self) -> Result<Vec<Key>, String> {
        let mut keys = Vec::new();
        if let Some(file) = &mut self.secret {
            let text = read(file, true)?;
            keys.push(Key::secret(&text).map_err(|what| wrong(file, &what))?);
        }
        for file in &mut self.public {
            let text = read(file, false)?;
            keys.append(&mut Key::parse(&text).map_err(|what| wrong(file, &what))?);
        }
        Ok(keys)
    }

    fn has_changed(&mut self) -> bool {
        let files = self.secret.iter_mut().chain(&mut self.public);
        // Each is looked at, whatever the others say.
        files
            .filter_map(|file| file.has_changed().then_some(()))
            .count()
            > 0
    }
}

fn read(file: &mut WatchedFile, is_secret: bool) -> Result<String, String> {
    let text = file.read(FILE_BYTES_MAX, is_secret);
    text.map_err(|what| wrong(file, &what))
}

fn wrong(file: &WatchedFile, what: &impl std::fmt::Display) -> String {
    format!("{}: {what}", file.path().display())
}

impl Reload for Issuer {
    fn reload(&self, is_forced: bool) -> bool {
        let mut files = self.files.lock();
        if !files.has_changed() && !is_forced {
            return false;
        }
        match files.read() {
            Ok(keys) => {
                info!("{} keys for tokens", keys.len());
                self.keys.store(Arc::new(keys));
                true
            }
            Err(what) => {
                error!("{what}; the keys that were read before stay");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
