//! `dunlin conn`.

use dunlin_client::codec::{Connack, ConnackProperties, Packet, ProtocolVersion, QoS, ReasonCode};
use dunlin_client::script::{PeerListener, connack};

use super::{V5, accept, dunlin, exit, first_line, output, signal, text};

#[tokio::test]
async fn killing_it_is_no_normal_end() {
    let listener = PeerListener::bind().await.unwrap();
    let words = [
        "conn",
        "--will-topic",
        "t/1",
        "--will-message",
        "A will message from MQTTX CLI",
    ];
    let mut child = dunlin(&words, &listener).spawn().unwrap();
    let (mut peer, received) = listener.accept_client(V5, &connack(false)).await.unwrap();
    let Packet::Connect(connect) = received.packet() else {
        panic!("{received:?}")
    };
    let will = connect.will.unwrap();
    assert_eq!(
        (will.topic.as_str(), will.qos, will.retain),
        ("t/1", QoS::AtMostOnce, false)
    );
    assert_eq!(will.payload, b"A will message from MQTTX CLI");
    assert_eq!((connect.keep_alive, connect.clean_start), (30, true));
    assert_eq!(first_line(&mut child), "✔ Connected\n");
    child.kill().unwrap();
    peer.expect_close().await.unwrap();
    exit(child).await;
}

#[tokio::test]
async fn signals_end_it_normally() {
    for name in ["INT", "TERM"] {
        let listener = PeerListener::bind().await.unwrap();
        let mut child = dunlin(&["conn", "-Wt", "t/1"], &listener).spawn().unwrap();
        let mut peer = accept(&listener).await;
        assert_eq!(first_line(&mut child), "✔ Connected\n");
        signal(&child, name);
        assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
        peer.close();
        assert_eq!(exit(child).await.code(), Some(0));
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_one_line() {
    for (version, words, line) in [
        (
            V5,
            ["conn", "-V", "5"],
            "error: connection refused: Not authorized (0x87)\n",
        ),
        (
            ProtocolVersion::V311,
            ["conn", "-V", "3.1.1"],
            "error: connection refused: Not authorized (return code 5)\n",
        ),
    ] {
        let listener = PeerListener::bind().await.unwrap();
        let child = dunlin(&words, &listener).spawn().unwrap();
        let refuses = Packet::Connack(Box::new(Connack {
            session_present: false,
            reason_code: ReasonCode::NotAuthorized,
            properties: ConnackProperties::default(),
        }));
        listener.accept_client(version, &refuses).await.unwrap();
        let output = output(child).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("", line));
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_then_given_up() {
    let listener = PeerListener::bind().await.unwrap();
    let words = ["conn", "-rp", "1", "--maximum-reconnect-times", "1"];
    let child = dunlin(&words, &listener).spawn().unwrap();
    accept(&listener).await.close();
    let peer = accept(&listener).await;
    drop(listener);
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "✔ Connected\n✔ Connected again\n");
    let last = text(&output.stderr).lines().last().unwrap();
    assert!(
        last.starts_with("error: cannot connect again to "),
        "{last}"
    );
    assert!(last.contains("given up after 1 of 1 tries"), "{last}");
}

#[tokio::test]
async fn no_clean_asks_for_a_session_that_stays() {
    let listener = PeerListener::bind().await.unwrap();
    let words = [
        "conn",
        "--no-clean",
        "-i",
        "me",
        "-u",
        "user",
        "-P",
        "secret",
        "-k",
        "7",
    ];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let (_peer, received) = listener.accept_client(V5, &connack(true)).await.unwrap();
    let Packet::Connect(connect) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!((connect.client_id, connect.clean_start), ("me", false));
    assert_eq!(connect.properties.session_expiry_interval, Some(u32::MAX));
    assert_eq!(
        (connect.user_name, connect.password),
        (Some("user"), Some(b"secret".as_slice()))
    );
    assert_eq!(connect.keep_alive, 7);
    signal(&child, "KILL");
    exit(child).await;
}
