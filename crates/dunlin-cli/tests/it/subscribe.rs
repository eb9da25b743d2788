//! `dunlin sub`.

use dunlin_client::codec::{
    Packet, PublishProperties, QoS, ReasonCode, RetainHandling, UserPropertiesBuf,
};
use dunlin_client::script::PeerListener;

use super::{accept, ack, dunlin, exit, grant, message, output, signal, suback, text};

#[tokio::test]
async fn topic_and_payload_are_printed() {
    let listener = PeerListener::bind().await.unwrap();
    let child = dunlin(&["sub", "-t", "t/1", "-v", "--count", "1"], &listener)
        .spawn()
        .unwrap();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |subscribe| {
        assert_eq!(subscribe.requests[0].filter.as_str(), "t/1");
        assert_eq!(subscribe.requests[0].options.qos, QoS::AtMostOnce);
    })
    .await;
    let mut user = UserPropertiesBuf::new();
    user.push("a", "1").unwrap();
    let mut will = message(QoS::AtMostOnce, 0, "A will message from MQTTX CLI");
    will.properties = PublishProperties {
        user_properties: user.as_view(),
        ..PublishProperties::default()
    };
    peer.send(&Packet::Publish(will)).await.unwrap();
    assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let [received, packet, topic, payload, blank] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert!(
        received.starts_with("received_at: 20") && received.ends_with('Z'),
        "{received}"
    );
    assert_eq!(
        *packet,
        "mqtt-packet: {\"cmd\":\"publish\",\"retain\":false,\"qos\":0,\"dup\":false,\
         \"length\":42,\"topic\":\"t/1\",\"properties\":{\"userProperties\":{\"a\":\"1\"}}}"
    );
    assert_eq!(
        *topic,
        "topic: t/1, qos: 0, size: 29B, userProperties: {\"a\":\"1\"}"
    );
    assert_eq!(*payload, "A will message from MQTTX CLI");
    assert_eq!(*blank, "");
    assert_eq!(text(&output.stderr), "✔ Connected\n✔ Subscribed to t/1\n");
}

#[tokio::test]
async fn clean_output_is_json_and_nothing_else() {
    let listener = PeerListener::bind().await.unwrap();
    let words = [
        "sub",
        "-t",
        "t/1",
        "--output-mode",
        "clean",
        "-f",
        "json",
        "--count",
        "2",
    ];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |_| {}).await;
    for payload in ["{\"a\":[1]}", "2"] {
        peer.send(&Packet::Publish(message(QoS::AtMostOnce, 0, payload)))
            .await
            .unwrap();
    }
    peer.expect_disconnect().await.unwrap();
    peer.close();
    let output = output(child).await;
    assert_eq!(text(&output.stderr), "");
    let mut objects = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter::<serde_json::Value>()
        .map(Result::unwrap);
    let first = objects.next().unwrap();
    assert_eq!(first["topic"], "t/1");
    assert_eq!(first["payload"]["a"][0], 1);
    assert_eq!(first["packet"]["cmd"], "publish");
    assert_eq!(objects.next().unwrap()["payload"], 2);
    assert!(objects.next().is_none());
}

#[tokio::test]
async fn options_are_for_each_topic() {
    let listener = PeerListener::bind().await.unwrap();
    let words = [
        "sub",
        "-t",
        "a",
        "b/#",
        "-q",
        "1",
        "2",
        "-nl",
        "true",
        "false",
        "-rap",
        "-rh",
        "1",
        "2",
        "-si",
        "5",
        "-up",
        "k: v",
        "--timeout",
        "60",
    ];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |subscribe| {
        let user: Vec<_> = subscribe.properties.user_properties.iter().collect();
        assert_eq!(user, [("k", "v")]);
        assert_eq!(
            subscribe.properties.subscription_identifier.unwrap().get(),
            5
        );
        let [a, b] = subscribe.requests.as_slice() else {
            panic!("{subscribe:?}")
        };
        assert_eq!((a.filter.as_str(), b.filter.as_str()), ("a", "b/#"));
        assert_eq!(
            (a.options.qos, b.options.qos),
            (QoS::AtLeastOnce, QoS::ExactlyOnce)
        );
        assert_eq!((a.options.no_local, b.options.no_local), (true, false));
        assert!(a.options.retain_as_published && b.options.retain_as_published);
        assert_eq!(a.options.retain_handling, RetainHandling::SendIfNew);
        assert_eq!(b.options.retain_handling, RetainHandling::DoNotSend);
    })
    .await;
    signal(&child, "KILL");
    exit(child).await;
}

#[tokio::test]
async fn messages_beyond_the_count_stay_with_the_server() {
    let listener = PeerListener::bind().await.unwrap();
    let words = ["sub", "-t", "t/1", "-q", "1", "--count", "2"];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |_| {}).await;
    for packet_id in 1..=3 {
        peer.send(&Packet::Publish(message(QoS::AtLeastOnce, packet_id, "m")))
            .await
            .unwrap();
    }
    peer.expect(&Packet::Puback(ack(1))).await.unwrap();
    peer.expect(&Packet::Puback(ack(2))).await.unwrap();
    assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
    peer.close();
    assert_eq!(output(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_refused_filter_is_a_failure() {
    let listener = PeerListener::bind().await.unwrap();
    let child = dunlin(&["sub", "-t", "a", "b"], &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    peer.receive().await.unwrap();
    let codes = vec![ReasonCode::Success, ReasonCode::NotAuthorized];
    peer.send(&suback(super::id(1), codes)).await.unwrap();
    peer.expect_disconnect().await.unwrap();
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "✔ Connected\n✔ Subscribed to a\n\
         error: subscribing to b refused: Not authorized (0x87)\n"
    );
}

#[tokio::test]
async fn the_end_of_the_time_has_its_code() {
    let listener = PeerListener::bind().await.unwrap();
    let words = ["sub", "-t", "t/1", "--timeout", "0.2", "--count", "1"];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |_| {}).await;
    assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
    peer.close();
    assert_eq!(output(child).await.status.code(), Some(27));
}

#[tokio::test]
async fn a_reader_that_is_gone_is_no_failure() {
    let listener = PeerListener::bind().await.unwrap();
    let mut child = dunlin(&["sub", "-t", "t/1"], &listener).spawn().unwrap();
    drop(child.stdout.take());
    let mut peer = accept(&listener).await;
    grant(&mut peer, |_| {}).await;
    // The first message finds out, a later one ends the program.
    let received = loop {
        peer.send(&Packet::Publish(message(QoS::AtLeastOnce, 1, "m")))
            .await
            .unwrap();
        let received = peer.receive().await.unwrap();
        if !matches!(received.packet(), Packet::Puback(_)) {
            break received;
        }
    };
    assert!(
        matches!(received.packet(), Packet::Disconnect(_)),
        "{received:?}"
    );
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "✔ Connected\n✔ Subscribed to t/1\n");
}

#[tokio::test]
async fn a_lost_subscription_is_made_again() {
    let listener = PeerListener::bind().await.unwrap();
    let child = dunlin(&["sub", "-t", "t/1", "-rp", "1", "--count", "1"], &listener)
        .spawn()
        .unwrap();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |_| {}).await;
    peer.close();
    // The answer to the second one never comes.
    let mut peer = accept(&listener).await;
    peer.receive().await.unwrap();
    peer.close();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |subscribe| {
        assert_eq!(subscribe.requests[0].filter.as_str(), "t/1")
    })
    .await;
    peer.send(&Packet::Publish(message(QoS::AtMostOnce, 0, "m")))
        .await
        .unwrap();
    peer.expect_disconnect().await.unwrap();
    peer.close();
    assert_eq!(output(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn payloads_go_into_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payloads");
    std::fs::write(&path, "before;").unwrap();
    let listener = PeerListener::bind().await.unwrap();
    let words = [
        "sub",
        "-t",
        "t/1",
        "--file-write",
        path.to_str().unwrap(),
        "--delimiter",
        ";",
        "--count",
        "2",
    ];
    let child = dunlin(&words, &listener).spawn().unwrap();
    let mut peer = accept(&listener).await;
    grant(&mut peer, |_| {}).await;
    for payload in ["one", "two"] {
        peer.send(&Packet::Publish(message(QoS::AtMostOnce, 0, payload)))
            .await
            .unwrap();
    }
    peer.expect_disconnect().await.unwrap();
    peer.close();
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before;one;two;");
    assert!(text(&output.stdout).contains("topic: t/1, qos: 0, size: 3B\nwritten to "));
}
