//! Flags that several commands have, each defined once, and what they mean to a client.

mod message;
mod server;
mod subscription;
mod transport;
mod values;
mod will;

use std::time::Duration;

use clap::Args;
use dunlin_client::codec::ProtocolVersion;
use dunlin_client::{ClientOptions, Reconnect};

use crate::failure::Failure;
use crate::format::Format;
pub(crate) use message::MessageArgs;
pub(crate) use server::{Identity, ServerArgs};
pub(crate) use subscription::SubscriptionArgs;
pub(crate) use transport::Protocol;
pub(crate) use values::{payload_size, qos, seconds, topic_name, user_properties_of};
pub(crate) use will::WillArgs;

/// How one client connects.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArgs {
    /// Client identifier [default: dunlin_ and eight random digits]
    #[arg(short = 'i', long, value_name = "ID")]
    client_id: Option<String>,

    /// Keep alive, in seconds; 0 switches it off
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 30)]
    keepalive: u16,

    #[command(flatten)]
    server: ServerArgs,

    #[command(flatten)]
    rejoin: RejoinArgs,

    /// Write every packet to standard error
    #[arg(long)]
    pub(crate) debug: bool,

    #[command(flatten)]
    will: WillArgs,
}

/// Before a lost connection is tried for again, where nothing else is said.
const RECONNECT_PERIOD_MS: u64 = 1000;

/// What becomes of lost connections.
#[derive(Clone, Debug, Args)]
pub(crate) struct RejoinArgs {
    /// -rp: time before a lost connection is tried for again, in milliseconds; 0 for never [default:
    /// 1000]
    #[arg(long, value_name = "MS")]
    reconnect_period: Option<u64>,

    /// How many tries in a row may fail [default: 10]
    #[arg(long, alias = "maximun-reconnect-times", value_name = "NUMBER")]
    maximum_reconnect_times: Option<u32>,
}

impl RejoinArgs {
    /// Whether somebody said how, and so wants it to be done.
    pub(crate) const fn is_stated(&self) -> bool {
        self.reconnect_period.is_some() || self.maximum_reconnect_times.is_some()
    }

    pub(crate) fn reconnect(&self) -> Reconnect {
        let configured = crate::defaults::current().max_reconnect_times;
        Reconnect {
            period: Duration::from_millis(self.reconnect_period.unwrap_or(RECONNECT_PERIOD_MS)),
            tries_max: self.maximum_reconnect_times.unwrap_or(configured),
        }
    }
}

impl ConnectArgs {
    pub(crate) const fn version(&self) -> ProtocolVersion {
        self.server.version()
    }

    /// What the flags mean, with these user properties for CONNECT.
    pub(crate) fn client_options(
        &self,
        user_properties: &[String],
    ) -> Result<ClientOptions, Failure> {
        let identity = Identity {
            client_id: self.client_id.clone(),
            keep_alive: self.keepalive,
            user_properties,
        };
        let mut options = self.server.client_options(&identity)?;
        options.connect.will = self.will.options()?;
        options.reconnect = self.rejoin.reconnect();
        Ok(options)
    }

    /// Flags that are given, and mean nothing in the chosen version or with the chosen protocol.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let mut told = self.server.without_effect();
        told.extend(self.will.without_effect(self.version()));
        told
    }
}

/// How payloads are written.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FormatArgs {
    /// How payloads are given and shown: base64, json, hex, binary, cbor or msgpack
    #[arg(short = 'f', long, value_name = "FORMAT")]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) format: Option<Format>,
}

/// The flags among these that are given, if the version has no properties.
pub(crate) fn in_older(version: ProtocolVersion, flags: &[(&'static str, bool)]) -> Vec<String> {
    if version.is_v5() {
        return Vec::new();
    }
    let given = flags.iter().filter(|(_, is_given)| *is_given);
    given
        .map(|(flag, _)| format!("{flag} has no effect in MQTT {version}"))
        .collect()
}

#[cfg(test)]
mod tests;
