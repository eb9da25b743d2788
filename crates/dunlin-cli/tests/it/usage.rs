//! What is wrong with a command line, and what is not.

use super::broker::Broker;
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
        (
            &["nosuch-at-all"],
            "unrecognized subcommand 'nosuch-at-all'",
        ),
        (
            &["conn", "--nosuch"],
            "unexpected argument '--nosuch' found",
        ),
        (
            &["check", "--nosuch"],
            "unexpected argument '--nosuch' found",
        ),
        (
            &["check", "--no-clean"],
            "--no-clean: each probe has a CONNECT of its own; leave it out",
        ),
        (
            &["conn", "-Cup", "k: v"],
            "unexpected argument '-Cup' found",
        ),
        (
            &["pub", "-t", "a", "--file-read", "/nowhere"],
            "--file-read /nowhere: No such file or directory (os error 2)",
        ),
        (
            &["pub", "-t", "a", "-ta", "0"],
            "invalid value '0' for '--topic-alias <NUMBER>': expected 1 to 65535",
        ),
        (
            &["sub", "-t", "a", "-si", "268435456"],
            "invalid value '268435456' for '--subscription-identifier <NUMBER>...': expected 1 to \
             268435455",
        ),
        (
            &["sub", "-t", "a", "--timeout", "-1"],
            "invalid value '-1' for '--timeout <SECONDS>': expected a number of seconds, 0 or more",
        ),
        (
            &["pub", "-t", "a", "--file-read", "."],
            "--file-read .: Is a directory (os error 21)",
        ),
        (
            &["replay", "/nowhere"],
            "/nowhere: No such file or directory (os error 2)",
        ),
        (
            &["check", "--only", "nothing has this"],
            "--only \"nothing has this\": in the label or text of no probe; --list lists them",
        ),
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
fn a_url_is_no_host_and_no_cause_is_told_twice() {
    for (host, port) in [("mqtt://127.0.0.1", "1883"), ("127.0.0.1:1883", "1883")] {
        let (code, line) = told(&["pub", "-t", "a", "-h", host, "-p", port]);
        assert_eq!((code, line.lines().count()), (Some(1), 1), "{line}");
        assert!(
            line.ends_with("; --hostname takes a host alone: --port and --protocol say the rest\n"),
            "{line}"
        );
    }
    let listen = ["--ephemeral", "--allow-anonymous", "--log-level", "error"];
    let tls = [
        "--tls-cert",
        "/nowhere/c.pem",
        "--tls-key",
        "/nowhere/k.pem",
    ];
    let at = ["--listen", "mqtts://127.0.0.1:0"];
    let (code, line) = told(&[&["serve"][..], &listen, &at, &tls].concat());
    assert_eq!(code, Some(1));
    assert_eq!(
        line,
        "error: cannot listen on mqtts://127.0.0.1:0: /nowhere/c.pem cannot be read: No such file or \
         directory (os error 2)\n"
    );
}

/// The commands that connect, with what they need to do so.
const COMMANDS: [&[&str]; 17] = [
    &["conn"],
    &["pub", "-t", "a"],
    &["sub", "-t", "a"],
    &["request", "-t", "a"],
    &["respond", "-t", "a"],
    &["retained", "ls"],
    &["retained", "get", "a"],
    &["retained", "rm", "a"],
    &["record", "-t", "a", "-o", "{dir}/new.jsonl"],
    &["replay", "{dir}/good.jsonl"],
    &["top", "--once", "1"],
    &["check"],
    &["simulate", "-sc", "tesla"],
    // One client: a thousand with a wrong password keep a broker busy, which it would say.
    &["bench", "conn", "-c", "1"],
    &["bench", "pub", "-c", "1", "-t", "a"],
    &["bench", "sub", "-c", "1", "-t", "a"],
    &["bench", "run", "p2p"],
];

/// A mistake, and what every command that connects says of it.
struct Mistake {
    flags: &'static [&'static str],
    code: i32,
    says: &'static str,
}

const fn mistake(flags: &'static [&'static str], code: i32, says: &'static str) -> Mistake {
    Mistake { flags, code, says }
}

const MISTAKES: &[Mistake] = &[
    mistake(
        &["-h", "no-such-host.invalid"],
        1,
        "cannot connect to no-such-host.invalid:1883: ",
    ),
    mistake(
        &["-p", "{refused}"],
        1,
        "cannot connect to 127.0.0.1:{refused}: Connection refused",
    ),
    mistake(
        &["-p", "{password}", "-u", "ada", "-P", "wrong"],
        1,
        "connection refused: Bad User Name or Password (0x86)",
    ),
    mistake(
        &["-p", "{tls}", "-l", "mqtts"],
        1,
        "invalid peer certificate: UnknownIssuer; --ca names whom to trust, --insecure trusts everyone",
    ),
    mistake(
        &["-p", "{tls}"],
        1,
        "the server speaks TLS here; --protocol mqtts speaks it",
    ),
    mistake(
        &["-p", "{plain}", "-l", "mqtts", "--insecure"],
        1,
        "the server closes the connection instead of speaking TLS",
    ),
    mistake(
        &["-l", "mqtts", "--ca", "/nowhere"],
        2,
        "TLS: /nowhere: No such file or directory",
    ),
    mistake(
        &["-l", "mqtts", "--ca", "{dir}/good.jsonl"],
        2,
        "good.jsonl: no PEM certificate in it",
    ),
    mistake(
        &["-l", "unix"],
        2,
        "--protocol unix needs --path, the path of the socket",
    ),
    mistake(
        &["-l", "ftp"],
        2,
        "invalid value 'ftp' for '--protocol <PROTOCOL>'",
    ),
    mistake(
        &["-p", "70000"],
        2,
        "invalid value '70000' for '--port <PORT>'",
    ),
    mistake(&["--nosuch"], 2, "unexpected argument '--nosuch' found"),
    mistake(
        &["-l", "ws", "-wh", "nocolon"],
        2,
        "--ws-headers \"nocolon\": expected \"NAME: VALUE\"",
    ),
    mistake(
        &["-lo", "/nowhere"],
        2,
        "--load-options /nowhere: No such file",
    ),
    mistake(
        &["-lo", "{dir}/bad.json"],
        2,
        "bad.json: key must be a string at line 1",
    ),
    mistake(
        &["-so", "/nowhere/x.json"],
        1,
        "--save-options /nowhere/x.json: No such file",
    ),
    mistake(
        &["-am", "SCRAM-SHA-256"],
        2,
        "--authentication-method needs --username and --password",
    ),
];

/// Brokers and files that are needed to make the mistakes.
struct Stage {
    directory: tempfile::TempDir,
    /// The ports, for the threads that try the commands; a broker itself stays with one.
    plain: u16,
    tls: u16,
    password: u16,
    refused: u16,
}

impl Stage {
    /// The stage, and the brokers that it needs for as long as it stands.
    fn new() -> (Self, [Broker; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (cert, key, users) = (path("cert.pem"), path("key.pem"), path("users"));
        for words in [
            ["cert", "self-signed", "--cert", &cert, "--key", &key].as_slice(),
            &["passwd", "-b", &users, "ada", "secret"],
        ] {
            assert!(alone(words).output().unwrap().status.success(), "{words:?}");
        }
        let head = "{\"dunlin_recording\":1,\"began\":\"now\"}\n";
        std::fs::write(path("good.jsonl"), head).unwrap();
        std::fs::write(path("bad.json"), "{bad").unwrap();
        let both = ["mqtt://127.0.0.1:0", "mqtts://127.0.0.1:0"];
        let listening = ["--listen", both[0], "--listen", both[1]];
        let files = ["--tls-cert", cert.as_str(), "--tls-key", key.as_str()];
        let open = Broker::listening(2, &[listening.as_slice(), &files].concat());
        let locked = Broker::start(&["--password-file", &users]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = listener.local_addr().unwrap().port();
        let stage = Self {
            directory,
            plain: open.port(),
            tls: open.port_of("mqtts"),
            password: locked.port(),
            refused,
        };
        (stage, [open, locked])
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{dir}", &self.directory.path().display().to_string())
            .replace("{refused}", &self.refused.to_string())
            .replace("{password}", &self.password.to_string())
            .replace("{tls}", &self.tls.to_string())
            .replace("{plain}", &self.plain.to_string())
    }

    /// What is wrong with what the command says of the mistake.
    fn try_one(&self, command: &[&str], mistake: &Mistake) -> Option<String> {
        let mut words: Vec<_> = command.iter().map(|word| self.fill(word)).collect();
        if !mistake.flags.contains(&"-h") {
            words.extend(["-h".to_owned(), "127.0.0.1".to_owned()]);
        }
        words.extend(mistake.flags.iter().map(|flag| self.fill(flag)));
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let output = alone(&words).output().unwrap();
        let printed = text(&output.stderr);
        let is_one_line = printed.lines().count() == 1 && printed.starts_with("error: ");
        let is_right = output.status.code() == Some(mistake.code)
            && is_one_line
            && printed.contains(&self.fill(mistake.says));
        (!is_right).then(|| format!("{words:?}: {:?}\n{printed}", output.status.code()))
    }
}

#[test]
fn each_command_tells_bad_input_in_one_line_with_its_exit_code() {
    let (stage, _brokers) = Stage::new();
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let tried = COMMANDS.map(|command| {
            let stage = &stage;
            scope.spawn(move || {
                let tried = MISTAKES
                    .iter()
                    .map(|mistake| stage.try_one(command, mistake));
                tried.flatten().collect::<Vec<_>>()
            })
        });
        tried
            .into_iter()
            .flat_map(|tried| tried.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn outputs_that_cannot_be_written_are_told() {
    let broker = Broker::start(&[]);
    let port = broker.port().to_string();
    for words in [
        ["sub", "-t", "a", "--file-write", "/nowhere/x"].as_slice(),
        &["sub", "-t", "a", "--file-save", "/nowhere/x"],
        &["record", "-t", "a", "-o", "/nowhere/x"],
        &["check", "--only", "MQTT-3.12.4-1", "--json", "/nowhere/x"],
        &["check", "--only", "MQTT-3.12.4-1", "--junit", "/nowhere/x"],
    ] {
        let output = alone(&[words, &["-h", "127.0.0.1", "-p", &port]].concat());
        let output = { output }.output().unwrap();
        let line = text(&output.stderr).lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {line}");
        assert!(
            line.starts_with("error: ") && line.contains("/nowhere/x"),
            "{line}"
        );
    }
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
