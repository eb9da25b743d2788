//! Tests of the flags of connections.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _};
use dunlin_client::codec::{ProtocolVersion, QoS};
use dunlin_client::{ClientOptions, ScramMechanism};

use super::ConnectArgs;
use crate::failure::Failure;
use crate::{Program, argv};

#[derive(Debug, clap::Parser)]
struct Connecting {
    #[command(flatten)]
    connect: ConnectArgs,
}

fn connecting(line: &[&str]) -> Connecting {
    // The words go through the program, so that its short forms are known.
    let words = ["dunlin", "conn"].iter().chain(line).map(OsString::from);
    let words = argv::expand(&Program::command(), words);
    let command = Connecting::command().disable_help_flag(true);
    let matches = command.try_get_matches_from(words.into_iter().skip(1));
    Connecting::from_arg_matches(&matches.unwrap()).unwrap()
}

fn options(line: &[&str]) -> Result<ClientOptions, Failure> {
    connecting(line)
        .connect
        .client_options(&["a: b".to_owned()])
}

fn told(line: &[&str]) -> String {
    match options(line) {
        Err(Failure::Usage(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_are_those_of_mqttx() {
    let options = options(&[]).unwrap();
    let connect = &options.connect;
    assert_eq!(options.endpoint.to_string(), "localhost:1883");
    assert_eq!(connect.version, ProtocolVersion::V5);
    assert_eq!((connect.clean_start, connect.keep_alive), (true, 30));
    assert_eq!(connect.settings.session_expiry_interval, None);
    assert_eq!(options.reconnect.period.as_millis(), 1000);
    assert_eq!(options.reconnect.tries_max, 10);
    let digits = connect.client_id.strip_prefix("dunlin_").unwrap();
    assert_eq!(digits.len(), 8);
    assert!(
        digits.chars().all(|digit| digit.is_ascii_hexdigit()),
        "{digits}"
    );
    let properties = connect.settings.user_properties.as_view();
    assert_eq!(properties.iter().collect::<Vec<_>>(), [("a", "b")]);
}

#[test]
fn no_clean_keeps_the_session_unless_told_how_long() {
    let expiry = |line: &[&str]| {
        options(line)
            .unwrap()
            .connect
            .settings
            .session_expiry_interval
    };
    assert_eq!(expiry(&["--no-clean"]), Some(u32::MAX));
    assert_eq!(expiry(&["--no-clean", "-se", "60"]), Some(60));
    assert_eq!(expiry(&["--no-clean", "-V", "3.1.1"]), None);
    assert!(!options(&["--no-clean"]).unwrap().connect.clean_start);
}

#[test]
fn every_flag_of_the_will_is_in_it() {
    let line = [
        "-Wt", "t/1", "-Wm", "gone", "-Wq", "1", "-Wr", "-Wd", "5", "-Wpf", "-We", "60", "-Wct",
        "text", "-Wrt", "r/1", "-Wcd", "c", "-Wup", "k: v", "k: w",
    ];
    let will = options(&line).unwrap().connect.will.unwrap();
    assert_eq!(
        (will.topic.as_str(), will.payload.as_ref()),
        ("t/1", b"gone".as_slice())
    );
    assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
    assert_eq!(will.will_delay_interval, Some(5));
    let properties = &will.properties;
    assert_eq!(properties.payload_format_indicator, Some(true));
    assert_eq!(properties.message_expiry_interval, Some(60));
    assert_eq!(properties.content_type.as_deref(), Some("text"));
    assert_eq!(properties.response_topic.as_deref(), Some("r/1"));
    assert_eq!(
        properties.correlation_data.as_deref(),
        Some(b"c".as_slice())
    );
    let user: Vec<_> = properties.user_properties.as_view().iter().collect();
    assert_eq!(user, [("k", "v"), ("k", "w")]);
}

#[test]
fn each_protocol_has_its_port_and_place() {
    let place = |line: &[&str]| options(line).unwrap().endpoint.to_string();
    for (line, expected) in [
        (["-l", "mqtt"].as_slice(), "localhost:1883"),
        (&["-l", "mqtts", "--insecure"], "mqtts://localhost:8883"),
        (&["-l", "ws"], "ws://localhost:8083/mqtt"),
        (
            &["-l", "wss", "--insecure", "--path", "/x"],
            "wss://localhost:8084/x",
        ),
        (
            &["-l", "quic", "--insecure", "-h", "::1"],
            "quic://[::1]:14567",
        ),
        (&["-l", "unix", "--path", "/run/a.sock"], "unix:/run/a.sock"),
        (
            &["-l", "mqtts", "--insecure", "-p", "1"],
            "mqtts://localhost:1",
        ),
    ] {
        assert_eq!(place(line), expected);
    }
    assert!(told(&["-l", "unix"]).contains("needs --path"));
    assert!(told(&["-l", "mqtts", "--ca", "/nowhere"]).starts_with("TLS: /nowhere: "));
    assert!(told(&["-l", "mqtts", "--insecure", "--cert", "a"]).contains("together"));
    assert!(told(&["-l", "ws", "-wh", "a"]).contains("NAME: VALUE"));
}

#[test]
fn what_is_asked_in_vain_is_told() {
    for (line, expected) in [
        (
            ["--ca", "a"].as_slice(),
            "--ca has no effect with protocol mqtt",
        ),
        (&["--path", "/x"], "--path has no effect with protocol mqtt"),
        (
            &["-wh", "a: b"],
            "--ws-headers has no effect with protocol mqtt",
        ),
        (
            &["-V", "3.1.1", "-se", "5"],
            "--session-expiry-interval has no effect in MQTT 3.1.1",
        ),
        (
            &["-V", "3.1.1", "-Wt", "a", "-Wd", "5"],
            "--will-delay-interval has no effect in MQTT 3.1.1",
        ),
    ] {
        assert_eq!(connecting(line).connect.without_effect(), [expected]);
    }
    assert!(
        connecting(&["-l", "wss", "--ca", "a"])
            .connect
            .without_effect()
            .is_empty()
    );
}

#[test]
fn scram_takes_the_place_of_the_password() {
    let options = options(&["-am", "scram-sha-256", "-u", "u", "-P", "p"]).unwrap();
    let scram = options.connect.scram.unwrap();
    assert_eq!(scram.mechanism, ScramMechanism::Sha256);
    assert_eq!(
        (options.connect.user_name, options.connect.password),
        (None, None)
    );
    assert!(told(&["-am", "SCRAM-SHA-1"]).ends_with("needs --username and --password"));
    let old = told(&["-am", "SCRAM-SHA-1", "-u", "u", "-P", "p", "-V", "3.1.1"]);
    assert!(
        old.starts_with("--authentication-method needs MQTT 5.0"),
        "{old}"
    );
}

#[test]
fn contradictions_are_told() {
    assert_eq!(told(&["-Wm", "x"]), "--will-message needs --will-topic");
    assert!(told(&["-Wt", "a/#"]).starts_with("--will-topic \"a/#\": topic name"));
    assert_eq!(
        told(&["-P", "x", "-V", "3.1.1"]),
        "--password needs --username in MQTT 3.1.1"
    );
    assert!(options(&["-P", "x"]).is_ok());
    assert!(told(&["-Wt", "a", "-Wup", "novalue"]).ends_with("expected \"NAME: VALUE\""));
}
