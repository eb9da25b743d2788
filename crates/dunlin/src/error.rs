//! Why the broker does not start.

use std::io;
use std::path::PathBuf;

use dunlin_store::OpenError;

use crate::config::Bind;
use crate::listener::TlsError;

/// Why the broker does not start. The text says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {bind}: {}", explained(source))]
    Listen {
        /// The address.
        bind: Bind,
        /// What the operating system says.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot listen on {bind}: {source}")]
    Tls {
        /// The address.
        bind: Bind,
        /// What is wrong, and in which file.
        source: Box<TlsError>,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start a worker thread: {0}")]
    Worker(#[source] io::Error),
    /// There is no randomness to begin with.
    #[error("cannot read random numbers from the operating system: {0}")]
    Random(#[source] io::Error),
    /// The store cannot be opened.
    #[error("{}", crate::store::explained(directory, source))]
    Store {
        /// Its directory.
        directory: PathBuf,
        /// What is wrong.
        source: OpenError,
    },
    /// A file of users, keys, access rules or bans cannot be read.
    #[error("{0}")]
    Auth(String),
}

fn explained(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has this port; stop it, or listen elsewhere with --listen".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "not permitted; ports below 1024 need a privilege".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}
