//! The flags of `bench conn`, `bench pub` and `bench sub`, which are MQTTX's.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{ArgAction, Args};
use dunlin_client::ClientOptions;

use super::clients::ClientFlags;
use crate::args::{MessageArgs, SubscriptionArgs, in_older, payload_size};

/// Connect many clients and hold them
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnArgs {
    #[command(flatten)]
    pub(crate) clients: ClientFlags,

    /// -up: user properties of CONNECT, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,
}

impl ConnArgs {
    /// What each client is told.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self) -> Result<ClientOptions> {
        self.clients.options(&self.user_properties)
    }

    /// What the flags ask for in vain.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let mut told = self.clients.without_effect();
        let given = !self.user_properties.is_empty();
        let version = self.clients.server.version();
        told.extend(in_older(version, &[("--user-properties", given)]));
        told
    }
}

/// User properties of CONNECT, where `-up` means another packet's.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectProperties {
    /// -Cup: user properties of CONNECT, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    conn_user_properties: Vec<String>,
}

/// Publish with many clients, each at an interval
#[derive(Clone, Debug, Args)]
pub(crate) struct PubArgs {
    /// Topic name; %u, %c and %i stand for user name, client identifier and the client's number
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
        default_value = "Hello from dunlin bench"
    )]
    message: String,

    /// Take the payload from a file
    #[arg(long, value_name = "PATH")]
    file_read: Option<PathBuf>,

    /// Cut the file or payload at this text, and publish the pieces in turns [default text: newline]
    #[arg(long, value_name = "TEXT", num_args = 0..=1, default_missing_value = "\n")]
    split: Option<String>,

    /// A payload of this size, such as 512B or 1KB, unless --file-read is given
    #[arg(short = 'S', long, value_name = "SIZE", value_parser = payload_size)]
    payload_size: Option<usize>,

    /// Between two messages of a client, in milliseconds; 0 for as fast as it goes
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub(crate) message_interval: u64,

    /// End after so many messages of all clients together; 0 for no limit
    #[arg(short = 'L', long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) limit: u64,

    /// Print the totals of each second, also on a terminal
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,

    #[command(flatten)]
    pub(crate) message_args: MessageArgs,

    #[command(flatten)]
    pub(crate) clients: ClientFlags,

    #[command(flatten)]
    connect: ConnectProperties,
}

impl PubArgs {
    /// What each client is told.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self) -> Result<ClientOptions> {
        self.message_args.request()?;
        self.topic()?;
        self.clients.options(&self.connect.conn_user_properties)
    }

    /// The topic, as it was given.
    ///
    /// # Errors
    /// If none was given.
    pub(crate) fn topic(&self) -> Result<&str> {
        self.topic.as_deref().context("--topic is needed")
    }

    /// What the flags ask for in vain.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let version = self.clients.server.version();
        let mut told = self.clients.without_effect();
        told.extend(self.message_args.without_effect(version));
        told.extend(self.connect.without_effect(version));
        told
    }

    /// The payloads, of which there is one at least.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn payloads(&self) -> Result<Vec<Vec<u8>>> {
        let whole = match (&self.file_read, self.payload_size) {
            (Some(path), _) => {
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
            }
            (None, Some(size)) => filler(size),
            (None, None) => self.message.clone().into_bytes(),
        };
        let Some(separator) = self.split.as_ref().filter(|text| !text.is_empty()) else {
            return Ok(vec![whole]);
        };
        let text = String::from_utf8(whole).context("--split needs a text in UTF-8")?;
        let pieces = text.split(separator.as_str());
        let pieces = pieces.filter(|piece| !piece.is_empty());
        let pieces: Vec<_> = pieces.map(|piece| piece.as_bytes().to_vec()).collect();
        ensure!(!pieces.is_empty(), "--split leaves nothing to publish");
        Ok(pieces)
    }
}

impl ConnectProperties {
    fn without_effect(&self, version: dunlin_codec::ProtocolVersion) -> Vec<String> {
        let given = !self.conn_user_properties.is_empty();
        in_older(version, &[("--conn-user-properties", given)])
    }
}

/// A payload that a compressing link would not make smaller.
pub(crate) fn filler(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(size)
    .collect()
}

/// Subscribe with many clients and count what comes
#[derive(Clone, Debug, Args)]
pub(crate) struct SubArgs {
    #[command(flatten)]
    pub(crate) subscription: SubscriptionArgs,

    /// Print the totals of each second, also on a terminal
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,

    #[command(flatten)]
    pub(crate) clients: ClientFlags,

    #[command(flatten)]
    connect: ConnectProperties,
}

impl SubArgs {
    /// What each client is told.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self) -> Result<ClientOptions> {
        self.subscription.requests(str::to_owned)?;
        self.clients.options(&self.connect.conn_user_properties)
    }

    /// What the flags ask for in vain.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let version = self.clients.server.version();
        let mut told = self.clients.without_effect();
        told.extend(self.subscription.without_effect(version));
        told.extend(self.connect.without_effect(version));
        told
    }
}
