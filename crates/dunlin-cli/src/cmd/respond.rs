//! `dunlin respond`: answer requests (section 4.10).

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use clap::{ArgAction, Args};
use dunlin_client::codec::{Publish, QoS, SubscriptionOptions, TopicFilter};
use dunlin_client::{Client, Event, MessageProperties, PublishRequest};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::args::{ConnectArgs, qos, seconds};
use crate::failure::{Failure, failed, usage};
use crate::session::{self, Session, Signals};
use crate::status::{self, Place, Status};

/// Commands that run at a time; further requests wait.
const COMMANDS_MAX: usize = 8;
/// An answer is this long at most: no packet carries more.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// The arguments of `dunlin respond`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(
    after_help = "Examples:\n  dunlin respond -t 'lamp/+/get' -m '{\"on\": true}'\n  \
    dunlin respond -t time --exec 'date -u'\n\
    A command gets the payload on standard input, and the topic as MQTT_TOPIC."
)]
pub(crate) struct RespondArgs {
    /// Topic filters of the requests
    #[arg(short = 't', long, value_name = "FILTER", required = true)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    topic: Vec<String>,

    /// Answer with this [default: with the payload of the request]
    #[arg(short = 'm', long, value_name = "BODY")]
    message: Option<String>,

    /// Answer with what this command of the shell prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "message")]
    exec: Option<String>,

    /// QoS of the subscriptions, and of answers at most
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "1", value_parser = qos)]
    qos: QoS,

    /// End after so many requests
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<std::time::Duration>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Answers until a signal comes, or there was enough.
pub(crate) async fn run(args: &RespondArgs) -> Result<(), Failure> {
    if !args.connect.version().is_v5() {
        return Err(usage(
            "respond needs MQTT 5.0, which has response topics; leave out --mqtt-version",
        ));
    }
    for filter in &args.topic {
        TopicFilter::parse(filter)
            .map_err(|error| usage(format!("--topic {filter:?}: {error}")))?;
    }
    let options = args.connect.client_options(&[])?;
    let status = Status::new(Place::Stderr);
    let mut signals = Signals::catch()?;
    let mut session = session::connect(&args.connect, options, status, &mut signals).await?;
    let client = session.client.clone();
    let result = tokio::select! {
        result = answer_all(args, &mut session, status) => result,
        () = signals.next() => Ok(()),
        () = session::pass(args.timeout) => Ok(()),
    };
    session::disconnect(&client).await;
    result
}

async fn subscribe(args: &RespondArgs, client: &Client, status: Status) -> Result<(), Failure> {
    let request = session::subscription(&args.topic, SubscriptionOptions::with_qos(args.qos));
    session::granted(&args.topic, &client.subscribe(request).await?)?;
    for filter in &args.topic {
        status.done(&format!("Subscribed to {filter}"));
    }
    Ok(())
}

async fn answer_all(
    args: &RespondArgs,
    session: &mut Session,
    status: Status,
) -> Result<(), Failure> {
    subscribe(args, &session.client, status).await?;
    let places = Arc::new(Semaphore::new(COMMANDS_MAX));
    let mut running = JoinSet::new();
    let mut left = args.count;
    while left != Some(0) {
        let event = tokio::select! {
            event = session.events.next() => event,
            Some(ended) = running.join_next() => {
                ended.map_err(|error| failed(error.to_string()))??;
                continue;
            }
        };
        let Some(event) = event else {
            return Err(failed("the connection ended"));
        };
        session.fate.follow(&event)?;
        let message = match event {
            Event::Connected(connected) if !connected.connack().session_present => {
                subscribe(args, &session.client, status).await?;
                continue;
            }
            Event::Message(message) => message,
            _ => continue,
        };
        let publish = message.publish();
        let topic = publish.topic.as_str().to_owned();
        let Some(answer) = answer(args, &publish) else {
            status::warn(&format!("a request on {topic} has no response topic"));
            continue;
        };
        left = left.map(|left| left - 1);
        status.done(&format!("Request on {topic}, answer to {}", answer.topic));
        let client = session.client.clone();
        match args.exec.clone() {
            None => client.post(answer).await?,
            Some(command) => {
                let place = Arc::clone(&places).acquire_owned().await?;
                let payload = publish.payload.to_vec();
                running.spawn(async move {
                    let ran =
                        tokio::task::spawn_blocking(move || execute(&command, &topic, payload));
                    let printed = ran.await?;
                    drop(place);
                    match printed {
                        Ok(payload) => {
                            let payload = payload.into();
                            client.post(PublishRequest { payload, ..answer }).await?;
                        }
                        Err(error) => status::warn(&format!("--exec: {error}")),
                    }
                    Ok::<(), Failure>(())
                });
            }
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|error| failed(error.to_string()))??;
    }
    Ok(())
}

/// The answer to a request, with its payload unless a command makes another.
fn answer(args: &RespondArgs, publish: &Publish<'_>) -> Option<PublishRequest> {
    let topic = publish.properties.response_topic?;
    let payload = match &args.message {
        Some(message) => message.clone().into_bytes(),
        None => publish.payload.to_vec(),
    };
    let properties = MessageProperties {
        correlation_data: publish
            .properties
            .correlation_data
            .map(|data| data.to_vec().into()),
        ..MessageProperties::default()
    };
    let request = PublishRequest::new(topic.as_str(), payload);
    Some(request.with_qos(publish.qos).with_properties(properties))
}

/// Runs a command of the shell; gives what it prints.
fn execute(command: &str, topic: &str, payload: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("MQTT_TOPIC", topic)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = child.stdin.take();
    // A command need not read what it gets.
    let writer = thread::spawn(move || input.map(|mut input| input.write_all(&payload)));
    let mut printed = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(ANSWER_BYTES_MAX).read_to_end(&mut printed)?;
    }
    let _ = writer.join();
    let ended = child.wait()?;
    if !ended.success() {
        return Err(std::io::Error::other(format!("{command}: {ended}")));
    }
    if printed.last() == Some(&b'\n') {
        printed.pop();
    }
    Ok(printed)
}
