//! Tests of options in files.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::{Value, json};

use super::{camel_case, save, with_loaded};
use crate::failure::Failure;
use crate::{Program, argv};

fn found(words: &[OsString]) -> (clap::Command, clap::ArgMatches) {
    let mut command = Program::command();
    let matches = command.try_get_matches_from_mut(words).unwrap();
    (command, matches)
}

fn words(line: &[&str]) -> Vec<OsString> {
    let line = ["dunlin"].iter().chain(line).map(OsString::from);
    argv::expand(&Program::command(), line)
}

fn load(path: &Path, line: &[&str]) -> Result<Vec<String>, Failure> {
    let mut line = line.to_vec();
    line.extend(["-lo", path.to_str().unwrap()]);
    let words = words(&line);
    let (command, matches) = found(&words);
    let loaded = with_loaded(&command, &matches, words)?.unwrap();
    // What was loaded is understood.
    found(&loaded);
    Ok(loaded
        .into_iter()
        .skip(1)
        .take_while(|word| !word.to_str().unwrap().starts_with("--load"))
        .map(|word| word.into_string().unwrap())
        .collect())
}

#[test]
fn what_is_given_is_saved_and_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.json");
    let line = [
        "pub",
        "-t",
        "t/1",
        "-q",
        "1",
        "--no-clean",
        "-p",
        "1884",
        "-P",
        "0123",
        "-r",
        "-up",
        "a: 1",
        "b: x:y",
        "-up",
        "a: 2",
        "-so",
        path.to_str().unwrap(),
    ];
    let given = words(&line);
    let (command, matches) = found(&given);
    assert_eq!(save(&command, &matches).unwrap().unwrap(), path);
    let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        file,
        json!({"pub": {
            "topic": "t/1", "qos": 1, "retain": true,
            "userProperties": {"a": ["1", "2"], "b": "x:y"},
            "port": 1884, "clean": false, "password": "0123",
        }})
    );
    let loaded = load(&path, &["pub"]).unwrap();
    for word in [
        "--topic=t/1",
        "--qos=1",
        "--no-clean",
        "--port=1884",
        "--password=0123",
        "--retain",
        "--user-properties=a: 1",
        "--user-properties=a: 2",
        "--user-properties=b: x:y",
    ] {
        assert!(
            loaded.iter().any(|loaded| loaded == word),
            "{word}: {loaded:?}"
        );
    }
}

#[test]
fn the_command_line_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.json");
    let file = json!({"sub": {"topic": ["a", "b"], "qos": 2, "clean": true, "verbose": true}});
    std::fs::write(&path, file.to_string()).unwrap();
    let loaded = load(&path, &["sub", "-q", "1"]).unwrap();
    let expected = ["sub", "--topic=a", "--topic=b", "--verbose", "--qos", "1"];
    assert_eq!(loaded, expected);
}

#[test]
fn another_command_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.json");
    std::fs::write(&path, "{\"conn\": {\"port\": 1}}").unwrap();
    let given = words(&["pub", "-t", "a", "-so", path.to_str().unwrap()]);
    let (command, matches) = found(&given);
    save(&command, &matches).unwrap();
    let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(file, json!({"conn": {"port": 1}, "pub": {"topic": "a"}}));
}

#[test]
fn mistakes_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.json");
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        match load(&path, &["conn"]) {
            Err(Failure::Usage(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    assert!(told("{}").ends_with("there are no options of conn"));
    assert!(told("{\"conn\": {\"prot\": 1}}").ends_with("unknown option prot"));
    assert!(told("{\"conn\": {\"clean\": 1}}").ends_with("clean: expected true or false"));
    assert!(told("{\"conn\": {\"port\": {}}}").ends_with("port: expected a text or a number"));
    assert!(told("{").contains("options.json"));
}

#[test]
fn yaml_is_known_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.yaml");
    let given = words(&[
        "sub",
        "-t",
        "a",
        "b",
        "-q",
        "1",
        "-so",
        path.to_str().unwrap(),
    ]);
    let (command, matches) = found(&given);
    save(&command, &matches).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("sub:\n  topic:\n  - a\n"), "{text}");
    let loaded = load(&path, &["sub"]).unwrap();
    assert_eq!(loaded, ["sub", "--topic=a", "--topic=b", "--qos=1"]);
    std::fs::write(&path, "sub: [").unwrap();
    assert!(matches!(load(&path, &["sub"]), Err(Failure::Usage(_))));
}

#[test]
fn what_mqttx_wrote_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.json");
    let file = json!({"pub": {
        "topic": "t", "mqttVersion": 5, "clean": false, "reqProblemInfo": false,
        "receiveMaximum": 9, "username": null, "maximunReconnectTimes": 3,
    }});
    std::fs::write(&path, file.to_string()).unwrap();
    let loaded = load(&path, &["pub"]).unwrap();
    for word in [
        "--no-clean",
        "--no-req-problem-info",
        "--rcv-max=9",
        "--maximum-reconnect-times=3",
    ] {
        assert!(
            loaded.iter().any(|loaded| loaded == word),
            "{word}: {loaded:?}"
        );
    }
}

#[test]
fn a_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("options.json");
    let given = words(&["conn", "-P", "secret", "-so", path.to_str().unwrap()]);
    let (command, matches) = found(&given);
    save(&command, &matches).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn names_are_in_camel_case() {
    assert_eq!(
        camel_case("will-message-expiry-interval"),
        "willMessageExpiryInterval"
    );
    assert_eq!(camel_case("no_local"), "noLocal");
    assert_eq!(camel_case("bench-conn"), "benchConn");
}
