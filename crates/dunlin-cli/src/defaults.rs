//! The configuration of the client commands: what `dunlin init` writes, and flags override.
//!
//! It is `client.toml` in the user's directory for configuration of programs. Where there is none,
//! the one of MQTTX CLI is read, so that those who come from there find their server.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::args::Protocol;
use crate::failure::{Failure, usage};
use crate::status::warn_if_exposed;

/// Names the file, if it is not the usual one.
pub(crate) const PATH_VARIABLE: &str = "DUNLIN_CLIENT_CONFIG";

/// How what commands print looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutputStyle {
    /// As it is.
    #[default]
    Text,
    /// With date and time before each entry.
    Log,
}

/// What holds unless a flag says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defaults {
    pub(crate) output: OutputStyle,
    pub(crate) host: String,
    /// `None` for the usual port of the protocol.
    pub(crate) port: Option<u16>,
    pub(crate) protocol: Protocol,
    pub(crate) max_reconnect_times: u32,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            output: OutputStyle::Text,
            host: "localhost".to_owned(),
            port: None,
            protocol: Protocol::Mqtt,
            max_reconnect_times: 10,
            username: None,
            password: None,
        }
    }
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) default: DefaultTable,
    pub(crate) mqtt: MqttTable,
}

/// What holds for all commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DefaultTable {
    pub(crate) output: Option<OutputStyle>,
}

/// What holds for connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MqttTable {
    pub(crate) protocol: Option<Protocol>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) max_reconnect_times: Option<u32>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

static CURRENT: OnceLock<Defaults> = OnceLock::new();

/// What holds in this process.
pub(crate) fn current() -> &'static Defaults {
    CURRENT.get_or_init(Defaults::default)
}

/// Reads the file, if there is one; from then on [`current`] has what it says.
pub(crate) fn load() -> Result<(), Failure> {
    let defaults = read(&|name| std::env::var_os(name))?;
    // Whoever was first has read the same file.
    let _ = CURRENT.set(defaults);
    Ok(())
}

/// Where the file is, or would be.
pub(crate) fn path(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(path) = set(PATH_VARIABLE) {
        return Some(path.into());
    }
    let directory = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))?;
    Some(directory.join("dunlin").join("client.toml"))
}

fn read(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Defaults, Failure> {
    let own = path(variable);
    if let Some(path) = &own
        && let Some(text) = text_of(path)?
    {
        let file: File = toml::from_str(&text)
            .map_err(|error| usage(format!("{}: {}", path.display(), one_line(&error))))?;
        return Ok(file.taken_from(path));
    }
    let is_named = variable(PATH_VARIABLE).is_some_and(|value| !value.is_empty());
    let home = variable("HOME").filter(|_| !is_named);
    let Some(path) = home.map(|home| PathBuf::from(home).join(".mqttx-cli").join("config")) else {
        return Ok(Defaults::default());
    };
    match text_of(&path)? {
        Some(text) => of_mqttx(&text)
            .map(|file| file.taken_from(&path))
            .map_err(|what| usage(format!("{}: {what}", path.display()))),
        None => Ok(Defaults::default()),
    }
}

fn text_of(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(usage(format!("{}: {error}", path.display()))),
    }
}

fn one_line(error: &toml::de::Error) -> String {
    error
        .message()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The file of MQTTX CLI: sections, and names with values that have no quotes. Of what is unknown
/// nothing is made.
fn of_mqttx(text: &str) -> Result<File, String> {
    let mut file = File::default();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name;
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if value.is_empty() {
            continue;
        }
        let told = |expected: &str| format!("{name} = {value}: expected {expected}");
        let mqtt = &mut file.mqtt;
        match (section, name) {
            ("default", "output") => {
                file.default.output = match value {
                    "text" => Some(OutputStyle::Text),
                    "log" => Some(OutputStyle::Log),
                    _ => return Err(told("text or log")),
                };
            }
            ("mqtt", "protocol") => {
                let protocol = <Protocol as clap::ValueEnum>::from_str(value, true);
                mqtt.protocol = Some(protocol.map_err(|_| told("mqtt, mqtts, ws or wss"))?);
            }
            ("mqtt", "host") => mqtt.host = Some(value.to_owned()),
            ("mqtt", "port") => mqtt.port = Some(value.parse().map_err(|_| told("a port"))?),
            ("mqtt", "max_reconnect_times") => {
                mqtt.max_reconnect_times = Some(value.parse().map_err(|_| told("a number"))?);
            }
            ("mqtt", "username") => mqtt.username = Some(value.to_owned()),
            ("mqtt", "password") => mqtt.password = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(file)
}

impl File {
    /// What holds by a file, of which it is said if others can read a password in it.
    fn taken_from(self, path: &Path) -> Defaults {
        if self.mqtt.password.is_some() {
            warn_if_exposed(path);
        }
        self.into()
    }
}

impl From<File> for Defaults {
    fn from(file: File) -> Self {
        let built_in = Self::default();
        let File { default, mqtt } = file;
        Self {
            output: default.output.unwrap_or(built_in.output),
            host: mqtt.host.unwrap_or(built_in.host),
            port: mqtt.port,
            protocol: mqtt.protocol.unwrap_or(built_in.protocol),
            max_reconnect_times: mqtt
                .max_reconnect_times
                .unwrap_or(built_in.max_reconnect_times),
            username: mqtt.username,
            password: mqtt.password,
        }
    }
}

#[cfg(test)]
mod tests;
