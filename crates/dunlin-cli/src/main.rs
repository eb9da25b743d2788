//! The program `dunlin`: an MQTT broker, and the client that people try brokers with.

mod args;
mod argv;
mod clock;
mod cmd;
mod defaults;
mod failure;
mod format;
mod help;
mod names;
mod output;
mod random;
mod recording;
mod saved;
mod schema;
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
   0  done; also what runs until Ctrl-C or SIGTERM, such as sub
   1  failed: refused, connection lost or not made, ended by a signal before it was done;
      check: not as the standard says
   2  the command line or the configuration is wrong
   3  bench run: done, and a goal of --expect missed
  27  sub, request: --timeout passed first

Example: dunlin sub -t t/1 & dunlin pub -t t/1 -m hello";

/// An MQTT broker, and the client to try one
#[derive(Debug, Parser)]
#[command(name = "dunlin", version, after_help = EXIT_CODES)]
// A script or an alias may say an option again: the last counts, as with other clients.
#[command(args_override_self = true)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker
    Serve(cmd::serve_args::ServeArgs),
    #[command(flatten)]
    Client(ClientCommand),
    /// List the devices of `simulate` that are built in
    Ls(cmd::simulate::ListArgs),
    /// Ask for the defaults of the client commands, and keep them
    Init(cmd::init::InitArgs),
    /// Print a script that completes commands in a shell
    Completions(cmd::pages::CompletionsArgs),
    /// Print or write the pages of the manual
    Man(cmd::pages::ManArgs),
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

/// The commands that connect to a broker.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Connect, and stay connected
    Conn(Box<cmd::connect::ConnArgs>),
    /// Publish messages
    Pub(Box<cmd::publish::PubArgs>),
    /// Subscribe, and print messages
    Sub(Box<cmd::subscribe::SubArgs>),
    /// Ask, and print the answers
    Request(Box<cmd::request::RequestArgs>),
    /// Answer requests
    Respond(Box<cmd::respond::RespondArgs>),
    /// List, print and remove retained messages
    Retained(cmd::retained::RetainedArgs),
    /// Keep what passes in a file, with its timing
    Record(Box<cmd::record::RecordArgs>),
    /// Publish what was recorded
    Replay(Box<cmd::replay::ReplayArgs>),
    /// Show what passes, on the whole screen
    Top(Box<cmd::top::TopArgs>),
    /// Hold several connections from one prompt
    Shell(cmd::shell::ShellArgs),
    /// Try a broker against the standard
    Check(Box<cmd::check::CheckArgs>),
    /// Publish what many devices would
    Simulate(Box<cmd::simulate::SimulateArgs>),
    /// Measure a broker from outside
    Bench(cmd::bench::BenchArgs),
}

fn main() -> ExitCode {
    let result = parse(std::env::args_os().collect())
        .and_then(|(program, matches)| run(&program.command, &matches));
    let code = result.unwrap_or_else(|failure| match &failure {
        // The reader of standard output is gone, as with `dunlin … | head`.
        Failure::Failed(error) if is_broken_pipe(error) => EXIT_OK,
        failed => {
            status::error(&failed.to_string());
            match failed {
                Failure::Usage(_) => EXIT_USAGE,
                Failure::Failed(_) | Failure::StoreFailed => EXIT_FAILED,
            }
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
    let mut command = help::arrange(Program::command());
    let mut words = argv::expand(&command, words);
    let matches = |command: &mut clap::Command, words: &[OsString]| {
        let found = command.try_get_matches_from_mut(words);
        found.map_err(|error| misunderstood(error, words))
    };
    let mut found = matches(&mut command, &words)?;
    if let Some(loaded) = saved::with_loaded(&command, &found, words.clone())? {
        words = loaded;
        found = matches(&mut command, &words)?;
    }
    if let Some(path) = saved::save(&command, &found)? {
        status::note(&format!("options written to {}", path.display()));
    }
    let program =
        Program::from_arg_matches(&found).map_err(|error| misunderstood(error, &words))?;
    Ok((program, found))
}

/// What clap says of these words, in one line.
fn misunderstood(error: clap::Error, words: &[OsString]) -> Failure {
    if !error.use_stderr()
        || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        error.exit();
    }
    usage(whole(one_line(&error), words))
}

/// A short form of several letters that is none is named as a whole, where clap names its first
/// letter.
fn whole(line: String, words: &[OsString]) -> String {
    let named = line.strip_prefix("unexpected argument '-");
    let Some((letter, rest)) = named.and_then(|named| named.split_once('\'')) else {
        return line;
    };
    let start = format!("-{letter}");
    let mut words = words.iter().filter_map(|word| word.to_str());
    match words.find(|word| letter.len() == 1 && word.starts_with(&start)) {
        Some(word) => format!("unexpected argument '{word}'{rest}"),
        None => line,
    }
}

/// What clap says of a mistake, without the usage, which is what `--help` is for.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraphs = text.split("\n\n").map(str::trim);
    let told = paragraphs.filter(|paragraph| {
        let ends = ["Usage:", "For more information", "tip: to pass"];
        !ends.iter().any(|end| paragraph.starts_with(end))
    });
    let told: Vec<&str> = told.flat_map(str::split_whitespace).collect();
    let line = told.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn run(command: &Command, matches: &ArgMatches) -> Result<u8, Failure> {
    // Not locked: other threads of a command print as well.
    let out = &mut io::stdout();
    match command {
        Command::Serve(args) => cmd::serve::run(args)?,
        Command::Client(client) => {
            defaults::load()?;
            return run_client(client, matches, out);
        }
        Command::Ls(args) => cmd::simulate::list(args, out)?,
        Command::Init(args) => cmd::init::run(args, &mut io::stdin().lock(), out)?,
        Command::Completions(args) => cmd::pages::completions(args, Program::command(), out)?,
        Command::Man(args) => cmd::pages::man(args, Program::command(), out)?,
        Command::Explain(args) => return cmd::explain::run(args, std::env::vars_os(), out),
        Command::Migrate(args) => cmd::migrate::run(args, out)?,
        Command::Passwd(args) => cmd::passwd::run(args)?,
        Command::Store(args) => return cmd::store::run(args, std::env::vars_os(), out),
        Command::Config(args) => {
            let errors = &mut io::stderr().lock();
            let outcome = cmd::config::run(args, std::env::vars_os(), out, errors)?;
            return Ok(outcome.exit_code());
        }
        Command::Cert(args) => cmd::cert::run(args, out)?,
    }
    Ok(EXIT_OK)
}

/// Whether an option of the command is on the command line, or has its default.
fn is_given(matches: &ArgMatches, option: &str) -> bool {
    let command = matches.subcommand();
    let source = command.and_then(|(_, args)| args.value_source(option));
    source == Some(ValueSource::CommandLine)
}

/// Runs a command that connects to a broker.
fn run_client(
    command: &ClientCommand,
    matches: &ArgMatches,
    out: &mut io::Stdout,
) -> Result<u8, Failure> {
    let done = |is_done: bool, otherwise: u8| if is_done { EXIT_OK } else { otherwise };
    match command {
        ClientCommand::Conn(args) => block_on(cmd::connect::run(args))?,
        ClientCommand::Pub(args) => {
            let is_given = is_given(matches, "message");
            block_on(cmd::publish::run(args, is_given))?;
        }
        ClientCommand::Sub(args) => {
            let outcome = block_on(cmd::subscribe::run(args))?;
            let is_done = outcome == cmd::subscribe::Outcome::Enough;
            return Ok(done(is_done, EXIT_TIMED_OUT));
        }
        ClientCommand::Request(args) => {
            let is_done = block_on(cmd::request::run(args, out))?;
            return Ok(done(is_done, EXIT_TIMED_OUT));
        }
        ClientCommand::Respond(args) => block_on(cmd::respond::run(args))?,
        ClientCommand::Retained(args) => block_on(cmd::retained::run(args, out))?,
        ClientCommand::Record(args) => block_on(cmd::record::run(args))?,
        ClientCommand::Replay(args) => block_on(cmd::replay::run(args))?,
        ClientCommand::Top(args) => block_on(cmd::top::run(args, out))?,
        ClientCommand::Shell(args) => cmd::shell::run(args)?,
        ClientCommand::Check(args) => {
            let is_given = is_given(matches, "mqtt_version");
            let is_done = block_on(cmd::check::run(args, is_given, out))?;
            return Ok(done(is_done, EXIT_FAILED));
        }
        ClientCommand::Simulate(args) => block_on(cmd::simulate::run(args, out))?,
        ClientCommand::Bench(args) => return cmd::bench::run(args, out),
    }
    Ok(EXIT_OK)
}

/// Runs a client on this thread.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(future)
}
