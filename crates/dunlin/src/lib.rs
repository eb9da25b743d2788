//! Connects the world to the core: listeners, connection tasks, configuration.
//!
//! Absent by design: rules of MQTT. What a packet means is decided in `dunlin-core`; here bytes are
//! read and written, time is told, and threads are started.

pub mod auth;
mod clock;
pub mod config;
mod connection;
mod error;
pub mod explain;
mod files;
mod http;
mod limits;
mod listener;
mod mailbox;
#[cfg(test)]
mod mutate;
mod peer;
pub mod secret;
mod server;
mod settings;
mod shared;
mod store;
mod sync;
mod sys;
mod timers;
mod worker;

pub use error::StartError;
pub use listener::TlsError;
pub use peer::{Peer, PeerCertificate};
pub use server::Server;
