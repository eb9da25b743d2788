//! Flags as they are typed.

use std::collections::BTreeSet;

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

/// All flags of MQTTX's benches, in both forms, as its table of options has them.
#[test]
fn every_flag_of_mqttx_is_known() {
    let of_all = "mqtt-version hostname port client-id no-clean username password protocol path \
        ws-headers key cert ca insecure alpn reconnect-period maximum-reconnect-times \
        session-expiry-interval rcv-max maximum-packet-size topic-alias-maximum req-response-info \
        no-req-problem-info user-properties will-topic will-message will-qos will-retain \
        will-delay-interval will-payload-format-indicator will-message-expiry-interval \
        will-content-type will-response-topic will-correlation-data will-user-properties \
        save-options load-options authentication-method count interval";
    let of_one = [
        ("conn", "keepalive"),
        (
            "pub",
            "keepalive message-interval limit topic message qos retain dup \
             payload-format-indicator message-expiry-interval topic-alias response-topic \
             correlation-data subscription-identifier content-type verbose conn-user-properties \
             file-read split payload-size",
        ),
        (
            "sub",
            "topic qos no_local retain-as-published retain-handling subscription-identifier \
             verbose conn-user-properties",
        ),
    ];
    let program = Program::command();
    let bench = program.find_subcommand("bench").unwrap();
    for (name, own) in of_one {
        let command = bench.find_subcommand(name).unwrap();
        let known: BTreeSet<_> = command
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .collect();
        for flag in of_all.split_whitespace().chain(own.split_whitespace()) {
            assert!(known.contains(flag), "{name} --{flag}");
        }
        let shorts: BTreeSet<_> = command
            .get_arguments()
            .filter_map(clap::Arg::get_short)
            .collect();
        let own = match name {
            "conn" => "k",
            "pub" => "kLtmqrdevS",
            _ => "tqv",
        };
        for short in "ciVhpIuPl".chars().chain(own.chars()) {
            assert!(shorts.contains(&short), "{name} -{short}");
        }
    }
}

#[test]
fn long_short_forms_reach_the_benches() {
    let BenchCommand::Pub(args) = parse("pub -t a/%i -im 20 -L 7 -c 3 -rp 0").unwrap() else {
        panic!("not pub");
    };
    assert_eq!(args.message_interval, 20);
    assert_eq!(args.limit, 7);
    assert_eq!(args.clients.reconnect_period, 0);
    let BenchCommand::Sub(args) = parse("sub -t a -t b/# -q 1 -nl -rh 2 -se 60").unwrap() else {
        panic!("not sub");
    };
    let subscriptions = args.subscriptions(str::to_owned).unwrap();
    assert_eq!(subscriptions.requests.len(), 2);
    for (_, options) in subscriptions.requests {
        assert_eq!(
            options.as_u8(),
            0b0010_0101,
            "the last value holds for the rest"
        );
    }
}

#[test]
fn what_is_not_tcp_is_refused_in_one_line() {
    for (line, word) in [
        ("conn -l wss", "wss"),
        ("conn --key a.pem", "--key"),
        ("conn -wh a:b", "--ws-headers"),
        ("pub -t a --insecure", "--insecure"),
        ("sub -t a --alpn mqtt", "--alpn"),
        ("run p2p --ca a.pem", "--ca"),
        ("conn -am SCRAM-SHA-256", "--authentication-method"),
    ] {
        let refusal = refusal(line);
        assert!(
            refusal.contains(word) && !refusal.contains('\n'),
            "{refusal}"
        );
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (line, word) in [
        ("conn -V 3.1.1 -se 5", "5.0"),
        ("conn -V 3.1.1 -up a:b", "5.0"),
        ("conn -up nonsense", "name: value"),
        ("conn --will-message x", "--will-topic"),
        ("conn --will-topic a/+", "topic name"),
        ("pub -t a -d", "--dup"),
        ("pub -t a -si 5", "server"),
        ("pub -t a -V 3.1 -ta 5", "5.0"),
        ("sub -t a -V 3.1.1 -rap", "5.0"),
        ("run p2p -S 10B", "24"),
        ("run routing --topic-prefix a/b", "one level"),
        ("run p2p --topic-prefix a/#", "--topic-prefix"),
    ] {
        let refusal = refusal(line);
        assert!(refusal.contains(word), "{line}: {refusal}");
    }
    for line in ["run p2p --rate 5 --window 5", "run", "run p2q", "conn -q 1"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn defaults_are_those_of_mqttx() {
    let BenchCommand::Pub(args) = parse("pub -t a").unwrap() else {
        panic!("not pub");
    };
    let options = args.options().unwrap();
    assert_eq!(args.clients.count, 1000);
    assert_eq!(args.clients.interval, 10);
    assert_eq!(args.message_interval, 1000);
    assert_eq!(args.connection.port, 1883);
    assert!(options.version.is_v5() && options.clean_start);
    assert_eq!(options.keep_alive, 30);
    let BenchCommand::Conn(args) = parse("conn --no-clean").unwrap() else {
        panic!("not conn");
    };
    let expiry = args.options().unwrap().session_expiry_interval;
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
