//! The flags that every bench has: where to connect, and what to say in CONNECT.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::{ArgAction, Args};
use dunlin_codec::{ProtocolVersion, QoS, TopicName, UserPropertiesBuf};

use crate::cmd::bench::engine::connect::{ConnectOptions, WillOptions};
use crate::saved::DEFAULT_PATH;

/// Where the broker is, and what each client's CONNECT says.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionFlags {
    /// Version of MQTT: 5.0, 3.1.1 or 3.1
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "5.0")]
    #[arg(value_parser = version)]
    pub(crate) mqtt_version: ProtocolVersion,

    /// The broker's host
    #[arg(short = 'h', long, value_name = "HOST", default_value = "localhost")]
    pub(crate) hostname: String,

    /// The broker's port
    #[arg(short = 'p', long, value_name = "PORT", default_value_t = 1883)]
    pub(crate) port: u16,

    /// User name
    #[arg(short = 'u', long, value_name = "USER")]
    username: Option<String>,

    /// Password
    #[arg(short = 'P', long, value_name = "PASSWORD")]
    password: Option<String>,

    /// Do not start with a clean session; with 5.0 it is then kept for ever, unless
    /// --session-expiry-interval says how long
    #[arg(long)]
    no_clean: bool,

    /// Session Expiry Interval, in seconds (5.0)
    #[arg(long, value_name = "SECONDS")]
    session_expiry_interval: Option<u32>,

    /// Receive Maximum (5.0)
    #[arg(long, visible_alias = "receive-maximum", value_name = "NUMBER")]
    rcv_max: Option<NonZeroU16>,

    /// Maximum Packet Size, in bytes (5.0)
    #[arg(long, value_name = "NUMBER")]
    maximum_packet_size: Option<NonZeroU32>,

    /// Topic Alias Maximum (5.0)
    #[arg(long, value_name = "NUMBER")]
    topic_alias_maximum: Option<u16>,

    /// Ask for Response Information (5.0)
    #[arg(long)]
    req_response_info: bool,

    /// Ask for no Problem Information (5.0)
    #[arg(long)]
    no_req_problem_info: bool,

    /// -so: write the flags of this command line to a file
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = DEFAULT_PATH)]
    save_options: Option<PathBuf>,

    /// -lo: take flags from a file; those of the command line go before
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = DEFAULT_PATH)]
    load_options: Option<PathBuf>,

    #[command(flatten)]
    elsewhere: ElsewhereFlags,
}

/// Flags of MQTTX that are about something else than MQTT over TCP. They are known so that the
/// refusal can say so.
#[derive(Clone, Debug, Args)]
struct ElsewhereFlags {
    /// Transport; only mqtt, which is TCP
    #[arg(short = 'l', long, value_name = "PROTOCOL", default_value = "mqtt")]
    protocol: String,
    #[arg(long, hide = true)]
    path: Option<String>,
    #[arg(long, hide = true, num_args = 1.., action = ArgAction::Append)]
    ws_headers: Vec<String>,
    #[arg(long, hide = true)]
    key: Option<PathBuf>,
    #[arg(long, hide = true)]
    cert: Option<PathBuf>,
    #[arg(long, hide = true)]
    ca: Option<PathBuf>,
    #[arg(long, hide = true)]
    insecure: bool,
    #[arg(long, hide = true, num_args = 1.., action = ArgAction::Append)]
    alpn: Vec<String>,
    #[arg(long, hide = true)]
    authentication_method: Option<String>,
}

impl ElsewhereFlags {
    fn refuse(&self) -> Result<()> {
        if self.protocol != "mqtt" {
            bail!(
                "--protocol {}: dunlin bench speaks MQTT over TCP only",
                self.protocol
            );
        }
        let given = [
            ("--path", self.path.is_some()),
            ("--ws-headers", !self.ws_headers.is_empty()),
            ("--key", self.key.is_some()),
            ("--cert", self.cert.is_some()),
            ("--ca", self.ca.is_some()),
            ("--insecure", self.insecure),
            ("--alpn", !self.alpn.is_empty()),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, is_given)| *is_given) {
            bail!("{flag}: dunlin bench speaks MQTT over TCP only");
        }
        if self.authentication_method.is_some() {
            bail!("--authentication-method: dunlin bench knows user name and password only");
        }
        Ok(())
    }
}

impl ConnectionFlags {
    /// The user name, empty if there is none.
    pub(crate) fn user_name(&self) -> &str {
        self.username.as_deref().unwrap_or_default()
    }

    /// What each client's CONNECT says.
    ///
    /// # Errors
    /// If a flag has no meaning here, or needs 5.0.
    pub(crate) fn options(&self, keep_alive: u16) -> Result<ConnectOptions> {
        self.elsewhere.refuse()?;
        let needs_v5 = [
            (
                "--session-expiry-interval",
                self.session_expiry_interval.is_some(),
            ),
            ("--rcv-max", self.rcv_max.is_some()),
            ("--maximum-packet-size", self.maximum_packet_size.is_some()),
            ("--topic-alias-maximum", self.topic_alias_maximum.is_some()),
            ("--req-response-info", self.req_response_info),
            ("--no-req-problem-info", self.no_req_problem_info),
        ];
        let is_v5 = self.mqtt_version.is_v5();
        if let Some((flag, _)) = needs_v5.iter().find(|(_, given)| *given && !is_v5) {
            bail!("{flag} needs MQTT 5.0");
        }
        let session_expiry_interval = if self.no_clean && is_v5 {
            Some(self.session_expiry_interval.unwrap_or(u32::MAX))
        } else {
            self.session_expiry_interval
        };
        Ok(ConnectOptions {
            clean_start: !self.no_clean,
            keep_alive,
            user_name: self.username.clone(),
            password: self.password.clone().map(String::into_bytes),
            session_expiry_interval,
            receive_maximum: self.rcv_max,
            maximum_packet_size: self.maximum_packet_size,
            topic_alias_maximum: self.topic_alias_maximum,
            request_response_information: self.req_response_info.then_some(true),
            request_problem_information: self.no_req_problem_info.then_some(false),
            ..ConnectOptions::new(self.mqtt_version)
        })
    }
}

/// What MQTTX's benches add to the connection.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClientFlags {
    /// How many clients
    #[arg(short = 'c', long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) count: u32,

    /// Between the beginnings of two connections, in milliseconds
    #[arg(short = 'i', long, value_name = "MS", default_value_t = 10)]
    pub(crate) interval: u64,

    /// Client identifier; %i stands for the client's number and is added if it is missing
    #[arg(short = 'I', long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    /// Wait before a client connects again, in milliseconds; 0 for never
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub(crate) reconnect_period: u64,

    /// How often a client tries to connect again, at most
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub(crate) maximum_reconnect_times: u32,

    /// Threads to spread the clients over
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: u16,

    /// End after this time, such as 30s; without it Ctrl-C ends the bench
    #[arg(long, value_name = "TIME", value_parser = super::units::duration)]
    pub(crate) duration: Option<std::time::Duration>,

    #[command(flatten)]
    will: WillFlags,
}

impl ClientFlags {
    /// Adds the will to what CONNECT says.
    ///
    /// # Errors
    /// If its flags contradict each other or the version.
    pub(crate) fn complete(
        &self,
        options: &mut ConnectOptions,
        properties: &[String],
    ) -> Result<()> {
        let is_v5 = options.version.is_v5();
        options.will = self.will.options(is_v5)?;
        options.user_properties = user_properties(properties, is_v5)?;
        Ok(())
    }
}

/// The Will Message.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Will Message")]
struct WillFlags {
    /// Will Topic
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,
    /// Will Payload
    #[arg(long, value_name = "BODY")]
    will_message: Option<String>,
    /// Will QoS
    #[arg(long, value_name = "0/1/2", value_parser = qos)]
    will_qos: Option<QoS>,
    /// Will Retain
    #[arg(long)]
    will_retain: bool,
    /// Will Delay Interval, in seconds (5.0)
    #[arg(long, value_name = "SECONDS")]
    will_delay_interval: Option<u32>,
    /// The payload is UTF-8 (5.0)
    #[arg(long)]
    will_payload_format_indicator: bool,
    /// Message Expiry Interval, in seconds (5.0)
    #[arg(long, value_name = "SECONDS")]
    will_message_expiry_interval: Option<u32>,
    /// Content Type (5.0)
    #[arg(long, value_name = "TYPE")]
    will_content_type: Option<String>,
    /// Response Topic (5.0)
    #[arg(long, value_name = "TOPIC")]
    will_response_topic: Option<String>,
    /// Correlation Data (5.0)
    #[arg(long, value_name = "DATA")]
    will_correlation_data: Option<String>,
    /// User Properties, each as "name: value" (5.0)
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    will_user_properties: Vec<String>,
}

impl WillFlags {
    fn options(&self, is_v5: bool) -> Result<Option<WillOptions>> {
        let needs_v5 = self.will_delay_interval.is_some()
            || self.will_payload_format_indicator
            || self.will_message_expiry_interval.is_some()
            || self.will_content_type.is_some()
            || self.will_response_topic.is_some()
            || self.will_correlation_data.is_some();
        let Some(topic) = &self.will_topic else {
            let is_alone = self.will_message.is_some()
                || self.will_qos.is_some()
                || self.will_retain
                || needs_v5
                || !self.will_user_properties.is_empty();
            ensure!(!is_alone, "a will needs --will-topic");
            return Ok(None);
        };
        ensure!(is_v5 || !needs_v5, "the will's properties need MQTT 5.0");
        for name in std::iter::once(topic).chain(&self.will_response_topic) {
            TopicName::parse(name)?;
        }
        Ok(Some(WillOptions {
            topic: topic.clone(),
            payload: self.will_message.clone().unwrap_or_default().into_bytes(),
            qos: self.will_qos.unwrap_or_default(),
            retain: self.will_retain,
            delay_interval: self.will_delay_interval,
            payload_format_indicator: self.will_payload_format_indicator.then_some(true),
            message_expiry_interval: self.will_message_expiry_interval,
            content_type: self.will_content_type.clone(),
            response_topic: self.will_response_topic.clone(),
            correlation_data: self.will_correlation_data.clone().map(String::into_bytes),
            user_properties: user_properties(&self.will_user_properties, is_v5)?,
        }))
    }
}

/// A version as MQTTX writes it.
pub(crate) fn version(text: &str) -> Result<ProtocolVersion, String> {
    match text {
        "5" | "5.0" => Ok(ProtocolVersion::V5),
        "3.1.1" => Ok(ProtocolVersion::V311),
        "3.1" => Ok(ProtocolVersion::V31),
        _ => Err("versions are 5.0, 3.1.1 and 3.1".to_owned()),
    }
}

/// A QoS as a digit.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    let level = text.parse().ok().and_then(QoS::from_u8);
    level.ok_or_else(|| "a QoS is 0, 1 or 2".to_owned())
}

/// Pairs written as `name: value`.
///
/// # Errors
/// If one is not, or the version has no User Properties.
pub(crate) fn user_properties(texts: &[String], is_v5: bool) -> Result<UserPropertiesBuf> {
    ensure!(is_v5 || texts.is_empty(), "user properties need MQTT 5.0");
    let mut properties = UserPropertiesBuf::new();
    for text in texts {
        let Some((name, value)) = text.split_once(':') else {
            bail!("a user property is written as \"name: value\", not {text:?}");
        };
        properties.push(name.trim(), value.trim())?;
    }
    Ok(properties)
}
