//! `dunlin shell`, given a script.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::broker::Broker;

fn shell(script: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .arg("shell")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script that fails early is not read to its end.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn two_connections_talk_to_each_other() {
    let broker = Broker::start(&[]);
    let port = broker.port();
    let (code, printed, errors) = shell(&format!(
        "connect a -h 127.0.0.1 -p {port}\n\
         connect b -h 127.0.0.1 -p {port}\n\
         use a\nsub 't/#' -q 1\nls\n\
         use b\npub t/1 'hello there' -q 1\nwait 1\n\
         use a\nunsub 't/#'\ndisconnect\nexit\n"
    ));
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{printed}");
    for line in [
        format!("a is connected to 127.0.0.1:{port}"),
        format!("* a  127.0.0.1:{port}  t/# (QoS 1)"),
        format!("  b  127.0.0.1:{port}  "),
        "a: t/1 (QoS 1) hello there".to_owned(),
        "a is disconnected".to_owned(),
    ] {
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line}: {printed}"
        );
    }
}

#[test]
fn the_first_line_that_fails_ends_a_script() {
    let (code, printed, errors) = shell("help\npub a b\nls\n");
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("unsub FILTERS"), "{printed}");
    assert_eq!(
        errors,
        "error: line 2: not connected; say connect [NAME] -h HOST\n"
    );
}
