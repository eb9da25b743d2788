//! `dunlin explain`: whether a client may do something, and what decides.

use std::ffi::OsString;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use dunlin::config::{Override, Sources};
use dunlin::explain::{self, Asker, Explained};
use dunlin_client::codec::{QoS, TopicFilter, TopicName};

use crate::failure::{Failure, usage};
use crate::{EXIT_FAILED, EXIT_OK};

/// The arguments of `dunlin explain`.
#[derive(Debug, Args)]
#[command(after_help = "Example: dunlin explain publish -i lamp-1 -t lamps/1 --config dunlin.toml")]
pub(crate) struct ExplainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Whether a client may publish to a topic: exits with 0 if it may and with 1 if it may not
    #[command(
        after_help = "Example: dunlin explain publish -i lamp-1 -t lamps/1 --config dunlin.toml"
    )]
    Publish {
        #[command(flatten)]
        asker: AskerArgs,

        /// With RETAIN 1
        #[arg(short = 'r', long)]
        retain: bool,
    },
    /// Whether a client may subscribe to a filter: exits with 0 if it may and with 1 if it may not
    #[command(
        after_help = "Example: dunlin explain subscribe -i lamp-1 -t 'lamps/#' --config dunlin.toml"
    )]
    Subscribe {
        #[command(flatten)]
        asker: AskerArgs,
    },
}

#[derive(Debug, Args)]
struct AskerArgs {
    /// Client identifier
    #[arg(short = 'i', long, value_name = "ID")]
    client: String,

    /// User name; without one it is a client that shows none
    #[arg(short = 'u', long, value_name = "USER")]
    user: Option<String>,

    /// Where it connects from
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,

    /// Topic name, or topic filter
    #[arg(short = 't', long)]
    topic: String,

    /// QoS of the message or subscription
    #[arg(short = 'q', long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,

    /// The configuration of the broker, as `dunlin serve` takes it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set any option of it; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// Answers, with the variables of [`std::env::vars_os`].
///
/// # Errors
/// [`Failure::Usage`] for a topic or a configuration that is none.
pub(crate) fn run(
    args: &ExplainArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let (What::Publish { asker, .. } | What::Subscribe { asker }) = &args.what;
    let sources = Sources {
        file: asker.config.clone(),
        environment: environment.into_iter().collect(),
        overrides: asker.set.iter().cloned().map(Override::Set).collect(),
    };
    let loaded = sources.load().map_err(|error| usage(error.to_string()))?;
    let config = &loaded.config;
    let who = Asker {
        client_id: asker.client.clone(),
        user_name: asker.user.clone(),
        address: asker.address,
    };
    let qos = QoS::from_u8(asker.qos).unwrap_or_default();
    let explained = match &args.what {
        What::Publish { retain, .. } => {
            let topic = TopicName::parse(&asker.topic).map_err(|error| usage(error.to_string()))?;
            explain::publish(config, &who, topic, qos, *retain)
        }
        What::Subscribe { .. } => {
            let filter = TopicFilter::parse(&asker.topic);
            let filter = filter.map_err(|error| usage(error.to_string()))?;
            explain::subscribe(config, &who, filter, qos)
        }
    };
    let explained = explained.map_err(usage)?;
    print(&explained, out)?;
    Ok(if explained.is_allowed {
        EXIT_OK
    } else {
        EXIT_FAILED
    })
}

fn print(explained: &Explained, out: &mut impl Write) -> std::io::Result<()> {
    let answer = if explained.is_allowed {
        "allowed"
    } else {
        "denied"
    };
    let code = explained.reason_code;
    writeln!(out, "{answer}: {code}")?;
    for (number, step) in (1_usize..).zip(&explained.steps) {
        writeln!(out, "  {number}. {step}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
