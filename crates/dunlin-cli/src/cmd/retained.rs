//! `dunlin retained`: list, print and remove retained messages.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use clap::{ArgAction, Args, Subcommand};
use dunlin_client::codec::{QoS, RetainHandling, SubscriptionOptions, TopicFilter};
use dunlin_client::{Event, Message, PublishRequest};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::args::{ConnectArgs, seconds, topic_name};
use crate::failure::{Failure, failed, usage};
use crate::session::{self, Session, Signals};
use crate::status::{Place, Status};

/// The arguments of `dunlin retained`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Example: dunlin retained ls 'sensors/#' -h localhost")]
pub(crate) struct RetainedArgs {
    /// Print help
    #[arg(long, global = true, action = ArgAction::Help)]
    help: Option<bool>,

    #[command(subcommand)]
    command: RetainedCommand,
}

#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum RetainedCommand {
    /// List topics that have a retained message
    #[command(disable_help_flag = true)]
    #[command(after_help = "Example: dunlin retained ls 'sensors/#' -h localhost")]
    Ls(Box<ListArgs>),
    /// Print the payload of a topic's retained message
    #[command(disable_help_flag = true)]
    #[command(
        after_help = "Example: dunlin retained get sensors/1/state > state.json\n\
        Exit code 1: there is none."
    )]
    Get(Box<GetArgs>),
    /// Remove retained messages
    #[command(disable_help_flag = true)]
    #[command(after_help = "Example: dunlin retained rm 'sensors/#' --dry-run")]
    Rm(Box<RemoveArgs>),
}

/// How the end of what is retained is found: the protocol does not mark it.
#[derive(Debug, Args)]
struct QuietArgs {
    /// It is all when nothing came for this time
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    quiet_after: Duration,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Topic filters
    #[arg(value_name = "FILTER", default_value = "#")]
    filters: Vec<String>,

    /// A JSON object for each message, with its payload
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    quiet: QuietArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct GetArgs {
    /// Topic
    #[arg(value_name = "TOPIC")]
    topic: String,

    #[command(flatten)]
    quiet: QuietArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// Topic filters
    #[arg(value_name = "FILTER", required = true)]
    filters: Vec<String>,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    quiet: QuietArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// A retained message.
struct Retained {
    payload: Vec<u8>,
    qos: QoS,
}

/// Does what the command says.
pub(crate) async fn run(args: &RetainedArgs, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.command {
        RetainedCommand::Ls(args) => list(args, out).await,
        RetainedCommand::Get(args) => get(args, out).await,
        RetainedCommand::Rm(args) => remove(args, out).await,
    }
}

async fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (session, found) = read(&args.connect, &args.filters, &args.quiet).await?;
    session::disconnect(&session.client).await;
    let width = found.keys().map(|topic| topic.chars().count()).max();
    for (topic, Retained { payload, qos }) in &found {
        let size = payload.len();
        if args.json {
            let payload = String::from_utf8_lossy(payload);
            let qos = *qos as u8;
            let object = json!({"topic": topic, "qos": qos, "size": size, "payload": payload});
            writeln!(out, "{object}")?;
        } else {
            let width = width.unwrap_or(0);
            writeln!(out, "{topic:width$}  {size:>8} B  QoS {qos}")?;
        }
    }
    Ok(())
}

async fn get(args: &GetArgs, out: &mut dyn Write) -> Result<(), Failure> {
    topic_name("TOPIC", &args.topic)?;
    let filters = std::slice::from_ref(&args.topic);
    let (session, found) = read(&args.connect, filters, &args.quiet).await?;
    session::disconnect(&session.client).await;
    let topic = &args.topic;
    let Some(retained) = found.get(topic) else {
        return Err(failed(format!("{topic:?} has no retained message")));
    };
    out.write_all(&retained.payload)?;
    Ok(())
}

async fn remove(args: &RemoveArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (session, found) = read(&args.connect, &args.filters, &args.quiet).await?;
    for topic in found.keys() {
        if !args.dry_run {
            let removal = PublishRequest::new(topic.as_str(), Vec::new())
                .with_qos(QoS::AtLeastOnce)
                .with_retain(true);
            let published = session.client.publish(removal).await?;
            session::accepted(&published)
                .map_err(|failure| failed(format!("removing {topic}: {failure}")))?;
        }
        writeln!(out, "{topic}")?;
    }
    session::disconnect(&session.client).await;
    Ok(())
}

/// Connects, and reads all retained messages that match.
async fn read(
    connect: &ConnectArgs,
    filters: &[String],
    quiet: &QuietArgs,
) -> Result<(Session, BTreeMap<String, Retained>), Failure> {
    for filter in filters {
        let parsed = TopicFilter::parse(filter);
        let parsed = parsed.map_err(|error| usage(format!("FILTER {filter:?}: {error}")))?;
        if matches!(parsed.share(), Ok(Some(_))) {
            return Err(usage(format!(
                "FILTER {filter:?}: shared subscriptions get no retained messages"
            )));
        }
    }
    let options = connect.client_options(&[])?;
    let mut signals = Signals::catch()?;
    let status = Status::new(Place::Nowhere);
    let mut session = session::connect(connect, options, status, &mut signals).await?;
    let reading = collect(&mut session, filters, quiet.quiet_after);
    let result = tokio::select! {
        result = reading => result,
        () = signals.next() => Err(failed("ended by a signal")),
    };
    match result {
        Ok(found) => Ok((session, found)),
        Err(failure) => {
            session::disconnect(&session.client).await;
            Err(failure)
        }
    }
}

async fn collect(
    session: &mut Session,
    filters: &[String],
    quiet_after: Duration,
) -> Result<BTreeMap<String, Retained>, Failure> {
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        retain_handling: RetainHandling::Send,
        ..SubscriptionOptions::default()
    };
    let request = session::subscription(filters, options);
    let mut found = BTreeMap::new();
    let mut answer = Some(session.client.begin_subscribe(request).await?);
    let mut until = Instant::now() + Duration::from_secs(3600);
    loop {
        let event = tokio::select! {
            subscribed = async {
                match &mut answer {
                    Some(answer) => answer.await,
                    None => std::future::pending().await,
                }
            } => {
                answer = None;
                session::granted(filters, &subscribed?)?;
                until = Instant::now() + quiet_after;
                continue;
            }
            event = timeout_at(until, session.events.next()) => event,
        };
        let Ok(event) = event else {
            return Ok(found);
        };
        let Some(event) = event else {
            return Err(failed("the connection ended"));
        };
        match event {
            Event::Message(message) => {
                if answer.is_none() {
                    until = Instant::now() + quiet_after;
                }
                keep(&message, &mut found);
            }
            Event::Disconnected(disconnected) => {
                return Err(failed(format!("connection lost: {}", disconnected.cause)));
            }
            _ => {}
        }
    }
}

fn keep(message: &Message, found: &mut BTreeMap<String, Retained>) {
    let publish = message.publish();
    if publish.retain {
        let retained = Retained {
            payload: publish.payload.to_vec(),
            qos: publish.qos,
        };
        found.insert(publish.topic.as_str().to_owned(), retained);
    }
}
