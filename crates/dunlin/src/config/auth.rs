//! Who may connect.

use std::path::PathBuf;
use std::time::Duration;

use super::extract::{FromValue, seconds, take};
use super::value::{Settings, Value};

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthConfig {
    /// Whether clients without a credential may connect on every listener. What holds for one
    /// listener is in [`ListenerConfig::allow_anonymous`](super::ListenerConfig::allow_anonymous).
    pub allow_anonymous: bool,
    /// User names and hashes of passwords.
    pub password_file: Option<PathBuf>,
    /// Whether there are users in the data directory as well.
    pub stored_users: bool,
    /// Those who issue tokens.
    pub jwt: Vec<JwtConfig>,
    /// Servers that decide.
    pub http: Vec<HttpAuthConfig>,
    /// How long the decision about one client may take.
    pub timeout: Duration,
}

/// Someone who issues JSON Web Tokens: which are right, and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwtConfig {
    /// The secret of HS256, HS384 and HS512.
    pub secret_file: Option<PathBuf>,
    /// Public keys.
    pub key_files: Vec<PathBuf>,
    /// A server that publishes keys.
    pub jwks_url: Option<String>,
    /// The authorities that it is verified with; `None` for those of the system.
    pub ca_file: Option<PathBuf>,
    /// What the claim `iss` must be.
    pub issuer: Option<String>,
    /// What the claim `aud` must be or hold.
    pub audience: Option<String>,
    /// The claim that is the User Name.
    pub user_claim: String,
    /// The claim that must be the Client Identifier.
    pub client_claim: Option<String>,
    /// The claim that holds access rules.
    pub access_claim: Option<String>,
}

impl JwtConfig {
    /// Whether there are keys, so that tokens can be verified.
    pub fn has_keys(&self) -> bool {
        self.secret_file.is_some() || !self.key_files.is_empty() || self.jwks_url.is_some()
    }
}

/// A server that is asked over HTTP about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpAuthConfig {
    /// Where requests are sent.
    pub url: String,
    /// Requests at once.
    pub requests_max: usize,
    /// How long an answer that lets a client in holds for the same question.
    pub cache: Duration,
    /// The authorities that it is verified with; `None` for those of the system.
    pub ca_file: Option<PathBuf>,
}

impl AuthConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            allow_anonymous: take(settings, "auth.allow_anonymous"),
            password_file: take(settings, "auth.password_file"),
            stored_users: take(settings, "auth.stored_users"),
            jwt: take(settings, "auth.jwt"),
            http: take(settings, "auth.http"),
            timeout: seconds(settings, "auth.timeout_s"),
        }
    }

    /// Whether there is a way to tell who a client is.
    pub fn is_configured(&self) -> bool {
        self.password_file.is_some()
            || self.stored_users
            || !self.jwt.is_empty()
            || !self.http.is_empty()
    }
}

impl FromValue for JwtConfig {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Table(fields) = value else {
            return None;
        };
        Some(Self {
            secret_file: take(fields, "secret_file"),
            key_files: take(fields, "key_files"),
            jwks_url: take(fields, "jwks_url"),
            ca_file: take(fields, "ca_file"),
            issuer: take(fields, "issuer"),
            audience: take(fields, "audience"),
            user_claim: take(fields, "user_claim"),
            client_claim: take(fields, "client_claim"),
            access_claim: take(fields, "access_claim"),
        })
    }
}

impl FromValue for HttpAuthConfig {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Table(fields) = value else {
            return None;
        };
        Some(Self {
            url: take(fields, "url"),
            requests_max: take(fields, "requests_max"),
            cache: seconds(fields, "cache_s"),
            ca_file: take(fields, "ca_file"),
        })
    }
}
