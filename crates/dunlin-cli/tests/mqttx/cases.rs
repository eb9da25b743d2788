//! What each flag is tried with, and what must then be seen.

use super::Flag;
use super::spy::Port;

/// Where evidence is looked for: a line that begins so.
const CONNECT: &str = "Connect(";
const PUBLISH: &str = "Publish(";
const SUBSCRIBE: &str = "Subscribe(";
const MESSAGE: &str = "message on ";
const ANYWHERE: &str = "";

/// One flag of one command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    /// What the flag needs to mean something, as pairs of a long flag and its values.
    with: Vec<Vec<String>>,
    /// The flag's values.
    values: Vec<String>,
    /// How the line of the evidence begins.
    pub(crate) line: &'static str,
    /// What is in it.
    pub(crate) evidence: String,
    /// What is seen, for the page.
    pub(crate) seen: String,
    pub(crate) port: Option<Port>,
    pub(crate) stdin: &'static str,
    /// It has an effect on a terminal alone.
    pub(crate) needs_terminal: bool,
    /// There is nothing to compare with: the command says the same without it, sooner or later.
    without_control: bool,
    pub(crate) files: Vec<(&'static str, String)>,
}

/// `a b c` as words.
fn words(text: &str) -> Vec<String> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Case {
    fn new(values: &[&str], line: &'static str, evidence: &str) -> Self {
        Self {
            values: values.iter().map(|&value| value.to_owned()).collect(),
            line,
            evidence: evidence.to_owned(),
            seen: match line {
                CONNECT => "in CONNECT",
                PUBLISH => "in PUBLISH",
                SUBSCRIBE => "in SUBSCRIBE",
                MESSAGE => "in the payload",
                _ => "in the output",
            }
            .to_owned(),
            ..Self::default()
        }
    }

    fn connect(values: &[&str], evidence: &str) -> Self {
        Self::new(values, CONNECT, evidence)
    }

    fn publish(values: &[&str], evidence: &str) -> Self {
        Self::new(values, PUBLISH, evidence)
    }

    fn subscribe(values: &[&str], evidence: &str) -> Self {
        Self::new(values, SUBSCRIBE, evidence)
    }

    fn message(values: &[&str], evidence: &str) -> Self {
        Self::new(values, MESSAGE, evidence)
    }

    fn output(values: &[&str], evidence: &str) -> Self {
        Self::new(values, ANYWHERE, evidence)
    }

    /// With this flag as well, which has values.
    fn with(mut self, line: &str) -> Self {
        self.with.push(words(line));
        self
    }

    fn at(self, port: Port) -> Self {
        Self {
            port: Some(port),
            ..self
        }
    }

    fn seen(self, seen: &str) -> Self {
        Self {
            seen: seen.to_owned(),
            ..self
        }
    }

    fn stdin(self, stdin: &'static str) -> Self {
        Self { stdin, ..self }
    }

    fn alone(self) -> Self {
        Self {
            without_control: true,
            ..self
        }
    }

    fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.to_owned()));
        self
    }

    /// What a command is given beside the flag.
    fn base(command: &str) -> Vec<Vec<String>> {
        let lines: &[&str] = match command {
            "pub" => &["--topic t/1", "--message hello"],
            "sub" => &["--topic s/json"],
            "bench conn" => &["--count 1"],
            "bench pub" => &["--count 1", "--topic t/1", "--message-interval 20"],
            "bench sub" => &["--count 1", "--topic s/json"],
            "simulate" => &["--scenario weather", "--count 1", "--message-interval 20"],
            _ => &[],
        };
        lines.iter().map(|line| words(line)).collect()
    }

    /// The words of a command line with the flag in this form.
    pub(crate) fn line(&self, flag: &Flag, form: &str) -> Vec<String> {
        let mut line = self.words(flag);
        line.push(form.to_owned());
        line.extend(self.values.iter().cloned());
        line
    }

    /// The words without it, if there is something to compare with.
    pub(crate) fn control(&self, flag: &Flag) -> Option<Vec<String>> {
        let is_needed = matches!(
            (flag.command, flag.long),
            ("ls", _) | ("sub" | "bench sub" | "bench pub", "--topic") | ("simulate", "--scenario")
        );
        let has_file = flag.long == "--file" || flag.long.starts_with("--protobuf");
        let control = !self.without_control && !is_needed && !has_file && !self.needs_terminal;
        control.then(|| self.words(flag))
    }

    fn words(&self, flag: &Flag) -> Vec<String> {
        let mut line = words(flag.command);
        let mut given = Self::base(flag.command);
        // What would speak against the flag.
        let other = match flag.long {
            "--file" => "--scenario",
            "--payload-size" => "--message",
            _ => "",
        };
        given.retain(|words| words[0] != other);
        for words in &self.with {
            given.retain(|other| other[0] != words[0]);
            given.push(words.clone());
        }
        given.retain(|words| words[0] != flag.long);
        line.extend(given.into_iter().flatten());
        line
    }

    /// The case of a flag.
    pub(crate) fn of(flag: &Flag) -> Self {
        let long = flag.long.trim_start_matches('-');
        own(flag.command, long)
            .or_else(|| connection(flag.command, long))
            .or_else(|| will(long))
            .or_else(|| message(flag.command, long))
            .or_else(|| subscription(flag.command, long))
            .or_else(|| clients(flag.command, long))
            .unwrap_or_else(|| panic!("no case for {} {}", flag.command, flag.long))
    }
}

/// What one command alone has, or has otherwise than others.
fn own(command: &str, long: &str) -> Option<Case> {
    const PROTO: &str = "syntax = \"proto3\"; message Reading { int32 value = 1; }";
    const AVSC: &str =
        r#"{"type": "record", "name": "R", "fields": [{"name": "value", "type": "int"}]}"#;
    let case = match (command, long) {
        ("conn" | "bench conn", "user-properties") => {
            Case::connect(&["k: v"], "user_properties: [(\"k\", \"v\")]")
        }
        ("pub", "message") => Case::message(&["other"], ", 5 bytes: other.").alone(),
        ("pub", "stdin") => Case::message(&[], ": from stdin.").stdin("from stdin"),
        ("pub", "multiline" | "line-mode") => {
            Case::message(&[], ": second.").stdin("first\nsecond\n")
        }
        ("pub", "format") => Case::message(&["hex"], ", 2 bytes: hi.").with("--message 6869"),
        ("pub", "protobuf-path") => Case::message(&["{dir}/a.proto"], ", 2 bytes: \u{8}\u{7}.")
            .with("--message {\"value\":7}")
            .with("--protobuf-message-name Reading")
            .file("a.proto", PROTO),
        ("pub", "protobuf-message-name") => Case::message(&["Reading"], ", 2 bytes: \u{8}\u{7}.")
            .with("--message {\"value\":7}")
            .with("--protobuf-path {dir}/a.proto")
            .file("a.proto", PROTO),
        ("pub", "avsc-path") => Case::message(&["{dir}/a.avsc"], ", 1 bytes: \u{e}.")
            .with("--message {\"value\":7}")
            .file("a.avsc", AVSC),
        ("sub", "format") => Case::output(&["hex"], "7b22 6122 3a31 7d"),
        ("sub", "verbose") => Case::output(&[], "mqtt-packet: {\"cmd\":\"publish\""),
        ("sub", "output-mode") => Case::output(&["clean"], "\"topic\": \"s/json\""),
        ("sub", "file-write") => {
            Case::output(&["{dir}/out"], "file out: {\"a\":1}\\n").seen("in the file")
        }
        ("sub", "file-save") => {
            Case::output(&["{dir}/out"], "file out: {\"a\":1}.").seen("in the file")
        }
        ("sub", "delimiter") => Case::output(&["|"], "file out: {\"a\":1}|")
            .with("--file-write {dir}/out")
            .seen("in the file"),
        ("sub", "protobuf-path") => Case::output(&["{dir}/a.proto"], "\"value\": 7")
            .with("--topic s/proto")
            .with("--protobuf-message-name Reading")
            .file("a.proto", PROTO),
        ("sub", "protobuf-message-name") => Case::output(&["Reading"], "\"value\": 7")
            .with("--topic s/proto")
            .with("--protobuf-path {dir}/a.proto")
            .file("a.proto", PROTO),
        ("sub", "avsc-path") => Case::output(&["{dir}/a.avsc"], "\"value\": 7")
            .with("--topic s/avro")
            .file("a.avsc", AVSC),
        ("simulate", "scenario") => Case::message(&["smart_home"], "\"thermostat\""),
        ("simulate", "file") => Case::message(&["{dir}/own.toml"], ": {\"x\":5}.")
            .file("own.toml", "name = \"own\"\n[fields]\nx = 5\n"),
        ("simulate", "topic") => Case::publish(&["sim/%sc/%i"], "topic: \"sim/weather/1\""),
        ("ls", "scenarios") => Case::output(&[], "tesla"),
        ("bench pub", "message") => Case::message(&["other"], ": other."),
        ("bench pub", "split") => Case::message(&[","], ": second.").with("--message first,second"),
        _ => return None,
    };
    Some(case)
}

/// Where the server is, and what CONNECT says.
fn connection(command: &str, long: &str) -> Option<Case> {
    let tls = |values: &[&str], evidence: &str| {
        Case::output(values, evidence)
            .at(Port::Tls)
            .with("--protocol mqtts")
            .seen("in the TLS handshake")
    };
    let is_many = command.starts_with("bench") || command == "simulate";
    let case = match long {
        "mqtt-version" => Case::connect(&["3.1.1"], "version: V311"),
        "hostname" => Case::output(&["127.0.0.2"], "at Plain to 127.0.0.2")
            .seen("by where the connection goes"),
        "port" => Case::output(&["{other}"], "at Other").seen("by where the connection goes"),
        "client-id" if is_many => Case::connect(&["x-%i"], "client_id: \"x-1\""),
        "client-id" => Case::connect(&["x"], "client_id: \"x\""),
        "no-clean" => Case::connect(&[], "clean_start: false"),
        "keepalive" => Case::connect(&["77"], "keep_alive: 77"),
        "username" => Case::connect(&["someone"], "user_name: Some(\"someone\")"),
        "password" => Case::connect(&["pw"], "with the password pw)").with("--username u"),
        "protocol" => Case::output(&["ws"], "WebSocket path=/mqtt")
            .at(Port::Web)
            .seen("by the transport"),
        "path" => Case::output(&["/other"], "WebSocket path=/other ")
            .at(Port::Web)
            .with("--protocol ws")
            .seen("in the WebSocket request"),
        "ws-headers" => Case::output(&["X-Key: k1"], "x-key=k1.")
            .at(Port::Web)
            .with("--protocol ws")
            .seen("in the WebSocket request"),
        "ca" => tls(&["{dir}/ca.pem"], "TLS alpn= certificate=false"),
        "insecure" => tls(&[], "TLS alpn= certificate=false"),
        "cert" => tls(&["{dir}/client.pem"], "certificate=true")
            .with("--insecure")
            .with("--key {dir}/client.key")
            .alone(),
        "key" => tls(&["{dir}/client.key"], "certificate=true")
            .with("--insecure")
            .with("--cert {dir}/client.pem")
            .alone(),
        "alpn" => tls(&["x-mqtt"], "TLS alpn=x-mqtt").with("--insecure"),
        "reconnect-period" => lost(command, Case::output(&["1"], "connections within 300 ms"))
            .seen("by how soon connections follow")
            .alone(),
        // One more than come without it.
        "maximum-reconnect-times" | "maximun-reconnect-times" => {
            lost(command, Case::output(&["11"], "connection 12 at Cut"))
                .with("--reconnect-period 1")
                .seen("by how many connections follow")
                .alone()
        }
        "session-expiry-interval" => Case::connect(&["99"], "session_expiry_interval: Some(99)"),
        "rcv-max" => Case::connect(&["55"], "receive_maximum: Some(55)"),
        "maximum-packet-size" => Case::connect(&["5555"], "maximum_packet_size: Some(5555)"),
        "topic-alias-maximum" => Case::connect(&["5"], "topic_alias_maximum: Some(5)"),
        "req-response-info" => Case::connect(&[], "request_response_information: Some(true)"),
        "no-req-problem-info" => Case::connect(&[], "request_problem_information: Some(false)"),
        "conn-user-properties" => Case::connect(&["k: v"], "user_properties: [(\"k\", \"v\")]"),
        "authentication-method" => Case::connect(
            &["SCRAM-SHA-256"],
            "authentication_method: Some(\"SCRAM-SHA-256\")",
        )
        .with("--username u")
        .with("--password p"),
        "save-options" => Case::output(&["{dir}/out"], "\"username\": \"kept\"")
            .with("--username kept")
            .seen("in the file"),
        "load-options" => Case::connect(&["{dir}/options.json"], "user_name: Some(\"loaded\")")
            .file("options.json", &loaded(command)),
        "debug" => Case::output(&[], "-> Connect("),
        _ => return None,
    };
    Some(case)
}

/// A connection that is lost; a message that must be acknowledged keeps `pub` at it.
fn lost(command: &str, case: Case) -> Case {
    let case = case.at(Port::Cut);
    match command {
        "pub" => case.with("--qos 1"),
        _ => case,
    }
}

/// A file of options for a command.
fn loaded(command: &str) -> String {
    let key = match command {
        "bench conn" => "benchConn",
        "bench pub" => "benchPub",
        "bench sub" => "benchSub",
        other => other,
    };
    format!("{{\"{key}\": {{\"username\": \"loaded\"}}}}")
}

fn will(long: &str) -> Option<Case> {
    let will =
        |values: &[&str], evidence: &str| Case::connect(values, evidence).with("--will-topic w/1");
    let case = match long {
        "will-topic" => Case::connect(&["w/2"], "topic: \"w/2\""),
        "will-message" => will(&["hi"], "payload: [104, 105]"),
        "will-qos" => will(&["1"], "qos: AtLeastOnce"),
        "will-retain" => will(&[], "retain: true"),
        "will-delay-interval" => will(&["9"], "will_delay_interval: Some(9)"),
        "will-payload-format-indicator" => will(&[], "payload_format_indicator: Some(true)"),
        "will-message-expiry-interval" => will(&["8"], "message_expiry_interval: Some(8)"),
        "will-content-type" => will(&["text"], "content_type: Some(\"text\")"),
        "will-response-topic" => will(&["w/r"], "response_topic: Some(\"w/r\")"),
        "will-correlation-data" => will(&["c"], "correlation_data: Some([99])"),
        "will-user-properties" => will(&["k: v"], "user_properties: [(\"k\", \"v\")]"),
        _ => return None,
    };
    Some(case)
}

/// Of a message to publish.
fn message(command: &str, long: &str) -> Option<Case> {
    if !matches!(command, "pub" | "bench pub" | "simulate") {
        return None;
    }
    let case = match long {
        "topic" => Case::publish(&["t/2"], "topic: \"t/2\""),
        "qos" => Case::publish(&["1"], "qos: AtLeastOnce"),
        "retain" => Case::publish(&[], "retain: true"),
        "dup" => Case::publish(&[], "dup: true").with("--qos 1"),
        "payload-format-indicator" => Case::publish(&[], "payload_format_indicator: Some(true)"),
        "message-expiry-interval" => Case::publish(&["8"], "message_expiry_interval: Some(8)"),
        "topic-alias" => Case::publish(&["3"], "topic_alias: Some(3)"),
        "response-topic" => Case::publish(&["r/1"], "response_topic: Some(\"r/1\")"),
        "correlation-data" => Case::publish(&["c"], "correlation_data: Some([99])"),
        "user-properties" => Case::publish(&["k: v"], "user_properties: [(\"k\", \"v\")]"),
        "subscription-identifier" => Case::publish(&["7"], "subscription_identifiers: [7]"),
        "content-type" => Case::publish(&["text"], "content_type: Some(\"text\")"),
        "file-read" => Case::message(&["{dir}/in"], ": from a file.").file("in", "from a file"),
        "payload-size" => Case::message(&["512B"], ", 512 bytes: ").alone(),
        _ => return None,
    };
    Some(case)
}

/// Of subscriptions.
fn subscription(command: &str, long: &str) -> Option<Case> {
    if !matches!(command, "sub" | "bench sub") {
        return None;
    }
    let case = match long {
        "topic" => Case::subscribe(&["s/2", "s/3"], "filter: \"s/3\""),
        "qos" => Case::subscribe(&["1"], "qos: AtLeastOnce"),
        "no_local" => Case::subscribe(&[], "no_local: true"),
        "retain-as-published" => Case::subscribe(&[], "retain_as_published: true"),
        "retain-handling" => Case::subscribe(&["2"], "retain_handling: DoNotSend"),
        "subscription-identifier" => Case::subscribe(&["7"], "subscription_identifier: Some(7)"),
        "user-properties" => Case::subscribe(&["k: v"], "user_properties: [(\"k\", \"v\")]"),
        _ => return None,
    };
    Some(case)
}

/// Of many clients.
fn clients(command: &str, long: &str) -> Option<Case> {
    let case = match long {
        "count" => Case::output(&["2"], "Created 2 connections "),
        "interval" => Case::output(&["1000"], "connections apart by 300 ms or more")
            .with("--count 2")
            .seen("by the time between connections")
            .alone(),
        "message-interval" => Case::output(&["1000"], "messages apart by 300 ms or more")
            .seen("by the time between messages")
            .alone(),
        "limit" => Case::output(&["3"], "All 3 messages have been sent"),
        "verbose" => Case {
            needs_terminal: true,
            ..Case::output(&[], verbose(command)).seen("in the output on a terminal")
        },
        _ => return None,
    };
    Some(case)
}

/// Lines that are left standing.
fn verbose(command: &str) -> &'static str {
    match command {
        "bench sub" => "Received total: ",
        _ => "Published total: ",
    }
}
