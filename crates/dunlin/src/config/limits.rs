//! What clients may take of the broker.

use std::path::PathBuf;
use std::time::Duration;

use super::extract::{seconds, take};
use super::value::Settings;

/// What clients may take of the broker. A number of 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// Who is kept out.
    pub ban_file: Option<PathBuf>,
    /// How often one client may connect within the window.
    pub flapping_connects_max: u32,
    /// The time in which its connections are counted.
    pub flapping_window: Duration,
    /// How long a client that connects too often is banned.
    pub flapping_ban: Duration,
    /// Connections a second from one address.
    pub address_connections_max: u32,
    /// Those of them that begin with TLS or WebSocket, or are QUIC.
    pub address_handshakes_max: u32,
    /// Messages a second from one client.
    pub client_messages_max: u32,
    /// Bytes a second from one client.
    pub client_bytes_max: u32,
    /// The memory of the process.
    pub memory_bytes_max: u64,
}

impl LimitsConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            ban_file: take(settings, "limits.ban_file"),
            flapping_connects_max: take(settings, "limits.flapping_connects_max"),
            flapping_window: seconds(settings, "limits.flapping_window_s"),
            flapping_ban: seconds(settings, "limits.flapping_ban_s"),
            address_connections_max: take(settings, "limits.address_connections_max"),
            address_handshakes_max: take(settings, "limits.address_handshakes_max"),
            client_messages_max: take(settings, "limits.client_messages_max"),
            client_bytes_max: take(settings, "limits.client_bytes_max"),
            memory_bytes_max: take(settings, "limits.memory_bytes_max"),
        }
    }
}
