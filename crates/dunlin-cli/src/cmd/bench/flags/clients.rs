//! What MQTTX's benches add to a connection.

use anyhow::{Result, ensure};
use clap::Args;
use dunlin_client::{ClientOptions, Reconnect};

use crate::args::{Identity, RejoinArgs, ServerArgs, WillArgs};

/// How many clients there are, and what becomes of them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Clients")]
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

    /// Keep alive, in seconds
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 30)]
    keepalive: u16,

    /// Threads to spread the clients over
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: u16,

    /// End after this time, such as 30s; without it Ctrl-C ends the bench
    #[arg(long, value_name = "TIME", value_parser = super::units::duration)]
    pub(crate) duration: Option<std::time::Duration>,

    #[command(flatten)]
    rejoin: RejoinArgs,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    #[command(flatten)]
    will: WillArgs,
}

impl ClientFlags {
    /// What each client is told, with these user properties for its CONNECT.
    ///
    /// # Errors
    /// If flags contradict each other.
    pub(crate) fn options(&self, user_properties: &[String]) -> Result<ClientOptions> {
        ensure!(self.count > 0, "--count must be 1 at least");
        let identity = Identity {
            client_id: self.client_id.clone(),
            keep_alive: self.keepalive,
            user_properties,
        };
        let mut options = self.server.client_options(&identity)?;
        options.connect.will = self.will.options()?;
        Ok(options)
    }

    pub(crate) fn reconnect(&self) -> Reconnect {
        self.rejoin.reconnect()
    }

    /// Whether a client is tried again although none has come up yet.
    pub(crate) const fn insists(&self) -> bool {
        self.rejoin.is_stated()
    }

    /// Flags that are given, and mean nothing in the chosen version or with the chosen protocol.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let mut told = self.server.without_effect();
        told.extend(self.will.without_effect(self.server.version()));
        told
    }
}
