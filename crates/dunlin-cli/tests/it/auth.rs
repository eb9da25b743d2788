//! Users, passwords and access rules, from the first command to a broker that asks for them.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use super::broker::Broker;
use super::{alone, text};

fn passwd(words: &[&str], input: &str) -> Output {
    let mut child = alone(&[&["passwd"], words].concat())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not like the file has ended before it was read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn passwd_makes_and_changes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    let file = path(&file);
    let done = passwd(&[file, "ada"], "ada's secret\n");
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("ada added"));
    assert!(
        passwd(&["-b", file, "bob", "bob's secret"], "")
            .status
            .success()
    );
    assert!(
        passwd(&["--import", file], "eve:one\nbob:two\n")
            .status
            .success()
    );
    assert_eq!(
        text(&passwd(&["--list", file], "").stdout),
        "ada\nbob\neve\n"
    );
    assert!(passwd(&["-D", file, "eve"], "").status.success());
    assert_eq!(passwd(&["-D", file, "eve"], "").status.code(), Some(1));
    let written = fs::read_to_string(file).unwrap();
    assert_eq!(written.lines().count(), 2);
    assert!(
        written
            .lines()
            .all(|line| line.contains(":$argon2id$v=19$"))
    );
    for (words, says) in [
        (&[file, "a:b"][..], "user name"),
        (&[file, "x"], "is empty"),
        (&["-D", file], "user"),
    ] {
        let refused = passwd(words, "\n");
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
        assert!(
            text(&refused.stderr).to_lowercase().contains(says),
            "{}",
            text(&refused.stderr)
        );
    }
}

#[test]
fn a_file_that_is_none_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    fs::write(&file, "ada:plain secret\n").unwrap();
    let refused = passwd(&[path(&file), "bob"], "secret\n");
    assert_eq!(refused.status.code(), Some(2));
    let says = text(&refused.stderr);
    assert!(
        says.contains("users:1: user \"ada\": the hash is none of"),
        "{says}"
    );
    assert!(!says.contains("plain secret"), "{says}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "ada:plain secret\n");
}

/// Users that the broker keeps: before its first start, while it runs, over a restart, and in a backup.
#[test]
fn a_broker_keeps_users_in_its_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data_dir = format!("{}/", path(&data));
    let added = passwd(&["-b", &data_dir, "ada", "secret"], "");
    assert!(added.status.success(), "{}", text(&added.stderr));
    let start =
        || Broker::start_kept(&["--data-dir", &data_dir, "--set", "auth.stored_users=true"]);
    let publishes = |broker: &Broker, user: &str| {
        let words = ["-u", user, "-P", "secret", "-t", "a", "-m", "x"];
        broker.client("pub", &words).end().0 == Some(0)
    };
    let mut broker = start();
    assert!(publishes(&broker, "ada"));
    assert!(!publishes(&broker, "bob"));
    assert!(
        passwd(&["-b", path(&data), "bob", "secret"], "")
            .status
            .success()
    );
    broker.wait_for_log("2 users");
    assert!(publishes(&broker, "bob"));
    let backup = folder.path().join("backup");
    let words = ["store", "backup", path(&backup), "--data-dir", path(&data)];
    assert!(alone(&words).output().unwrap().status.success());
    assert!(passwd(&["-D", path(&data), "ada"], "").status.success());
    broker.wait_for_log("1 users");
    assert!(!publishes(&broker, "ada"));
    drop(broker);
    let broker = start();
    assert!(publishes(&broker, "bob"));
    assert!(!publishes(&broker, "ada"));
    assert_eq!(text(&passwd(&["--list", path(&data)], "").stdout), "bob\n");
    let kept = passwd(&["--list", path(&backup)], "").stdout;
    assert_eq!(text(&kept), "ada\nbob\n");
}

/// From nothing to a broker that asks for a password, and what changes while it runs.
#[test]
fn a_broker_asks_for_passwords_and_takes_changes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (users, acl) = (folder.path().join("users"), folder.path().join("acl"));
    assert!(
        passwd(&["-b", path(&users), "ada", "secret"], "")
            .status
            .success()
    );
    fs::write(&acl, "user ada\ntopic readwrite a/#\n").unwrap();
    let broker = Broker::start(&["--password-file", path(&users), "--acl-file", path(&acl)]);
    let as_ada = ["-u", "ada", "-P", "secret"];
    let run = |command: &str, words: &[&str]| {
        let words = [&as_ada[..], words].concat();
        broker.client(command, &words).end()
    };
    assert_eq!(
        broker.client("pub", &["-t", "a/1", "-m", "x"]).end().0,
        Some(1)
    );
    let wrong = ["-u", "ada", "-P", "Secret", "-t", "a/1", "-m", "x"];
    assert_eq!(broker.client("pub", &wrong).end().0, Some(1));
    assert_eq!(run("pub", &["-t", "a/1", "-m", "x", "-q", "1"]).0, Some(0));
    assert_eq!(run("pub", &["-t", "b", "-m", "x", "-q", "1"]).0, Some(1));
    let words = [&as_ada[..], &["-t", "a/#", "--reconnect-period", "0"]].concat();
    let subscriber = broker.client("sub", &words).ready("ubscribed");
    assert!(passwd(&["-D", path(&users), "ada"], "").status.success());
    // The broker ends the connection, and the client its run.
    assert_ne!(subscriber.end().0, Some(0));
    assert_eq!(run("pub", &["-t", "a/1", "-m", "x"]).0, Some(1));
}

// Class 20 of attacks.
#[test]
fn info_log_no_password_and_no_hash_is_ever_shown() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let secret = "Xy7-very-secret";
    assert!(
        passwd(&["-b", path(&users), "ada", secret], "")
            .status
            .success()
    );
    let mut broker = Broker::start(&["--log-level", "trace", "--password-file", path(&users)]);
    let port = broker.port().to_string();
    for password in [secret, "Xy7-wrong"] {
        for client in ["a", "b\nforged line"] {
            let words = [
                "pub",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-u",
                "ada",
                "-P",
                password,
            ];
            let rest = ["-i", client, "-t", "t", "-m", "x", "--debug"];
            let shown = alone(&[&words[..], &rest].concat()).output().unwrap();
            let errors = text(&shown.stderr);
            assert!(errors.contains("-> Connect("), "{errors}");
            // Nor as a list of numbers, as bytes are shown.
            assert!(!errors.contains("Xy7"), "{errors}");
            assert!(!errors.contains("88, 121, 55"), "{errors}");
            assert!(!text(&shown.stdout).contains("Xy7"));
        }
    }
    fs::write(&users, format!("ada:{secret}\n")).unwrap();
    broker.signal("HUP");
    broker.wait_for_log("the users that it held before stay");
    let (_, logged) = broker.end();
    for line in logged {
        assert!(!line.contains("Xy7"), "{line}");
        assert!(!line.contains("argon2id$v"), "{line}");
        assert!(!line.starts_with("forged"), "{line}");
    }
}

/// A file of options with a password in it is its owner's, or it is said.
#[test]
fn exposure_a_password_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    // Nothing is sent: the topic is wrong.
    let warnings = |file: &str, more: &[&str]| {
        let mut command = alone(&[&["pub", "-t", "a/#", "-m", "x"], more].concat());
        command.env("DUNLIN_CLIENT_CONFIG", file);
        let errors = command.output().unwrap().stderr;
        let lines = text(&errors).lines().map(str::to_owned);
        let lines = lines.filter(|line| line.starts_with("warning: "));
        lines.collect::<Vec<_>>()
    };
    let secret = "[mqtt]\npassword = \"s3cret\"\n";
    let options = "{\"pub\": {\"password\": \"s3cret\"}}";
    for (mode, is_open) in [(0o600, false), (0o640, true), (0o644, true)] {
        let file = write("client.toml", secret, mode);
        let said = warnings(&file, &[]);
        assert_eq!(said.len(), usize::from(is_open), "{mode:o}: {said:?}");
        let loaded = write("options.json", options, mode);
        let said = warnings("/nowhere", &["--load-options", &loaded]);
        assert_eq!(said.len(), usize::from(is_open), "{mode:o}: {said:?}");
        for line in said {
            assert!(line.ends_with(&format!("chmod 600 {loaded}")), "{line}");
            assert!(!line.contains("s3cret"), "{line}");
        }
    }
    let file = write("client.toml", "[mqtt]\nusername = \"ada\"\n", 0o644);
    let loaded = write("options.json", "{\"pub\": {\"username\": \"ada\"}}", 0o644);
    let said = warnings(&file, &["--load-options", &loaded]);
    assert!(said.is_empty(), "{said:?}");
}
