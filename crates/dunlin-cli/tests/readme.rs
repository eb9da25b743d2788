//! The first session of the README, pasted into a shell as a reader would, in both languages.

mod broker;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use broker::Broker;

/// What stands before a block that the reader pastes.
const MARK: &str = "<!-- session -->\n```sh\n";

/// What each block prints, and how often.
const PRINTED: [&[(&str, usize)]; 6] = [
    &[("topic: t/1", 1), ("A will message from MQTTX CLI", 1)],
    &[("topic: status/a", 1), ("offline", 1)],
    &[
        ("twenty degrees", 0),
        ("21 degrees", 2),
        ("18 degrees", 3),
        ("retain: true", 5),
    ],
    &[("first job", 1), ("second job", 1)],
    &[
        ("message 1", 1),
        ("message 2", 1),
        ("message 3", 1),
        ("message 4", 1),
    ],
    &[
        ("message 1", 2),
        ("message 2", 2),
        ("message 3", 2),
        ("message 4", 2),
    ],
];

/// `dunlin` with the port of the test's broker. It runs as the process that the shell started, so that
/// `kill $!` meets it, and leaves what it prints in a file that is named after it.
const PROGRAM: &str = r#"#!/bin/sh
[ "$1" = sub ] && echo Subscribed >"$PRINTED/$$.ready" || echo Connected >"$PRINTED/$$.ready"
command=$1
shift
exec "$DUNLIN" "$command" -p "$PORT" "$@" >"$PRINTED/$$.out" 2>&1
"#;

/// Where the reader waits a second the test waits until every client in the background is ready.
const SLEEP: &str = r#"
sleep() {
  for job in $(jobs -p); do
    for _ in $(seq 400); do
      [ -s "$PRINTED/$job.ready" ] && grep -qsf "$PRINTED/$job.ready" "$PRINTED/$job.out" && break
      command sleep 0.05
    done
  done
}
"#;

fn blocks(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(page);
    let text = fs::read_to_string(path).expect("the page is there");
    let blocks = text.split(MARK).skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .map(String::from)
        .collect()
}

/// Runs one block, which must succeed, and gives what its clients printed.
fn paste(block: &str, broker: &Broker, program: &Path) -> String {
    let printed = tempfile::tempdir().expect("a directory");
    let path = std::env::var("PATH").expect("there is a path");
    let output = Command::new("bash")
        .args(["-c", &format!("{SLEEP}{block}")])
        .env("PATH", format!("{}:{path}", program.display()))
        .env("PRINTED", printed.path())
        .env("DUNLIN", env!("CARGO_BIN_EXE_dunlin"))
        .env("PORT", broker.port().to_string())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let files = fs::read_dir(printed.path()).expect("it is readable");
    let all: String = files
        .map(|file| file.expect("it is readable").path())
        .filter(|file| file.extension().is_some_and(|end| end == "out"))
        .map(|file| fs::read_to_string(file).expect("it is text"))
        .collect();
    assert!(output.status.success(), "{block}{output:?}\n{all}");
    all
}

#[test]
fn the_first_session_works_as_pasted() {
    let program = tempfile::tempdir().expect("a directory");
    let script = program.path().join("dunlin");
    fs::write(&script, PROGRAM).expect("it is writable");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let broker = Broker::start(&[]);
    let blocks = blocks("README.md");
    assert_eq!(blocks.len(), PRINTED.len(), "blocks of the session");
    for (block, wanted) in blocks.iter().zip(PRINTED) {
        let printed = paste(block, &broker, program.path());
        for (text, times) in wanted {
            assert_eq!(
                printed.matches(text).count(),
                *times,
                "{text:?} in what\n{block}prints:\n{printed}"
            );
        }
    }
}

#[test]
fn both_languages_have_the_same_session() {
    assert_eq!(blocks("README.md"), blocks("README.zh-CN.md"));
}
