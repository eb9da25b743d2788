//! What is wrong with a command line, and what is not.

use super::{alone, text};

fn told(words: &[&str]) -> (Option<i32>, String) {
    let output = alone(words).output().unwrap();
    assert_eq!(text(&output.stdout), "", "{words:?}");
    (output.status.code(), text(&output.stderr).to_owned())
}

#[test]
fn mistakes_are_one_line_each() {
    for (words, line) in [
        (
            ["sub"].as_slice(),
            "the following required arguments were not provided: --topic <TOPIC>...",
        ),
        (
            &["pub", "-t", "a/#"],
            "--topic \"a/#\": topic name holds +, # or U+0000",
        ),
        (
            &["pub", "-t", "a", "-q", "3"],
            "invalid value '3' for '--qos <0/1/2>': expected 0, 1 or 2",
        ),
        (
            &["sub", "-t", "a", "-l", "mqtts", "--ca", "/nowhere"],
            "TLS: /nowhere: No such file or directory (os error 2)",
        ),
        (
            &["pub", "-t", "a", "-Pp", "x"],
            "the following required arguments were not provided: --protobuf-message-name <NAME>",
        ),
        (&["pub", "-t", "a", "-d"], "--dup needs --qos 1 or 2"),
    ] {
        assert_eq!(
            told(words),
            (Some(2), format!("error: {line}\n")),
            "{words:?}"
        );
    }
    let (code, line) = told(&["pub", "--topc", "a"]);
    assert_eq!((code, line.lines().count()), (Some(2), 1), "{line}");
    assert!(
        line.contains("--topc") && line.contains("--topic"),
        "{line}"
    );
}

#[test]
fn nobody_there_is_a_failure() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let (code, line) = told(&["conn", "-h", "127.0.0.1", "-p", &port]);
    assert_eq!(code, Some(1));
    let start = format!("error: cannot connect to 127.0.0.1:{port}: ");
    assert!(line.starts_with(&start), "{line}");
}

#[test]
fn help_has_an_example_and_the_exit_codes() {
    let help = |words: &[&str]| {
        let output = alone(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        text(&output.stdout).to_owned()
    };
    let whole = help(&["--help"]);
    for code in [
        "0  done",
        "1  failed",
        "2  the command line",
        "27  sub, request",
    ] {
        assert!(whole.contains(code), "{whole}");
    }
    for command in [
        "conn",
        "pub",
        "sub",
        "request",
        "respond",
        "record",
        "replay",
        "check",
        "top",
        "simulate",
        "shell",
        "completions",
        "man",
        "init",
    ] {
        let text = help(&[command, "--help"]);
        assert!(text.contains("Example"), "{text}");
        assert!(text.contains(&format!("dunlin {command}")), "{text}");
    }
    assert!(help(&["--version"]).starts_with("dunlin 0."));
}
