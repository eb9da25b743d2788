//! Connects the world to the core: listeners, connection tasks, configuration.
//!
//! Absent by design: rules of MQTT. What a packet means is decided in `dunlin-core`; here bytes are
//! read and written, time is told, and threads are started.

mod auth;
mod clock;
pub mod config;
mod connection;
mod error;
mod listener;
mod publish;
mod server;
mod settings;
mod shared;
mod store;
mod timers;
mod worker;

pub use auth::Authenticator;
pub use error::StartError;
pub use server::Server;
