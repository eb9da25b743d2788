//! Who is at the other end of a Network Connection, as far as the transport knows.

use std::net::SocketAddr;

/// The other end of a Network Connection, before it says who it is.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address; a transport between programs of one machine has none.
    pub address: Option<SocketAddr>,
}
