//! The flags of `dunlin serve`. Each is an option by another name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use dunlin::config::{ConfigError, Loaded, Override, Sources};

/// The arguments of `dunlin serve`.
///
/// Values are texts here: the table of options knows what they may be, and says so in the same words
/// as for a file or a variable.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:\n  dunlin serve --ephemeral\n  \
    dunlin serve --listen mqtt://0.0.0.0:1883 --password-file users --data-dir /var/lib/dunlin")]
pub(crate) struct ServeArgs {
    /// Listen on this address, such as mqtt://0.0.0.0:1883, `mqtt://[::1]` or mqtts://0.0.0.0 (with
    /// TLS); may be repeated
    /// [default: mqtt://127.0.0.1:1883]
    #[arg(long, value_name = "URL")]
    listen: Vec<String>,

    /// Let clients connect without a credential, from wherever they can reach a listener
    #[arg(long)]
    allow_anonymous: bool,

    /// Let in who has a password in this file; `dunlin passwd FILE USER` makes one
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    password_file: Option<String>,

    /// Hold clients to the rules of this file, of Mosquitto's form
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    acl_file: Option<String>,

    /// The certificate for mqtts:// and what else is secure, as PEM; `dunlin cert self-signed` makes
    /// one for a first try
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    tls_cert: Option<String>,

    /// The key of the certificate, as PEM
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    tls_key: Option<String>,

    /// Let in only clients with a certificate of this authority, as PEM
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    tls_client_ca: Option<String>,

    /// Keep what must survive a restart in this directory [default: ./dunlin-data]
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    data_dir: Option<String>,

    /// Keep everything in memory only: nothing survives the process
    #[arg(long)]
    ephemeral: bool,

    /// Read options from this TOML file; `dunlin config default` prints one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How many threads serve connections [default: one for each core]
    #[arg(long, value_name = "N")]
    workers: Option<String>,

    /// Which events are logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,

    /// How events are logged: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,

    /// Set any option, such as session.queue_messages_max=5000; may be repeated, and wins over the
    /// other flags; `dunlin config explain` lists the options
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

impl ServeArgs {
    /// Where the configuration of `dunlin serve` comes from, with the variables of
    /// [`std::env::vars_os`].
    pub(crate) fn sources(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Sources {
        Sources {
            file: self.config.clone(),
            environment: environment.into_iter().collect(),
            overrides: self.overrides(),
        }
    }

    /// The configuration of `dunlin serve`.
    ///
    /// # Errors
    /// [`ConfigError`] tells every mistake in every source, each in one line; the exit code is 2.
    pub(crate) fn load(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, ConfigError> {
        self.sources(environment).load()
    }

    fn overrides(&self) -> Vec<Override> {
        let mut overrides = Vec::new();
        let mut flag = |flag, path, value: &str| {
            overrides.push(Override::Flag {
                flag,
                path,
                value: value.to_owned(),
            });
        };
        if self.allow_anonymous {
            flag("--allow-anonymous", "auth.allow_anonymous", "true");
        }
        if let Some(directory) = &self.data_dir {
            flag("--data-dir", "store.data_dir", directory);
            // Whoever names a directory wants it used, whatever a file says.
            flag("--data-dir", "store.ephemeral", "false");
        }
        if self.ephemeral {
            flag("--ephemeral", "store.ephemeral", "true");
        }
        for (name, path, value) in [
            ("--password-file", "auth.password_file", &self.password_file),
            ("--acl-file", "access.acl_file", &self.acl_file),
            ("--tls-cert", "tls.certificate_file", &self.tls_cert),
            ("--tls-key", "tls.key_file", &self.tls_key),
            ("--tls-client-ca", "tls.client_ca_file", &self.tls_client_ca),
            ("--workers", "workers", &self.workers),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &self.log_format),
        ] {
            if let Some(value) = value {
                flag(name, path, value);
            }
        }
        overrides.push(Override::Repeated {
            flag: "--listen",
            path: "listener",
            values: self.listen.clone(),
        });
        overrides.extend(self.set.iter().cloned().map(Override::Set));
        overrides
    }
}

#[cfg(test)]
mod tests;
