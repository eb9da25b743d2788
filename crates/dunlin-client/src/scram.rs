//! SCRAM (RFC 5802, RFC 7677) as enhanced authentication (section 4.12): user and server prove to
//! each other that they know the password, which does not travel.
//!
//! Passwords are taken as they are: SASLprep, which changes none that is ASCII, is not done.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// A server that asks for more rounds than this wants the client's time, not its proof.
const ROUNDS_MAX: u32 = 1_000_000;
/// Random bytes of the client's nonce.
const NONCE_BYTES: usize = 18;

/// The hash function of SCRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramMechanism {
    /// SCRAM-SHA-1.
    Sha1,
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramMechanism {
    /// All, weakest first.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// The name, which is the Authentication Method.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        self.hmac().digest_algorithm()
    }
}

/// Who authenticates with SCRAM. The password is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredentials {
    /// The hash function.
    pub mechanism: ScramMechanism,
    /// User name.
    pub user_name: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for ScramCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredentials")
            .field("mechanism", &self.mechanism)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// How a server fails to authenticate itself, or the client to go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScramError {
    /// The server's message is none of SCRAM.
    #[error("the server's answer is no SCRAM message")]
    Malformed,
    /// The server says what went wrong.
    #[error("the server says {0:?}")]
    Server(String),
    /// The server's nonce does not begin with the client's.
    #[error("the server answers to somebody else's nonce")]
    Nonce,
    /// The server asks for too many rounds.
    #[error("the server asks for {0} rounds, more than {ROUNDS_MAX}")]
    Rounds(u32),
    /// The server accepts the client, and does not prove that it knows the password.
    #[error("the server does not prove that it knows the password")]
    Unproven,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// One exchange, from the client's side.
pub(crate) struct Scram<'a> {
    credentials: &'a ScramCredentials,
    nonce: String,
    /// What the server has to say in the end, once the client has shown its proof.
    expected: Option<Vec<u8>>,
    is_proven: bool,
}

impl<'a> Scram<'a> {
    pub(crate) fn new(credentials: &'a ScramCredentials) -> Result<Self, ScramError> {
        let mut bytes = [0; NONCE_BYTES];
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut bytes).map_err(|_| ScramError::Random)?;
        Ok(Self::with_nonce(credentials, STANDARD.encode(bytes)))
    }

    fn with_nonce(credentials: &'a ScramCredentials, nonce: String) -> Self {
        Self {
            credentials,
            nonce,
            expected: None,
            is_proven: false,
        }
    }

    /// What the client says first.
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        let user = self.credentials.user_name.replace('=', "=3D");
        format!("n={},r={}", user.replace(',', "=2C"), self.nonce)
    }

    /// The answer to what the server says in AUTH.
    pub(crate) fn answer(&mut self, data: &[u8]) -> Result<Vec<u8>, ScramError> {
        if self.expected.is_some() {
            self.finish(data)?;
            return Ok(Vec::new());
        }
        let text = std::str::from_utf8(data).map_err(|_| ScramError::Malformed)?;
        let (nonce, salt, rounds) = server_first(text)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let mechanism = self.credentials.mechanism;
        let mut salted = vec![0; mechanism.digest().output_len()];
        let password = self.credentials.password.as_bytes();
        pbkdf2::derive(mechanism.pbkdf2(), rounds, &salt, password, &mut salted);
        let key = hmac::Key::new(mechanism.hmac(), &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored = digest::digest(mechanism.digest(), client_key.as_ref());
        // biws is the header "n,," in base64.
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{text},{without_proof}", self.first_bare());
        let stored = hmac::Key::new(mechanism.hmac(), stored.as_ref());
        let signature = hmac::sign(&stored, message.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = hmac::sign(&key, b"Server Key");
        let server_key = hmac::Key::new(mechanism.hmac(), server_key.as_ref());
        self.expected = Some(
            hmac::sign(&server_key, message.as_bytes())
                .as_ref()
                .to_vec(),
        );
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes())
    }

    /// Checks what the server says in CONNACK, or in a last AUTH.
    pub(crate) fn finish(&mut self, data: &[u8]) -> Result<(), ScramError> {
        let text = std::str::from_utf8(data).map_err(|_| ScramError::Malformed)?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(ScramError::Server(error.to_owned()));
        }
        let signature = text.strip_prefix("v=").ok_or(ScramError::Malformed)?;
        let signature = signature.split(',').next().unwrap_or_default();
        let signature = STANDARD.decode(signature);
        let expected = self.expected.as_deref().ok_or(ScramError::Unproven)?;
        if signature.map_err(|_| ScramError::Malformed)? != expected {
            return Err(ScramError::Unproven);
        }
        self.is_proven = true;
        Ok(())
    }

    /// Whether the server has proven that it knows the password.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven
    }
}

/// Nonce, salt and rounds of what the server says first.
fn server_first(text: &str) -> Result<(&str, Vec<u8>, NonZeroU32), ScramError> {
    if let Some(error) = text.strip_prefix("e=") {
        return Err(ScramError::Server(error.to_owned()));
    }
    let mut fields = text.split(',');
    let mut field = |name: &str| {
        let field = fields.next().and_then(|field| field.strip_prefix(name));
        field.ok_or(ScramError::Malformed)
    };
    let nonce = field("r=")?;
    let salt = STANDARD.decode(field("s=")?);
    let rounds: u32 = field("i=")?.parse().map_err(|_| ScramError::Malformed)?;
    if rounds > ROUNDS_MAX {
        return Err(ScramError::Rounds(rounds));
    }
    let rounds = NonZeroU32::new(rounds).ok_or(ScramError::Malformed)?;
    Ok((nonce, salt.map_err(|_| ScramError::Malformed)?, rounds))
}

#[cfg(test)]
mod tests;
