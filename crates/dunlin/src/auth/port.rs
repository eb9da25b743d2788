//! The port behind which ways of authentication stand.

use std::any::Any;
use std::fmt;
use std::pin::Pin;

use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, Grant};
use dunlin_core::time::Time;

use crate::config::CertificateNames;
use crate::peer::Peer;

/// Decides who a client is. It is asked for each CONNECT and each AUTH, on the thread that serves
/// the connection: what takes time is awaited, and what computes or blocks runs elsewhere.
pub trait Authenticator: Send + Sync {
    /// Decides, or leaves it to the next one. `exchange` is kept from one AUTH of a connection to the
    /// next, for ways that take several steps.
    fn decide<'a>(
        &'a self,
        attempt: &'a Attempt,
        caller: &'a Caller,
        exchange: &'a mut Exchange,
    ) -> Deciding<'a>;
}

/// A decision to come.
pub type Deciding<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Where a client came from.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// What the transport knows of it.
    pub peer: Peer,
    /// When it asks.
    pub now: Time,
    /// Whether the listener lets clients in that show no credential.
    pub allow_anonymous: bool,
    /// What the listener takes from the certificate of a client.
    pub certificate_names: CertificateNames,
}

/// What an [`Authenticator`] says.
#[derive(Debug)]
pub enum Verdict {
    /// It is not the one to ask: the next is.
    Next,
    /// It is who it says.
    Allow(Allowed),
    /// The exchange goes on with an AUTH that holds this.
    Continue(Vec<u8>),
    /// It is not who it says, with the code for CONNACK or DISCONNECT.
    Deny(ReasonCode),
}

/// A client that is let in.
#[derive(Default)]
pub struct Allowed {
    /// What comes with it.
    pub grant: Grant,
    /// Whether it would be let in again with what it showed: asked when files of the authentication
    /// changed, and without an answer it stays.
    pub still_holds: Option<StillHolds>,
}

/// See [`Allowed::still_holds`].
pub type StillHolds = Box<dyn Fn() -> bool + Send>;

impl fmt::Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowed")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

/// What an [`Authenticator`] keeps between the steps of one connection.
#[derive(Default)]
pub struct Exchange(Option<Box<dyn Any + Send>>);

impl Exchange {
    /// Keeps something for the next step.
    pub fn put<T: Any + Send>(&mut self, state: T) {
        self.0 = Some(Box::new(state));
    }

    /// What was kept, if it is of this type; nothing is kept then.
    pub fn take<T: Any + Send>(&mut self) -> Option<T> {
        let state = self.0.take()?;
        state.downcast().ok().map(|state| *state)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Exchange(something)"
        } else {
            "Exchange(nothing)"
        })
    }
}
