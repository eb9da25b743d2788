//! Tests of the words for clap.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::{SHORT_FORMS, expand};
use crate::Program;

fn words(line: &[&str]) -> Vec<String> {
    let words = ["dunlin"].iter().chain(line).map(OsString::from);
    expand(&Program::command(), words)
        .into_iter()
        .skip(1)
        .map(|word| word.into_string().unwrap())
        .collect()
}

#[test]
fn short_forms_of_several_letters_become_long() {
    assert_eq!(
        words(&[
            "conn", "-Wt", "t/1", "-Wm=gone", "-Wr", "-se", "60", "-rcv-max", "5"
        ]),
        [
            "conn",
            "--will-topic=t/1",
            "--will-message=gone",
            "--will-retain",
            "--session-expiry-interval=60",
            "--rcv-max=5"
        ]
    );
    assert_eq!(
        words(&[
            "sub", "-t", "a", "b", "-nl", "true", "-rap", "-rh", "1", "2"
        ]),
        [
            "sub",
            "--topic",
            "a",
            "b",
            "--no_local",
            "true",
            "--retain-as-published",
            "--retain-handling",
            "1",
            "2"
        ]
    );
}

#[test]
fn a_value_may_look_like_a_flag() {
    assert_eq!(
        words(&["pub", "-t", "-Wt", "-m", "-5", "-Wt", "--"]),
        ["pub", "--topic=-Wt", "--message=-5", "--will-topic=--"]
    );
    assert_eq!(words(&["pub", "-m", ""]), ["pub", "--message="]);
    assert_eq!(words(&["pub", "-m=a=b"]), ["pub", "--message=a=b"]);
    assert_eq!(words(&["pub", "-m==b"]), ["pub", "--message==b"]);
}

#[test]
fn what_clap_knows_is_left_to_it() {
    let line = [
        "pub",
        "-rd",
        "-p1883",
        "--unknown",
        "-Zz",
        "x",
        "--",
        "-Wt",
        "y",
    ];
    assert_eq!(words(&line), line);
    assert_eq!(words(&["pub", "-t"]), ["pub", "--topic"]);
    assert_eq!(words(&["-Wt", "x"]), ["-Wt", "x"]);
    // A short form of another command is none here.
    assert_eq!(words(&["conn", "-rap"]), ["conn", "-rap"]);
}

#[test]
fn flags_of_no_value_take_none() {
    assert_eq!(words(&["pub", "-r", "x"]), ["pub", "--retain", "x"]);
    assert_eq!(
        words(&["sub", "--delimiter", "-v"]),
        ["sub", "--delimiter", "--verbose"]
    );
}

#[test]
fn an_alias_is_the_flag() {
    assert_eq!(
        words(&["sub", "--receive-maximum", "5"]),
        ["sub", "--rcv-max=5"]
    );
    assert_eq!(words(&["sub", "--no-local"]), ["sub", "--no_local"]);
}

#[test]
fn a_word_that_is_not_utf_8_is_kept() {
    use std::os::unix::ffi::OsStringExt as _;
    let odd = OsString::from_vec(vec![b'a', 0xff]);
    let line = ["dunlin", "pub", "--file-read"].map(OsString::from);
    let expanded = expand(&Program::command(), line.into_iter().chain([odd]));
    let last = expanded.last().unwrap().clone().into_vec();
    assert_eq!(last, b"--file-read=a\xff");
}

/// The table of a flag's short form names flags that are there.
#[test]
fn no_short_form_is_for_nothing() {
    // Those of commands that are not built yet.
    let later = ["message-interval", "scenario"];
    let command = Program::command();
    let clients = ["conn", "pub", "sub"].map(|name| command.find_subcommand(name).unwrap());
    for (short, long) in SHORT_FORMS {
        let is_known = clients.iter().any(|command| {
            let mut args = command.get_arguments();
            args.any(|arg| arg.get_long() == Some(long))
        });
        assert!(is_known || later.contains(long), "-{short} --{long}");
    }
}

#[test]
fn clap_finds_no_fault_in_the_flags() {
    Program::command().debug_assert();
}
