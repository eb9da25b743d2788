//! The program `dunlin`.

mod cmd;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An MQTT broker, and the tools to try one
#[derive(Debug, Parser)]
#[command(name = "dunlin", version)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure a broker from outside
    Bench(cmd::bench::BenchArgs),
}

fn main() -> ExitCode {
    let program = Program::parse();
    let result = match &program.command {
        Command::Bench(args) => cmd::bench::run(args, &mut io::stdout().lock()),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to tell if standard error is gone.
            drop(writeln!(io::stderr(), "dunlin: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
