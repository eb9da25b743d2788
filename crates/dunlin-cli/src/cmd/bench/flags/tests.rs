//! Flags as they are typed.

use clap::{CommandFactory, Parser};

use crate::argv::expand;
use crate::cmd::bench::{BenchArgs, BenchCommand};

#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Bench(BenchArgs),
}

fn parse(line: &str) -> Result<BenchCommand, clap::Error> {
    let words = ["dunlin", "bench"]
        .into_iter()
        .chain(line.split_whitespace());
    let words = expand(&Program::command(), words.map(Into::into));
    let Command::Bench(args) = Program::try_parse_from(words)?.command;
    Ok(args.command)
}

fn refusal(line: &str) -> String {
    let checked = parse(line).unwrap().check();
    format!("{:#}", checked.unwrap_err())
}

#[test]
fn long_short_forms_reach_the_benches() {
    let BenchCommand::Pub(args) = parse("pub -t a/%i -im 20 -L 7 -c 3 -rp 0").unwrap() else {
        panic!("not pub");
    };
    assert_eq!(args.message_interval, 20);
    assert_eq!(args.limit, 7);
    assert!(args.clients.reconnect().period.is_zero());
    let BenchCommand::Sub(args) = parse("sub -t a -t b/# -q 1 -nl -rh 2 -se 60").unwrap() else {
        panic!("not sub");
    };
    let requests = args.subscription.requests(str::to_owned).unwrap();
    let filters = &requests[0].filters;
    assert_eq!((requests.len(), filters.len()), (1, 2));
    for (_, options) in filters {
        assert_eq!(options.as_u8(), 0b0010_0101, "one value holds for all");
    }
}

#[test]
fn what_means_nothing_in_a_version_is_told() {
    for (line, flag) in [
        ("conn -V 3.1.1 -se 5", "--session-expiry-interval"),
        ("conn -V 3.1.1 -up a:b", "--user-properties"),
        ("pub -t a -V 3.1 -ta 5", "--topic-alias"),
        ("sub -t a -V 3.1.1 -rap", "--retain-as-published"),
        ("run p2p -V 3.1.1 --rcv-max 5", "--rcv-max"),
    ] {
        let told = parse(line).unwrap().without_effect();
        assert!(told[0].starts_with(flag), "{line}: {told:?}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (line, word) in [
        ("conn -up nonsense", "NAME: VALUE"),
        ("conn --will-message x", "--will-topic"),
        ("conn --will-topic a/+", "topic name"),
        ("pub -t a -d", "--dup"),
        ("run p2p -S 10B", "24"),
        ("run routing --topic-prefix a/b", "one level"),
        ("run p2p --topic-prefix a/#", "--topic-prefix"),
        ("run connect --full-handshakes", "mqtts"),
    ] {
        let refusal = refusal(line);
        assert!(refusal.contains(word), "{line}: {refusal}");
    }
    for line in ["run p2p --rate 5 --window 5", "run", "run p2q", "conn -q 1"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn sessions_of_a_run_may_last() {
    let command = parse("run p2p -q 1 --no-clean").unwrap();
    command.check().unwrap();
}

#[test]
fn defaults_are_those_of_mqttx() {
    let BenchCommand::Pub(args) = parse("pub -t a").unwrap() else {
        panic!("not pub");
    };
    let options = args.options().unwrap();
    let connect = &options.connect;
    assert_eq!(args.clients.count, 1000);
    assert_eq!(args.clients.interval, 10);
    assert_eq!(args.message_interval, 1000);
    assert_eq!(options.endpoint.to_string(), "localhost:1883");
    assert!(connect.version.is_v5() && connect.clean_start);
    assert_eq!(connect.keep_alive, 30);
    let BenchCommand::Conn(args) = parse("conn --no-clean").unwrap() else {
        panic!("not conn");
    };
    let expiry = args
        .options()
        .unwrap()
        .connect
        .settings
        .session_expiry_interval;
    assert_eq!(expiry, Some(u32::MAX), "for ever");
}

#[test]
fn a_payload_is_a_text_a_size_a_file_or_its_pieces() {
    let payloads = |line: &str| {
        let BenchCommand::Pub(args) = parse(line).unwrap() else {
            panic!("not pub");
        };
        args.payloads()
    };
    assert_eq!(payloads("pub -t a -m x").unwrap(), [b"x"]);
    assert_eq!(payloads("pub -t a -S 1KB").unwrap()[0].len(), 1024);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payload");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let path = path.display();
    assert_eq!(
        payloads(&format!("pub -t a --file-read {path}")).unwrap(),
        [b"one\ntwo\n"]
    );
    let pieces = payloads(&format!("pub -t a --file-read {path} --split")).unwrap();
    assert_eq!(pieces, [b"one", b"two"]);
    assert!(payloads("pub -t a --file-read /nowhere/at/all").is_err());
}
