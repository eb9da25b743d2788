//! Who a client is: asked once for each CONNECT and each step of an AUTH exchange.

mod anonymous;

use dunlin_core::input::{Attempt, Decision};

pub(crate) use anonymous::Anonymous;

/// Decides who a client is. It is called on the thread that serves the connection, so it must not
/// wait.
pub trait Authenticator: Send + Sync {
    /// Decides. `listener_allows_anonymous` is what holds for the listener that the client came by.
    fn decide(&self, attempt: &Attempt, listener_allows_anonymous: bool) -> Decision;
}
