//! mosquitto.conf, line by line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use dunlin::config::{Config, option};

/// The largest file that is read, and how deep one may name others.
const FILE_BYTES_MAX: u64 = 1 << 20;
const DEPTH_MAX: usize = 8;

/// What became of a mosquitto.conf.
#[derive(Debug, Default)]
pub(super) struct Migrated {
    listeners: Vec<Listener>,
    /// Options by section and key, with their values as TOML.
    options: BTreeMap<(&'static str, &'static str), String>,
    /// What could not be carried over.
    pub(super) left: Vec<Left>,
}

#[derive(Debug, Default)]
struct Listener {
    /// `None` for the one that a file without `listener` has.
    port: Option<u16>,
    address: Option<String>,
    has_tls: bool,
    is_websocket: bool,
    /// The path of a Unix socket, which has neither port nor address.
    socket: Option<String>,
    /// Keys of a `[[listener]]`.
    fields: BTreeMap<&'static str, String>,
}

/// A line that could not be carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    place: String,
    line: String,
    why: String,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: not carried over: {}: {}",
            self.place, self.line, self.why
        )
    }
}

/// Where an option goes.
#[derive(Clone, Copy)]
enum To {
    /// To an option, as a number, a truth or a text.
    Number(&'static str, &'static str),
    /// A number, of which 0 means that there is no bound.
    Bound(&'static str, &'static str),
    Truth(&'static str, &'static str),
    Text(&'static str, &'static str),
    /// To a key of the listener.
    ListenerNumber(&'static str),
    ListenerText(&'static str),
    /// Nowhere, since there is nothing to say.
    Nothing,
}

/// The options that mean the same, and those that need none.
const SAME: &[(&str, To)] = &[
    ("acl_file", To::Text("access", "acl_file")),
    ("allow_anonymous", To::Truth("auth", "allow_anonymous")),
    ("autosave_interval", To::Nothing),
    ("autosave_on_changes", To::Nothing),
    ("cafile", To::ListenerText("tls_client_ca_file")),
    ("certfile", To::ListenerText("tls_certificate_file")),
    ("crlfile", To::ListenerText("tls_crl_file")),
    ("keyfile", To::ListenerText("tls_key_file")),
    ("max_connections", To::ListenerNumber("max_connections")),
    (
        "max_inflight_messages",
        To::Bound("session", "in_flight_max"),
    ),
    ("max_keepalive", To::Number("mqtt", "keep_alive_max_s")),
    ("max_packet_size", To::Bound("mqtt", "packet_bytes_max")),
    ("max_qos", To::Number("mqtt", "qos_max")),
    ("max_queued_bytes", To::Bound("session", "queue_bytes_max")),
    (
        "max_queued_messages",
        To::Bound("session", "queue_messages_max"),
    ),
    ("mount_point", To::ListenerText("mount_point")),
    ("max_topic_alias", To::Number("mqtt", "topic_alias_maximum")),
    ("message_size_limit", To::Bound("mqtt", "packet_bytes_max")),
    ("password_file", To::Text("auth", "password_file")),
    ("per_listener_settings", To::Nothing),
    ("persistence_file", To::Nothing),
    ("retain_available", To::Truth("mqtt", "retain_available")),
    ("set_tcp_nodelay", To::Nothing),
    ("sys_interval", To::Number("mqtt", "sys_interval_s")),
    ("upgrade_outgoing_qos", To::Nothing),
];

/// Reads the file and those that it names.
pub(super) fn migrate(path: &Path) -> Result<Migrated, String> {
    let mut migrated = Migrated::default();
    migrated.read(path, 0)?;
    migrated.settle(path);
    if migrated.listeners.is_empty() {
        // Without any, Mosquitto listens on this machine alone.
        migrated.listeners.push(Listener {
            address: Some("127.0.0.1".to_owned()),
            ..Listener::default()
        });
    }
    Ok(migrated)
}

impl Migrated {
    /// Says what Mosquitto takes for granted and the broker here does not.
    fn settle(&mut self, path: &Path) {
        for listener in &mut self.listeners {
            // There, authorities alone ask no client for a certificate.
            if listener.fields.contains_key("tls_client_ca_file") {
                let asked = listener.fields.entry("tls_client_certificate");
                asked.or_insert_with(|| quoted("none"));
            }
        }
        // Without any, both let everybody in who is on this machine.
        let config = Config::from_toml(&self.to_string());
        let is_open = config.is_ok_and(|config| {
            let mut listeners = config.listeners.iter();
            !config.auth.allow_anonymous && listeners.any(|listener| listener.allow_anonymous)
        });
        if is_open && !self.listeners.is_empty() {
            self.left.push(Left {
                place: path.display().to_string(),
                line: "allow_anonymous false".to_owned(),
                why: "on loopback addresses and Unix sockets anybody may connect as long as no \
                      authentication is configured"
                    .to_owned(),
            });
        }
    }

    fn read(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!(
                "{}: files name each other too deep",
                path.display()
            ));
        }
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        if std::fs::metadata(path).map_err(told)?.len() > FILE_BYTES_MAX {
            return Err(format!(
                "{}: longer than {FILE_BYTES_MAX} bytes",
                path.display()
            ));
        }
        let text = std::fs::read(path).map_err(told)?;
        for (number, line) in (1_usize..).zip(String::from_utf8_lossy(&text).lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let value = value.trim();
            if key == "include_dir" {
                for file in files_of(Path::new(value)).map_err(told)? {
                    self.read(&file, depth + 1)?;
                }
            } else if let Err(why) = self.line(key, value) {
                self.left.push(Left {
                    place: format!("{}:{number}", path.display()),
                    line: shown(key, value),
                    why,
                });
            }
        }
        Ok(())
    }

    /// Takes a line, or says why not.
    fn line(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "listener" | "port" => return self.listener(value),
            "bind_address" => {
                let address = Some(value.to_owned());
                self.last_listener().address = address;
                return Ok(());
            }
            "protocol" => {
                let is_websocket = value == "websockets";
                self.last_listener().is_websocket = is_websocket;
                return match value {
                    "mqtt" => Ok(()),
                    _ if is_websocket => Err("there it is at any path, here at /mqtt".to_owned()),
                    _ => Err("expected mqtt or websockets".to_owned()),
                };
            }
            "socket_domain" => {
                let listener = self.last_listener();
                if value == "ipv4" && listener.address.is_none() {
                    listener.address = Some("0.0.0.0".to_owned());
                }
                return Ok(());
            }
            "tls_version" => {
                let version = match value {
                    "tlsv1.3" => "1.3",
                    "tlsv1.2" => "1.2",
                    _ => return Err("TLS 1.2 is the oldest that is spoken".to_owned()),
                };
                return self.field("tls_version_min", quoted(version));
            }
            "persistence" if value == "true" => return Ok(()),
            "persistence" => return self.option("store", "ephemeral", "true".to_owned()),
            "allow_zero_length_clientid" if value == "true" => return Ok(()),
            "require_certificate" => {
                let field = "tls_client_certificate";
                let word = if value == "true" { "required" } else { "none" };
                return self.field(field, quoted(word));
            }
            "use_identity_as_username" | "use_subject_as_username" if value == "false" => {
                return Ok(());
            }
            "use_identity_as_username" => {
                return self.field("certificate_user_name", quoted("cn"));
            }
            "use_subject_as_username" => {
                return self.field("certificate_user_name", quoted("subject"));
            }
            "persistent_client_expiration" => {
                let seconds = seconds(value).ok_or("expected a number and h, d, w, m or y")?;
                return self.option("session", "expiry_interval_3x_s", seconds.to_string());
            }
            "queue_qos0_messages" => {
                let qos = if value == "true" { "0" } else { "1" };
                return self.option("session", "offline_qos_min", qos.to_owned());
            }
            "log_type" => return self.log(value),
            _ => {}
        }
        let to = SAME.iter().find(|(name, _)| *name == key);
        let number = || {
            let number: Result<u64, _> = value.parse();
            number
                .map(|number| number.to_string())
                .map_err(|_| "expected a number".to_owned())
        };
        match to.map(|(_, to)| *to) {
            Some(To::Bound(section, key)) if value == "0" => {
                Err(format!("there is always a bound here, {section}.{key}"))
            }
            Some(To::Number(section, key) | To::Bound(section, key)) => {
                self.option(section, key, number()?)
            }
            Some(To::Truth(section, key)) if matches!(value, "true" | "false") => {
                self.option(section, key, value.to_owned())
            }
            Some(To::Truth(..)) => Err("expected true or false".to_owned()),
            Some(To::Text(section, key)) => self.option(section, key, quoted(value)),
            Some(To::ListenerNumber(key)) if value == "-1" => {
                self.last_listener().fields.remove(key);
                Ok(())
            }
            Some(To::ListenerNumber(key)) => self.field(key, number()?),
            Some(To::ListenerText(key)) => {
                self.last_listener().has_tls |= key == "tls_certificate_file";
                self.field(key, quoted(value))
            }
            Some(To::Nothing) => Ok(()),
            None => Err(reason(key).to_owned()),
        }
    }

    fn listener(&mut self, value: &str) -> Result<(), String> {
        let (port, address) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        let address = address.trim();
        if port == "0" && address.starts_with('/') {
            self.listeners.push(Listener {
                socket: Some(address.to_owned()),
                ..Listener::default()
            });
            return Ok(());
        }
        let port = port.parse().map_err(|_| "expected a port".to_owned())?;
        self.listeners.push(Listener {
            port: Some(port),
            address: (!address.is_empty()).then(|| address.to_owned()),
            ..Listener::default()
        });
        Ok(())
    }

    /// The listener that a line belongs to: the last one, or the one that is there without any.
    fn last_listener(&mut self) -> &mut Listener {
        if self.listeners.is_empty() {
            self.listeners.push(Listener::default());
        }
        self.listeners.last_mut().expect("there is one")
    }

    /// Sets an option, if this version has it and it has no other value already.
    fn option(
        &mut self,
        section: &'static str,
        key: &'static str,
        value: String,
    ) -> Result<(), String> {
        if option::find(&format!("{section}.{key}")).is_none() {
            return Err(format!("this version has no {section}.{key}"));
        }
        match self.options.insert((section, key), value.clone()) {
            Some(before) if before != value => {
                self.options.insert((section, key), before);
                Err(format!(
                    "{section}.{key} holds for all listeners, and has another value already"
                ))
            }
            _ => Ok(()),
        }
    }

    fn field(&mut self, key: &'static str, value: String) -> Result<(), String> {
        if option::field(&format!("listener.{key}")).is_none() {
            return Err(format!("this version has no listener.{key}"));
        }
        self.last_listener().fields.insert(key, value);
        Ok(())
    }

    /// The most that is to be logged decides.
    fn log(&mut self, value: &str) -> Result<(), String> {
        const LEVELS: &[&str] = &["error", "warn", "info", "debug"];
        let level = match value {
            "none" | "error" => "error",
            "warning" => "warn",
            "notice" | "information" | "subscribe" | "unsubscribe" => "info",
            "debug" | "all" | "websockets" => "debug",
            _ => return Err("there is no such level".to_owned()),
        };
        let rank = |level: &str| LEVELS.iter().position(|known| quoted(known) == level);
        let level = quoted(level);
        let before = self.options.get(&("log", "level"));
        if before.is_none_or(|before| rank(before) < rank(&level)) {
            self.options.insert(("log", "level"), level);
        }
        Ok(())
    }
}

impl Listener {
    fn url(&self) -> String {
        if let Some(path) = &self.socket {
            return format!("unix://{path}");
        }
        let scheme = match (self.is_websocket, self.has_tls) {
            (false, false) => "mqtt",
            (false, true) => "mqtts",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        let address = match self.address.as_deref() {
            None => "[::]".to_owned(),
            Some(address) if address.contains(':') => format!("[{address}]"),
            Some(address) => address.to_owned(),
        };
        format!("{scheme}://{address}:{}", self.port.unwrap_or(1883))
    }
}

/// The configuration as TOML, with what is left as comments.
impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Made by `dunlin migrate mosquitto`.")?;
        for left in &self.left {
            writeln!(f, "# {left}")?;
        }
        for listener in &self.listeners {
            writeln!(f, "\n[[listener]]\nbind = {}", quoted(&listener.url()))?;
            for (key, value) in &listener.fields {
                writeln!(f, "{key} = {value}")?;
            }
        }
        let mut present = "";
        for ((section, key), value) in &self.options {
            if *section != present {
                writeln!(f, "\n[{section}]")?;
                present = section;
            }
            writeln!(f, "{key} = {value}")?;
        }
        Ok(())
    }
}

/// A line as it may be shown: some hold passwords.
fn shown(key: &str, value: &str) -> String {
    let is_secret = ["password", "psk", "pass", "secret"]
        .iter()
        .any(|word| key.contains(word));
    let escaped = value.chars().take(80).map(|c| match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    });
    let value: String = escaped.collect();
    match (is_secret, value.as_str()) {
        (true, _) => format!("{key} (not shown)"),
        (false, "") => key.to_owned(),
        (false, value) => format!("{key} {value}"),
    }
}

/// Why an option has no counterpart.
fn reason(key: &str) -> &'static str {
    match key {
        "connection"
        | "address"
        | "addresses"
        | "topic"
        | "notifications"
        | "try_private"
        | "start_type"
        | "cleansession"
        | "round_robin"
        | "idle_timeout"
        | "restart_timeout"
        | "keepalive_interval"
        | "threshold"
        | "notification_topic"
        | "notifications_local_only" => "this version has no bridge",
        _ if key.starts_with("bridge_")
            || key.starts_with("remote_")
            || key.starts_with("local_") =>
        {
            "this version has no bridge"
        }
        _ if key.starts_with("plugin") || key.starts_with("auth_") => "there are no plugins",
        _ if key.starts_with("psk") || key == "use_identity_as_psk" => {
            "there are no pre-shared keys"
        }
        _ if key.starts_with("log_") || key == "connection_messages" => {
            "the log goes to standard error, and log.level says how much"
        }
        "persistence_location" => {
            "store.data_dir says where the store is, and what Mosquitto kept is not read"
        }
        "pid_file" => "no file names the process",
        "user" => "the broker stays who started it, which should not be root",
        "capath" => "name one file with listener.tls_client_ca_file",
        "ciphers" | "ciphers_tls1.3" | "dhparamfile" => {
            "the broker chooses among what is secure in TLS 1.2 and 1.3"
        }
        "http_dir" => "no files are served",
        "memory_limit" => "limits.memory_bytes_max bounds the memory of the whole process",
        "max_inflight_bytes" => "session.in_flight_max bounds their number",
        "allow_zero_length_clientid" => "the broker chooses the identifiers that are empty",
        _ => "nothing here means the same",
    }
}

/// `2d` and its like.
fn seconds(text: &str) -> Option<u64> {
    const HOUR: u64 = 3600;
    let unit = match text.chars().last()? {
        'h' => HOUR,
        'd' => 24 * HOUR,
        'w' => 7 * 24 * HOUR,
        'm' => 30 * 24 * HOUR,
        'y' => 365 * 24 * HOUR,
        _ => return None,
    };
    let count: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    count
        .checked_mul(unit)
        .filter(|&seconds| seconds < u64::from(u32::MAX))
}

/// The files that `include_dir` means, in Mosquitto's order.
fn files_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "conf")
    });
    files.sort();
    Ok(files)
}

/// A text as TOML.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", c as u32),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests;
