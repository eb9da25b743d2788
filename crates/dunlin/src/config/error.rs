//! What is wrong with a configuration, and who wrote it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::value::without_credentials;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: it is the option's default.
    Default,
    /// In a file; without a line when the whole file is meant.
    File {
        /// The path as it was given.
        path: Arc<Path>,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// In an environment variable of this name.
    Environment(Arc<str>),
    /// On the command line, in these words.
    CommandLine(Arc<str>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::CommandLine(words) => f.write_str(&without_credentials(words)),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Who wrote it.
    pub source: Source,
    /// What is wrong and what is allowed, in one line.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.what)
    }
}

/// A configuration that was refused, with everything found wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(problems))]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// `problems` holds one at least.
    pub(super) const fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// What is wrong, in the order of the sources; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// One problem for each line.
fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
