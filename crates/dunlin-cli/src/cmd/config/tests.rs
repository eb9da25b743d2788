//! Tests of `dunlin config`.

use std::ffi::OsString;

use clap::Parser;

use super::{ConfigArgs, Outcome, run};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: ConfigArgs,
}

/// Runs `dunlin config` with these words; gives how it ended, and what was written where.
fn config(words: &[&str], environment: &[(&str, &str)]) -> (Outcome, String, String) {
    let program = Program::try_parse_from(["config"].iter().chain(words)).unwrap();
    let environment: Vec<(OsString, OsString)> = environment
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let outcome = run(&program.args, environment, &mut out, &mut errors).unwrap();
    (
        outcome,
        String::from_utf8(out).unwrap(),
        String::from_utf8(errors).unwrap(),
    )
}

#[test]
fn the_default_file_is_good() {
    let (outcome, file, errors) = config(&["default"], &[]);
    assert_eq!((outcome, errors.as_str()), (Outcome::Good, ""));
    assert!(file.contains("\n#[[listener]]\n"), "{file}");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dunlin.toml");
    std::fs::write(&path, file).unwrap();
    let (outcome, out, errors) = config(&["check", path.to_str().unwrap()], &[]);
    assert_eq!((outcome, errors.as_str()), (Outcome::Good, ""));
    assert_eq!(out, "ok: every option has its default\n");
}

#[test]
fn check_shows_what_is_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dunlin.toml");
    std::fs::write(&path, "[mqtt]\nqos_max = 1\n").unwrap();
    let path = path.to_str().unwrap();
    let (outcome, out, _) = config(&["check", path], &[]);
    assert_eq!(outcome, Outcome::Good);
    assert_eq!(
        out,
        format!("ok: 1 option differs from its default\nmqtt.qos_max = 1  # {path}:2\n")
    );
    let (_, out, _) = config(&["check", path], &[("DUNLIN__LOG__LEVEL", "warn")]);
    assert_eq!(
        out,
        format!(
            "ok: 2 options differ from their defaults\n\
             mqtt.qos_max = 1  # {path}:2\n\
             log.level = \"warn\"  # DUNLIN__LOG__LEVEL\n"
        )
    );
}

#[test]
fn check_tells_every_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dunlin.toml");
    std::fs::write(&path, "wokers = 1\n[mqtt]\nqos_max = 3\n").unwrap();
    let path = path.to_str().unwrap();
    let (outcome, out, errors) = config(&["check", path], &[("DUNLIN__LOG__LEVEL", "loud")]);
    assert_eq!((outcome.exit_code(), out.as_str()), (2, ""));
    assert_eq!(
        errors,
        format!(
            "{path}:1: unknown key \"wokers\"; the nearest known one is workers\n\
             {path}:3: mqtt.qos_max = 3: expected an integer from 0 to 2\n\
             DUNLIN__LOG__LEVEL: log.level = \"loud\": expected one of \"error\", \"warn\", \
             \"info\", \"debug\", \"trace\"\n"
        )
    );
}

#[test]
fn check_without_a_file_checks_the_environment() {
    let (outcome, out, _) = config(&["check"], &[]);
    assert_eq!(
        (outcome.exit_code(), out.as_str()),
        (0, "ok: every option has its default\n")
    );
    let (outcome, _, errors) = config(&["check"], &[("DUNLIN__WORKERZ", "1")]);
    assert_eq!(outcome, Outcome::Bad);
    assert_eq!(
        errors,
        "DUNLIN__WORKERZ: unknown variable; the nearest known one is DUNLIN__WORKERS\n"
    );
}

#[test]
fn explain_knows_options_sections_and_neither() {
    let (outcome, out, _) = config(&["explain", "mqtt.qos_max"], &[]);
    assert_eq!(outcome, Outcome::Good);
    assert!(out.contains("an integer from 0 to 2"), "{out}");
    let (_, section, _) = config(&["explain", "mqtt"], &[]);
    assert!(
        section.contains("mqtt.qos_max = 2\n") && !section.contains("log.level"),
        "{section}"
    );
    let (_, all, _) = config(&["explain"], &[]);
    assert!(
        all.contains("mqtt.qos_max = 2\n") && all.contains("log.level"),
        "{all}"
    );
    let (outcome, out, errors) = config(&["explain", "mqtt.qos"], &[]);
    assert_eq!((outcome.exit_code(), out.as_str()), (2, ""));
    assert_eq!(
        errors,
        "unknown option \"mqtt.qos\"; the nearest known one is mqtt.qos_max\n"
    );
}
