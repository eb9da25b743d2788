//! One Network Connection: read, drive the core, write.

mod authenticating;
mod handle;
mod mount;
mod pace;
mod quic;
mod read;
mod task;
mod transport;
mod websocket;
mod write;

pub(crate) use quic::QuicStream;
pub(crate) use task::{Connection, Flushing, run};
pub(crate) use transport::Transport;
pub(crate) use websocket::WebSocket;
pub(crate) use write::Flushed;
