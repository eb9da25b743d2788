//! `dunlin pub`: publish messages.

mod payload;

use std::collections::VecDeque;
use std::path::PathBuf;

use clap::{ArgAction, Args};
use dunlin_client::codec::{QoS, ReasonCode};
use dunlin_client::{Client, Pending, PublishRequest, Published, RequestError};

use crate::args::{ConnectArgs, FormatArgs, MessageArgs, in_older, payload_size, topic_name};
use crate::failure::{Failure, usage};
use crate::schema::SchemaArgs;
use crate::session::{self, Signals};
use crate::status::{self, Place, Status, counted};
use payload::{Encoding, Lines, Source};

/// Messages whose answers are awaited at once, at most.
const PENDING_MAX: usize = 1000;

/// The arguments of `dunlin pub`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:\n  dunlin pub -t t/1 -m hello -q 1\n  \
    seq 1000 | dunlin pub -t t/1 -s -M")]
pub(crate) struct PubArgs {
    /// Topic name
    #[arg(
        short = 't',
        long,
        value_name = "TOPIC",
        required_unless_present = "load_options"
    )]
    topic: Option<String>,

    /// Payload
    #[arg(
        short = 'm',
        long,
        value_name = "BODY",
        default_value = "Hello from Dunlin"
    )]
    message: String,

    /// Read the payload from standard input
    #[arg(short = 's', long)]
    stdin: bool,

    /// Publish each line of standard input
    #[arg(short = 'M', long)]
    multiline: bool,

    /// -lm: publish each line as it is typed
    #[arg(long)]
    line_mode: bool,

    /// Read the payload from a file
    #[arg(long, value_name = "PATH")]
    file_read: Option<PathBuf>,

    /// Publish a random payload of this size, such as 512B, 1KB or 2MB
    #[arg(short = 'S', long, value_name = "SIZE", value_parser = payload_size)]
    payload_size: Option<usize>,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    message_args: MessageArgs,

    #[command(flatten)]
    schema: SchemaArgs,

    /// -Cup: user properties of CONNECT, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    conn_user_properties: Vec<String>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl PubArgs {
    /// The message without its payload.
    fn request(&self) -> Result<PublishRequest, Failure> {
        let Some(topic) = &self.topic else {
            return Err(usage("--topic is needed"));
        };
        topic_name("--topic", topic)?;
        let mut request = self.message_args.request()?;
        request.topic = topic.as_str().into();
        Ok(request)
    }

    fn source(&self, message_is_given: bool) -> Source {
        if self.line_mode || self.multiline {
            Source::Lines
        } else if self.stdin {
            Source::Stdin
        } else if let Some(path) = &self.file_read {
            Source::File(path.clone())
        } else if let Some(size) = self.payload_size.filter(|_| !message_is_given) {
            Source::Random(size)
        } else {
            Source::Text(self.message.clone())
        }
    }

    fn without_effect(&self) -> Vec<String> {
        let version = self.connect.version();
        let mut told = self.message_args.without_effect(version);
        let of_connect = !self.conn_user_properties.is_empty();
        told.extend(in_older(version, &[("--conn-user-properties", of_connect)]));
        told
    }
}

/// Publishes what the flags say.
pub(crate) async fn run(args: &PubArgs, message_is_given: bool) -> Result<(), Failure> {
    let status = Status::new(Place::Stdout);
    let encoding = Encoding {
        format: args.format.format,
        schema: args.schema.schema()?,
    };
    let options = args.connect.client_options(&args.conn_user_properties)?;
    let request = args.request()?;
    let source = args.source(message_is_given);
    // What can be read at once is checked before anything is sent.
    let single = match source {
        Source::Lines => None,
        source => Some(source.read(&encoding)?),
    };
    for text in args.without_effect() {
        status.warn(&text);
    }
    let mut signals = Signals::catch()?;
    let session = session::connect(&args.connect, options, status, &mut signals).await?;
    let client = session.client.clone();
    let publishing = async {
        match single {
            Some(payload) => {
                let request = PublishRequest {
                    payload: payload.into(),
                    ..request
                };
                publish(&client, request).await?;
                status.done("Message published");
            }
            None => {
                let lines = Lines::start(encoding);
                if status::stdin_is_terminal() {
                    status.done("Each line is published; Ctrl-D or Ctrl-C ends");
                }
                let count = publish_lines(&client, &request, lines).await?;
                status.done(&format!("{} published", counted(count, "message")));
            }
        }
        Ok(())
    };
    let result = tokio::select! {
        result = publishing => result,
        failure = session::lose(session.events, session.fate) => Err(failure),
        () = signals.next() => Ok(()),
    };
    session::disconnect(&client).await;
    result
}

async fn publish(client: &Client, request: PublishRequest) -> Result<(), Failure> {
    let mut pending = client.begin_publish(request.clone()).await?;
    loop {
        let result = pending.await;
        match settle(client, &request, result).await? {
            Some(again) => pending = again,
            None => return Ok(()),
        }
    }
}

/// Looks at an answer. A message of QoS 1 whose session is gone is published once more, which may
/// deliver it twice, as QoS 1 may.
async fn settle(
    client: &Client,
    request: &PublishRequest,
    result: Result<Published, RequestError>,
) -> Result<Option<Pending<Published>>, Failure> {
    match result {
        Ok(published) => check(&published).map(|()| None),
        Err(RequestError::SessionLost) if request.qos == QoS::AtLeastOnce => {
            Ok(Some(client.begin_publish(request.clone()).await?))
        }
        Err(error) => Err(error.into()),
    }
}

fn check(published: &Published) -> Result<(), Failure> {
    session::accepted(published)?;
    if published.reason_code == ReasonCode::NoMatchingSubscribers {
        status::warn(&format!("the server says: {}", published.reason_code));
    }
    Ok(())
}

/// Messages on their way, oldest first.
type InFlight = VecDeque<(PublishRequest, Pending<Published>)>;

/// Publishes lines as they come; gives their number.
async fn publish_lines(
    client: &Client,
    request: &PublishRequest,
    mut lines: Lines,
) -> Result<u64, Failure> {
    let mut in_flight = InFlight::new();
    let mut count = 0;
    let mut is_open = true;
    while is_open || !in_flight.is_empty() {
        let has_place = is_open && in_flight.len() < PENDING_MAX;
        let oldest = in_flight.front_mut();
        let is_waiting = oldest.is_some();
        let answer = async {
            match oldest {
                Some((_, answer)) => answer.await,
                None => Err(RequestError::Closed),
            }
        };
        // Answers are looked at while no line is there, so that a refusal is told at once.
        let result = tokio::select! {
            biased;
            line = lines.next(), if has_place => {
                let Some(payload) = line else {
                    is_open = false;
                    continue;
                };
                let payload = payload?.into();
                let request = PublishRequest { payload, ..request.clone() };
                let pending = client.begin_publish(request.clone()).await?;
                in_flight.push_back((request, pending));
                count += 1;
                continue;
            }
            result = answer, if is_waiting => result,
        };
        if let Some((request, _)) = in_flight.pop_front()
            && let Some(again) = settle(client, &request, result).await?
        {
            in_flight.push_back((request, again));
        }
    }
    Ok(count)
}
