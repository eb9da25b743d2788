//! `dunlin bench`: measure a broker from outside.

mod engine;
mod expect;
mod flags;
mod mqttx;
mod progress;
mod report;
mod run;
mod scenario;

use std::io::Write;

use anyhow::Result;
use clap::{ArgAction, Args, Subcommand};

use flags::mqttx::{ConnArgs, PubArgs, SubArgs};
use flags::run::RunArgs;

use crate::failure::{Failure, usage};
use crate::status;

/// The exit code of a bench that did what it should.
const EXIT_OK: u8 = 0;
/// The exit code of a bench that missed a goal of `--expect`.
const EXIT_GOAL_MISSED: u8 = 3;

/// The arguments of `dunlin bench`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(
    after_help = "Examples:\n  dunlin bench run p2p --pairs 100 -q 1 --duration 10s\n  \
    dunlin bench sub -t 't/#' -c 10 & dunlin bench pub -t t/%i -c 100 -im 10"
)]
pub(crate) struct BenchArgs {
    /// Print help
    #[arg(long, global = true, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(subcommand)]
    command: BenchCommand,
}

// `-h` is the host, so every command has only the long flag for help.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum BenchCommand {
    #[command(disable_help_flag = true)]
    #[command(after_help = "Example: dunlin bench conn -c 10000 -i 1 -h localhost")]
    Conn(Box<ConnArgs>),
    #[command(disable_help_flag = true)]
    #[command(
        after_help = "Examples:\n  dunlin bench pub -t t/%i -c 100 -im 10 -L 100000\n  \
        dunlin bench pub -t t -c 4 -im 0 -S 64B --duration 10s"
    )]
    Pub(Box<PubArgs>),
    #[command(disable_help_flag = true)]
    #[command(after_help = "Example: dunlin bench sub -t 't/#' -c 10 --duration 10s")]
    Sub(Box<SubArgs>),
    #[command(disable_help_flag = true)]
    #[command(after_help = "Examples:\n  dunlin bench run p2p --pairs 100 -q 1\n  \
        dunlin bench run fan-out --subscribers 1000 --rate 1000 --expect 'p99<5ms' --json out.json")]
    Run(Box<RunArgs>),
}

impl BenchCommand {
    /// Whether the flags make sense together.
    fn check(&self) -> Result<()> {
        match self {
            Self::Conn(args) => args.options().map(drop),
            Self::Pub(args) => args.options().map(drop),
            Self::Sub(args) => args.options().map(drop),
            Self::Run(args) => args.check(),
        }
    }

    /// What the flags ask for in vain.
    fn without_effect(&self) -> Vec<String> {
        match self {
            Self::Conn(args) => args.without_effect(),
            Self::Pub(args) => args.without_effect(),
            Self::Sub(args) => args.without_effect(),
            Self::Run(args) => args.server.without_effect(),
        }
    }
}

/// Runs `dunlin bench` and gives the exit code: 0, or 3 if a goal was missed. What is measured is
/// written to `out`.
///
/// # Errors
/// [`Failure::Usage`] if the flags make no sense; else what kept the bench from being done.
pub(crate) fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let checked = args.command.check();
    checked.map_err(|error| usage(format!("{error:#}")))?;
    for text in args.command.without_effect() {
        status::warn(&text);
    }
    let done = match &args.command {
        BenchCommand::Conn(args) => mqttx::conn(args, out),
        BenchCommand::Pub(args) => mqttx::publish(args, out),
        BenchCommand::Sub(args) => mqttx::subscribe(args, out),
        BenchCommand::Run(args) => run::run(args, out),
    };
    done.map_err(Failure::Failed)
}

#[cfg(test)]
mod tests;
