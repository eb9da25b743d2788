//! `dunlin sub`: subscribe, and print what comes.

mod file;
mod print;
mod template;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use dunlin_client::codec::{QoS, ReasonCode, TopicFilter};
use dunlin_client::{
    Client, Event, Events, Message, Pending, PublishRequest, RequestError, SubscribeRequest,
    Subscribed,
};
use tokio::time::Instant;

use crate::args::{ConnectArgs, FormatArgs, SubscriptionArgs, in_older, seconds};
use crate::clock;
use crate::defaults::{self, OutputStyle};
use crate::failure::{Failure, failed, usage};
use crate::output::Output;
use crate::schema::SchemaArgs;
use crate::session::{self, Fate, Session, Signals};
use crate::status::{Place, Status};
use file::Files;
use print::{Printer, Style};
use template::Template;

/// Events that are looked at before what they print is written.
const BATCH: usize = 1024;

/// The arguments of `dunlin sub`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = EXAMPLES, after_long_help = help())]
pub(crate) struct SubArgs {
    #[command(flatten)]
    subscription: SubscriptionArgs,

    #[command(flatten)]
    format: FormatArgs,

    /// Show the whole packet of each message
    #[arg(short = 'v', long)]
    verbose: bool,

    /// text, log with a time before each entry, or clean: a JSON object for each message and nothing
    /// else [default: text]
    #[arg(long, value_name = "MODE", value_enum, hide_possible_values = true)]
    output_mode: Option<OutputMode>,

    /// Print this of each message, such as '%t %p'; `dunlin help sub` has the letters
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::parse)]
    #[arg(conflicts_with_all = ["verbose", "output_mode"])]
    template: Option<Template>,

    /// Print retained messages alone, and end when another comes
    #[arg(long)]
    retained_only: bool,

    /// Remove the retained messages that come, from the server
    #[arg(long)]
    remove_retained: bool,

    /// Leave out messages on these topics
    #[arg(short = 'T', long, value_name = "FILTER", num_args = 1.., action = ArgAction::Append)]
    filter_out: Vec<String>,

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
    /// What the configuration says, which is text or log.
    Default,
    Text,
    Log,
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

impl SubArgs {
    fn requests(&self) -> Result<Vec<SubscribeRequest>, Failure> {
        self.subscription.requests(str::to_owned)
    }

    fn filter_out(&self) -> Result<Vec<String>, Failure> {
        for filter in &self.filter_out {
            TopicFilter::parse(filter)
                .map_err(|error| usage(format!("--filter-out {filter:?}: {error}")))?;
        }
        Ok(self.filter_out.clone())
    }

    fn without_effect(&self) -> Vec<String> {
        let version = self.connect.version();
        let mut told = self.subscription.without_effect(version);
        let of_connect = !self.conn_user_properties.is_empty();
        told.extend(in_older(version, &[("--conn-user-properties", of_connect)]));
        told
    }

    fn style(&self) -> Style {
        match self.output_mode.unwrap_or(OutputMode::Default) {
            OutputMode::Default => match defaults::current().output {
                OutputStyle::Text => Style::Text,
                OutputStyle::Log => Style::Log,
            },
            OutputMode::Text => Style::Text,
            OutputMode::Log => Style::Log,
            OutputMode::Clean => Style::Clean,
        }
    }
}

/// What stands below the flags.
const EXAMPLES: &str = "\
Examples:
  dunlin sub -t t/1 -h localhost -v
  dunlin sub -t 'sensors/#' -q 1 --output-mode clean --count 10 | jq .payload
  dunlin sub -t '#' -T '$SYS/#' --template '%@T %-20t %p'
Exit code 27: --timeout passed before --count messages came.";

/// What stands below the flags where all of them are shown.
fn help() -> String {
    format!("{}\n\n{EXAMPLES}", template::LETTERS_HELP)
}

/// Subscribes, and prints what comes until there is enough.
pub(crate) async fn run(args: &SubArgs) -> Result<Outcome, Failure> {
    let style = args.style();
    let status = match style {
        Style::Text => Status::new(Place::Stderr),
        Style::Log => Status::new(Place::Stderr).with_time(),
        Style::Clean => Status::new(Place::Nowhere),
    };
    let options = args.connect.client_options(&args.conn_user_properties)?;
    let requests = args.requests()?;
    let printer = Printer {
        format: args.format.format,
        schema: args.schema.schema()?,
        is_verbose: args.verbose,
        style,
        template: args.template.clone(),
        filter_out: args.filter_out()?,
        files: Files::open(args)?,
        stamps: clock::Stamps::default(),
    };
    for text in args.without_effect() {
        status.warn(&text);
    }
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut signals = Signals::catch()?;
    let connecting = session::connect(&args.connect, options, status, &mut signals);
    let Some(connected) = until(deadline, connecting).await else {
        return Ok(Outcome::TimedOut);
    };
    let Session {
        client,
        events,
        fate,
        ..
    } = connected?;
    let mut subscriber = Subscriber {
        fate,
        status,
        client: &client,
        requests,
        remaining: args.count,
        retained_only: args.retained_only,
        remove_retained: args.remove_retained,
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
    fate: Fate,
    status: Status,
    client: &'a Client,
    requests: Vec<SubscribeRequest>,
    /// How many messages are wanted still.
    remaining: Option<u64>,
    retained_only: bool,
    remove_retained: bool,
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
                    Event::Message(message) => self.take(&message, &mut chunk).await?,
                    Event::Connected(connected) => {
                        self.status.done("Connected again");
                        // Subscriptions whose answer never came are asked for again as well.
                        if !connected.connack().session_present || !answers.is_empty() {
                            answers = self.subscribe().await?;
                        }
                    }
                    Event::Disconnected(_) | Event::ReconnectFailed(_) => {
                        answers.lose();
                        self.fate.follow(&event)?;
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

    /// Prints a message, and does with it what was asked for.
    async fn take(&mut self, message: &Message, chunk: &mut Vec<u8>) -> Result<(), Failure> {
        if self.remaining == Some(0) {
            return Ok(());
        }
        let publish = message.publish();
        if self.retained_only && !publish.retain {
            self.remaining = Some(0);
            return Ok(());
        }
        if !self.printer.print(message, &publish, chunk)? {
            return Ok(());
        }
        self.remaining = self.remaining.map(|remaining| remaining - 1);
        // An empty one is the removal of it, which comes back if RETAIN stays as published.
        if self.remove_retained && publish.retain && !publish.payload.is_empty() {
            let removal = PublishRequest::new(publish.topic.as_str(), Vec::new())
                .with_qos(QoS::AtLeastOnce)
                .with_retain(true);
            self.client.post(removal).await?;
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
