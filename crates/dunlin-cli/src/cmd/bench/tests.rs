//! The bench against a broker that does wrong on purpose: its counts must show what was done, and
//! nothing else.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use clap::Parser;
use dunlin_codec::{
    Ack, AckProperties, Connack, ConnackProperties, Limits, Packet, ProtocolVersion, Publish, QoS,
    ReasonCode, Suback, decode,
};
use serde_json::Value;

use super::BenchArgs;

/// What the broker does with each tenth message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Drop,
    Repeat,
    /// The next one goes before.
    Swap,
    /// It goes to the subscriber of another topic.
    Misroute,
}

type Subscribers = Arc<Mutex<HashMap<String, TcpStream>>>;

/// A relay that knows exact filters and QoS 0 and 1, and nothing more. It ends with the test.
fn relay(fault: Fault) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let subscribers = Subscribers::default();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let subscribers = Arc::clone(&subscribers);
            std::thread::spawn(move || serve(stream, &subscribers, fault));
        }
    });
    port
}

fn serve(mut stream: TcpStream, subscribers: &Subscribers, fault: Fault) {
    let (mut buffer, mut count) = (Vec::new(), 0_u64);
    let mut chunk = [0; 65_536];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        buffer.extend_from_slice(&chunk[..length]);
        let (mut at, mut held) = (0, None);
        let mut answer = Vec::new();
        while let Some((packet, length)) =
            decode(&buffer[at..], ProtocolVersion::V311, &Limits::default()).unwrap()
        {
            at += length;
            match packet {
                Packet::Connect(_) => put(&mut answer, &connack()),
                Packet::Subscribe(subscribe) => {
                    let own = stream.try_clone().unwrap();
                    let filter = subscribe.requests[0].filter.as_str().to_owned();
                    subscribers.lock().unwrap().insert(filter, own);
                    let suback = Suback {
                        packet_id: subscribe.packet_id,
                        properties: AckProperties::default(),
                        reason_codes: vec![ReasonCode::granted(subscribe.requests[0].options.qos)],
                    };
                    put(&mut answer, &Packet::Suback(suback));
                }
                Packet::Publish(publish) => {
                    if publish.qos == QoS::AtLeastOnce {
                        let ack = Ack::success(publish.packet_id.unwrap());
                        put(&mut answer, &Packet::Puback(ack));
                    }
                    count += 1;
                    let is_tenth = count % 10 == 0;
                    let copies = match fault {
                        Fault::Drop if is_tenth => 0,
                        Fault::Repeat if is_tenth => 2,
                        _ => 1,
                    };
                    let mut bytes = Vec::new();
                    for _ in 0..copies {
                        put(&mut bytes, &Packet::Publish(publish));
                    }
                    // Only what the same read brought is swapped, so that nothing stays behind.
                    if fault == Fault::Swap && is_tenth && at < buffer.len() {
                        held = Some(bytes);
                        continue;
                    }
                    bytes.extend(held.take().unwrap_or_default());
                    let is_astray = fault == Fault::Misroute && is_tenth;
                    forward(&subscribers.lock().unwrap(), &publish, is_astray, &bytes);
                }
                _ => {}
            }
        }
        buffer.drain(..at);
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn forward(
    subscribers: &HashMap<String, TcpStream>,
    publish: &Publish<'_>,
    is_astray: bool,
    bytes: &[u8],
) {
    let topic = publish.topic.as_str();
    let mut found = subscribers
        .iter()
        .filter(|(filter, _)| (*filter == topic) != is_astray);
    if let Some((_, mut to)) = found.next() {
        // The bench may have gone already.
        drop(to.write_all(bytes));
    }
}

fn connack() -> Packet<'static> {
    Packet::Connack(Box::new(Connack {
        session_present: false,
        reason_code: ReasonCode::Success,
        properties: ConnackProperties::default(),
    }))
}

fn put(bytes: &mut Vec<u8>, packet: &Packet<'_>) {
    packet.encode(ProtocolVersion::V311, bytes).unwrap();
}

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: BenchArgs,
}

/// The result of `bench run` against a relay with this fault, and its exit code.
fn run(fault: Fault, flags: &str) -> (Value, u8, String) {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("result.json");
    let html = directory.path().join("result.html");
    let line = format!(
        "bench run p2p --pairs 2 -S 64 -h 127.0.0.1 -p {} -V 3.1.1 --warmup 0s --duration 300ms \
         --json {} --html {} {flags}",
        relay(fault),
        json.display(),
        html.display()
    );
    let args = Program::parse_from(line.split_whitespace()).args;
    let mut out = Vec::new();
    let code = super::run(&args, &mut out).unwrap_or_else(|failure| panic!("{failure:?}"));
    let value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert!(std::fs::read_to_string(html).unwrap().contains("</html>"));
    (value, code, String::from_utf8(out).unwrap())
}

/// Lost, duplicates, reordered, misrouted.
fn counts(result: &Value) -> [u64; 4] {
    ["lost", "duplicates", "reordered", "misrouted"].map(|key| result[key].as_u64().unwrap())
}

#[test]
fn a_good_broker_has_nothing_to_be_counted() {
    for flags in [
        "-q 0",
        "-q 1",
        "-q 0 --eager",
        "-q 1 --rate 2000",
        "-q 0 --threads 2",
        "-q 1 --window 1 --idle 3 --idle-subscribe",
    ] {
        let (result, code, text) = run(Fault::None, flags);
        assert_eq!(counts(&result), [0; 4], "{flags}: {text}");
        let delivered = result["delivered_in_all"].as_u64().unwrap();
        assert!(delivered > 100, "{flags}: {text}");
        assert_eq!(
            Some(delivered),
            result["published_in_all"].as_u64(),
            "{flags}"
        );
        assert_eq!(result["unacknowledged"], 0, "{flags}");
        let acknowledged = result["acknowledged_ns"]["count"].as_u64();
        assert_eq!(acknowledged > Some(100), flags.contains("-q 1"), "{text}");
        assert_eq!(code, super::EXIT_OK);
    }
}

#[test]
fn a_dropped_message_is_lost_and_nothing_else() {
    let (result, _, text) = run(Fault::Drop, "");
    let [lost, duplicates, reordered, misrouted] = counts(&result);
    assert_eq!([duplicates, reordered, misrouted], [0; 3], "{text}");
    let published = result["published_in_all"].as_u64().unwrap();
    let delivered = result["delivered_in_all"].as_u64().unwrap();
    assert!(lost > 0, "{text}");
    assert_eq!(lost, published - delivered, "{text}");
}

#[test]
fn a_repeated_message_is_a_duplicate_and_nothing_else() {
    let (result, _, text) = run(Fault::Repeat, "-q 1");
    let [lost, duplicates, reordered, misrouted] = counts(&result);
    assert_eq!([lost, reordered, misrouted], [0; 3], "{text}");
    let published = result["published_in_all"].as_u64().unwrap();
    let delivered = result["delivered_in_all"].as_u64().unwrap();
    assert!(duplicates > 0, "{text}");
    assert_eq!(duplicates, delivered - published, "{text}");
}

#[test]
fn a_swapped_pair_is_reordered_and_nothing_else() {
    let (result, _, text) = run(Fault::Swap, "");
    let [lost, duplicates, reordered, misrouted] = counts(&result);
    assert_eq!([lost, duplicates, misrouted], [0; 3], "{text}");
    assert!(reordered > 0, "{text}");
}

#[test]
fn a_message_that_went_astray_is_misrouted_and_lost() {
    let (result, _, text) = run(Fault::Misroute, "");
    let [lost, duplicates, reordered, misrouted] = counts(&result);
    assert_eq!([duplicates, reordered], [0; 2], "{text}");
    assert!(misrouted > 0, "{text}");
    assert_eq!(lost, misrouted, "{text}");
}

#[test]
fn a_missed_goal_has_an_exit_code_of_its_own() {
    let (_, code, text) = run(Fault::Drop, "--expect lost=0 --expect p50<1m");
    assert_eq!(code, super::EXIT_GOAL_MISSED);
    assert!(text.contains("lost=0: MISSED"), "{text}");
    assert!(text.contains("p50<1m: met"), "{text}");
    let (_, code, _) = run(Fault::None, "--expect lost=0 --expect rate>10");
    assert_eq!(code, super::EXIT_OK);
}

#[test]
fn a_broker_that_is_not_there_is_an_error() {
    // Bound, and gone again: nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let port = port.unwrap().port();
    let line = format!("bench run p2p -h 127.0.0.1 -p {port}");
    let args = Program::parse_from(line.split_whitespace()).args;
    assert!(super::run(&args, &mut Vec::new()).is_err());
}

#[test]
fn the_benches_of_mqttx_publish_and_receive() {
    let port = relay(Fault::None);
    let bench = |line: &str| {
        let line = format!("bench {line} -h 127.0.0.1 -p {port} -V 3.1.1");
        let args = Program::parse_from(line.split_whitespace()).args;
        let mut out = Vec::new();
        let code = super::run(&args, &mut out).unwrap_or_else(|failure| panic!("{failure:?}"));
        (code, String::from_utf8(out).unwrap())
    };
    let (code, text) = bench("conn -c 5 -i 1 --duration 300ms");
    assert_eq!(code, super::EXIT_OK);
    assert!(text.contains("Created 5 connections"), "{text}");
    let (_, text) = bench("pub -t a/%i -c 3 -i 0 --message-interval 1 -L 20 -q 1 --duration 20s");
    assert!(text.contains("All 20 messages have been sent"), "{text}");
    let (_, text) = bench("pub -t a/%i -c 3 -i 0 --message-interval 0 -L 500 --duration 20s");
    assert!(text.contains("All 500 messages have been sent"), "{text}");
    let (_, text) = bench("sub -t a/%i -c 3 -i 0 --duration 300ms");
    assert!(text.contains("3 of 3 connected"), "{text}");
}
