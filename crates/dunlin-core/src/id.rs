//! Identifiers of clients, connections and sessions.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A Client Identifier (section 3.1.3.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientIdentifier(Arc<str>);

impl ClientIdentifier {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ClientIdentifier {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Borrow<str> for ClientIdentifier {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Escaped, so that no client can forge a line of a log.
impl fmt::Display for ClientIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_debug().fmt(f)
    }
}

/// A Network Connection. The number is the shell's: the core only hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The number of a session, which no other session of this store ever has. It tells a session from
/// a later one of the same client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNumber(pub(crate) u64);

impl SessionNumber {
    /// What stands for the publisher of messages that no client published.
    pub(crate) const NONE: Self = Self(0);

    /// The session of a record that was read.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number, for a record to be written.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}
