//! Where connections come from. Each transport has a file of its own.

mod tcp;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tracing::info;

use crate::config::{Bind, ListenerConfig};
use crate::error::StartError;
use crate::shared::ListenerState;
use crate::worker::Worker;

/// A socket that is bound and not served yet.
pub(crate) struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
    state: Arc<ListenerState>,
}

impl Listener {
    /// Binds the socket.
    pub(crate) fn bind(config: &ListenerConfig) -> Result<Self, StartError> {
        let Bind::Tcp(address) = config.bind;
        let bound = tcp::bind(address);
        let (socket, address) = bound.map_err(|source| StartError::Listen {
            bind: config.bind,
            source,
        })?;
        let state = Arc::new(ListenerState {
            allow_anonymous: config.allow_anonymous,
            connections_max: config.max_connections,
            connections: AtomicUsize::new(0),
        });
        Ok(Self {
            socket,
            address,
            state,
        })
    }

    /// The address, with the port that the operating system chose if it was left to it.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until the worker ends, and spreads them over the workers.
    pub(crate) async fn run(self, worker: Rc<Worker>) {
        tcp::run(self.socket, self.state, worker).await;
    }

    /// Says where it listens.
    pub(crate) fn announce(&self) {
        info!("listening on mqtt://{}", self.address);
    }
}
