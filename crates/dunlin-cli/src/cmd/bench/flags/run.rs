//! The flags of `bench run`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use dunlin_client::ClientOptions;
use dunlin_codec::{QoS, TopicName};

use super::units::duration;
use crate::args::{Identity, ServerArgs, payload_size, qos};
use crate::cmd::bench::engine::stamp::Stamp;
use crate::cmd::bench::expect::Goal;

/// As many as seven digits tell apart.
const SUBSCRIPTIONS_MAX: u32 = 9_999_999;

/// Who publishes to whom, and what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Pairs: each publisher has a subscriber of its own
    P2p,
    /// Every subscriber gets every publisher's messages
    FanOut,
    /// The publishers are divided among the subscribers
    FanIn,
    /// Shared subscriptions: each message reaches one member of each group
    Shared,
    /// Many subscriptions (60 % exact, 30 % with +, 10 % with #), of which each message matches one
    Routing,
    /// Connections that do nothing
    Idle,
    /// Connect, disconnect, and again
    Connect,
    /// Connect again with the same client identifier while the connection before is there
    Takeover,
    /// Retained messages are set, then read by a wildcard subscriber, several times
    Retained,
    /// Messages are queued for sessions that are away, and then read by them
    Resume,
}

/// Run one scenario, publishers and subscribers in this process, and count and measure all of it
///
/// Exit code 0: done. 1: could not be done. 2: wrong flags. 3: done, and a goal of --expect missed.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// What to run
    #[arg(value_enum)]
    pub(crate) scenario: Scenario,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// Publishers; of p2p, pairs; of connect and takeover, connections at a time
    #[arg(
        long,
        visible_alias = "pairs",
        value_name = "NUMBER",
        default_value = "1"
    )]
    pub(crate) publishers: NonZeroU32,

    /// Subscribers; of shared, members of each group; of resume, sessions
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub(crate) subscribers: NonZeroU32,

    /// Groups of shared
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub(crate) groups: NonZeroU32,

    /// Subscriptions of routing
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    pub(crate) subscriptions: NonZeroU32,

    /// Retained messages; of resume, messages for each session
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    pub(crate) messages: NonZeroU32,

    /// How often the retained messages are read
    #[arg(long, value_name = "NUMBER", default_value = "5")]
    pub(crate) rounds: NonZeroU32,

    /// QoS
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,

    /// Payload of each message, such as 64B or 1KB; 24 bytes at least
    #[arg(short = 'S', long, value_name = "SIZE", default_value = "256", value_parser = payload_size)]
    pub(crate) payload_size: usize,

    /// Messages that a publisher may have in flight
    #[arg(short = 'w', long, value_name = "NUMBER", default_value = "16")]
    pub(crate) window: NonZeroU32,

    /// A message is in flight until its acknowledgement only, not until its subscribers have it
    #[arg(long)]
    pub(crate) until_acknowledged: bool,

    /// Read what comes at once; without it a part of the window may collect, which costs this process
    /// less
    #[arg(long)]
    pub(crate) eager: bool,

    /// Publish so many messages a second, all publishers together, whatever is in flight; latency
    /// is then counted from when a message was due
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["window", "until_acknowledged", "eager"])]
    pub(crate) rate: Option<NonZeroU32>,

    /// Before the measurement
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,

    /// Of the measurement
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) duration: Duration,

    /// For what is still under way when the measurement is over, at most
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) drain: Duration,

    /// Threads to spread the clients over
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: u16,

    /// Connections that each thread may have under way at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    pub(crate) connecting: u16,

    /// Idle connections beside the others
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) idle: u32,

    /// Each idle connection has one subscription
    #[arg(long)]
    pub(crate) idle_subscribe: bool,

    /// With TLS: resume no session, so that each handshake is a full one
    #[arg(long)]
    pub(crate) full_handshakes: bool,

    /// Keep Alive, in seconds
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) keepalive: u16,

    /// Begin of all topics
    #[arg(long, value_name = "TOPIC", default_value = "bench")]
    pub(crate) topic_prefix: String,

    /// Begin of all client identifiers
    #[arg(short = 'I', long, value_name = "ID", default_value = "bench")]
    pub(crate) client_id: String,

    /// Also tell CPU time and memory of this process, such as the broker's
    #[arg(long, value_name = "PID")]
    pub(crate) watch: Option<u32>,

    /// Write the result to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the result to this file as a page with plots
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// A goal such as p99<5ms, max<1s, rate>100000, lost=0 or cpu<2us; may be repeated
    #[arg(long, value_name = "GOAL")]
    pub(crate) expect: Vec<Goal>,
}

impl RunArgs {
    /// What each client is told; its identifier is the scenario's.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self) -> Result<ClientOptions> {
        let mut options = self.server.client_options(&Identity {
            client_id: Some(self.client_id.clone()),
            keep_alive: self.keepalive,
            user_properties: &[],
        })?;
        if self.full_handshakes {
            let tls = options.endpoint.tls_mut();
            let tls = tls.context("--full-handshakes needs --protocol mqtts, wss or quic")?;
            *tls = tls.without_resumption();
        }
        Ok(options)
    }

    /// Whether the flags make sense together.
    ///
    /// # Errors
    /// The first that does not.
    pub(crate) fn check(&self) -> Result<()> {
        self.options()?;
        ensure!(
            self.payload_size >= Stamp::LEN,
            "--payload-size must be {} at least: each payload carries its number and time",
            Stamp::LEN
        );
        if self.scenario == Scenario::Routing {
            ensure!(
                self.subscriptions.get() <= SUBSCRIPTIONS_MAX,
                "--subscriptions must be {SUBSCRIPTIONS_MAX} at most"
            );
            ensure!(
                !self.topic_prefix.contains('/'),
                "routing needs a --topic-prefix of one level"
            );
        }
        TopicName::parse(&self.topic_prefix).context("--topic-prefix")?;
        Ok(())
    }
}
