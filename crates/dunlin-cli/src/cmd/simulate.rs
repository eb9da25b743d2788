//! `dunlin simulate`: many clients that publish what devices would, as a scenario says.

mod field;
mod scenario;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{ArgAction, Args};
use dunlin_client::codec::TopicName;
use dunlin_client::{Client, ClientOptions, Event, Events, PublishRequest};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::args::{Identity, MessageArgs, RejoinArgs, ServerArgs, WillArgs, in_older};
use crate::failure::{Failure, failed, not_connected, usage};
use crate::names::Names;
use crate::session::{self, Signals};
use crate::status;
use scenario::Scenario;

/// Connections under way at a time; `--interval` is what spaces them.
const CONNECTING_MAX: usize = 256;

/// The arguments of `dunlin simulate`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:\n  dunlin simulate -sc tesla -c 10\n  \
    dunlin simulate -sc weather --show > mine.toml && dunlin simulate -f mine.toml -c 1\n\
    `dunlin ls --scenarios` lists what is built in.")]
pub(crate) struct SimulateArgs {
    /// -sc: a scenario that is built in
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    #[arg(required_unless_present_any = ["file", "load_options"])]
    scenario: Option<String>,

    /// A scenario in a file, TOML or JSON
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Print the scenario instead, as a beginning for one's own
    #[arg(long)]
    show: bool,

    /// How many clients
    #[arg(short = 'c', long, value_name = "NUMBER", default_value_t = 1000)]
    count: u32,

    /// Between the beginnings of two connections, in milliseconds
    #[arg(short = 'i', long, value_name = "MS", default_value_t = 10)]
    interval: u64,

    /// -im: between two messages of a client, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    message_interval: u64,

    /// End after so many messages of all clients together; 0 for no limit
    #[arg(short = 'L', long, value_name = "NUMBER", default_value_t = 0)]
    limit: u64,

    /// Topic, with %u user name, %c client identifier, %i number, %sc scenario
    /// [default: the scenario's, or mqttx/simulate/%sc/%c]
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Print the total of each second in a line of its own, also on a terminal
    #[arg(short = 'v', long)]
    verbose: bool,

    #[command(flatten)]
    message_args: MessageArgs,

    /// Client identifier; %i stands for the client's number and is added if it is missing
    #[arg(short = 'I', long, value_name = "ID")]
    client_id: Option<String>,

    /// Keep alive, in seconds
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 30)]
    keepalive: u16,

    #[command(flatten)]
    rejoin: RejoinArgs,

    #[command(flatten)]
    server: ServerArgs,

    /// -Cup: user properties of CONNECT, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    conn_user_properties: Vec<String>,

    #[command(flatten)]
    will: WillArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl SimulateArgs {
    fn options(&self) -> Result<ClientOptions, Failure> {
        let mut options = self.server.client_options(&Identity {
            client_id: self.client_id.clone(),
            keep_alive: self.keepalive,
            user_properties: &self.conn_user_properties,
        })?;
        options.connect.will = self.will.options()?;
        options.reconnect = self.rejoin.reconnect();
        Ok(options)
    }

    fn without_effect(&self) -> Vec<String> {
        let version = self.server.version();
        let mut told = self.server.without_effect();
        told.extend(self.will.without_effect(version));
        told.extend(self.message_args.without_effect(version));
        let of_connect = !self.conn_user_properties.is_empty();
        told.extend(in_older(version, &[("--conn-user-properties", of_connect)]));
        told
    }

    /// The scenario, and its text.
    fn scenario(&self) -> Result<(Scenario, String), Failure> {
        if let Some(path) = &self.file {
            return of_file(path);
        }
        let Some(name) = &self.scenario else {
            return Err(usage("--scenario or --file is needed"));
        };
        let text = scenario::built_in(name).ok_or_else(|| {
            let names: Vec<_> = scenario::BUILT_IN.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            usage(format!("--scenario {name}: expected one of {names}"))
        })?;
        let scenario = Scenario::of_toml(text).map_err(|what| usage(format!("{name}: {what}")))?;
        Ok((scenario, text.to_owned()))
    }
}

fn of_file(path: &Path) -> Result<(Scenario, String), Failure> {
    let told = |what: String| usage(format!("--file {}: {what}", path.display()));
    let end = path.extension().and_then(|end| end.to_str());
    if matches!(end, Some("js" | "mjs" | "cjs" | "ts")) {
        return Err(told(
            "scripts are not run here: describe the fields of a message in TOML or JSON instead; \
             `dunlin simulate --scenario weather --show` prints an example"
                .to_owned(),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
    let scenario = match end {
        Some("json") => Scenario::of_json(&text),
        _ => Scenario::of_toml(&text),
    };
    Ok((scenario.map_err(told)?, text))
}

/// The arguments of `dunlin ls`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Example: dunlin ls --scenarios")]
pub(crate) struct ListArgs {
    /// -sc: the scenarios of `dunlin simulate`
    #[arg(long, alias = "scenario")]
    scenarios: bool,
}

/// Prints what is built in.
pub(crate) fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    if !args.scenarios {
        return Err(usage("--scenarios is what can be listed"));
    }
    let rows: Result<Vec<_>, _> = scenario::BUILT_IN
        .iter()
        .map(|(name, text)| Scenario::of_toml(text).map(|scenario| (*name, scenario.description)))
        .collect();
    let rows = rows.map_err(usage)?;
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, description) in rows {
        writeln!(out, "{name:width$}  {description}")?;
    }
    Ok(())
}

/// What all clients share.
struct Crew {
    scenario: Scenario,
    request: PublishRequest,
    options: ClientOptions,
    /// With what stands for a client in it.
    topic: String,
    names: Names,
    interval: Duration,
    connecting: Semaphore,
    connected: AtomicU64,
    published: AtomicU64,
    /// Messages that may still be begun.
    left: AtomicU64,
}

/// Publishes what the scenario says until a signal comes or the limit is reached.
pub(crate) async fn run(args: &SimulateArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (scenario, text) = args.scenario()?;
    if args.show {
        out.write_all(text.as_bytes())?;
        return Ok(());
    }
    if args.count == 0 {
        return Err(usage("--count must be 1 at least"));
    }
    let options = args.options()?;
    let topic = args.topic.clone().or_else(|| scenario.topic.clone());
    let names = Names {
        client_id: options.connect.client_id.clone(),
        user_name: args.server.user_name(),
        is_alone: args.count == 1,
    };
    let topic = topic.as_deref().unwrap_or("mqttx/simulate/%sc/%c");
    let topic = topic.replace("%sc", &scenario.name);
    let first = names.fill(&topic, &names.client_id(1), 1);
    TopicName::parse(&first).map_err(|error| usage(format!("--topic {first:?}: {error}")))?;
    for text in args.without_effect() {
        status::warn(&text);
    }
    let crew = Arc::new(Crew {
        scenario,
        request: args.message_args.request()?,
        options,
        topic,
        names,
        interval: Duration::from_millis(args.message_interval),
        connecting: Semaphore::new(CONNECTING_MAX),
        connected: AtomicU64::new(0),
        published: AtomicU64::new(0),
        left: AtomicU64::new(if args.limit == 0 {
            u64::MAX
        } else {
            args.limit
        }),
    });
    let mut signals = Signals::catch()?;
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for number in 1..=args.count {
        let at = begun + Duration::from_millis(args.interval) * (number - 1);
        clients.spawn(client(Arc::clone(&crew), number, at));
    }
    let mut told = Told::new(args);
    let mut seconds = interval_at(begun + Duration::from_secs(1), Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failure = None;
    loop {
        tokio::select! {
            () = signals.next() => break,
            _ = seconds.tick() => told.second(&crew, begun, out)?,
            ended = clients.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                // Nobody is let in: those who wait would fare no better.
                Some(Ok(Err(error))) if crew.connected.load(Ordering::Relaxed) == 0 => {
                    return Err(error);
                }
                Some(Ok(Err(error))) => {
                    if failure.is_none() {
                        status::warn(&error.to_string());
                    }
                    failure.get_or_insert(error);
                }
                Some(Err(error)) => return Err(failed(error.to_string())),
            },
        }
    }
    // Those that are left disconnect when their handle goes.
    clients.abort_all();
    while clients.join_next().await.is_some() {}
    let published = crew.published.load(Ordering::Relaxed);
    if args.limit > 0 && published == args.limit {
        writeln!(out, "All {published} messages have been sent")?;
    } else {
        writeln!(out, "{published} messages have been sent")?;
    }
    match failure {
        Some(failure) if published == 0 => Err(failure),
        _ => Ok(()),
    }
}

/// One client, from its first connection to its last message.
async fn client(crew: Arc<Crew>, number: u32, at: Instant) -> Result<(), Failure> {
    sleep_until(at).await;
    let client_id = crew.names.client_id(number);
    let topic = crew.names.fill(&crew.topic, &client_id, number);
    let mut options = crew.options.clone();
    options.connect.client_id.clone_from(&client_id);
    let endpoint = options.endpoint.clone();
    let permit = crew.connecting.acquire().await?;
    let connected = options.connect().await;
    drop(permit);
    let (client, events, _) = connected.map_err(|error| not_connected(&endpoint, &error))?;
    crew.connected.fetch_add(1, Ordering::Relaxed);
    let result = tokio::select! {
        result = publish(&crew, &client, &client_id, number, &topic) => result,
        failure = lose(events) => Err(failure),
    };
    session::disconnect(&client).await;
    result
}

async fn lose(mut events: Events) -> Failure {
    while let Some(event) = events.next().await {
        if let Event::Disconnected(disconnected) = &event
            && !disconnected.reconnects
        {
            return failed(format!("connection lost: {}", disconnected.cause));
        }
    }
    failed("the connection ended")
}

async fn publish(
    crew: &Crew,
    client: &Client,
    client_id: &str,
    number: u32,
    topic: &str,
) -> Result<(), Failure> {
    let mut state = crew.scenario.start(client_id, number);
    let mut ticks = interval_at(Instant::now() + crew.interval, crew.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let taken = crew
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if taken.is_err() {
            return Ok(());
        }
        let request = PublishRequest {
            topic: topic.into(),
            payload: state.next().to_string().into(),
            ..crew.request.clone()
        };
        session::accepted(&client.publish(request).await?)?;
        crew.published.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is printed while it goes.
struct Told {
    count: u64,
    is_connected: bool,
    before: u64,
    is_quiet: bool,
}

impl Told {
    fn new(args: &SimulateArgs) -> Self {
        use std::io::IsTerminal as _;
        Self {
            count: args.count.into(),
            is_connected: false,
            before: 0,
            is_quiet: !args.verbose && std::io::stdout().is_terminal(),
        }
    }

    fn second(&mut self, crew: &Crew, begun: Instant, out: &mut dyn Write) -> std::io::Result<()> {
        let connected = crew.connected.load(Ordering::Relaxed);
        if !self.is_connected && connected >= self.count {
            self.is_connected = true;
            let seconds = begun.elapsed().as_secs_f64();
            writeln!(out, "Created {connected} connections within {seconds:.1} s")?;
        }
        let published = crew.published.load(Ordering::Relaxed);
        let rate = published - self.before;
        self.before = published;
        // On a terminal one line is enough, and it is written over.
        let (start, end) = if self.is_quiet {
            ("\r", "\x1b[K")
        } else {
            ("", "\n")
        };
        write!(
            out,
            "{start}Published total: {published}, message rate: {rate}/s{end}"
        )?;
        out.flush()
    }
}
