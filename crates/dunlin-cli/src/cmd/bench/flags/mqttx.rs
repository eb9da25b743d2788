//! The flags of `bench conn`, `bench pub` and `bench sub`, which are MQTTX's.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{ArgAction, Args};
use dunlin_codec::{
    PublishProperties, QoS, RetainHandling, SubscriptionOptions, TopicFilter, TopicName,
    UserPropertiesBuf,
};

use super::connection::{ClientFlags, ConnectionFlags, qos, user_properties};
use super::units::size;
use crate::cmd::bench::engine::connect::{ConnectOptions, Subscriptions};

/// Connect many clients and hold them
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionFlags,
    #[command(flatten)]
    pub(crate) clients: ClientFlags,

    /// Keep Alive, in seconds
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 30)]
    keepalive: u16,

    /// User Properties of CONNECT, each as "name: value" (5.0)
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,
}

impl ConnArgs {
    /// What each CONNECT says.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self) -> Result<ConnectOptions> {
        let mut options = self.connection.options(self.keepalive)?;
        self.clients.complete(&mut options, &self.user_properties)?;
        Ok(options)
    }
}

/// Publish with many clients, each at an interval
#[derive(Clone, Debug, Args)]
pub(crate) struct PubArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionFlags,
    #[command(flatten)]
    pub(crate) clients: ClientFlags,

    /// Between two messages of a client, in milliseconds; 0 for as fast as it goes
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub(crate) message_interval: u64,

    /// End after so many messages of all clients together; 0 for no limit
    #[arg(short = 'L', long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) limit: u64,

    /// Topic name; %u, %c and %i stand for user name, client identifier and the client's number
    #[arg(short = 't', long, value_name = "TOPIC")]
    pub(crate) topic: String,

    /// Payload
    #[arg(
        short = 'm',
        long,
        value_name = "BODY",
        default_value = "Hello from dunlin bench"
    )]
    message: String,

    /// QoS
    #[arg(short = 'q', long, value_name = "0/1/2", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,

    /// Retain
    #[arg(short = 'r', long)]
    pub(crate) retain: bool,

    /// Set DUP, as if it were sent again
    #[arg(short = 'd', long)]
    pub(crate) dup: bool,

    /// The payload is UTF-8 (5.0)
    #[arg(long)]
    payload_format_indicator: bool,

    /// Message Expiry Interval, in seconds (5.0)
    #[arg(short = 'e', long, value_name = "SECONDS")]
    message_expiry_interval: Option<u32>,

    /// Topic Alias, beside the topic name (5.0)
    #[arg(long, value_name = "NUMBER")]
    topic_alias: Option<u16>,

    /// Response Topic (5.0)
    #[arg(long, value_name = "TOPIC")]
    response_topic: Option<String>,

    /// Correlation Data (5.0)
    #[arg(long, value_name = "DATA")]
    correlation_data: Option<String>,

    /// User Properties, each as "name: value" (5.0)
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,

    #[arg(long, hide = true)]
    subscription_identifier: Option<u32>,

    /// Content Type (5.0)
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// Print the totals of each second, also on a terminal
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,

    /// Keep Alive, in seconds
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 30)]
    keepalive: u16,

    /// User Properties of CONNECT, each as "name: value" (5.0)
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    conn_user_properties: Vec<String>,

    /// Take the payload from a file
    #[arg(long, value_name = "PATH")]
    file_read: Option<PathBuf>,

    /// Cut the file or payload at this text, and publish the pieces in turns [default text: newline]
    #[arg(long, value_name = "TEXT", num_args = 0..=1, default_missing_value = "\n")]
    split: Option<String>,

    /// A payload of this size, such as 512B or 1KB, unless --message or --file-read is given
    #[arg(short = 'S', long, value_name = "SIZE", value_parser = size)]
    payload_size: Option<usize>,
}

impl PubArgs {
    /// What each CONNECT says.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self) -> Result<ConnectOptions> {
        let mut options = self.connection.options(self.keepalive)?;
        self.clients
            .complete(&mut options, &self.conn_user_properties)?;
        let needs_v5 = self.payload_format_indicator
            || self.message_expiry_interval.is_some()
            || self.topic_alias.is_some()
            || self.response_topic.is_some()
            || self.correlation_data.is_some()
            || self.content_type.is_some();
        ensure!(
            options.version.is_v5() || !needs_v5,
            "properties of PUBLISH need MQTT 5.0"
        );
        if self.subscription_identifier.is_some() {
            bail!("--subscription-identifier: only a server may send one in PUBLISH");
        }
        ensure!(
            !self.dup || self.qos != QoS::AtMostOnce,
            "--dup needs QoS 1 or 2"
        );
        Ok(options)
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

    /// User Properties of each PUBLISH.
    ///
    /// # Errors
    /// If one is not a pair, or the version has none.
    pub(crate) fn properties_of_user(&self) -> Result<UserPropertiesBuf> {
        user_properties(&self.user_properties, self.connection.mqtt_version.is_v5())
    }

    /// The properties of each PUBLISH.
    ///
    /// # Errors
    /// If the response topic is none.
    pub(crate) fn properties<'a>(
        &'a self,
        of_user: &'a UserPropertiesBuf,
    ) -> Result<PublishProperties<'a>> {
        let response_topic = self.response_topic.as_deref();
        Ok(PublishProperties {
            payload_format_indicator: self.payload_format_indicator.then_some(true),
            message_expiry_interval: self.message_expiry_interval,
            topic_alias: self.topic_alias,
            response_topic: response_topic.map(TopicName::parse).transpose()?,
            correlation_data: self.correlation_data.as_deref().map(str::as_bytes),
            user_properties: of_user.as_view(),
            content_type: self.content_type.as_deref(),
            ..PublishProperties::default()
        })
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
    pub(crate) connection: ConnectionFlags,
    #[command(flatten)]
    pub(crate) clients: ClientFlags,

    /// Topic filters; %u, %c and %i stand for user name, client identifier and the client's number
    #[arg(short = 't', long, value_name = "TOPIC", required = true)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    pub(crate) topic: Vec<String>,

    /// QoS, for each topic or for all
    #[arg(short = 'q', long, value_name = "0/1/2", value_parser = qos)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    qos: Vec<QoS>,

    /// No Local, for each topic or for all (5.0)
    #[arg(long = "no_local", visible_alias = "no-local", value_name = "BOOL")]
    #[arg(num_args = 0.., action = ArgAction::Append, default_missing_value = "true")]
    no_local: Vec<bool>,

    /// Retain As Published, for each topic or for all (5.0)
    #[arg(long, value_name = "BOOL")]
    #[arg(num_args = 0.., action = ArgAction::Append, default_missing_value = "true")]
    retain_as_published: Vec<bool>,

    /// Retain Handling, for each topic or for all (5.0)
    #[arg(long, value_name = "0/1/2", value_parser = retain_handling)]
    #[arg(num_args = 1.., action = ArgAction::Append)]
    retain_handling: Vec<RetainHandling>,

    /// Subscription Identifier (5.0)
    #[arg(long, value_name = "NUMBER")]
    subscription_identifier: Option<std::num::NonZeroU32>,

    /// User Properties of SUBSCRIBE, each as "name: value" (5.0)
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    user_properties: Vec<String>,

    /// Print the totals of each second, also on a terminal
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,

    /// Keep Alive, in seconds
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 30)]
    keepalive: u16,

    /// User Properties of CONNECT, each as "name: value" (5.0)
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    conn_user_properties: Vec<String>,
}

fn retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "0" => Ok(RetainHandling::Send),
        "1" => Ok(RetainHandling::SendIfNew),
        "2" => Ok(RetainHandling::DoNotSend),
        _ => Err("a retain handling is 0, 1 or 2".to_owned()),
    }
}

impl SubArgs {
    /// What each CONNECT says.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self) -> Result<ConnectOptions> {
        let mut options = self.connection.options(self.keepalive)?;
        self.clients
            .complete(&mut options, &self.conn_user_properties)?;
        let needs_v5 = !self.no_local.is_empty()
            || !self.retain_as_published.is_empty()
            || !self.retain_handling.is_empty()
            || self.subscription_identifier.is_some();
        ensure!(
            options.version.is_v5() || !needs_v5,
            "subscription options other than the QoS need MQTT 5.0"
        );
        Ok(options)
    }

    /// The subscriptions of a client; `name` fills in what stands for the client.
    ///
    /// # Errors
    /// If a filter is none.
    pub(crate) fn subscriptions(&self, name: impl Fn(&str) -> String) -> Result<Subscriptions> {
        let mut requests = Vec::with_capacity(self.topic.len());
        for (index, topic) in self.topic.iter().enumerate() {
            let filter = name(topic);
            TopicFilter::parse(&filter).with_context(|| format!("--topic {topic}"))?;
            let options = SubscriptionOptions {
                qos: nth(&self.qos, index),
                no_local: nth(&self.no_local, index),
                retain_as_published: nth(&self.retain_as_published, index),
                retain_handling: nth(&self.retain_handling, index),
            };
            requests.push((filter, options));
        }
        Ok(Subscriptions {
            requests,
            identifier: self.subscription_identifier,
            user_properties: user_properties(
                &self.user_properties,
                self.connection.mqtt_version.is_v5(),
            )?,
        })
    }
}

/// The value for this topic: its own, or the last that was given.
fn nth<T: Copy + Default>(values: &[T], index: usize) -> T {
    let own = values.get(index).or_else(|| values.last());
    own.copied().unwrap_or_default()
}
