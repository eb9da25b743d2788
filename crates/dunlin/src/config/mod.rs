//! What the broker is told: options, where they come from, and what they mean.
//!
//! An option is one record in [`option`]. Humans write options in a TOML file, in environment
//! variables and on the command line ([`Sources`]); the later of these wins. What they wrote is
//! checked option by option and becomes a [`Config`], whose parts go to the components that need
//! them. Absent by design: a `Config` with a value that its option does not allow, and an `Option`
//! in it that means "the default".
//!
//! ```
//! use dunlin::config::{Config, Override, Sources};
//!
//! let config = Config::from_toml("[session]\nqueue_messages_max = 50")?;
//! assert_eq!(config.session.queue.messages_max, 50);
//!
//! let sources = Sources {
//!     overrides: vec![Override::Set("mqtt.qos_max=3".to_owned())],
//!     ..Sources::default()
//! };
//! assert_eq!(
//!     sources.load().unwrap_err().to_string(),
//!     "--set mqtt.qos_max=3: mqtt.qos_max = 3: expected an integer from 0 to 2",
//! );
//! # Ok::<(), dunlin::config::ConfigError>(())
//! ```

mod access;
mod auth;
mod bind;
mod check;
mod document;
mod error;
mod extract;
mod fields;
mod filter;
mod kind;
mod limits;
mod nearest;
pub mod option;
mod parts;
mod raw;
mod tls;
mod value;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use access::AccessConfig;
pub use auth::{AuthConfig, HttpAuthConfig, JwtConfig};
pub use bind::{Bind, BindError};
pub use document::{UnknownPath, default_file, explain, reference};
pub use dunlin_core::access::Network;
pub use error::{ConfigError, Problem, Source};
pub use filter::{SharePattern, TopicFilterBuf};
pub use kind::{Field, Kind};
pub use limits::LimitsConfig;
pub use parts::{
    CertificateNames, DurabilityConfig, GroupStrategy, ListenerConfig, LogConfig, MessageConfig,
    MqttConfig, QueueConfig, RetainedConfig, SessionConfig, SharedConfig, ShutdownConfig,
    StoreConfig, TopicDurability, TopicPriority, WillConfig, Workers,
};
pub use raw::Override;
pub use tls::TlsConfig;
pub use words::{
    CertificateName, ClientCertificate, DeniedPublish, Durability, LogFormat, LogLevel, Permission,
    QueuePolicy, RetainedPolicy, Revoked, RuleAction, RuleRetain, ShareStrategy, TlsVersion,
};

use raw::Raw;
use value::Settings;

/// What holds for a broker. Each part is for one component, which gets no other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How many threads serve connections.
    pub workers: Workers,
    /// The addresses that clients connect to; one at least.
    pub listeners: Vec<ListenerConfig>,
    /// Who may connect.
    pub auth: AuthConfig,
    /// What clients may do.
    pub access: AccessConfig,
    /// What clients may take of the broker.
    pub limits: LimitsConfig,
    /// How listeners use TLS, unless they say something else themselves.
    pub tls: TlsConfig,
    /// Where what must survive a restart is kept.
    pub store: StoreConfig,
    /// How safe it is before it is acknowledged.
    pub durability: DurabilityConfig,
    /// What one client may ask for, and what the broker announces.
    pub mqtt: MqttConfig,
    /// What each session may hold.
    pub session: SessionConfig,
    /// Retained messages.
    pub retained: RetainedConfig,
    /// Shared subscriptions.
    pub shared: SharedConfig,
    /// Will messages.
    pub will: WillConfig,
    /// All messages.
    pub message: MessageConfig,
    /// What the broker writes about itself.
    pub log: LogConfig,
    /// How the broker ends.
    pub shutdown: ShutdownConfig,
}

impl Config {
    /// The configuration of this TOML text and the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] tells everything that is wrong in the text.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let mut raw = Raw::defaults();
        raw.document(&Path::new("<text>").into(), text);
        Ok(finish(raw)?.config)
    }

    /// The settings are those of [`Raw::defaults`] and what later sources put in their place.
    fn from_settings(settings: &Settings) -> Self {
        let auth = AuthConfig::from_settings(settings);
        let tls = TlsConfig::from_settings(settings);
        let listeners = ListenerConfig::all(settings, &auth, &tls);
        Self {
            workers: Workers::from_settings(settings),
            listeners,
            auth,
            access: AccessConfig::from_settings(settings),
            limits: LimitsConfig::from_settings(settings),
            tls,
            store: StoreConfig::from_settings(settings),
            durability: DurabilityConfig::from_settings(settings),
            mqtt: MqttConfig::from_settings(settings),
            session: SessionConfig::from_settings(settings),
            retained: RetainedConfig::from_settings(settings),
            shared: SharedConfig::from_settings(settings),
            will: WillConfig::from_settings(settings),
            message: MessageConfig::from_settings(settings),
            log: LogConfig::from_settings(settings),
            shutdown: ShutdownConfig::from_settings(settings),
        }
    }
}

/// Every option at its default: one listener on 127.0.0.1:1883.
impl Default for Config {
    fn default() -> Self {
        Self::from_settings(&Raw::defaults().settings)
    }
}

/// Where a configuration comes from. Each field wins over those before it, and all over the
/// defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Names and values of environment variables, such as [`std::env::vars_os`] gives them. Those
    /// that do not begin with [`option::ENVIRONMENT_PREFIX`] are ignored; of the others each must be
    /// that of an option.
    pub environment: Vec<(OsString, OsString)>,
    /// What a command line says, in its order; the later wins.
    pub overrides: Vec<Override>,
}

/// A configuration, and which of it is not by default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// The options whose value differs from their default, in the order of documents.
    pub changed: Vec<Changed>,
}

/// An option whose value differs from its default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// The option.
    pub path: &'static str,
    /// Its value, as TOML; of tables what was written into them.
    pub value: String,
    /// Who wrote it.
    pub source: Source,
}

impl Sources {
    /// Reads every source.
    ///
    /// # Errors
    /// [`ConfigError`] tells everything that is wrong in all of them. Only if each value is allowed
    /// by itself are they checked together.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut raw = Raw::defaults();
        if let Some(file) = &self.file {
            raw.file(file);
        }
        raw.environment(&self.environment);
        raw.command_line(&self.overrides);
        finish(raw)
    }
}

/// From what humans wrote to what holds.
fn finish(mut raw: Raw) -> Result<Loaded, ConfigError> {
    if raw.problems.is_empty() {
        check::together(&mut raw);
    }
    if !raw.problems.is_empty() {
        return Err(ConfigError::new(raw.problems));
    }
    let defaults = Raw::defaults().settings;
    let changed = option::OPTIONS
        .iter()
        .filter_map(|record| {
            let setting = raw.settings.get(record.path)?;
            let default = defaults.get(record.path)?.value.to_string();
            (setting.value.to_string() != default).then(|| Changed {
                path: record.path,
                value: format!("{:#}", setting.value),
                source: setting.source.clone(),
            })
        })
        .collect();
    Ok(Loaded {
        config: Config::from_settings(&raw.settings),
        changed,
    })
}

#[cfg(test)]
mod tests;
