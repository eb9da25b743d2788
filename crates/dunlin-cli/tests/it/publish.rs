//! `dunlin pub`.

use std::io::Write as _;
use std::process::Stdio;

use dunlin_client::codec::{Ack, Packet, QoS, ReasonCode};
use dunlin_client::script::PeerListener;

use super::{accept, ack, dunlin, id, message, output, text};

#[tokio::test]
async fn qos_2_is_done_when_it_is_complete() {
    let listener = PeerListener::bind().await.unwrap();
    let child = dunlin(&["pub", "-t", "t/1", "-m", "-5", "-q", "2"], &listener)
        .spawn()
        .unwrap();
    let mut peer = accept(&listener).await;
    peer.expect(&Packet::Publish(message(QoS::ExactlyOnce, 1, "-5")))
        .await
        .unwrap();
    peer.send(&Packet::Pubrec(ack(1))).await.unwrap();
    peer.expect(&Packet::Pubrel(ack(1))).await.unwrap();
    peer.send(&Packet::Pubcomp(ack(1))).await.unwrap();
    assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "✔ Connected\n✔ Message published\n");
    assert_eq!(text(&output.stderr), "");
}

#[tokio::test]
async fn the_last_of_a_repeated_option_counts() {
    let listener = PeerListener::bind().await.unwrap();
    let words = [
        "pub", "-q", "2", "-t", "a", "-m", "one", "-up", "a: 1", "-t", "b", "-m", "two", "-up",
        "a: 2", "-q", "0",
    ];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    let received = peer.receive().await.unwrap();
    let Packet::Publish(publish) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!(publish.topic.as_str(), "b");
    assert_eq!(
        (publish.payload, publish.qos),
        (b"two".as_slice(), QoS::AtMostOnce)
    );
    // Those of which there can be several are all there.
    let user = &publish.properties.user_properties;
    assert_eq!(user.iter().collect::<Vec<_>>(), [("a", "1"), ("a", "2")]);
    assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
    peer.close();
    assert_eq!(output(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn every_flag_is_in_the_packet() {
    let listener = PeerListener::bind().await.unwrap();
    let words = [
        "pub", "-t", "t/1", "-f", "hex", "-m", "00 ff", "-q", "1", "-r", "-d", "-pf", "-e", "60",
        "-rt", "r/1", "-cd", "c", "-up", "a: 1", "a: 2", "-si", "9", "-ct", "text", "-Cup", "b: 3",
    ];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let accept = super::connack(false);
    let (mut peer, connect) = listener.accept_client(super::V5, &accept).await.unwrap();
    let Packet::Connect(connect) = connect.packet() else {
        panic!("{connect:?}")
    };
    let user: Vec<_> = connect.properties.user_properties.iter().collect();
    assert_eq!(user, [("b", "3")]);
    let received = peer.receive().await.unwrap();
    let Packet::Publish(publish) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!(
        (publish.payload, publish.qos),
        (b"\x00\xff".as_slice(), QoS::AtLeastOnce)
    );
    assert!(publish.retain && publish.dup);
    let properties = publish.properties;
    assert_eq!(properties.payload_format_indicator, Some(true));
    assert_eq!(properties.message_expiry_interval, Some(60));
    assert_eq!(properties.response_topic.unwrap().as_str(), "r/1");
    assert_eq!(properties.correlation_data, Some(b"c".as_slice()));
    assert_eq!(properties.content_type, Some("text"));
    let user: Vec<_> = properties.user_properties.iter().collect();
    assert_eq!(user, [("a", "1"), ("a", "2")]);
    let identifiers: Vec<_> = properties.subscription_identifiers.iter().collect();
    assert_eq!(
        identifiers.iter().map(|id| id.get()).collect::<Vec<_>>(),
        [9]
    );
    peer.send(&Packet::Puback(ack(1))).await.unwrap();
    peer.expect_disconnect().await.unwrap();
    peer.close();
    assert_eq!(output(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_refusal_is_a_failure() {
    let listener = PeerListener::bind().await.unwrap();
    let child = dunlin(&["pub", "-t", "t/1", "-q", "1"], &listener)
        .spawn()
        .unwrap();
    let mut peer = accept(&listener).await;
    peer.receive().await.unwrap();
    peer.send(&Packet::Puback(Ack::new(id(1), ReasonCode::NotAuthorized)))
        .await
        .unwrap();
    peer.expect_disconnect().await.unwrap();
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "error: publish refused: Not authorized (0x87)\n"
    );
}

#[tokio::test]
async fn each_line_is_a_message() {
    let listener = PeerListener::bind().await.unwrap();
    let mut command = dunlin(&["pub", "-t", "t/1", "-s", "-M", "-q", "1"], &listener);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut peer = accept(&listener).await;
    input.write_all(b"one\ntwo\n").unwrap();
    peer.expect(&Packet::Publish(message(QoS::AtLeastOnce, 1, "one")))
        .await
        .unwrap();
    peer.expect(&Packet::Publish(message(QoS::AtLeastOnce, 2, "two")))
        .await
        .unwrap();
    peer.send(&Packet::Puback(ack(2))).await.unwrap();
    peer.send(&Packet::Puback(ack(1))).await.unwrap();
    input.write_all(b"\nlast").unwrap();
    drop(input);
    let received = peer.receive().await.unwrap();
    let Packet::Publish(empty) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!(empty.payload, b"");
    peer.send(&Packet::Puback(Ack::success(empty.packet_id.unwrap())))
        .await
        .unwrap();
    let received = peer.receive().await.unwrap();
    let Packet::Publish(last) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!(last.payload, b"last");
    peer.send(&Packet::Puback(Ack::success(last.packet_id.unwrap())))
        .await
        .unwrap();
    peer.expect_disconnect().await.unwrap();
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "✔ Connected\n✔ 4 messages published\n"
    );
}

#[tokio::test]
async fn standard_input_as_a_whole_is_one_message() {
    let listener = PeerListener::bind().await.unwrap();
    let mut command = dunlin(&["pub", "-t", "t/1", "-s"], &listener);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"one\ntwo\n")
        .unwrap();
    let mut peer = accept(&listener).await;
    peer.expect(&Packet::Publish(message(QoS::AtMostOnce, 0, "one\ntwo\n")))
        .await
        .unwrap();
    peer.expect_disconnect().await.unwrap();
    peer.close();
    assert_eq!(output(child).await.status.code(), Some(0));
}

/// Clean start, so the session is gone with the connection: QoS 1 allows to publish again.
#[tokio::test]
async fn a_message_that_was_not_acknowledged_is_published_again() {
    let listener = PeerListener::bind().await.unwrap();
    let words = ["pub", "-t", "t/1", "-m", "m", "-q", "1", "-rp", "1"];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    peer.expect(&Packet::Publish(message(QoS::AtLeastOnce, 1, "m")))
        .await
        .unwrap();
    peer.close();
    let mut peer = accept(&listener).await;
    let received = peer.receive().await.unwrap();
    let Packet::Publish(publish) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!((publish.payload, publish.dup), (b"m".as_slice(), false));
    peer.send(&Packet::Puback(Ack::success(publish.packet_id.unwrap())))
        .await
        .unwrap();
    peer.expect_disconnect().await.unwrap();
    peer.close();
    assert_eq!(output(child).await.status.code(), Some(0));
}
