//! What the README has readers paste into a shell, in both languages: a first session, and a broker with
//! TLS and passwords.

mod broker;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use broker::Broker;
use tempfile::TempDir;

/// What stands before a block that the reader pastes while a broker runs.
const SESSION: &str = "<!-- session -->\n```sh\n";

/// What stands before the block that starts a broker with TLS.
const TLS: &str = "<!-- tls -->\n```sh\n";

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

/// `dunlin` whose broker takes a port that is free, which clients learn from its log. All but the clients
/// and the broker run as they are.
const PROGRAM_WITH_BROKER: &str = r#"#!/bin/sh
command=$1
shift
case $command in
  serve) echo 'listening on' >"$PRINTED/$$.ready" ;;
  sub) echo Subscribed >"$PRINTED/$$.ready" ;;
  pub) ;;
  *) exec "$DUNLIN" "$command" "$@" ;;
esac
if [ "$command" = serve ]; then
  for word; do
    shift
    [ "$word" = mqtts://0.0.0.0:8883 ] && word=mqtts://127.0.0.1:0
    set -- "$@" "$word"
  done
else
  port=$(sed -n 's|.*listening on mqtts://127.0.0.1:||p' "$PRINTED"/*.out)
  set -- -p "$port" "$@"
fi
exec "$DUNLIN" "$command" "$@" >"$PRINTED/$$.out" 2>&1
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

fn blocks(page: &str, mark: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(page);
    let text = fs::read_to_string(path).expect("the page is there");
    let blocks = text.split(mark).skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .map(String::from)
        .collect()
}

/// A folder in which this script is `dunlin`.
fn program(script: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("dunlin");
    fs::write(&path, script).expect("it is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}

/// Runs one block in an empty folder, which must succeed, and gives what its programs printed.
fn paste(block: &str, port: u16, program: &TempDir) -> String {
    let (here, printed) = (tempfile::tempdir(), tempfile::tempdir());
    let (here, printed) = (here.expect("a directory"), printed.expect("a directory"));
    let path = std::env::var("PATH").expect("there is a path");
    let output = Command::new("bash")
        .args(["-c", &format!("{SLEEP}{block}")])
        .current_dir(&here)
        .env("PATH", format!("{}:{path}", program.path().display()))
        .env("PRINTED", printed.path())
        .env("DUNLIN", env!("CARGO_BIN_EXE_dunlin"))
        .env("PORT", port.to_string())
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
    let program = program(PROGRAM);
    let broker = Broker::start(&[]);
    let blocks = blocks("README.md", SESSION);
    assert_eq!(blocks.len(), PRINTED.len(), "blocks of the session");
    for (block, wanted) in blocks.iter().zip(PRINTED) {
        let printed = paste(block, broker.port(), &program);
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
fn five_commands_lead_to_tls_with_a_password() {
    let blocks = blocks("README.md", TLS);
    let [block] = blocks.as_slice() else {
        panic!("{blocks:?}")
    };
    assert_eq!(block.lines().count(), 5);
    // The subscriber ends with its message, perhaps before it is waited for: a job would be unknown then,
    // a process is not. The reader's shell stays open.
    let block = format!("{block}wait $!\nkill %1\nwait");
    let printed = paste(&block, 0, &program(PROGRAM_WITH_BROKER));
    assert_eq!(
        printed.matches("topic: hello/world").count(),
        1,
        "{printed}"
    );
    // And not without the password.
    let block = block.replacen(
        "-P 'a long secret' -t hello/world",
        "-P guess -t hello/world",
        1,
    );
    let block = block
        .replace("wait $!\n", "")
        .replace("-m hi\n", "-m hi && exit 1\nkill %2\n");
    let printed = paste(&block, 0, &program(PROGRAM_WITH_BROKER));
    assert_eq!(printed.matches("hello/world").count(), 0, "{printed}");
}

#[test]
fn both_languages_have_the_same_commands() {
    for mark in [SESSION, TLS] {
        let blocks = |page| blocks(page, mark);
        assert_eq!(blocks("README.md"), blocks("README.zh-CN.md"));
    }
}
