//! `dunlin request`: publish a request, and print the answers (section 4.10).

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use dunlin_client::codec::{QoS, ReasonCode};
use dunlin_client::{
    Event, MessageProperties, PublishRequest, SubscribeRequest, UnsubscribeRequest,
};
use tokio::time::{Instant, timeout_at};

use crate::args::{ConnectArgs, FormatArgs, qos, seconds, topic_name, user_properties_of};
use crate::failure::{Failure, failed, usage};
use crate::random;
use crate::session::{self, Session, Signals};
use crate::status::{self, Place, Status};

/// The arguments of `dunlin request`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:\n  dunlin request -t lamp/1/get -m '{}'\n  \
    dunlin request -t who -m '?' --count 3 --timeout 2 --latency\n\
    Exit code 27: --timeout passed before the answers came.")]
pub(crate) struct RequestArgs {
    /// Topic of the request
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,

    /// Payload of the request
    #[arg(short = 'm', long, value_name = "BODY", default_value = "")]
    message: String,

    /// QoS of request and answers
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "1", value_parser = qos)]
    qos: QoS,

    #[command(flatten)]
    format: FormatArgs,

    /// -rt: where answers go [default: a topic of this client's own]
    #[arg(long, value_name = "TOPIC")]
    response_topic: Option<String>,

    /// -up: user properties of the request, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,

    /// End after so many answers
    #[arg(short = 'c', long, value_name = "NUMBER", default_value_t = 1)]
    count: u32,

    /// End after this time, with exit code 27
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,

    /// Tell how long each answer took, on standard error
    #[arg(long)]
    latency: bool,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Asks, and prints what comes back. Gives whether all answers came.
pub(crate) async fn run(args: &RequestArgs, out: &mut dyn Write) -> Result<bool, Failure> {
    topic_name("--topic", &args.topic)?;
    if let Some(topic) = &args.response_topic {
        topic_name("--response-topic", topic)?;
    }
    if !args.connect.version().is_v5() {
        return Err(usage(
            "request needs MQTT 5.0, which has response topics; leave out --mqtt-version",
        ));
    }
    let payload = match args.format.format {
        Some(format) => format
            .encode(args.message.clone().into_bytes())
            .map_err(|what| usage(format!("--message: {what}")))?,
        None => args.message.clone().into_bytes(),
    };
    let user_properties = user_properties_of("--user-properties", &args.user_properties)?;
    let mut options = args.connect.client_options(&[])?;
    options.connect.settings.request_response_information = Some(true);
    let status = Status::new(Place::Nowhere);
    let mut signals = Signals::catch()?;
    let deadline = Instant::now() + args.timeout;
    let connecting = session::connect(&args.connect, options, status, &mut signals);
    let Ok(session) = timeout_at(deadline, connecting).await else {
        return Ok(false);
    };
    let mut session = session?;
    let properties = MessageProperties {
        response_topic: Some(response_topic(args, &session)),
        correlation_data: Some(random::text(16).into()),
        user_properties,
        ..MessageProperties::default()
    };
    let asking = ask(args, &mut session, payload, properties, out);
    let result = tokio::select! {
        result = timeout_at(deadline, asking) => result,
        () = signals.next() => Ok(Err(failed("ended by a signal"))),
    };
    session::disconnect(&session.client).await;
    match result {
        Ok(result) => result.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// The topic that was named; or one below the server's Response Information, if it gives any; or one
/// that only a random name tells from others'.
fn response_topic(args: &RequestArgs, session: &Session) -> String {
    if let Some(topic) = &args.response_topic {
        return topic.clone();
    }
    let connack = session.connected.connack();
    let unique = random::client_id();
    match connack.properties.response_information {
        Some(base) => format!("{}/{unique}", base.trim_end_matches('/')),
        None => format!("response/{unique}"),
    }
}

async fn ask(
    args: &RequestArgs,
    session: &mut Session,
    payload: Vec<u8>,
    properties: MessageProperties,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let topic = properties.response_topic.clone().unwrap_or_default();
    let subscribe = SubscribeRequest::new(topic.as_str(), args.qos);
    let subscribed = session.client.subscribe(subscribe).await?;
    session::granted(std::slice::from_ref(&topic), &subscribed)?;
    let correlation = properties.correlation_data.clone();
    let request = PublishRequest {
        payload: payload.into(),
        qos: args.qos,
        extras: Some(Arc::new((properties, Vec::new()))),
        ..PublishRequest::new(args.topic.as_str(), Vec::new())
    };
    let asked = Instant::now();
    let published = session.client.publish(request).await?;
    session::accepted(&published)?;
    if published.reason_code == ReasonCode::NoMatchingSubscribers {
        status::warn("nobody is subscribed to the request's topic now");
    }
    let mut answers = 0;
    while answers < args.count {
        let Some(event) = session.events.next().await else {
            return Err(failed("the connection ended"));
        };
        session.fate.follow(&event)?;
        let Event::Message(message) = event else {
            continue;
        };
        let publish = message.publish();
        // On a topic that others use as well, their answers come too.
        if publish.properties.correlation_data != correlation.as_deref() {
            continue;
        }
        answers += 1;
        let decoded = args
            .format
            .format
            .and_then(|format| format.decode(publish.payload));
        out.write_all(decoded.as_deref().unwrap_or(publish.payload))?;
        writeln!(out)?;
        out.flush()?;
        if args.latency {
            let took = asked.elapsed().as_secs_f64() * 1e3;
            status::note(&format!("answer {answers} after {took:.3} ms"));
        }
    }
    let unsubscribe = UnsubscribeRequest::new(topic);
    session.client.unsubscribe(unsubscribe).await?;
    Ok(())
}
