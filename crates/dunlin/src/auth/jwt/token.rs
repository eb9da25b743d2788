//! One token: a JSON Web Signature in its compact form, and the claims in it (RFC 7515, RFC 7519).
//!
//! The library of signatures is that of TLS, so that the program has one of them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dunlin_core::time::Time;
use ring::{hmac, signature};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Key;

/// How far the clock of the one who made a token may be ahead.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(30);

/// How a token is signed. `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// By its name in a header.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    pub(super) const fn hmac(self) -> Option<hmac::Algorithm> {
        Some(match self {
            Self::Hs256 => hmac::HMAC_SHA256,
            Self::Hs384 => hmac::HMAC_SHA384,
            Self::Hs512 => hmac::HMAC_SHA512,
            _ => return None,
        })
    }

    pub(super) const fn rsa(self) -> Option<&'static signature::RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        })
    }
}

/// What a token says of itself.
#[derive(Debug, Deserialize)]
struct HeaderFields {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// A token whose signature is not verified yet.
pub(super) struct Token<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    /// What is signed.
    message: &'a [u8],
    tag: Vec<u8>,
    payload: Vec<u8>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    /// It is no token.
    #[error("the token is broken")]
    Broken,
    /// Signed in a way that is not taken.
    #[error("the token's algorithm is not one that is taken")]
    Algorithm,
    /// It has extensions that must be understood.
    #[error("the token has critical extensions")]
    Critical,
    /// None of the keys made it.
    #[error("the token's signature is of no known key")]
    Signature,
    /// Its time is over.
    #[error("the token is expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    TooEarly,
    /// A claim is not what it must be.
    #[error("the token's claim {0} is missing or another than expected")]
    Claim(&'static str),
}

/// What a verified token must say.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
}

/// What a verified token says.
#[derive(Debug)]
pub(super) struct Claims {
    fields: Map<String, Value>,
    /// Until when it holds.
    pub(super) expires_at: Option<Time>,
}

/// Whether a password looks like a token, so that it is none for others.
pub(super) fn looks_like(password: &[u8]) -> bool {
    // The base64 of `{"`, with which every header begins.
    password.starts_with(b"eyJ") && password.iter().filter(|&&byte| byte == b'.').count() == 2
}

impl<'a> Token<'a> {
    /// Reads the form, and believes nothing of it.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, TokenError> {
        let text = std::str::from_utf8(text).map_err(|_| TokenError::Broken)?;
        let (message, tag) = text.rsplit_once('.').ok_or(TokenError::Broken)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Broken)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Broken);
        let header: HeaderFields =
            serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Broken)?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        Ok(Self {
            algorithm: Algorithm::parse(&header.alg).ok_or(TokenError::Algorithm)?,
            key_id: header.kid,
            message: message.as_bytes(),
            tag: decode(tag)?,
            payload: decode(payload)?,
        })
    }

    /// The `kid` of its header.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The key that made it.
    pub(super) fn signer<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> Option<&'k Key> {
        keys.into_iter().find(|key| {
            key.is_for(self.algorithm, self.key_id())
                && key.verifies(self.algorithm, self.message, &self.tag)
        })
    }

    /// What it says, once a key is known that made it.
    pub(super) fn claims(
        &self,
        _signer: &Key,
        now: Time,
        expected: &Expected,
    ) -> Result<Claims, TokenError> {
        let fields: Map<String, Value> =
            serde_json::from_slice(&self.payload).map_err(|_| TokenError::Broken)?;
        let expires_at = time(&fields, "exp")?;
        if expires_at.is_some_and(|at| at <= now) {
            return Err(TokenError::Expired);
        }
        let begins_at = time(&fields, "nbf")?;
        if begins_at.is_some_and(|at| at > now.after(CLOCK_DIFFERENCE_MAX)) {
            return Err(TokenError::TooEarly);
        }
        if let Some(issuer) = &expected.issuer
            && fields.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(TokenError::Claim("iss"));
        }
        if let Some(audience) = &expected.audience {
            let is_meant = match fields.get("aud") {
                Some(Value::String(one)) => one == audience,
                Some(Value::Array(several)) => several.iter().any(|one| one == audience),
                _ => false,
            };
            if !is_meant {
                return Err(TokenError::Claim("aud"));
            }
        }
        Ok(Claims { fields, expires_at })
    }
}

impl Claims {
    /// A claim.
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// A claim that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.find(name)?.as_str()
    }
}

/// A NumericDate: seconds since the Unix epoch, with a fraction if it has one.
fn time(fields: &Map<String, Value>, name: &'static str) -> Result<Option<Time>, TokenError> {
    let Some(value) = fields.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_f64().ok_or(TokenError::Claim(name))?;
    let duration =
        Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|_| TokenError::Claim(name))?;
    Ok(Some(Time::ZERO.after(duration)))
}
