//! Keep alive.

use std::time::Duration;

use dunlin_codec::{Packet, QoS};

use super::{V5, broker, connect_with, next_event, publish};
use crate::script::connack;
use crate::{Cause, Event, PublishRequest};

// [v5 MQTT-3.1.2-20] [v3 MQTT-3.1.2-23]
#[tokio::test]
async fn a_quiet_client_pings() {
    let (listener, mut options) = broker(V5).await;
    options.connect.keep_alive = 1;
    let (_client, _events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    for _ in 0..2 {
        peer.expect(&Packet::Pingreq).await.unwrap();
        peer.send(&Packet::Pingresp).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let (listener, mut options) = broker(V5).await;
    options.connect.keep_alive = 1;
    options.ping_timeout = Duration::from_millis(100);
    let (_client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    peer.expect(&Packet::Pingreq).await.unwrap();
    let event = next_event(&mut events).await;
    let Some(Event::Disconnected(disconnected)) = event else {
        panic!("{event:?}")
    };
    assert!(matches!(disconnected.cause, Cause::PingTimeout));
    peer.expect_close().await.unwrap();
}

/// A client that only sends finds out whether anybody is there.
#[tokio::test]
async fn a_busy_sender_pings_when_nothing_comes_back() {
    let (listener, mut options) = broker(V5).await;
    options.connect.keep_alive = 1;
    let (client, _events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    let sending = async {
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        loop {
            interval.tick().await;
            client.post(PublishRequest::new("t", "x")).await.unwrap();
        }
    };
    let reading = async {
        loop {
            let received = peer.receive().await.unwrap();
            match received.packet() {
                Packet::Pingreq => break,
                packet => assert_eq!(packet, Packet::Publish(publish(QoS::AtMostOnce, 0, "x"))),
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = reading => {}
    }
}
