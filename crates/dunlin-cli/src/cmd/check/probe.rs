//! One probe, and what came of it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use dunlin_client::ConnectError;
use dunlin_client::codec::ProtocolVersion;
use dunlin_client::script::ScriptError;

use super::bench::{Bench, closes};

/// What a probe does.
pub(super) type Run =
    for<'a> fn(&'a Bench, usize) -> Pin<Box<dyn Future<Output = Result<(), Wrong>> + Send + 'a>>;

/// One thing that is tried.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    pub(super) version: ProtocolVersion,
    /// The requirement, or the section that says so without a label.
    pub(super) label: &'static str,
    /// What must hold.
    pub(super) says: &'static str,
    pub(super) way: Way,
}

/// How something is tried.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// A function plays it.
    Played(Run),
    /// These bytes come first on a connection, which must be closed.
    First(fn() -> Vec<u8>),
    /// These bytes come once a client is connected, which must be closed.
    Then(fn() -> Vec<u8>),
    /// These bytes come once a client is connected. No client may send them, and a broker that sees
    /// it must close; how closely 5.0 has it look is its own affair (section 4.13.1).
    Unwelcome(fn() -> Vec<u8>),
}

impl Probe {
    /// Tries it; the number tells it from the others of this run.
    pub(super) async fn run(&self, bench: &Bench, number: usize) -> Result<(), Wrong> {
        let lab = bench.client(number, self.version);
        match self.way {
            Way::Played(run) => run(bench, number).await,
            Way::First(bytes) => {
                let mut peer = lab.raw().await?;
                peer.send_bytes(&bytes()).await?;
                closes(&mut peer).await.map(drop)
            }
            Way::Then(bytes) => {
                let mut tester = lab.client("a").await?;
                tester.peer.send_bytes(&bytes()).await?;
                tester.must_end().await.map(drop)
            }
            Way::Unwelcome(bytes) => {
                let mut tester = lab.client("a").await?;
                tester.peer.send_bytes(&bytes()).await?;
                tester.must_end().await.map(drop).map_err(|wrong| {
                    if matches!(wrong, Wrong::Open(_)) {
                        Wrong::Lenient("it is taken, or passed over".to_owned())
                    } else {
                        wrong
                    }
                })
            }
        }
    }

    /// Where the label is in the standard: its numbers.
    pub(super) fn place(&self) -> Vec<u32> {
        self.label
            .split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect()
    }
}

/// Why a probe did not pass.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The broker does otherwise.
    Otherwise(String),
    /// The connection is still there after this time.
    Open(Duration),
    /// The broker does not look so closely, which the standard leaves to it.
    Lenient(String),
    /// The broker says that it has no such thing.
    NotOffered(&'static str),
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed(String),
    Lenient(String),
    Skipped(&'static str),
}

impl From<Wrong> for Verdict {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Otherwise(text) => Self::Failed(text),
            Wrong::Open(time) => {
                Self::Failed(format!("the connection is still open after {time:?}"))
            }
            Wrong::Lenient(text) => Self::Lenient(text),
            Wrong::NotOffered(what) => Self::Skipped(what),
        }
    }
}

impl From<ScriptError> for Wrong {
    fn from(error: ScriptError) -> Self {
        Self::Otherwise(error.to_string())
    }
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self::Otherwise(error.to_string())
    }
}

impl From<ConnectError> for Wrong {
    fn from(error: ConnectError) -> Self {
        Self::Otherwise(error.to_string())
    }
}

/// Fails a probe unless something holds.
pub(super) fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Wrong> {
    if holds {
        Ok(())
    } else {
        Err(Wrong::Otherwise(otherwise()))
    }
}

/// A table of probes of one version: the label, what must hold, and the function that tries it.
macro_rules! probes {
    ($version:expr; $($label:literal $says:literal => $run:path,)*) => {
        &[$($crate::cmd::check::probe::Probe {
            version: $version,
            label: $label,
            says: $says,
            way: $crate::cmd::check::probe::Way::Played(|bench, index| {
                Box::pin($run(bench.client(index, $version)))
            }),
        },)*]
    };
}
pub(super) use probes;
