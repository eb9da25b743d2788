//! What SCRAM keeps of a password (RFC 5802, section 3): enough to check a proof, and not enough to
//! make one.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq as _;

/// What a password costs to guess, and each client to prove. RFC 7677 asks for 4096 at least.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(32_768).expect("it is not zero");

const SALT_BYTES: usize = 16;

/// The hash of the mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScramHash {
    Sha256,
    Sha512,
}

/// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, in base64.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Verifier {
    pub(super) hash: ScramHash,
    pub(super) iterations: NonZeroU32,
    pub(super) salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl ScramHash {
    /// By the name of the mechanism, which is the Authentication Method.
    pub(super) fn of_method(method: &str) -> Option<Self> {
        match method {
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn sign(self, key: &[u8], message: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(self.hmac(), key), message)
    }

    /// `SaltedPassword`.
    fn salted(self, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.digest().output_len()];
        pbkdf2::derive(algorithm, iterations, salt, password, &mut salted);
        salted
    }
}

impl Verifier {
    /// Of a password, with a salt of its own; `None` without randomness.
    pub(super) fn make(hash: ScramHash, password: &[u8]) -> Option<Self> {
        let mut salt = vec![0; SALT_BYTES];
        getrandom::fill(&mut salt).ok()?;
        Some(Self::of(hash, password, salt, ITERATIONS))
    }

    fn of(hash: ScramHash, password: &[u8], salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let salted = hash.salted(password, &salt, iterations);
        let client_key = hash.sign(&salted, b"Client Key");
        Self {
            hash,
            iterations,
            salt,
            stored_key: digest::digest(hash.digest(), client_key.as_ref())
                .as_ref()
                .to_vec(),
            server_key: hash.sign(&salted, b"Server Key").as_ref().to_vec(),
        }
    }

    /// One that looks as if it were somebody's, and that nothing proves.
    pub(super) fn decoy(hash: ScramHash, salt: &[u8]) -> Self {
        let nothing = vec![0; hash.digest().output_len()];
        Self {
            hash,
            iterations: ITERATIONS,
            salt: salt.iter().copied().take(SALT_BYTES).collect(),
            stored_key: nothing.clone(),
            server_key: nothing,
        }
    }

    /// Reads its text; `None` if something is wrong with it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        let hash = ScramHash::of_method(parts.next()?)?;
        let (iterations, salt) = parts.next()?.split_once(':')?;
        let (stored_key, server_key) = parts.next()?.split_once(':')?;
        if parts.next().is_some() {
            return None;
        }
        let key = |text: &str| {
            let key = STANDARD.decode(text).ok()?;
            (key.len() == hash.digest().output_len()).then_some(key)
        };
        Some(Self {
            hash,
            iterations: iterations.parse().ok()?,
            salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }

    /// Whether it is of this password.
    pub(super) fn verifies(&self, password: &[u8]) -> bool {
        let other = Self::of(self.hash, password, self.salt.clone(), self.iterations);
        self.stored_key.ct_eq(&other.stored_key).into()
    }

    /// The signature of the one who keeps it, if the proof of the client is right (`ClientProof`,
    /// `ServerSignature`).
    pub(super) fn answer(&self, message: &[u8], proof: &[u8]) -> Option<Vec<u8>> {
        let signature = self.hash.sign(&self.stored_key, message);
        if proof.len() != signature.as_ref().len() {
            return None;
        }
        let signed = proof.iter().zip(signature.as_ref());
        let client_key: Vec<u8> = signed.map(|(one, other)| one ^ other).collect();
        let key = digest::digest(self.hash.digest(), &client_key);
        let is_right: bool = key.as_ref().ct_eq(&self.stored_key).into();
        is_right.then(|| self.hash.sign(&self.server_key, message).as_ref().to_vec())
    }
}

/// Its text, which is a secret.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}${}:{}${}:{}",
            self.hash.method(),
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(&self.stored_key),
            STANDARD.encode(&self.server_key)
        )
    }
}

#[cfg(test)]
mod tests;

/// What a test needs to be a client.
#[cfg(test)]
pub(super) mod client {
    use super::*;

    /// `ClientProof`, and the `ServerSignature` that must come back.
    pub(in super::super) fn proof(
        hash: ScramHash,
        password: &[u8],
        (salt, iterations): (&[u8], NonZeroU32),
        message: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let salted = hash.salted(password, salt, iterations);
        let client_key = hash.sign(&salted, b"Client Key");
        let verifier = Verifier::of(hash, password, salt.to_vec(), iterations);
        let signature = hash.sign(&verifier.stored_key, message);
        let pairs = client_key.as_ref().iter().zip(signature.as_ref());
        let proof = pairs.map(|(one, other)| one ^ other).collect();
        let own = hash.sign(&verifier.server_key, message);
        (proof, own.as_ref().to_vec())
    }
}
