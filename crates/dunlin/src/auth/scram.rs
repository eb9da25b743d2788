//! SCRAM-SHA-256 and SCRAM-SHA-512 over AUTH (RFC 5802, RFC 7677): the client proves that it knows the
//! password and never sends it, and the broker proves that it knows it too.
//!
//! The users are those of the password file who have such a hash. There is no channel binding, and
//! names are compared byte by byte.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, AuthenticationStep, Grant};
use ring::hmac;

use super::hash::StoredHash;
use super::passwords::Passwords;
use super::port::{Allowed, Authenticator, Caller, Deciding, Exchange, Verdict};
use super::verifier::{ScramHash, Verifier};

/// The longest nonce of a client: one that is longer than a hash proves nothing more.
const NONCE_BYTES_MAX: usize = 256;

/// The mechanism, over the users of a password file.
pub(super) struct Scram {
    passwords: Arc<Passwords>,
    /// What salts are made of for users that there are not: the same one each time, as theirs would be.
    decoy_key: hmac::Key,
}

/// What is kept until the client's proof comes.
struct Begun {
    user: String,
    /// `None` if there is no such user: the proof is then wrong, whatever it is.
    known: Option<Arc<StoredHash>>,
    verifier: Verifier,
    gs2_header: String,
    nonce: String,
    /// `client-first-message-bare` and `server-first-message`, with commas behind them.
    so_far: String,
}

/// The client sent something that is none of the mechanism's messages.
struct Malformed;

impl Scram {
    /// Over these users.
    pub(super) fn new(passwords: Arc<Passwords>) -> std::io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self {
            passwords,
            decoy_key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    fn begin(&self, hash: ScramHash, attempt: &Attempt) -> Result<(Begun, String), Malformed> {
        let first = ClientFirst::parse(message(attempt)?)?;
        // The name in CONNECT proves nothing; it may be left out, and must not be another one.
        if let Some(name) = &attempt.user_name
            && *name != first.user
        {
            return Err(Malformed);
        }
        let known = self.passwords.user(&first.user);
        let of_hash = known.as_deref().and_then(|known| known.scram(hash));
        let (known, verifier) = match of_hash.cloned() {
            Some(verifier) => (known, verifier),
            None => {
                let salt = hmac::sign(&self.decoy_key, first.user.as_bytes());
                (None, Verifier::decoy(hash, salt.as_ref()))
            }
        };
        let mut own = [0; 18];
        getrandom::fill(&mut own).map_err(|_| Malformed)?;
        let nonce = format!("{}{}", first.nonce, STANDARD.encode(own));
        let reply = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&verifier.salt),
            verifier.iterations
        );
        let begun = Begun {
            user: first.user,
            known,
            verifier,
            gs2_header: first.gs2_header.to_owned(),
            nonce,
            so_far: format!("{},{reply},", first.bare),
        };
        Ok((begun, reply))
    }
}

impl Begun {
    /// The broker's own proof, if the client's is right.
    fn finish(&self, text: &str) -> Result<Option<Vec<u8>>, Malformed> {
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|first| first.strip_prefix("c="));
        let nonce = attributes.next().and_then(|next| next.strip_prefix("r="));
        let binding = STANDARD.decode(binding.ok_or(Malformed)?);
        let proof = STANDARD.decode(proof).map_err(|_| Malformed)?;
        let is_of_this = binding.is_ok_and(|binding| binding == self.gs2_header.as_bytes())
            && nonce == Some(&self.nonce);
        if !is_of_this {
            return Err(Malformed);
        }
        let message = format!("{}{without_proof}", self.so_far);
        let Some(own) = self.verifier.answer(message.as_bytes(), &proof) else {
            return Ok(None);
        };
        // A user that there is not has a verifier that no password fits.
        Ok(self.known.is_some().then_some(own))
    }
}

/// `gs2-header client-first-message-bare`.
struct ClientFirst<'a> {
    gs2_header: &'a str,
    bare: &'a str,
    user: String,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    fn parse(text: &'a str) -> Result<Self, Malformed> {
        let (flag, rest) = text.split_once(',').ok_or(Malformed)?;
        let (authorization, bare) = rest.split_once(',').ok_or(Malformed)?;
        // "p=…" asks for channel binding, which nobody offered.
        if !matches!(flag, "n" | "y") {
            return Err(Malformed);
        }
        let mut attributes = bare.split(',');
        // An extension that must be understood ("m=…") stands before the name.
        let user = attributes.next().and_then(|first| first.strip_prefix("n="));
        let user = name(user.ok_or(Malformed)?)?;
        let nonce = attributes.next().and_then(|next| next.strip_prefix("r="));
        let nonce = nonce.ok_or(Malformed)?;
        let is_printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX || !is_printable {
            return Err(Malformed);
        }
        // Nobody acts for somebody else.
        let acts_for = match authorization.strip_prefix("a=") {
            Some(other) => Some(name(other)?),
            None if authorization.is_empty() => None,
            None => return Err(Malformed),
        };
        if acts_for.is_some_and(|other| other != user) {
            return Err(Malformed);
        }
        let header_len = text.len() - bare.len();
        Ok(Self {
            gs2_header: text.get(..header_len).unwrap_or_default(),
            bare,
            user,
            nonce,
        })
    }
}

/// A name, in which `=2C` and `=3D` stand for a comma and `=`.
fn name(text: &str) -> Result<String, Malformed> {
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(Malformed),
        };
        name.push(character);
        name.push_str(rest);
    }
    if name.is_empty() {
        return Err(Malformed);
    }
    Ok(name)
}

fn message(attempt: &Attempt) -> Result<&str, Malformed> {
    let data = attempt.data.as_ref().ok_or(Malformed)?;
    str::from_utf8(&data.0).map_err(|_| Malformed)
}

impl Authenticator for Scram {
    fn decide<'a>(
        &'a self,
        attempt: &'a Attempt,
        _: &'a Caller,
        exchange: &'a mut Exchange,
    ) -> Deciding<'a> {
        Box::pin(async move {
            let Some(hash) = attempt.method.as_deref().and_then(ScramHash::of_method) else {
                return Verdict::Next;
            };
            let refused = Verdict::Deny(ReasonCode::NotAuthorized);
            if attempt.step != AuthenticationStep::Continue {
                return match self.begin(hash, attempt) {
                    Ok((begun, reply)) => {
                        exchange.put(begun);
                        Verdict::Continue(reply.into_bytes())
                    }
                    Err(Malformed) => refused,
                };
            }
            let Some(begun) = exchange.take::<Begun>() else {
                return refused;
            };
            let finished = message(attempt).and_then(|text| begun.finish(text));
            let (Ok(Some(own)), Some(known)) = (finished, &begun.known) else {
                return refused;
            };
            Verdict::Allow(Allowed {
                grant: Grant {
                    data: Some(format!("v={}", STANDARD.encode(own)).into_bytes()),
                    user_name: Some(begun.user.as_str().into()),
                    ..Grant::default()
                },
                still_holds: Some(self.passwords.still_holds(&begun.user, Arc::clone(known))),
            })
        })
    }
}

#[cfg(test)]
mod tests;
