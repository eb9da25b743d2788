//! The program `dunlin`.

mod cmd;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(cmd::serve_args::ServeArgs),
    Config(cmd::config::ConfigArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => match cmd::serve::run(&args, std::env::vars_os()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        },
        Command::Config(args) => {
            let outcome = cmd::config::run(
                &args,
                std::env::vars_os(),
                &mut std::io::stdout(),
                &mut std::io::stderr(),
            );
            outcome.map_or(ExitCode::FAILURE, |outcome| {
                ExitCode::from(outcome.exit_code())
            })
        }
    }
}
