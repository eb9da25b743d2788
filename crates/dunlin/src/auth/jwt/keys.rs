//! Keys that tokens are verified with: of PEM files, JSON Web Keys and secrets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{digest, hmac};
use serde::Deserialize;
use spki::der::DecodePem as _;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoOwned};

use super::token::Algorithm;

/// Keys that one source may have at most.
const KEYS_MAX: usize = 256;

/// The least length of an HMAC secret: that of the shortest hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// The least length of an RSA modulus (RFC 7518, section 3.3).
const RSA_BYTES_MIN: usize = 2048 / 8;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// One key. What it is made of says which algorithms it is for: no token can choose another use.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Its `kid`.
    id: Option<String>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Secret(Vec<u8>),
    /// `RSAPublicKey` of PKCS #1.
    RsaDer(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Not the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.material {
            Material::Secret(_) => "secret",
            Material::RsaDer(_) | Material::Rsa { .. } => "RSA",
            Material::P256(_) => "P-256",
            Material::P384(_) => "P-384",
            Material::Ed25519(_) => "Ed25519",
        };
        write!(f, "Key({kind}, {:?})", self.id)
    }
}

/// Why a text holds no key. It does not show the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// Neither PEM nor JSON.
    #[error("is neither a public key (-----BEGIN PUBLIC KEY-----) nor a JSON Web Key (Set)")]
    Unknown,
    /// PEM, and broken.
    #[error("the public key is broken: {0}")]
    Pem(String),
    /// A kind of key that tokens are not signed with.
    #[error("the public key is neither RSA nor EC with P-256 or P-384 nor Ed25519")]
    Kind,
    /// JSON, and no keys.
    #[error("the JSON Web Key Set is broken: {0}")]
    Json(String),
    /// One key of several.
    #[error("key {index} of the JSON Web Key Set: {what}")]
    Jwk {
        /// Which, from 1.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Nothing in it.
    #[error("holds no key that a token can be verified with")]
    None,
    /// Too much in it.
    #[error("holds more than {KEYS_MAX} keys")]
    TooMany,
    /// A secret that can be guessed.
    #[error(
        "the secret has {0} bytes: expected {SECRET_BYTES_MIN} at least, such as `openssl rand -hex 32` makes"
    )]
    ShortSecret(usize),
    /// A key that can be computed.
    #[error("the RSA key has less than 2048 bits")]
    ShortRsa,
}

impl Key {
    /// The secret in a text; a line break at its end is none of it.
    pub(super) fn secret(text: &str) -> Result<Self, KeyError> {
        let secret = text.trim_end_matches(['\r', '\n']).as_bytes();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError::ShortSecret(secret.len()));
        }
        Ok(Self {
            id: None,
            algorithm: None,
            material: Material::Secret(secret.to_vec()),
        })
    }

    /// The keys in the text of a file: a public key in PEM, a JSON Web Key, or a set of them.
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, KeyError> {
        let text = text.trim();
        if text.starts_with('{') {
            return Self::of_json(text.as_bytes());
        }
        if text.starts_with("-----BEGIN PUBLIC KEY-----") {
            return Ok(vec![Self::of_pem(text)?]);
        }
        Err(KeyError::Unknown)
    }

    fn of_pem(text: &str) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoOwned::from_pem(text)
            .map_err(|error| KeyError::Pem(error.to_string()))?;
        let bytes = info.subject_public_key.as_bytes().ok_or(KeyError::Kind)?;
        let bytes = bytes.to_vec();
        let parameters = info.algorithm.parameters.as_ref();
        let curve = || parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let material = match info.algorithm.oid {
            RSA if bytes.len() < RSA_BYTES_MIN => return Err(KeyError::ShortRsa),
            RSA => Material::RsaDer(bytes),
            ED25519 => Material::Ed25519(bytes),
            EC if curve() == Some(P256) => Material::P256(bytes),
            EC if curve() == Some(P384) => Material::P384(bytes),
            _ => return Err(KeyError::Kind),
        };
        Ok(Self {
            id: None,
            algorithm: None,
            material,
        })
    }

    /// The keys of a JSON Web Key or a set (RFC 7517). Keys for something else are passed over.
    pub(super) fn of_json(text: &[u8]) -> Result<Vec<Self>, KeyError> {
        let json = |error: serde_json::Error| KeyError::Json(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(text).map_err(json)?;
        let listed: Vec<Jwk> = if value.get("keys").is_some() {
            serde_json::from_value::<Jwks>(value).map_err(json)?.keys
        } else {
            vec![serde_json::from_value(value).map_err(json)?]
        };
        if listed.len() > KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        let mut keys = Vec::new();
        for (index, jwk) in (1..).zip(listed) {
            keys.extend(jwk.key().map_err(|what| KeyError::Jwk { index, what })?);
        }
        if keys.is_empty() {
            return Err(KeyError::None);
        }
        Ok(keys)
    }

    /// Whether a token with this header can be of this key.
    pub(super) fn is_for(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let is_named = match (id, self.id.as_deref()) {
            (Some(asked), Some(own)) => asked == own,
            _ => true,
        };
        is_named && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether its `kid` is this one.
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    /// Whether this is its signature. A signature of another kind of key never is.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], tag: &[u8]) -> bool {
        let public = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key)
                .verify(message, tag)
                .is_ok()
        };
        match (&self.material, algorithm) {
            (Material::Secret(secret), _) => algorithm.hmac().is_some_and(|hash| {
                let key = hmac::Key::new(hash, secret);
                hmac::verify(&key, message, tag).is_ok()
            }),
            (Material::RsaDer(key), _) => algorithm
                .rsa()
                .is_some_and(|parameters| public(parameters, key)),
            (Material::Rsa { n, e }, _) => algorithm.rsa().is_some_and(|parameters| {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, tag).is_ok()
            }),
            (Material::P256(key), Algorithm::Es256) => {
                public(&signature::ECDSA_P256_SHA256_FIXED, key)
            }
            (Material::P384(key), Algorithm::Es384) => {
                public(&signature::ECDSA_P384_SHA384_FIXED, key)
            }
            (Material::Ed25519(key), Algorithm::EdDsa) => public(&signature::ED25519, key),
            _ => false,
        }
    }

    /// What tells it from others without showing it.
    pub(super) fn fingerprint(&self) -> digest::Digest {
        let parts: &[&[u8]] = match &self.material {
            Material::Secret(bytes)
            | Material::RsaDer(bytes)
            | Material::P256(bytes)
            | Material::P384(bytes)
            | Material::Ed25519(bytes) => &[bytes],
            Material::Rsa { n, e } => &[n, e],
        };
        digest::digest(&digest::SHA256, &parts.concat())
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// What of a JSON Web Key is used.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

impl Jwk {
    /// The key; `None` if it is for something else than signatures that are known here.
    fn key(self) -> Result<Option<Key>, &'static str> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let algorithm = match self.alg.as_deref() {
            None => None,
            Some(name) => match Algorithm::parse(name) {
                Some(algorithm) => Some(algorithm),
                None => return Ok(None),
            },
        };
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("oct", _) => {
                let secret = bytes(self.k.as_deref(), "k is missing or broken")?;
                if secret.len() < SECRET_BYTES_MIN {
                    return Err("the secret has less than 32 bytes");
                }
                Material::Secret(secret)
            }
            ("RSA", _) => {
                let n = bytes(self.n.as_deref(), "n is missing or broken")?;
                // Leading zeros are no part of the number.
                let zeros = n.iter().take_while(|&&byte| byte == 0).count();
                let n = n.get(zeros..).unwrap_or_default().to_vec();
                if n.len() < RSA_BYTES_MIN {
                    return Err("the RSA key has less than 2048 bits");
                }
                let e = bytes(self.e.as_deref(), "e is missing or broken")?;
                Material::Rsa { n, e }
            }
            ("EC", Some("P-256")) => Material::P256(self.point(32)?),
            ("EC", Some("P-384")) => Material::P384(self.point(48)?),
            ("OKP", Some("Ed25519")) => {
                Material::Ed25519(bytes(self.x.as_deref(), "x is missing or broken")?)
            }
            _ => return Ok(None),
        };
        Ok(Some(Key {
            id: self.kid,
            algorithm,
            material,
        }))
    }

    fn point(&self, len: usize) -> Result<Vec<u8>, &'static str> {
        let x = bytes(self.x.as_deref(), "x is missing or broken")?;
        let y = bytes(self.y.as_deref(), "y is missing or broken")?;
        if x.len() != len || y.len() != len {
            return Err("x or y has not the length of the curve");
        }
        Ok([&[4], x.as_slice(), y.as_slice()].concat())
    }
}

fn bytes(text: Option<&str>, what: &'static str) -> Result<Vec<u8>, &'static str> {
    let decoded = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    decoded.filter(|bytes| !bytes.is_empty()).ok_or(what)
}
