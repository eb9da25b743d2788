//! A store between brokers: looked at, copied, damaged, and started on again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::broker::Broker;
use super::{alone, text};

fn store(words: &[&str]) -> Output {
    let command = [&["store"], words].concat();
    alone(&command).output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Standard output of a command that ends well.
fn printed(words: &[&str]) -> String {
    let output = store(words);
    assert!(
        output.status.success(),
        "{words:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).to_owned()
}

/// The error line of a command that does not.
fn refused(words: &[&str], code: i32) -> String {
    let output = store(words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
    text(&output.stderr).to_owned()
}

/// A broker with retained messages, and a message that waits for a client that is away.
fn filled(data: &str) -> Broker {
    let broker = Broker::start_kept(&["--data-dir", data]);
    let away = ["-i", "away", "--no-clean", "-t", "waiting/#", "-q", "1"];
    let subscriber = broker.client("sub", &away).ready("ubscribed");
    assert_eq!(subscriber.stop().0, Some(0));
    broker.run("pub", &["-t", "waiting/1", "-m", "for later", "-q", "1"]);
    for number in 1..=3 {
        let (topic, payload) = (format!("kept/{number}"), format!("payload {number}"));
        broker.run("pub", &["-t", &topic, "-m", &payload, "-q", "1", "-r"]);
    }
    broker
}

/// The only file with records.
fn segment(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|it| it == "log"))
        .filter(|file| fs::read(file).unwrap().iter().any(|&byte| byte != 0))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.pop().unwrap()
}

#[test]
fn a_backup_of_a_running_broker_can_be_checked_restored_and_started_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, backup, restored) = (at("data"), at("backup"), at("restored"));
    let (data, backup, restored) = (path(&data), path(&backup), path(&restored));
    let broker = filled(data);
    let contents = "1 sessions, 1 subscriptions, 1 waiting messages, 3 retained messages, 0 wills";
    let checked = printed(&["check", "--data-dir", data]);
    assert!(
        checked.contains(contents) && checked.ends_with("whole\n"),
        "{checked}"
    );
    assert!(printed(&["backup", backup, "--data-dir", data]).ends_with("whole\n"));
    broker.run("pub", &["-t", "kept/4", "-m", "too late", "-q", "1", "-r"]);
    assert!(broker.terminate().success());
    let checked = printed(&["check", "--data-dir", data]);
    assert!(
        checked.contains("4 retained") && checked.contains("ended in order"),
        "{checked}"
    );

    let again = refused(&["backup", backup, "--data-dir", data], 2);
    assert!(again.contains("is not empty"), "{again}");
    let again = refused(&["restore", backup, "--data-dir", data], 2);
    assert!(again.contains("is not empty"), "{again}");
    assert!(printed(&["check", "--data-dir", backup]).contains(contents));
    printed(&["restore", backup, "--data-dir", restored]);
    let broker = Broker::start_kept(&["--data-dir", restored]);
    let mut back = broker.client(
        "sub",
        &["-i", "away", "--no-clean", "-t", "waiting/#", "-q", "1"],
    );
    back.wait_for("for later");
    let mut kept = broker.client("sub", &["-t", "kept/#"]);
    (1..=3).for_each(|number| drop(kept.wait_for(&format!("payload {number}"))));
}

#[test]
fn a_dump_has_a_line_of_json_for_each_record() {
    let folder = tempfile::tempdir().unwrap();
    let data = path(folder.path());
    filled(data).kill();
    let dumped = printed(&["dump", "--data-dir", data, "--payload-bytes", "7"]);
    let records: Vec<serde_json::Value> = dumped
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| {
        records
            .iter()
            .filter(|it| it["record"] == name)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("subscribed")[0]["filter"], "waiting/#");
    let publishes = of("publish");
    assert_eq!(publishes.len(), 4);
    assert_eq!(publishes[0]["message"]["topic"], "waiting/1");
    assert_eq!(publishes[3]["message"]["payload"], "payload");
    assert_eq!(publishes[3]["message"]["payload_bytes"], 9);
    assert_eq!(publishes[3]["retains"], true);
    assert!(of("session").iter().any(|it| it["client_id"] == "away"));
}

#[test]
fn a_damaged_record_is_set_aside_and_everything_else_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = path(folder.path());
    assert!(filled(data).terminate().success());
    let file = segment(folder.path());
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(9).position(|it| it == b"payload 2").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();

    let output = store(&["check", "--data-dir", data]);
    assert_eq!(output.status.code(), Some(1));
    let checked = text(&output.stdout);
    assert!(checked.contains("2 retained messages"), "{checked}");
    assert!(checked.contains("damaged: segment 1, offset "), "{checked}");
    let told = text(&output.stderr);
    assert!(
        told.contains("1 damaged places") && told.contains("misses 1 appends"),
        "{told}"
    );

    let broker = Broker::start_kept(&["--data-dir", data]);
    let mut kept = broker.client("sub", &["-t", "kept/#"]);
    kept.wait_for("payload 1");
    kept.wait_for("payload 3");
    let (status, log) = broker.end();
    assert!(status.success());
    let lines: Vec<_> = log.iter().filter(|line| line.contains("damaged")).collect();
    assert!(
        lines.iter().any(|line| line.contains("segment 1, offset ")),
        "{log:#?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("1 damaged places")),
        "{log:#?}"
    );
    let names = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name());
    let copies = names.filter(|name| name.to_str().unwrap().ends_with(".damaged"));
    assert_eq!(copies.count(), 1, "what was set aside can be looked at");
}

#[test]
fn what_is_no_store_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let empty = path(folder.path());
    let told = refused(&["check", "--data-dir", empty], 1);
    assert!(
        told.contains(empty) && told.contains("there is no store"),
        "{told}"
    );
    let told = refused(&["dump", "--data-dir", "/nowhere"], 1);
    assert!(told.contains("cannot read the store in /nowhere"), "{told}");
    let told = refused(&["check", "--config", "/nowhere.toml"], 2);
    assert!(told.contains("/nowhere.toml"), "{told}");
}
