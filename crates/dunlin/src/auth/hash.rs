//! Hashes of passwords, in the forms that password files hold.

use std::fmt;
use std::num::NonZeroU32;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, pbkdf2};
use subtle::ConstantTimeEq as _;

use super::verifier::{ScramHash, Verifier};

/// The longest text of a hash.
const TEXT_BYTES_MAX: usize = 1024;

/// What a hash may cost at most, so that a file cannot stop the broker: KiB of memory, passes, lanes,
/// iterations.
const ARGON2_KIB_MAX: u32 = 1 << 20;
const ARGON2_PASSES_MAX: u32 = 64;
const ARGON2_LANES_MAX: u32 = 16;
const ITERATIONS_MAX: u32 = 10_000_000;

/// A hash that a password can be held against.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum StoredHash {
    /// Argon2, a PHC string.
    Argon2(Box<PasswordHash>),
    /// `$7$iterations$salt$hash`: PBKDF2 with HMAC-SHA-512, of Mosquitto.
    Pbkdf2 {
        iterations: NonZeroU32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// `$6$salt$hash`: SHA-512 of password and salt, of old Mosquittos.
    Sha512 { salt: Vec<u8>, hash: Vec<u8> },
    /// `SCRAM-SHA-…$…`, which proves itself over AUTH as well.
    Scram(Verifier),
}

/// What `dunlin passwd` makes of a password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordScheme {
    /// Argon2id: the hardest to guess, for passwords that clients send.
    #[default]
    Argon2id,
    /// For clients that prove by SCRAM-SHA-256 that they know it; they may send it as well.
    ScramSha256,
    /// For clients that prove it by SCRAM-SHA-512.
    ScramSha512,
}

/// Why a hash cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// The operating system has no random numbers for the salt.
    #[error("cannot read random numbers from the operating system")]
    Randomness,
    /// The password cannot be hashed.
    #[error("the password cannot be hashed")]
    Hash,
}

/// Why a text is no hash. It does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HashError {
    /// None of the forms that are known.
    #[error(
        "the hash is none of $argon2id$…, SCRAM-SHA-…, $7$… (PBKDF2) and $6$… (SHA-512); make it with `dunlin passwd`"
    )]
    Unknown,
    /// One of them, and broken.
    #[error("the {0} hash is broken; make it anew with `dunlin passwd`")]
    Broken(&'static str),
    /// One that costs more than this broker spends.
    #[error("the {0} hash costs more to check than is allowed; make it anew with `dunlin passwd`")]
    TooCostly(&'static str),
}

impl StoredHash {
    /// Reads a hash.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(HashError::Unknown);
        }
        if text.starts_with("$argon2") {
            return argon2_hash(text);
        }
        if text.starts_with("SCRAM-") {
            return scram_verifier(text);
        }
        let parts: Vec<_> = text.split('$').collect();
        match *parts.as_slice() {
            ["", "7", iterations, salt, hash] => {
                const NAME: &str = "$7$";
                let broken = HashError::Broken(NAME);
                let iterations: NonZeroU32 = iterations.parse().map_err(|_| broken)?;
                if iterations.get() > ITERATIONS_MAX {
                    return Err(HashError::TooCostly(NAME));
                }
                Ok(Self::Pbkdf2 {
                    iterations,
                    salt: STANDARD.decode(salt).map_err(|_| broken)?,
                    hash: sha512_sized(hash).ok_or(broken)?,
                })
            }
            ["", "6", salt, hash] => {
                let broken = HashError::Broken("$6$");
                Ok(Self::Sha512 {
                    salt: STANDARD.decode(salt).map_err(|_| broken)?,
                    hash: sha512_sized(hash).ok_or(broken)?,
                })
            }
            _ => Err(HashError::Unknown),
        }
    }

    /// A new hash of this password.
    pub(super) fn make(scheme: PasswordScheme, password: &[u8]) -> Result<String, MakeError> {
        let hash = match scheme {
            PasswordScheme::Argon2id => return Self::make_argon2id(password),
            PasswordScheme::ScramSha256 => ScramHash::Sha256,
            PasswordScheme::ScramSha512 => ScramHash::Sha512,
        };
        let made = Verifier::make(hash, password).ok_or(MakeError::Randomness)?;
        Ok(made.to_string())
    }

    /// With 19 MiB and two passes.
    fn make_argon2id(password: &[u8]) -> Result<String, MakeError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| MakeError::Randomness)?;
        let made: PasswordHash = Argon2::default()
            .hash_password_with_salt(password, &salt)
            .map_err(|_| MakeError::Hash)?;
        Ok(made.to_string())
    }

    /// Whether this is the password. It takes as long for a wrong one as for the right one.
    pub(super) fn verifies(&self, password: &[u8]) -> bool {
        match self {
            // The parameters are those of the hash.
            Self::Argon2(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            Self::Pbkdf2 {
                iterations,
                salt,
                hash,
            } => {
                let algorithm = pbkdf2::PBKDF2_HMAC_SHA512;
                pbkdf2::verify(algorithm, *iterations, salt, password, hash).is_ok()
            }
            Self::Sha512 { salt, hash } => {
                let mut made = digest::Context::new(&digest::SHA512);
                made.update(password);
                made.update(salt);
                made.finish().as_ref().ct_eq(hash).into()
            }
            Self::Scram(verifier) => verifier.verifies(password),
        }
    }

    /// What SCRAM with this hash needs, if it is that.
    pub(super) fn scram(&self, hash: ScramHash) -> Option<&Verifier> {
        match self {
            Self::Scram(verifier) if verifier.hash == hash => Some(verifier),
            _ => None,
        }
    }

    /// What a check costs: hashes with the same answer take the same time.
    pub(super) fn cost(&self) -> String {
        match self {
            Self::Argon2(hash) => format!("{} {}", hash.algorithm, hash.params),
            Self::Pbkdf2 { iterations, .. } => format!("$7$ {iterations}"),
            Self::Sha512 { .. } => "$6$".to_owned(),
            Self::Scram(verifier) => {
                format!("{} {}", verifier.hash.method(), verifier.iterations)
            }
        }
    }
}

/// Not the hash itself.
impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cost())
    }
}

fn argon2_hash(text: &str) -> Result<StoredHash, HashError> {
    const NAME: &str = "Argon2";
    let broken = HashError::Broken(NAME);
    let hash = PasswordHash::new(text).map_err(|_| broken)?;
    let params = argon2::Params::try_from(&hash).map_err(|_| broken)?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(broken);
    }
    let is_too_costly = params.m_cost() > ARGON2_KIB_MAX
        || params.t_cost() > ARGON2_PASSES_MAX
        || params.p_cost() > ARGON2_LANES_MAX;
    if is_too_costly {
        return Err(HashError::TooCostly(NAME));
    }
    argon2::Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| broken)?;
    Ok(StoredHash::Argon2(Box::new(hash)))
}

fn scram_verifier(text: &str) -> Result<StoredHash, HashError> {
    const NAME: &str = "SCRAM";
    let verifier = Verifier::parse(text).ok_or(HashError::Broken(NAME))?;
    if verifier.iterations.get() > ITERATIONS_MAX {
        return Err(HashError::TooCostly(NAME));
    }
    Ok(StoredHash::Scram(verifier))
}

/// The bytes of this base64, if they are as many as SHA-512 gives.
fn sha512_sized(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    (bytes.len() == digest::SHA512_OUTPUT_LEN).then_some(bytes)
}

#[cfg(test)]
mod tests;
