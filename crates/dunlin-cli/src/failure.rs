//! How a command can fail.

use std::fmt;

use dunlin_client::{ConnectError, Endpoint, Foreign};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked for something that makes no sense, or that this version cannot do.
    Usage(String),
    /// It failed.
    Failed(anyhow::Error),
    /// The broker ended since its store takes nothing any more.
    StoreFailed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            Self::Failed(error) => f.write_str(&told(error)),
            Self::StoreFailed => f.write_str(STORE_FAILED),
        }
    }
}

impl From<Failure> for anyhow::Error {
    /// Forgets whose fault it is, where the caller knows.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Usage(text) => Self::msg(text),
            Failure::Failed(error) => error,
            Failure::StoreFailed => Self::msg(STORE_FAILED),
        }
    }
}

/// An error with its causes; those that it names itself are not said again.
fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// What is said of [`Failure::StoreFailed`].
const STORE_FAILED: &str = "the store failed, and store.exit_on_failure says to end then";

/// A [`Failure::Usage`].
pub(crate) fn usage(text: impl Into<String>) -> Failure {
    Failure::Usage(text.into())
}

/// A [`Failure::Failed`].
pub(crate) fn failed(text: impl Into<String>) -> Failure {
    Failure::Failed(anyhow::Error::msg(text.into()))
}

/// No connection came about.
pub(crate) fn not_connected(endpoint: &Endpoint, error: &ConnectError) -> Failure {
    match error {
        ConnectError::Encode(_) | ConnectError::Topic(_) => usage(error.to_string()),
        ConnectError::Refused(_) => failed(error.to_string()),
        _ => {
            let text = error.to_string();
            let hint = match error {
                ConnectError::Foreign(Foreign::Tls) => "; --protocol mqtts speaks it",
                ConnectError::Foreign(Foreign::Http) => "; --protocol ws goes through it",
                _ if text.contains("lookup") && names_more_than_a_host(endpoint) => {
                    "; --hostname takes a host alone: --port and --protocol say the rest"
                }
                _ if text.contains("invalid peer certificate") => {
                    "; --ca names whom to trust, --insecure trusts everyone"
                }
                _ => "",
            };
            failed(format!("cannot connect to {endpoint}: {text}{hint}"))
        }
    }
}

/// Whether a URL, or a port, was given with the host: what has a colon is printed in brackets, and
/// would be an address, which needs no lookup.
fn names_more_than_a_host(endpoint: &Endpoint) -> bool {
    endpoint.to_string().contains(['[', ']'])
}

impl<E> From<E> for Failure
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
