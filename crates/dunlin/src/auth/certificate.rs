//! Clients that are known by the certificate that they showed.

use std::sync::Arc;

use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, Grant};

use super::port::{Allowed, Authenticator, Caller, Deciding, Exchange, Verdict};

/// Takes the User Name from the certificate, on listeners that say from where in it.
pub(super) struct Certificates;

impl Authenticator for Certificates {
    fn decide<'a>(
        &'a self,
        attempt: &'a Attempt,
        caller: &'a Caller,
        _: &'a mut Exchange,
    ) -> Deciding<'a> {
        let verdict = match (caller.certificate_names.user_name, &caller.peer.certificate) {
            (Some(kind), Some(certificate)) if attempt.is_basic() => {
                match certificate.names(kind).next() {
                    Some(name) => Verdict::Allow(Allowed {
                        grant: Grant {
                            user_name: Some(name.into()),
                            ..Grant::default()
                        },
                        still_holds: None,
                    }),
                    // Its password does not make up for what the authority left out.
                    None => Verdict::Deny(ReasonCode::NotAuthorized),
                }
            }
            _ => Verdict::Next,
        };
        Box::pin(std::future::ready(verdict))
    }
}

/// Holds a client to the Client Identifier of its certificate, on listeners that say from where in
/// it. An empty one becomes that of the certificate, which is given back.
///
/// # Errors
/// The code for a client that has no such name, or asks for another one.
pub(crate) fn client_id(
    attempt: &mut Attempt,
    caller: &Caller,
) -> Result<Option<Arc<str>>, ReasonCode> {
    let Some(kind) = caller.certificate_names.client_id else {
        return Ok(None);
    };
    let Some(certificate) = &caller.peer.certificate else {
        return Err(ReasonCode::NotAuthorized);
    };
    let mut names = certificate.names(kind);
    if attempt.client_id.is_empty() {
        let name = names.next().ok_or(ReasonCode::ClientIdentifierNotValid)?;
        name.clone_into(&mut attempt.client_id);
        return Ok(Some(name.into()));
    }
    if names.any(|name| name == attempt.client_id) {
        Ok(None)
    } else {
        Err(ReasonCode::ClientIdentifierNotValid)
    }
}

#[cfg(test)]
mod tests;
