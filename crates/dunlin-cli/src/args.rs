//! Flags that several commands have, and what they mean to a client.

use std::ffi::OsString;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use dunlin_client::codec::{ProtocolVersion, QoS, TopicName, UserPropertiesBuf};
use dunlin_client::{
    ClientOptions, ConnectOptions, ConnectSettings, Endpoint, MessageProperties, Reconnect,
    WillOptions,
};

use crate::failure::{Failure, usage};

/// How to connect.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArgs {
    /// Version of MQTT: 5 (or 5.0), 3.1.1 or 3.1
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "5", value_parser = version)]
    mqtt_version: ProtocolVersion,

    /// Host name or address of the server
    #[arg(short = 'h', long, value_name = "HOST", default_value = "localhost")]
    hostname: String,

    /// Port of the server
    #[arg(short = 'p', long, value_name = "PORT", default_value_t = 1883)]
    port: u16,

    /// Client identifier [default: dunlin_ and eight random digits]
    #[arg(short = 'i', long, value_name = "ID")]
    client_id: Option<String>,

    /// Go on with an existing session, and leave one behind
    #[arg(long)]
    no_clean: bool,

    /// Keep alive, in seconds; 0 switches it off
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 30)]
    keepalive: u16,

    /// User name
    #[arg(short = 'u', long, value_name = "USER")]
    username: Option<String>,

    /// Password
    #[arg(short = 'P', long, value_name = "PASSWORD")]
    password: Option<String>,

    /// Protocol: mqtt
    #[arg(short = 'l', long, value_name = "PROTOCOL", default_value = "mqtt")]
    protocol: String,

    /// -rp: time before a lost connection is tried for again, in milliseconds; 0 for never
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    reconnect_period: u64,

    /// How many tries in a row may fail
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    maximum_reconnect_times: u32,

    /// -se: session expiry interval, in seconds
    #[arg(long, value_name = "SECONDS")]
    session_expiry_interval: Option<u32>,

    /// Receive maximum: messages that may be unacknowledged
    #[arg(long, visible_alias = "receive-maximum", value_name = "NUMBER")]
    rcv_max: Option<NonZeroU16>,

    /// Largest packet to accept, in bytes
    #[arg(long, value_name = "NUMBER")]
    maximum_packet_size: Option<NonZeroU32>,

    /// Topic aliases that the server may use
    #[arg(long, value_name = "NUMBER")]
    topic_alias_maximum: Option<u16>,

    /// Ask the server for response information
    #[arg(long)]
    req_response_info: bool,

    /// Ask the server to leave out reason strings
    #[arg(long)]
    no_req_problem_info: bool,

    /// Write every packet to standard error
    #[arg(long)]
    pub(crate) debug: bool,

    /// -so: write the flags of this command to a JSON file
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[arg(default_missing_value = crate::saved::DEFAULT_PATH)]
    save_options: Option<PathBuf>,

    /// -lo: read flags from a JSON file; those of the command line win
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[arg(default_missing_value = crate::saved::DEFAULT_PATH)]
    load_options: Option<PathBuf>,

    #[command(flatten)]
    will: WillArgs,

    #[command(flatten)]
    unserved: UnservedArgs,
}

/// The will message.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Will message")]
struct WillArgs {
    /// -Wt: topic; it makes a will
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,

    /// -Wm: payload
    #[arg(long, value_name = "BODY")]
    will_message: Option<String>,

    /// -Wq: QoS
    #[arg(long, value_name = "0/1/2", value_parser = qos)]
    will_qos: Option<QoS>,

    /// -Wr: retain it
    #[arg(long)]
    will_retain: bool,

    /// -Wd: delay interval, in seconds
    #[arg(long, value_name = "SECONDS")]
    will_delay_interval: Option<u32>,

    /// -Wpf: say that the payload is UTF-8
    #[arg(long)]
    will_payload_format_indicator: bool,

    /// -We: message expiry interval, in seconds
    #[arg(long, value_name = "SECONDS")]
    will_message_expiry_interval: Option<u32>,

    /// -Wct: content type
    #[arg(long, value_name = "TYPE")]
    will_content_type: Option<String>,

    /// -Wrt: response topic
    #[arg(long, value_name = "TOPIC")]
    will_response_topic: Option<String>,

    /// -Wcd: correlation data
    #[arg(long, value_name = "DATA")]
    will_correlation_data: Option<String>,

    /// -Wup: user properties, each as "NAME: VALUE"
    #[arg(long, value_name = "PROPERTY", num_args = 1.., action = ArgAction::Append)]
    will_user_properties: Vec<String>,
}

/// Flags for what this version does not speak. They are known only to be refused by name.
#[derive(Clone, Debug, Args)]
struct UnservedArgs {
    #[arg(long, hide = true)]
    path: Option<String>,
    #[arg(long, hide = true, num_args = 1.., action = ArgAction::Append)]
    ws_headers: Vec<String>,
    #[arg(long, hide = true)]
    key: Option<OsString>,
    #[arg(long, hide = true)]
    cert: Option<OsString>,
    #[arg(long, hide = true)]
    ca: Option<OsString>,
    #[arg(long, hide = true)]
    insecure: bool,
    #[arg(long, hide = true, num_args = 1.., action = ArgAction::Append)]
    alpn: Vec<String>,
    #[arg(long, hide = true)]
    authentication_method: Option<String>,
}

/// Flags for schemas, which this version does not know.
#[derive(Clone, Debug, Args)]
pub(crate) struct SchemaArgs {
    #[arg(long, hide = true)]
    protobuf_path: Option<OsString>,
    #[arg(long, hide = true)]
    protobuf_message_name: Option<String>,
    #[arg(long, hide = true)]
    avsc_path: Option<OsString>,
}

impl SchemaArgs {
    /// Refuses what is not served.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for (flag, is_given) in [
            ("--protobuf-path", self.protobuf_path.is_some()),
            (
                "--protobuf-message-name",
                self.protobuf_message_name.is_some(),
            ),
            ("--avsc-path", self.avsc_path.is_some()),
        ] {
            if is_given {
                return Err(usage(format!("{flag}: this version knows no schemas")));
            }
        }
        Ok(())
    }
}

impl UnservedArgs {
    fn check(&self) -> Result<(), Failure> {
        for (flag, is_given) in [
            ("--path", self.path.is_some()),
            ("--ws-headers", !self.ws_headers.is_empty()),
            ("--key", self.key.is_some()),
            ("--cert", self.cert.is_some()),
            ("--ca", self.ca.is_some()),
            ("--insecure", self.insecure),
            ("--alpn", !self.alpn.is_empty()),
        ] {
            if is_given {
                return Err(usage(format!("{flag}: this version speaks mqtt:// only")));
            }
        }
        if self.authentication_method.is_some() {
            let text = "--authentication-method: this version knows user name and password only";
            return Err(usage(text));
        }
        Ok(())
    }
}

impl ConnectArgs {
    /// Where the server is.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::tcp(self.hostname.clone(), self.port)
    }

    pub(crate) const fn version(&self) -> ProtocolVersion {
        self.mqtt_version
    }

    pub(crate) const fn reconnect(&self) -> Reconnect {
        Reconnect {
            period: Duration::from_millis(self.reconnect_period),
            tries_max: self.maximum_reconnect_times,
        }
    }

    /// What the flags mean, with these user properties for CONNECT.
    pub(crate) fn client_options(
        &self,
        user_properties: &[String],
    ) -> Result<ClientOptions, Failure> {
        self.unserved.check()?;
        if self.protocol != "mqtt" {
            let protocol = &self.protocol;
            return Err(usage(format!(
                "--protocol {protocol}: this version speaks mqtt:// only"
            )));
        }
        let is_v5 = self.mqtt_version.is_v5();
        if self.password.is_some() && self.username.is_none() && !is_v5 {
            let version = self.mqtt_version;
            return Err(usage(format!(
                "--password needs --username in MQTT {version}"
            )));
        }
        let client_id = match &self.client_id {
            Some(client_id) => client_id.clone(),
            None => crate::random::client_id(),
        };
        if client_id.is_empty() && self.no_clean && !is_v5 {
            return Err(usage(
                "--no-clean needs a client identifier that is not empty",
            ));
        }
        // A session that is to be gone on with must outlive its connection.
        let kept = (is_v5 && self.no_clean).then_some(u32::MAX);
        let connect = ConnectOptions {
            version: self.mqtt_version,
            client_id,
            clean_start: !self.no_clean,
            keep_alive: self.keepalive,
            user_name: self.username.clone(),
            password: self.password.clone().map(Into::into),
            will: self.will.options()?,
            settings: ConnectSettings {
                session_expiry_interval: self.session_expiry_interval.or(kept),
                receive_maximum: self.rcv_max,
                maximum_packet_size: self.maximum_packet_size,
                topic_alias_maximum: self.topic_alias_maximum,
                request_response_information: self.req_response_info.then_some(true),
                request_problem_information: self.no_req_problem_info.then_some(false),
                authentication_method: None,
                authentication_data: None,
                user_properties: user_properties_of("user properties", user_properties)?,
            },
        };
        let mut options = ClientOptions::new(self.endpoint());
        options.connect = connect;
        options.reconnect = self.reconnect();
        Ok(options)
    }

    /// Flags that are given, and mean nothing in the chosen version.
    pub(crate) fn without_effect(&self) -> Vec<&'static str> {
        if self.mqtt_version.is_v5() {
            return Vec::new();
        }
        let will = &self.will;
        [
            (
                "--session-expiry-interval",
                self.session_expiry_interval.is_some(),
            ),
            ("--rcv-max", self.rcv_max.is_some()),
            ("--maximum-packet-size", self.maximum_packet_size.is_some()),
            ("--topic-alias-maximum", self.topic_alias_maximum.is_some()),
            ("--req-response-info", self.req_response_info),
            ("--no-req-problem-info", self.no_req_problem_info),
            ("--will-delay-interval", will.will_delay_interval.is_some()),
            (
                "--will-payload-format-indicator",
                will.will_payload_format_indicator,
            ),
            (
                "--will-message-expiry-interval",
                will.will_message_expiry_interval.is_some(),
            ),
            ("--will-content-type", will.will_content_type.is_some()),
            ("--will-response-topic", will.will_response_topic.is_some()),
            (
                "--will-correlation-data",
                will.will_correlation_data.is_some(),
            ),
            (
                "--will-user-properties",
                !will.will_user_properties.is_empty(),
            ),
        ]
        .into_iter()
        .filter_map(|(flag, is_given)| is_given.then_some(flag))
        .collect()
    }
}

impl WillArgs {
    fn options(&self) -> Result<Option<WillOptions>, Failure> {
        let Some(topic) = &self.will_topic else {
            return match self.needs_a_topic() {
                Some(flag) => Err(usage(format!("{flag} needs --will-topic"))),
                None => Ok(None),
            };
        };
        topic_name("--will-topic", topic)?;
        if let Some(topic) = &self.will_response_topic {
            topic_name("--will-response-topic", topic)?;
        }
        let user_properties =
            user_properties_of("--will-user-properties", &self.will_user_properties)?;
        Ok(Some(WillOptions {
            topic: topic.clone(),
            payload: self.will_message.clone().unwrap_or_default().into(),
            qos: self.will_qos.unwrap_or_default(),
            retain: self.will_retain,
            will_delay_interval: self.will_delay_interval,
            properties: MessageProperties {
                payload_format_indicator: self.will_payload_format_indicator.then_some(true),
                message_expiry_interval: self.will_message_expiry_interval,
                content_type: self.will_content_type.clone(),
                response_topic: self.will_response_topic.clone(),
                correlation_data: self.will_correlation_data.clone().map(Into::into),
                user_properties,
            },
        }))
    }

    fn needs_a_topic(&self) -> Option<&'static str> {
        [
            ("--will-message", self.will_message.is_some()),
            ("--will-qos", self.will_qos.is_some()),
            ("--will-retain", self.will_retain),
            ("--will-delay-interval", self.will_delay_interval.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, is_given)| is_given.then_some(flag))
    }
}

/// Checks a topic name that is a flag's value.
pub(crate) fn topic_name(flag: &str, topic: &str) -> Result<(), Failure> {
    match TopicName::parse(topic) {
        Ok(_) => Ok(()),
        Err(error) => Err(usage(format!("{flag} {topic:?}: {error}"))),
    }
}

/// User properties, each as `NAME: VALUE`.
pub(crate) fn user_properties_of(
    flag: &str,
    texts: &[String],
) -> Result<UserPropertiesBuf, Failure> {
    let mut properties = UserPropertiesBuf::new();
    for text in texts {
        let Some((name, value)) = text.split_once(':') else {
            return Err(usage(format!("{flag} {text:?}: expected \"NAME: VALUE\"")));
        };
        properties
            .push(name.trim(), value.trim())
            .map_err(|error| usage(format!("{flag}: {error}")))?;
    }
    Ok(properties)
}

/// A QoS as a flag's value.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    let level = text.parse().ok().and_then(QoS::from_u8);
    level.ok_or_else(|| "expected 0, 1 or 2".to_owned())
}

fn version(text: &str) -> Result<ProtocolVersion, String> {
    match text {
        "5" | "5.0" => Ok(ProtocolVersion::V5),
        "3.1.1" | "4" => Ok(ProtocolVersion::V311),
        "3.1" | "3" => Ok(ProtocolVersion::V31),
        _ => Err("expected 5, 3.1.1 or 3.1".to_owned()),
    }
}

#[cfg(test)]
mod tests;
