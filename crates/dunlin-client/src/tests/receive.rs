//! Receiving.

use std::num::NonZeroU16;
use std::time::Duration;

use dunlin_codec::{Ack, Packet, PublishProperties, QoS, ReasonCode, TopicName};

use super::{V5, V311, ack, broker, connect_with, id, next_event, next_message, pair, publish};
use crate::script::connack;
use crate::{DisconnectRequest, Event};

#[tokio::test]
async fn messages_are_acknowledged_once_they_are_taken() {
    for version in [V5, V311] {
        let (_client, mut events, mut peer) = pair(version).await;
        for (qos, packet_id) in [
            (QoS::AtMostOnce, 0),
            (QoS::AtLeastOnce, 1),
            (QoS::ExactlyOnce, 2),
        ] {
            peer.send(&Packet::Publish(publish(qos, packet_id, "m")))
                .await
                .unwrap();
        }
        // Nobody took one yet.
        peer.expect_silence(Duration::from_millis(30))
            .await
            .unwrap();
        let message = next_message(&mut events).await;
        assert_eq!((message.topic(), message.qos()), ("t", QoS::AtMostOnce));
        assert_eq!(message.payload(), "m");
        next_message(&mut events).await;
        peer.expect(&Packet::Puback(ack(1))).await.unwrap();
        peer.expect_silence(Duration::from_millis(30))
            .await
            .unwrap();
        next_message(&mut events).await;
        peer.expect(&Packet::Pubrec(ack(2))).await.unwrap();
        peer.send(&Packet::Pubrel(ack(2))).await.unwrap();
        peer.expect(&Packet::Pubcomp(ack(2))).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_taken_is_not_acknowledged_at_the_end_either() {
    let (client, mut events, mut peer) = pair(V5).await;
    for packet_id in 1..=3 {
        peer.send(&Packet::Publish(publish(QoS::AtLeastOnce, packet_id, "m")))
            .await
            .unwrap();
    }
    next_message(&mut events).await;
    let (disconnected, ()) = tokio::join!(client.disconnect(DisconnectRequest::default()), async {
        peer.expect(&Packet::Puback(ack(1))).await.unwrap();
        assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
        peer.close();
    });
    disconnected.unwrap();
}

#[tokio::test]
async fn qos_2_is_delivered_once() {
    let (_client, mut events, mut peer) = pair(V5).await;
    let mut first = publish(QoS::ExactlyOnce, 9, "once");
    peer.send(&Packet::Publish(first)).await.unwrap();
    next_message(&mut events).await;
    peer.expect(&Packet::Pubrec(ack(9))).await.unwrap();
    first.dup = true;
    peer.send(&Packet::Publish(first)).await.unwrap();
    peer.expect(&Packet::Pubrec(ack(9))).await.unwrap();
    peer.send(&Packet::Pubrel(ack(9))).await.unwrap();
    peer.expect(&Packet::Pubcomp(ack(9))).await.unwrap();
    // The identifier is free: the same number is another message now.
    peer.send(&Packet::Publish(publish(QoS::ExactlyOnce, 9, "next")))
        .await
        .unwrap();
    assert_eq!(next_message(&mut events).await.payload(), "next");
    peer.expect(&Packet::Pubrec(ack(9))).await.unwrap();
}

#[tokio::test]
async fn unknown_identifiers_are_told_in_5_0() {
    for (version, code) in [
        (V5, ReasonCode::PacketIdentifierNotFound),
        (V311, ReasonCode::Success),
    ] {
        let (_client, _events, mut peer) = pair(version).await;
        peer.send(&Packet::Pubrel(ack(5))).await.unwrap();
        peer.expect(&Packet::Pubcomp(Ack::new(id(5), code)))
            .await
            .unwrap();
        peer.send(&Packet::Pubrec(ack(6))).await.unwrap();
        peer.expect(&Packet::Pubrel(Ack::new(id(6), code)))
            .await
            .unwrap();
        // A late PUBACK is none of anybody's business.
        peer.send(&Packet::Puback(ack(7))).await.unwrap();
        peer.expect_silence(Duration::from_millis(20))
            .await
            .unwrap();
    }
}

fn aliased<'a>(topic: &'a str, alias: u16, payload: &'a str) -> Packet<'a> {
    let mut publish = publish(QoS::AtMostOnce, 0, payload);
    publish.topic = TopicName::parse(topic).unwrap_or(TopicName::EMPTY);
    publish.properties = PublishProperties {
        topic_alias: Some(alias),
        ..PublishProperties::default()
    };
    Packet::Publish(publish)
}

#[tokio::test]
async fn topic_aliases_are_resolved() {
    let (listener, mut options) = broker(V5).await;
    options.connect.settings.topic_alias_maximum = Some(2);
    let (_client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    for (topic, alias, expected) in [
        ("a/b", 2, "a/b"),
        ("", 2, "a/b"),
        ("c", 2, "c"),
        ("", 2, "c"),
    ] {
        peer.send(&aliased(topic, alias, "m")).await.unwrap();
        assert_eq!(next_message(&mut events).await.topic(), expected);
    }
    // Alias 1 was never set.
    peer.send(&aliased("", 1, "m")).await.unwrap();
    assert_eq!(
        peer.expect_disconnect().await.unwrap(),
        ReasonCode::TopicAliasInvalid
    );
}

#[tokio::test]
async fn a_server_that_exceeds_receive_maximum_is_told() {
    let (listener, mut options) = broker(V5).await;
    options.connect.settings.receive_maximum = NonZeroU16::new(2);
    let (_client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    peer.send(&Packet::Publish(publish(QoS::AtLeastOnce, 1, "m")))
        .await
        .unwrap();
    peer.send(&Packet::Publish(publish(QoS::ExactlyOnce, 2, "m")))
        .await
        .unwrap();
    next_message(&mut events).await;
    peer.expect(&Packet::Puback(ack(1))).await.unwrap();
    // One is acknowledged, so one more may come; a message of QoS 2 counts until it is complete.
    next_message(&mut events).await;
    peer.expect(&Packet::Pubrec(ack(2))).await.unwrap();
    peer.send(&Packet::Publish(publish(QoS::AtLeastOnce, 3, "m")))
        .await
        .unwrap();
    peer.send(&Packet::Publish(publish(QoS::AtLeastOnce, 4, "m")))
        .await
        .unwrap();
    assert_eq!(
        peer.expect_disconnect().await.unwrap(),
        ReasonCode::ReceiveMaximumExceeded
    );
}

#[tokio::test]
async fn no_message_is_lost_when_nobody_takes_them() {
    let (listener, mut options) = broker(V5).await;
    options.events_max = 2;
    options.connect.keep_alive = 1;
    let (_client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    let payloads: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for payload in &payloads {
        peer.send(&Packet::Publish(publish(QoS::AtMostOnce, 0, payload)))
            .await
            .unwrap();
    }
    // The client goes on pinging meanwhile, and does not take its own silence for the server's.
    peer.expect(&Packet::Pingreq).await.unwrap();
    for payload in &payloads {
        assert_eq!(
            next_message(&mut events).await.payload(),
            payload.as_bytes()
        );
    }
}

#[tokio::test]
async fn without_a_listener_messages_are_acknowledged() {
    let (_client, events, mut peer) = pair(V5).await;
    peer.send(&Packet::Publish(publish(QoS::AtLeastOnce, 1, "m")))
        .await
        .unwrap();
    drop(events);
    peer.send(&Packet::Publish(publish(QoS::AtLeastOnce, 2, "m")))
        .await
        .unwrap();
    peer.expect(&Packet::Puback(ack(1))).await.unwrap();
    peer.expect(&Packet::Puback(ack(2))).await.unwrap();
}

#[tokio::test]
async fn messages_before_the_end_of_a_connection_arrive() {
    let (_client, mut events, mut peer) = pair(V5).await;
    peer.send(&Packet::Publish(publish(QoS::AtMostOnce, 0, "last")))
        .await
        .unwrap();
    peer.close();
    assert_eq!(next_message(&mut events).await.payload(), "last");
    let event = next_event(&mut events).await;
    assert!(matches!(event, Some(Event::Disconnected(_))), "{event:?}");
}
