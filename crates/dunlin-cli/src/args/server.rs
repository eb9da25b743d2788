//! Where the server is, and what CONNECT says.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::Args;
use dunlin_client::codec::ProtocolVersion;
use dunlin_client::{
    ClientOptions, ConnectOptions, ConnectSettings, ScramCredentials, ScramMechanism,
};

use super::in_older;
use super::transport::TransportArgs;
use super::values::{four_bytes, two_bytes, user_properties_of, version};
use crate::defaults;
use crate::failure::{Failure, usage};

/// Where the server is, and what CONNECT says, but for what differs between one client and many.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerArgs {
    /// Version of MQTT: 5 (or 5.0), 3.1.1 or 3.1
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "5", value_parser = version)]
    mqtt_version: ProtocolVersion,

    #[command(flatten)]
    transport: TransportArgs,

    /// User name
    #[arg(short = 'u', long, value_name = "USER")]
    username: Option<String>,

    /// Password
    #[arg(short = 'P', long, value_name = "PASSWORD")]
    password: Option<String>,

    /// -am: SCRAM-SHA-1, SCRAM-SHA-256 or SCRAM-SHA-512; the password is then not sent
    #[arg(long, value_name = "METHOD", value_parser = mechanism)]
    authentication_method: Option<ScramMechanism>,

    /// Go on with an existing session, and leave one behind
    #[arg(long)]
    no_clean: bool,

    /// -se: session expiry interval, in seconds
    #[arg(long, value_name = "SECONDS")]
    session_expiry_interval: Option<u32>,

    /// Receive maximum: messages that may be unacknowledged
    #[arg(long, visible_alias = "receive-maximum", value_name = "NUMBER")]
    #[arg(value_parser = two_bytes)]
    rcv_max: Option<NonZeroU16>,

    /// Largest packet to accept, in bytes
    #[arg(long, value_name = "NUMBER", value_parser = four_bytes)]
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

    /// -so: write the flags of this command to a file, JSON or YAML by its name
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[arg(default_missing_value = crate::saved::DEFAULT_PATH)]
    save_options: Option<PathBuf>,

    /// -lo: read flags from such a file; those of the command line win
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[arg(default_missing_value = crate::saved::DEFAULT_PATH)]
    load_options: Option<PathBuf>,
}

/// What differs between one client and many.
#[derive(Clone, Debug)]
pub(crate) struct Identity<'a> {
    /// Client Identifier; `None` for a random one.
    pub(crate) client_id: Option<String>,
    /// Keep Alive, in seconds.
    pub(crate) keep_alive: u16,
    /// User Properties of CONNECT, each as `NAME: VALUE`.
    pub(crate) user_properties: &'a [String],
}

fn mechanism(text: &str) -> Result<ScramMechanism, String> {
    let mut all = ScramMechanism::ALL.into_iter();
    all.find(|mechanism| mechanism.name().eq_ignore_ascii_case(text))
        .ok_or_else(|| "expected SCRAM-SHA-1, SCRAM-SHA-256 or SCRAM-SHA-512".to_owned())
}

impl ServerArgs {
    pub(crate) const fn version(&self) -> ProtocolVersion {
        self.mqtt_version
    }

    /// Flags that are given and say what stands in CONNECT, but for who one is.
    pub(crate) fn connect_flags(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            (
                "--authentication-method",
                self.authentication_method.is_some(),
            ),
            ("--no-clean", self.no_clean),
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
        given
            .into_iter()
            .filter_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Where the server is, and what CONNECT says; without a will.
    pub(crate) fn client_options(&self, identity: &Identity<'_>) -> Result<ClientOptions, Failure> {
        self.client_options_at(None, identity)
    }

    /// The same at a host that was named in another way than with `--hostname`.
    pub(crate) fn client_options_at(
        &self,
        host: Option<&str>,
        identity: &Identity<'_>,
    ) -> Result<ClientOptions, Failure> {
        let mut options = ClientOptions::new(self.transport.endpoint(host)?);
        options.connect = self.connect_options(identity)?;
        Ok(options)
    }

    /// User name and password: those of the flags, or else those of the configuration.
    fn credentials(&self) -> (Option<String>, Option<String>) {
        if self.username.is_some() || self.password.is_some() {
            return (self.username.clone(), self.password.clone());
        }
        let defaults = defaults::current();
        (defaults.username.clone(), defaults.password.clone())
    }

    /// The user name, empty if there is none.
    pub(crate) fn user_name(&self) -> String {
        self.credentials().0.unwrap_or_default()
    }

    /// What CONNECT says.
    fn connect_options(&self, identity: &Identity<'_>) -> Result<ConnectOptions, Failure> {
        let version = self.mqtt_version;
        let is_v5 = version.is_v5();
        let (mut user_name, mut password) = self.credentials();
        if password.is_some() && user_name.is_none() && !is_v5 {
            return Err(usage(format!(
                "--password needs --username in MQTT {version}"
            )));
        }
        let scram = match self.authentication_method {
            Some(_) if !is_v5 => {
                let text = "--authentication-method needs MQTT 5.0; leave out --mqtt-version";
                return Err(usage(text));
            }
            Some(mechanism) => match (user_name.take(), password.take()) {
                (Some(user_name), Some(password)) => Some(ScramCredentials {
                    mechanism,
                    user_name,
                    password,
                }),
                _ => {
                    let text = "--authentication-method needs --username and --password";
                    return Err(usage(text));
                }
            },
            None => None,
        };
        let client_id = identity.client_id.clone();
        let client_id = client_id.unwrap_or_else(crate::random::client_id);
        if client_id.is_empty() && self.no_clean && !is_v5 {
            return Err(usage(
                "--no-clean needs a client identifier that is not empty",
            ));
        }
        // A session that is to be gone on with must outlive its connection.
        let kept = (is_v5 && self.no_clean).then_some(u32::MAX);
        Ok(ConnectOptions {
            version,
            client_id,
            clean_start: !self.no_clean,
            keep_alive: identity.keep_alive,
            user_name,
            password: password.map(Into::into),
            will: None,
            scram,
            settings: ConnectSettings {
                session_expiry_interval: self.session_expiry_interval.or(kept),
                receive_maximum: self.rcv_max,
                maximum_packet_size: self.maximum_packet_size,
                topic_alias_maximum: self.topic_alias_maximum,
                request_response_information: self.req_response_info.then_some(true),
                request_problem_information: self.no_req_problem_info.then_some(false),
                user_properties: user_properties_of(
                    "user properties of CONNECT",
                    identity.user_properties,
                )?,
            },
        })
    }

    /// Flags that are given, and mean nothing in the chosen version or with the chosen protocol.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let mut told = self.transport.without_effect();
        let properties = [
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
        told.extend(in_older(self.mqtt_version, &properties));
        told
    }
}
