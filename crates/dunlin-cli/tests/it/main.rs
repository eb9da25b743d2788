//! The program as its users see it, against a scripted peer that plays the broker.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as expected fails the test"
)]

mod auth;
mod bench;
#[path = "../broker/mod.rs"]
mod broker;
mod check;
mod connect;
mod full_disk;
mod pages;
mod publish;
mod recording;
mod request;
mod retained;
mod shell;
mod signals;
mod store;
mod subscribe;
mod sys;
mod usage;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use dunlin_client::codec::{
    Ack, AckProperties, Packet, PacketIdentifier, ProtocolVersion, Publish, QoS, ReasonCode,
    Suback, Subscribe, TopicName,
};
use dunlin_client::script::{Peer, PeerListener, connack};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// The program with these words and the address of a listener.
fn dunlin(words: &[&str], listener: &PeerListener) -> Command {
    let address = listener.address().unwrap();
    let mut command = alone(words);
    command.args([
        "-h",
        &address.ip().to_string(),
        "-p",
        &address.port().to_string(),
    ]);
    command
}

/// The program with these words, without a broker.
fn alone(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command
        .args(words)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end, while the test goes on.
async fn output(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap()
}

async fn exit(mut child: Child) -> ExitStatus {
    tokio::task::spawn_blocking(move || child.wait().unwrap())
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Sends a signal by its name.
fn signal(child: &Child, name: &str) {
    let line = format!("kill -{name} {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &line])
            .status()
            .unwrap()
            .success()
    );
}

/// The first line of standard output, which stays open.
fn first_line(child: &mut Child) -> String {
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    child.stdout = Some(reader.into_inner());
    line
}

async fn accept(listener: &PeerListener) -> Peer {
    listener.accept_client(V5, &connack(false)).await.unwrap().0
}

/// Grants the QoS 0 to each filter of the next SUBSCRIBE, which `check` looks at.
async fn grant(peer: &mut Peer, check: impl Fn(&Subscribe<'_>)) {
    let received = peer.receive().await.unwrap();
    let Packet::Subscribe(subscribe) = received.packet() else {
        panic!("{received:?}")
    };
    check(&subscribe);
    let codes = vec![ReasonCode::Success; subscribe.requests.len()];
    peer.send(&suback(subscribe.packet_id, codes))
        .await
        .unwrap();
}

fn suback(packet_id: PacketIdentifier, reason_codes: Vec<ReasonCode>) -> Packet<'static> {
    Packet::Suback(Suback {
        packet_id,
        properties: AckProperties::default(),
        reason_codes,
    })
}

fn id(value: u16) -> PacketIdentifier {
    PacketIdentifier::new(value).unwrap()
}

fn ack(value: u16) -> Ack<'static> {
    Ack::success(id(value))
}

/// A message on `t/1`.
fn message(qos: QoS, packet_id: u16, payload: &str) -> Publish<'_> {
    Publish {
        qos,
        topic: TopicName::parse("t/1").unwrap(),
        packet_id: PacketIdentifier::new(packet_id),
        payload: payload.as_bytes(),
        ..Publish::default()
    }
}
