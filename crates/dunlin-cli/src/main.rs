//! The program `dunlin`: an MQTT broker, and the client that people try brokers with.

mod args;
mod argv;
mod clock;
mod cmd;
mod failure;
mod format;
mod output;
mod random;
mod saved;
mod session;
mod status;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use failure::{Failure, usage};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Done.
const EXIT_OK: u8 = 0;
/// It failed: refused, lost, not to be reached.
const EXIT_FAILED: u8 = 1;
/// The command line, a file it names or the configuration makes no sense, or asks for what this
/// version cannot do.
const EXIT_USAGE: u8 = 2;
/// `sub --timeout` passed before the messages came. It is the code of `mosquitto_sub -W`.
const EXIT_TIMED_OUT: u8 = 27;

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  failed: refused, connection lost or not made
   2  the command line or the configuration is wrong
   3  bench run: done, and a goal of --expect missed
  27  sub: --timeout passed first

Example: dunlin sub -t t/1 & dunlin pub -t t/1 -m hello";

/// An MQTT broker, and the client to try one
#[derive(Debug, Parser)]
#[command(name = "dunlin", version, after_help = EXIT_CODES)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker
    Serve(cmd::serve_args::ServeArgs),
    /// Connect, and stay connected
    Conn(Box<cmd::connect::ConnArgs>),
    /// Publish messages
    Pub(Box<cmd::publish::PubArgs>),
    /// Subscribe, and print messages
    Sub(Box<cmd::subscribe::SubArgs>),
    /// Measure a broker from outside
    Bench(cmd::bench::BenchArgs),
    /// Say whether a client may publish or subscribe, and which rule decides
    Explain(cmd::explain::ExplainArgs),
    /// Write a configuration from that of another broker
    Migrate(cmd::migrate::MigrateArgs),
    /// Make and change a file of users and passwords
    Passwd(cmd::passwd::PasswdArgs),
    /// Check, dump, back up and restore the store of the broker
    Store(cmd::store::StoreArgs),
    /// Show, check and explain the configuration of the broker
    Config(cmd::config::ConfigArgs),
    /// Make a certificate for a first try with TLS
    Cert(cmd::cert::CertArgs),
}

fn main() -> ExitCode {
    let result = parse(std::env::args_os().collect())
        .and_then(|(program, matches)| run(&program.command, &matches));
    let code = result.unwrap_or_else(|failure| match failure {
        Failure::Usage(text) => {
            status::error(&text);
            EXIT_USAGE
        }
        // The reader of standard output is gone, as with `dunlin … | head`.
        Failure::StoreFailed => {
            status::error("the store failed, and store.exit_on_failure says to end then");
            EXIT_FAILED
        }
        Failure::Failed(error) if is_broken_pipe(&error) => EXIT_OK,
        Failure::Failed(error) => {
            status::error(&format!("{error:#}"));
            EXIT_FAILED
        }
    });
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Reads the command line, and the files of options that it names. Help and the version are printed
/// here, and end the process.
fn parse(words: Vec<OsString>) -> Result<(Program, ArgMatches), Failure> {
    let mut command = Program::command();
    let mut words = argv::expand(&command, words);
    let matches = |command: &mut clap::Command, words: &[OsString]| {
        command
            .try_get_matches_from_mut(words)
            .map_err(misunderstood)
    };
    let mut found = matches(&mut command, &words)?;
    if let Some(loaded) = saved::with_loaded(&command, &found, words.clone())? {
        words = loaded;
        found = matches(&mut command, &words)?;
    }
    if let Some(path) = saved::save(&command, &found)? {
        status::note(&format!("options written to {}", path.display()));
    }
    let program = Program::from_arg_matches(&found).map_err(misunderstood)?;
    Ok((program, found))
}

/// What clap says, in one line: the usage is what `--help` is for.
fn misunderstood(error: clap::Error) -> Failure {
    if !error.use_stderr()
        || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        error.exit();
    }
    let text = error.to_string();
    let paragraphs = text.split("\n\n").map(str::trim);
    let told = paragraphs.filter(|paragraph| {
        !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
    });
    let told: Vec<&str> = told.flat_map(str::split_whitespace).collect();
    let line = told.join(" ");
    usage(line.strip_prefix("error: ").unwrap_or(&line))
}

fn run(command: &Command, matches: &ArgMatches) -> Result<u8, Failure> {
    match command {
        Command::Serve(args) => cmd::serve::run(args)?,
        Command::Conn(args) => block_on(cmd::connect::run(args))?,
        Command::Pub(args) => {
            let given = matches
                .subcommand()
                .and_then(|(_, args)| args.value_source("message"));
            let is_given = given == Some(ValueSource::CommandLine);
            block_on(cmd::publish::run(args, is_given))?;
        }
        Command::Sub(args) => {
            return Ok(match block_on(cmd::subscribe::run(args))? {
                cmd::subscribe::Outcome::Enough => EXIT_OK,
                cmd::subscribe::Outcome::TimedOut => EXIT_TIMED_OUT,
            });
        }
        Command::Bench(args) => return cmd::bench::run(args, &mut io::stdout().lock()),
        Command::Explain(args) => {
            let mut out = io::stdout().lock();
            return cmd::explain::run(args, std::env::vars_os(), &mut out);
        }
        Command::Migrate(args) => cmd::migrate::run(args, &mut io::stdout().lock())?,
        Command::Passwd(args) => cmd::passwd::run(args)?,
        Command::Cert(args) => cmd::cert::run(args, &mut io::stdout().lock())?,
        Command::Store(args) => {
            return cmd::store::run(args, std::env::vars_os(), &mut io::stdout().lock());
        }
        Command::Config(args) => {
            let (mut out, mut errors) = (io::stdout().lock(), io::stderr().lock());
            let outcome = cmd::config::run(args, std::env::vars_os(), &mut out, &mut errors)?;
            return Ok(outcome.exit_code());
        }
    }
    Ok(EXIT_OK)
}

/// Runs a client on this thread.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(future)
}
