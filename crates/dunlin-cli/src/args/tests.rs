//! Tests of the flags of connections.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _};
use dunlin_client::ClientOptions;
use dunlin_client::codec::{ProtocolVersion, QoS};

use super::ConnectArgs;
use crate::failure::Failure;
use crate::{Program, argv};

#[derive(Debug, clap::Parser)]
struct Connecting {
    #[command(flatten)]
    connect: ConnectArgs,
}

fn options(line: &[&str]) -> Result<ClientOptions, Failure> {
    // The words go through the program, so that its short forms are known.
    let words = ["dunlin", "conn"].iter().chain(line).map(OsString::from);
    let words = argv::expand(&Program::command(), words);
    let command = Connecting::command().disable_help_flag(true);
    let matches = command.try_get_matches_from(words.into_iter().skip(1));
    let connecting = Connecting::from_arg_matches(&matches.unwrap()).unwrap();
    connecting.connect.client_options(&["a: b".to_owned()])
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
fn what_is_not_served_is_refused_by_name() {
    for (line, flag) in [
        (["--ca", "a"].as_slice(), "--ca"),
        (&["--cert", "a"], "--cert"),
        (&["--key", "a"], "--key"),
        (&["--insecure"], "--insecure"),
        (&["--alpn", "a"], "--alpn"),
        (&["--path", "/mqtt"], "--path"),
        (&["-wh", "a: b"], "--ws-headers"),
        (&["-l", "mqtts"], "--protocol mqtts"),
        (&["-l", "ws"], "--protocol ws"),
    ] {
        assert_eq!(
            told(line),
            format!("{flag}: this version speaks mqtt:// only")
        );
    }
    assert!(told(&["-am", "SCRAM-SHA-256"]).starts_with("--authentication-method: "));
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
