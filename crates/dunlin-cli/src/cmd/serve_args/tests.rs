//! Tests of the flags of `dunlin serve`.

use std::collections::BTreeSet;

use clap::{CommandFactory, Parser};
use dunlin::config::{Config, LogFormat, LogLevel, StoreConfig, option};

use super::ServeArgs;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: ServeArgs,
}

fn parse(words: &[&str]) -> Result<ServeArgs, clap::Error> {
    Ok(Program::try_parse_from(["serve"].iter().chain(words))?.args)
}

/// The configuration of these flags alone, or the lines of its refusal.
fn load(words: &[&str]) -> Result<Config, Vec<String>> {
    parse(words)
        .unwrap()
        .load([])
        .map(|loaded| loaded.config)
        .map_err(|error| error.to_string().lines().map(ToOwned::to_owned).collect())
}

#[test]
fn without_flags_the_defaults_hold() {
    assert_eq!(load(&[]), Ok(Config::default()));
}

#[test]
fn each_flag_sets_its_option() {
    let config = load(&[
        "--listen",
        "mqtt://127.0.0.1:0",
        "--listen=mqtt://0.0.0.0",
        "--allow-anonymous",
        "--data-dir",
        "some/where",
        "--workers",
        "3",
        "--log-level",
        "debug",
        "--log-format",
        "json",
        "--set",
        "mqtt.qos_max=1",
        "--set",
        "session.keep_last=a/#",
    ])
    .unwrap();
    let binds: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| listener.bind.to_string())
        .collect();
    assert_eq!(binds, ["mqtt://127.0.0.1:0", "mqtt://0.0.0.0:1883"]);
    assert!(
        config
            .listeners
            .iter()
            .all(|listener| listener.allow_anonymous)
    );
    assert_eq!(config.store, StoreConfig::Directory("some/where".into()));
    assert_eq!(config.workers.count().get(), 3);
    assert_eq!(
        (config.log.level, config.log.format),
        (LogLevel::Debug, LogFormat::Json)
    );
    assert_eq!(config.mqtt.qos_max as u8, 1);
    assert_eq!(config.session.queue.keep_last[0].as_str(), "a/#");
    assert_eq!(
        load(&["--ephemeral"]).unwrap().store,
        StoreConfig::Ephemeral
    );
}

/// `--config` and `--set` name no option; every other flag is in the table, and the other way round.
#[test]
fn the_flags_are_those_of_the_table() {
    let in_table: BTreeSet<_> = option::OPTIONS
        .iter()
        .filter_map(|record| record.flag)
        .map(ToOwned::to_owned)
        .collect();
    let in_program: BTreeSet<_> = Program::command()
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .filter(|name| !["config", "set", "help"].contains(name))
        .map(|name| format!("--{name}"))
        .collect();
    assert_eq!(in_program, in_table);
}

#[test]
fn set_wins_over_the_other_flags() {
    let config = load(&["--set", "workers=5", "--workers", "2"]).unwrap();
    assert_eq!(config.workers.count().get(), 5);
}

#[test]
fn a_directory_and_ephemeral_exclude_each_other() {
    assert!(parse(&["--data-dir", "x", "--ephemeral"]).is_err());
    assert!(parse(&["--data-dir", ""]).is_err());
}

#[test]
fn a_directory_on_the_command_line_is_used() {
    let args = parse(&["--data-dir", "x"]).unwrap();
    let ephemeral = ("DUNLIN__STORE__EPHEMERAL".into(), "true".into());
    let config = args.load([ephemeral.clone()]).unwrap().config;
    assert_eq!(config.store, StoreConfig::Directory("x".into()));
    assert_eq!(
        ServeArgs::default().load([ephemeral]).unwrap().config.store,
        StoreConfig::Ephemeral
    );
}

#[test]
fn a_file_is_read_and_flags_win_over_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dunlin.toml");
    std::fs::write(&path, "workers = 7\n[log]\nlevel = \"warn\"\n").unwrap();
    let path = path.to_str().unwrap();
    let config = load(&["--config", path, "--log-level", "error"]).unwrap();
    assert_eq!(config.workers.count().get(), 7);
    assert_eq!(config.log.level, LogLevel::Error);
}

#[test]
fn every_mistake_is_told_with_its_flag() {
    let told = load(&[
        "--listen",
        "mqqts://0.0.0.0:8883",
        "--workers=-1",
        "--log-format=xml",
        "--set",
        "mqtt.qos=1",
    ])
    .unwrap_err();
    assert_eq!(
        told,
        [
            "--workers -1: workers = -1: expected an integer from 0 to 1024",
            "--log-format xml: log.format = \"xml\": expected one of \"text\", \"json\"",
            "--listen mqqts://0.0.0.0:8883: listener.bind = \"mqqts://0.0.0.0:8883\": the scheme \
             \"mqqts\" is not known; the nearest known one is mqtts, of mqtt, mqtts, ws, wss, quic, unix",
            "--set mqtt.qos=1: unknown option \"mqtt.qos\"; the nearest known one is mqtt.qos_max",
        ]
    );
}

#[test]
fn an_open_address_is_refused_with_what_to_do() {
    let told = load(&["--listen", "mqtt://0.0.0.0:1883"]).unwrap_err();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("--listen mqtt://0.0.0.0:1883: listener.bind"),
        "{told:?}"
    );
    assert!(told[0].contains("--allow-anonymous"), "{told:?}");
    assert!(load(&["--listen", "mqtt://0.0.0.0:1883", "--allow-anonymous"]).is_ok());
}
