//! `dunlin config`: what the options are, and whether a configuration is good.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use dunlin::config::{self, Sources};

/// The arguments of `dunlin config`.
#[derive(Debug, Args)]
#[command(after_help = "Example: dunlin config default > dunlin.toml")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print a configuration file that shows every option with its default
    #[command(after_help = "Example: dunlin config default > dunlin.toml")]
    Default,
    /// Check a configuration file and the environment, and print what differs from the defaults
    ///
    /// Exits with 0 if the configuration is good and with 2 if it is not; then every mistake is
    /// told, each with its place.
    #[command(after_help = "Example: dunlin config check dunlin.toml")]
    Check {
        /// The file that `dunlin serve --config` would be given; without it only the environment
        /// is checked
        file: Option<PathBuf>,
    },
    /// Explain an option, or list those of a section, or all
    #[command(after_help = "Example: dunlin config explain mqtt.qos_max")]
    Explain {
        /// An option such as mqtt.qos_max, or a section such as mqtt
        path: Option<String>,
    },
}

/// How `dunlin config` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Good,
    /// Exit code 2: a bad configuration, or an unknown option.
    Bad,
}

impl Outcome {
    /// The exit code of the process.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad => 2,
        }
    }
}

/// Runs `dunlin config` with the variables of [`std::env::vars_os`]. What was asked for goes to
/// `out`, mistakes go to `errors`.
///
/// # Errors
/// Only those of writing.
pub(crate) fn run(
    args: &ConfigArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> io::Result<Outcome> {
    match &args.command {
        ConfigCommand::Default => {
            out.write_all(config::default_file().as_bytes())?;
            Ok(Outcome::Good)
        }
        ConfigCommand::Check { file } => {
            let sources = Sources {
                file: file.clone(),
                environment: environment.into_iter().collect(),
                overrides: Vec::new(),
            };
            check(&sources, out, errors)
        }
        ConfigCommand::Explain { path } => match config::explain(path.as_deref()) {
            Ok(text) => {
                out.write_all(text.as_bytes())?;
                Ok(Outcome::Good)
            }
            Err(error) => {
                writeln!(errors, "{error}")?;
                Ok(Outcome::Bad)
            }
        },
    }
}

/// Says what a configuration means, or everything that is wrong in it.
fn check(sources: &Sources, out: &mut impl Write, errors: &mut impl Write) -> io::Result<Outcome> {
    let loaded = match sources.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            writeln!(errors, "{error}")?;
            return Ok(Outcome::Bad);
        }
    };
    match loaded.changed.len() {
        0 => writeln!(out, "ok: every option has its default")?,
        1 => writeln!(out, "ok: 1 option differs from its default")?,
        count => writeln!(out, "ok: {count} options differ from their defaults")?,
    }
    for changed in &loaded.changed {
        writeln!(
            out,
            "{} = {}  # {}",
            changed.path, changed.value, changed.source
        )?;
    }
    Ok(Outcome::Good)
}

#[cfg(test)]
mod tests;
