//! `dunlin record`: keep what passes in a file, with its timing.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};
use dunlin_client::codec::{QoS, SubscriptionOptions, TopicFilter};
use dunlin_client::{Client, Event};
use tokio::time::Instant;

use crate::args::{ConnectArgs, qos, seconds};
use crate::clock;
use crate::failure::{Failure, failed, usage};
use crate::recording::{self, Entry};
use crate::session::{self, Session, Signals};
use crate::status::{Place, Status, counted};

/// Events that are taken before what they leave is handed to the system.
const BATCH: usize = 1024;

/// The arguments of `dunlin record`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(
    after_help = "Example: dunlin record -t 'sensors/#' -o morning.jsonl --timeout 600\n\
    `dunlin replay` publishes it again."
)]
pub(crate) struct RecordArgs {
    /// Topic filters
    #[arg(short = 't', long, value_name = "FILTER", required = true)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    topic: Vec<String>,

    /// The file to write; it may not be there yet
    #[arg(short = 'o', long, value_name = "FILE")]
    output: PathBuf,

    /// QoS
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "1", value_parser = qos)]
    qos: QoS,

    /// End after this many messages
    #[arg(short = 'c', long, value_name = "NUMBER")]
    count: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Records until a signal comes, or there is enough.
pub(crate) async fn run(args: &RecordArgs) -> Result<(), Failure> {
    for filter in &args.topic {
        TopicFilter::parse(filter)
            .map_err(|error| usage(format!("--topic {filter:?}: {error}")))?;
    }
    if args.output.exists() {
        return Err(there_already(&args.output));
    }
    let options = args.connect.client_options(&[])?;
    let status = Status::new(Place::Stdout);
    let mut signals = Signals::catch()?;
    let mut session = session::connect(&args.connect, options, status, &mut signals).await?;
    let client = session.client.clone();
    let file = File::create_new(&args.output).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => there_already(&args.output),
        _ => told(&args.output, &error),
    })?;
    let mut tape = Tape {
        path: &args.output,
        file: BufWriter::new(file),
        began: None,
        count: 0,
    };
    let result = tokio::select! {
        result = follow(args, &mut session, &mut tape, status) => result,
        () = signals.next() => Ok(()),
        () = session::pass(args.timeout) => Ok(()),
    };
    session::disconnect(&client).await;
    tape.flush()?;
    result?;
    let count = tape.count;
    let messages = counted(count, "message");
    status.done(&format!("{messages} in {}", args.output.display()));
    Ok(())
}

fn there_already(path: &Path) -> Failure {
    usage(format!(
        "--output {}: the file is there already",
        path.display()
    ))
}

fn told(path: &Path, error: &io::Error) -> Failure {
    failed(format!("--output {}: {error}", path.display()))
}

async fn subscribe(args: &RecordArgs, client: &Client) -> Result<(), Failure> {
    // The flags stay as published, so that what is retained is so when it is replayed.
    let options = SubscriptionOptions {
        qos: args.qos,
        retain_as_published: true,
        ..SubscriptionOptions::default()
    };
    let request = session::subscription(&args.topic, options);
    session::granted(&args.topic, &client.subscribe(request).await?)
}

async fn follow(
    args: &RecordArgs,
    session: &mut Session,
    tape: &mut Tape<'_>,
    status: Status,
) -> Result<(), Failure> {
    tape.begin()?;
    // Retained messages may come before the answer: they wait among the events.
    subscribe(args, &session.client).await?;
    status.done(&format!("Recording to {}", tape.path.display()));
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let left = args.count.map(|count| count.saturating_sub(tape.count));
        let max = left.map_or(BATCH, |left| usize::try_from(left).unwrap_or(BATCH));
        if max == 0 {
            return Ok(());
        }
        let count = session.events.next_many(&mut batch, max.min(BATCH)).await;
        if count == 0 {
            return Err(failed("the connection ended"));
        }
        for event in batch.drain(..) {
            session.fate.follow(&event)?;
            match event {
                Event::Message(message) => tape.add(&message)?,
                Event::Connected(connected) if !connected.connack().session_present => {
                    subscribe(args, &session.client).await?;
                }
                _ => {}
            }
        }
        tape.flush()?;
    }
}

/// What is written.
struct Tape<'a> {
    path: &'a Path,
    file: BufWriter<File>,
    began: Option<Instant>,
    count: u64,
}

impl Tape<'_> {
    fn begin(&mut self) -> Result<(), Failure> {
        self.began = Some(Instant::now());
        recording::begin(&mut self.file, clock::now()).map_err(|error| told(self.path, &error))?;
        self.flush()
    }

    fn add(&mut self, message: &dunlin_client::Message) -> Result<(), Failure> {
        let since = self.began.map(|began| began.elapsed()).unwrap_or_default();
        let at_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let entry = Entry::of(&message.publish(), at_us);
        recording::write(&mut self.file, &entry).map_err(|error| told(self.path, &error))?;
        self.count += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| told(self.path, &error))
    }
}
