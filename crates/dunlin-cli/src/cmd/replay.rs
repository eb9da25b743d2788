//! `dunlin replay`: publish a recording again, with its timing.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use dunlin_client::Client;
use dunlin_client::codec::{TopicFilter, TopicName};
use std::collections::VecDeque;
use tokio::time::{Instant, sleep_until};

use crate::args::ConnectArgs;
use crate::failure::{Failure, failed, usage};
use crate::recording::Reader;
use crate::session::{self, Signals};
use crate::status::{Place, Status, counted};

/// Messages whose answers are awaited at once, at most.
const PENDING_MAX: usize = 1000;

/// The arguments of `dunlin replay`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:\n  dunlin replay morning.jsonl --speed 10\n  \
    dunlin replay morning.jsonl --speed max --only 'sensors/+/state' --prefix test/")]
pub(crate) struct ReplayArgs {
    /// The file that `dunlin record` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// So many times as fast, or max for as fast as it goes
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = speed)]
    speed: Speed,

    /// How often
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    times: u32,

    /// Only messages on topics that match one of these
    #[arg(long, value_name = "FILTER", num_args = 1.., action = ArgAction::Append)]
    only: Vec<String>,

    /// Put this before each topic
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// How fast time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    Times(f64),
    Max,
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let factor = text.parse().ok();
    let factor = factor.filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
    factor
        .map(Speed::Times)
        .ok_or_else(|| "expected a number above 0, or max".to_owned())
}

impl ReplayArgs {
    fn open(&self) -> Result<Reader<BufReader<File>>, Failure> {
        let told = |what: String| usage(format!("{}: {what}", self.file.display()));
        let file = File::open(&self.file).map_err(|error| told(error.to_string()))?;
        Reader::open(BufReader::new(file)).map_err(told)
    }

    fn is_wanted(&self, topic: &str) -> bool {
        let Ok(topic) = TopicName::parse(topic) else {
            return true;
        };
        let mut filters = self.only.iter();
        self.only.is_empty()
            || filters
                .any(|filter| TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(topic)))
    }
}

/// Publishes the recording.
pub(crate) async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    for filter in &args.only {
        TopicFilter::parse(filter).map_err(|error| usage(format!("--only {filter:?}: {error}")))?;
    }
    // What is no recording is told before anything is sent.
    args.open()?;
    let options = args.connect.client_options(&[])?;
    let status = Status::new(Place::Stdout);
    let mut signals = Signals::catch()?;
    let session = session::connect(&args.connect, options, status, &mut signals).await?;
    let client = session.client.clone();
    let mut count = 0;
    let result = tokio::select! {
        result = play(args, &client, &mut count) => result,
        failure = session::lose(session.events, session.fate) => Err(failure),
        () = signals.next() => Err(failed("ended by a signal")),
    };
    session::disconnect(&client).await;
    status.done(&format!("{} published", counted(count, "message")));
    result
}

async fn play(args: &ReplayArgs, client: &Client, count: &mut u64) -> Result<(), Failure> {
    let mut pending = VecDeque::new();
    for _ in 0..args.times {
        let mut reader = args.open()?;
        let began = Instant::now();
        let told = |what: String| failed(format!("{}: {what}", args.file.display()));
        while let Some((mut entry, line)) = reader.next().map_err(told)? {
            if !args.is_wanted(&entry.topic) {
                continue;
            }
            if let Speed::Times(factor) = args.speed {
                let at = Duration::from_micros(entry.at_us).div_f64(factor);
                sleep_until(began + at).await;
            }
            entry.topic.insert_str(0, &args.prefix);
            let request = entry
                .request()
                .map_err(|what| told(format!("line {line}: {what}")))?;
            if pending.len() >= PENDING_MAX
                && let Some(oldest) = pending.pop_front()
            {
                session::accepted(&oldest.await?)?;
            }
            pending.push_back(client.begin_publish(request).await?);
            *count += 1;
        }
    }
    for answer in pending {
        session::accepted(&answer.await?)?;
    }
    Ok(())
}
