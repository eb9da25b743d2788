//! `dunlin sub`: subscribe, and print what comes.

mod file;
mod print;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use dunlin_client::codec::{
    QoS, ReasonCode, RetainHandling, SubscriptionOptions, TopicFilter, VARIABLE_BYTE_INTEGER_MAX,
};
use dunlin_client::{Client, Event, Events, Pending, RequestError, SubscribeRequest, Subscribed};
use tokio::time::Instant;

use crate::args::{ConnectArgs, SchemaArgs, qos, user_properties_of};
use crate::failure::{Failure, failed, usage};
use crate::format::Format;
use crate::output::Output;
use crate::session::{self, Signals};
use crate::status::{Place, Status};
use file::Files;
use print::Printer;

/// Events that are looked at before what they print is written.
const BATCH: usize = 1024;

/// The arguments of `dunlin sub`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:\n  dunlin sub -t t/1 -h localhost -v\n  \
    dunlin sub -t 'sensors/#' -q 1 --output-mode clean --count 10 | jq .payload\n\
    Exit code 27: --timeout passed before --count messages came.")]
pub(crate) struct SubArgs {
    /// Topic filters
    #[arg(
        short = 't',
        long,
        value_name = "TOPIC",
        required_unless_present = "load_options"
    )]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    topic: Vec<String>,

    /// QoS, for all topics or one for each
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "0", value_parser = qos)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    qos: Vec<QoS>,

    /// -nl: no local, for all topics or true or false for each
    #[arg(long = "no_local", visible_alias = "no-local", value_name = "BOOL")]
    #[arg(num_args = 0.., action = ArgAction::Append, default_missing_value = "true")]
    no_local: Vec<bool>,

    /// -rap: retain as published, for all topics or true or false for each
    #[arg(long, value_name = "BOOL")]
    #[arg(num_args = 0.., action = ArgAction::Append, default_missing_value = "true")]
    retain_as_published: Vec<bool>,

    /// -rh: retain handling, for all topics or one for each
    #[arg(long, value_name = "0/1/2", value_parser = retain_handling)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    retain_handling: Vec<RetainHandling>,

    /// -si: subscription identifier, for all topics or one for each
    #[arg(long, value_name = "NUMBER", num_args = 1.., action = ArgAction::Append)]
    subscription_identifier: Vec<NonZeroU32>,

    /// -up: user properties of SUBSCRIBE, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,

    /// How payloads are shown: base64, json, hex or binary
    #[arg(
        short = 'f',
        long,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true
    )]
    format: Option<Format>,

    /// Show the whole packet of each message
    #[arg(short = 'v', long)]
    verbose: bool,

    /// default, or clean: one JSON object for each message and nothing else
    #[arg(long, value_name = "MODE", value_enum, default_value = "default")]
    #[arg(hide_possible_values = true)]
    output_mode: OutputMode,

    /// Append payloads to a file
    #[arg(long, value_name = "PATH", conflicts_with = "file_save")]
    file_write: Option<PathBuf>,

    /// Write each payload to a file of its own, numbered from the second on
    #[arg(long, value_name = "PATH")]
    file_save: Option<PathBuf>,

    /// What follows each payload in --file-write
    #[arg(long, value_name = "TEXT", num_args = 0..=1)]
    #[arg(default_value = "\\n", default_missing_value = "\\n")]
    delimiter: String,

    /// End after this many messages
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,

    /// End after this time, with exit code 27
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    /// -Cup: user properties of CONNECT, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    conn_user_properties: Vec<String>,

    #[command(flatten)]
    schema: SchemaArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputMode {
    Default,
    Clean,
}

/// How `dunlin sub` ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The messages came that were asked for, or a signal.
    Enough,
    /// The time passed before.
    TimedOut,
}

fn retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "0" => Ok(RetainHandling::Send),
        "1" => Ok(RetainHandling::SendIfNew),
        "2" => Ok(RetainHandling::DoNotSend),
        _ => Err("expected 0, 1 or 2".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl SubArgs {
    /// What to subscribe to: one request for each subscription identifier, for it holds for all of a
    /// request.
    fn requests(&self) -> Result<Vec<SubscribeRequest>, Failure> {
        let user_properties = user_properties_of("--user-properties", &self.user_properties)?;
        let max = VARIABLE_BYTE_INTEGER_MAX;
        if self
            .subscription_identifier
            .iter()
            .any(|identifier| identifier.get() > max)
        {
            return Err(usage(format!(
                "--subscription-identifier: expected 1 to {max}"
            )));
        }
        if self.topic.is_empty() {
            return Err(usage("--topic is needed"));
        }
        let mut requests: Vec<SubscribeRequest> = Vec::new();
        for (index, topic) in self.topic.iter().enumerate() {
            let filter = TopicFilter::parse(topic)
                .and_then(|filter| filter.share().map(|_| filter))
                .map_err(|error| usage(format!("--topic {topic:?}: {error}")))?;
            let options = SubscriptionOptions {
                qos: of(&self.qos, index).unwrap_or_default(),
                no_local: of(&self.no_local, index).unwrap_or(false),
                retain_as_published: of(&self.retain_as_published, index).unwrap_or(false),
                retain_handling: of(&self.retain_handling, index).unwrap_or_default(),
            };
            if options.no_local && matches!(filter.share(), Ok(Some(_))) {
                return Err(usage(format!("--no_local is not allowed for {topic:?}")));
            }
            let identifier = of(&self.subscription_identifier, index);
            let same = requests
                .last_mut()
                .filter(|last| last.subscription_identifier == identifier);
            match same {
                Some(last) => last.filters.push((topic.clone(), options)),
                None => requests.push(SubscribeRequest {
                    filters: vec![(topic.clone(), options)],
                    subscription_identifier: identifier,
                    user_properties: user_properties.clone(),
                }),
            }
        }
        Ok(requests)
    }

    fn without_effect(&self) -> Vec<&'static str> {
        if self.connect.version().is_v5() {
            return Vec::new();
        }
        [
            ("--no_local", !self.no_local.is_empty()),
            (
                "--retain-as-published",
                !self.retain_as_published.is_empty(),
            ),
            ("--retain-handling", !self.retain_handling.is_empty()),
            (
                "--subscription-identifier",
                !self.subscription_identifier.is_empty(),
            ),
            ("--user-properties", !self.user_properties.is_empty()),
            (
                "--conn-user-properties",
                !self.conn_user_properties.is_empty(),
            ),
        ]
        .into_iter()
        .filter_map(|(flag, is_given)| is_given.then_some(flag))
        .collect()
    }

    const fn place(&self) -> Place {
        match self.output_mode {
            OutputMode::Default => Place::Stderr,
            OutputMode::Clean => Place::Nowhere,
        }
    }
}

/// The value for a topic: its own, or the only one there is.
fn of<T: Copy>(values: &[T], index: usize) -> Option<T> {
    match values {
        [only] => Some(*only),
        values => values.get(index).copied(),
    }
}

/// Subscribes, and prints what comes until there is enough.
pub(crate) async fn run(args: &SubArgs) -> Result<Outcome, Failure> {
    let status = Status::new(args.place());
    args.schema.check()?;
    let format = args.format;
    if format.is_some_and(|format| !format.is_served()) {
        return Err(usage(
            "--format: this version knows base64, json, hex and binary",
        ));
    }
    let options = args.connect.client_options(&args.conn_user_properties)?;
    let requests = args.requests()?;
    let printer = Printer {
        format,
        is_verbose: args.verbose,
        is_clean: args.output_mode == OutputMode::Clean,
        files: Files::open(args)?,
    };
    for flag in args.without_effect() {
        let version = args.connect.version();
        status.warn(&format!("{flag} has no effect in MQTT {version}"));
    }
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut signals = Signals::catch()?;
    let connecting = session::connect(&args.connect, options, status, &mut signals);
    let Some(connected) = until(deadline, connecting).await else {
        return Ok(Outcome::TimedOut);
    };
    let (client, events, _) = connected?;
    let mut subscriber = Subscriber {
        args,
        status,
        client: &client,
        requests,
        remaining: args.count,
        printer,
        output: Output::start(),
    };
    let (result, is_hurried) = tokio::select! {
        result = subscriber.run(events) => (result.map(|()| Outcome::Enough), false),
        () = signals.next() => (Ok(Outcome::Enough), true),
        Some(()) = at(deadline) => (Ok(Outcome::TimedOut), false),
    };
    let Subscriber {
        mut printer,
        output,
        ..
    } = subscriber;
    session::disconnect(&client).await;
    output.finish(is_hurried).await?;
    printer.files.flush()?;
    result
}

async fn until<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

async fn at(deadline: Option<Instant>) -> Option<()> {
    match deadline {
        Some(deadline) => {
            tokio::time::sleep_until(deadline).await;
            Some(())
        }
        None => std::future::pending().await,
    }
}

/// Prints messages until there are enough.
struct Subscriber<'a> {
    args: &'a SubArgs,
    status: Status,
    client: &'a Client,
    requests: Vec<SubscribeRequest>,
    /// How many messages are wanted still.
    remaining: Option<u64>,
    printer: Printer,
    output: Output,
}

impl Subscriber<'_> {
    async fn run(&mut self, mut events: Events) -> Result<(), Failure> {
        let mut answers = self.subscribe().await?;
        let mut batch = Vec::with_capacity(BATCH);
        while self.remaining != Some(0) {
            // Not more than wanted is taken: what is not taken is not acknowledged.
            let wanted = self
                .remaining
                .and_then(|remaining| usize::try_from(remaining).ok());
            let max = wanted.unwrap_or(BATCH).min(BATCH);
            let count = tokio::select! {
                biased;
                answer = answers.next() => {
                    let (request, subscribed) = answer?;
                    self.check(request, &subscribed)?;
                    continue;
                }
                count = events.next_many(&mut batch, max) => count,
            };
            if count == 0 {
                return Err(failed("the connection ended"));
            }
            let mut chunk = Vec::new();
            for event in batch.drain(..) {
                match event {
                    Event::Message(message) => {
                        self.printer.print(&message, &mut chunk)?;
                        self.remaining = self.remaining.map(|remaining| remaining - 1);
                    }
                    Event::Connected(connected) => {
                        self.status.done("Connected again");
                        // Subscriptions whose answer never came are asked for again as well.
                        if !connected.connack().session_present || !answers.is_empty() {
                            answers = self.subscribe().await?;
                        }
                    }
                    Event::Disconnected(_) | Event::ReconnectFailed(_) => {
                        answers.lose();
                        session::follow(&event, &self.args.connect, self.status)?;
                    }
                    _ => {}
                }
            }
            self.printer.files.flush()?;
            if self.output.write(chunk).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn subscribe(&self) -> Result<Answers, Failure> {
        let mut answers = Answers::default();
        for (index, request) in self.requests.iter().enumerate() {
            let pending = self.client.begin_subscribe(request.clone()).await?;
            answers.pending.push((index, pending));
        }
        Ok(answers)
    }

    /// Tells what the server made of a request; a failure if it refuses a filter.
    fn check(&self, request: usize, subscribed: &Subscribed) -> Result<(), Failure> {
        let filters = self
            .requests
            .get(request)
            .map(|request| request.filters.as_slice());
        let text = subscribed.reason_string.as_deref();
        for ((filter, options), &code) in filters
            .unwrap_or_default()
            .iter()
            .zip(&subscribed.reason_codes)
        {
            if code.is_error() {
                let reason = session::reason(code, text);
                return Err(failed(format!("subscribing to {filter} refused: {reason}")));
            }
            self.status.done(&format!("Subscribed to {filter}"));
            if code < ReasonCode::granted(options.qos) {
                let granted = code as u8;
                self.status
                    .warn(&format!("{filter}: the server grants QoS {granted} only"));
            }
        }
        Ok(())
    }
}

/// Subscriptions that wait for SUBACK.
#[derive(Default)]
struct Answers {
    pending: Vec<(usize, Pending<Subscribed>)>,
    /// Some were lost with a connection.
    is_lost: bool,
}

impl Answers {
    fn is_empty(&self) -> bool {
        self.pending.is_empty() && !self.is_lost
    }

    /// The connection is gone, and with it what was awaited.
    fn lose(&mut self) {
        self.is_lost |= !self.pending.is_empty();
        self.pending.clear();
    }

    /// The answer to a request; never, if none is awaited.
    async fn next(&mut self) -> Result<(usize, Subscribed), Failure> {
        let Some((index, pending)) = self.pending.first_mut() else {
            return std::future::pending().await;
        };
        let (index, result) = (*index, pending.await);
        match result {
            Ok(subscribed) => {
                self.pending.remove(0);
                Ok((index, subscribed))
            }
            // The event that says so is on its way.
            Err(RequestError::ConnectionLost | RequestError::NotConnected) => {
                self.lose();
                std::future::pending().await
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
