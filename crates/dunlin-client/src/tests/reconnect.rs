//! Lost connections that are tried for again.

use std::time::Duration;

use dunlin_codec::{
    Connack, ConnackProperties, Disconnect, Packet, ProtocolVersion, QoS, ReasonCode,
};

use super::{
    V5, V311, accepts, ack, again, broker, connect_with, next_event, next_message, publish,
};
use crate::script::{Peer, PeerListener, connack};
use crate::{
    ClientOptions, DisconnectRequest, Event, Events, PublishRequest, Reconnect, RequestError,
    SubscribeRequest,
};

/// A client whose session outlives its connection.
async fn lasting(version: ProtocolVersion) -> (PeerListener, ClientOptions) {
    let (listener, mut options) = broker(version).await;
    options.reconnect = again();
    options.connect.clean_start = false;
    if version == V5 {
        options.connect.settings.session_expiry_interval = Some(60);
    }
    (listener, options)
}

/// The connection is gone, and comes back with this CONNACK.
async fn back(
    listener: &PeerListener,
    events: &mut Events,
    version: ProtocolVersion,
    connack: &Packet<'_>,
) -> Peer {
    let event = next_event(events).await;
    let Some(Event::Disconnected(disconnected)) = event else {
        panic!("{event:?}")
    };
    assert!(disconnected.reconnects, "{disconnected:?}");
    let (peer, _) = listener.accept_client(version, connack).await.unwrap();
    let event = next_event(events).await;
    assert!(matches!(event, Some(Event::Connected(_))), "{event:?}");
    peer
}

#[tokio::test]
async fn what_is_in_flight_is_sent_again_in_order() {
    for version in [V5, V311] {
        let (listener, options) = lasting(version).await;
        let (client, mut events, mut peer) =
            connect_with(&listener, options, &connack(false)).await;
        let mut pending = Vec::new();
        for (qos, payload) in [
            (QoS::AtLeastOnce, "1"),
            (QoS::ExactlyOnce, "2"),
            (QoS::ExactlyOnce, "3"),
            (QoS::AtLeastOnce, "4"),
        ] {
            let request = PublishRequest::new("t", payload).with_qos(qos);
            pending.push(client.begin_publish(request).await.unwrap());
            peer.receive().await.unwrap();
        }
        peer.send(&Packet::Puback(ack(1))).await.unwrap();
        peer.send(&Packet::Pubrec(ack(2))).await.unwrap();
        peer.expect(&Packet::Pubrel(ack(2))).await.unwrap();
        peer.close();
        let mut peer = back(&listener, &mut events, version, &connack(true)).await;
        peer.expect(&Packet::Pubrel(ack(2))).await.unwrap();
        for (qos, packet_id, payload) in [(QoS::ExactlyOnce, 3, "3"), (QoS::AtLeastOnce, 4, "4")] {
            let mut again = publish(qos, packet_id, payload);
            again.dup = true;
            peer.expect(&Packet::Publish(again)).await.unwrap();
        }
        peer.send(&Packet::Pubcomp(ack(2))).await.unwrap();
        peer.send(&Packet::Pubrec(ack(3))).await.unwrap();
        peer.expect(&Packet::Pubrel(ack(3))).await.unwrap();
        peer.send(&Packet::Pubcomp(ack(3))).await.unwrap();
        peer.send(&Packet::Puback(ack(4))).await.unwrap();
        for pending in pending {
            assert_eq!(pending.await.unwrap().reason_code, ReasonCode::Success);
        }
    }
}

// [v5 MQTT-3.2.2-5]
#[tokio::test]
async fn a_lost_session_ends_what_was_in_flight() {
    let (listener, options) = lasting(V5).await;
    let (client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    let request = PublishRequest::new("t", "m").with_qos(QoS::AtLeastOnce);
    let pending = client.begin_publish(request.clone()).await.unwrap();
    peer.receive().await.unwrap();
    peer.close();
    let mut peer = back(&listener, &mut events, V5, &connack(false)).await;
    assert_eq!(pending.await, Err(RequestError::SessionLost));
    let pending = client.begin_publish(request).await.unwrap();
    let received = peer.receive().await.unwrap();
    let Packet::Publish(publish) = received.packet() else {
        panic!("{received:?}")
    };
    assert!(!publish.dup);
    peer.send(&Packet::Puback(dunlin_codec::Ack::success(
        publish.packet_id.unwrap(),
    )))
    .await
    .unwrap();
    pending.await.unwrap();
}

#[tokio::test]
async fn sending_again_keeps_to_the_new_receive_maximum() {
    let (listener, options) = lasting(V5).await;
    let (client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    let mut pending = Vec::new();
    for payload in ["1", "2", "3"] {
        let request = PublishRequest::new("t", payload).with_qos(QoS::AtLeastOnce);
        pending.push(client.begin_publish(request).await.unwrap());
        peer.receive().await.unwrap();
    }
    peer.close();
    let fewer = Packet::Connack(Box::new(Connack {
        session_present: true,
        reason_code: ReasonCode::Success,
        properties: ConnackProperties {
            receive_maximum: std::num::NonZeroU16::new(1),
            ..ConnackProperties::default()
        },
    }));
    let mut peer = back(&listener, &mut events, V5, &fewer).await;
    for (packet_id, payload) in [(1, "1"), (2, "2"), (3, "3")] {
        let mut again = publish(QoS::AtLeastOnce, packet_id, payload);
        again.dup = true;
        peer.expect(&Packet::Publish(again)).await.unwrap();
        peer.expect_silence(Duration::from_millis(10))
            .await
            .unwrap();
        peer.send(&Packet::Puback(ack(packet_id))).await.unwrap();
    }
    for pending in pending {
        pending.await.unwrap();
    }
}

#[tokio::test]
async fn qos_2_is_delivered_once_over_two_connections() {
    let (listener, options) = lasting(V5).await;
    let (_client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    let mut message = publish(QoS::ExactlyOnce, 1, "once");
    peer.send(&Packet::Publish(message)).await.unwrap();
    assert_eq!(next_message(&mut events).await.payload(), "once");
    peer.expect(&Packet::Pubrec(ack(1))).await.unwrap();
    peer.close();
    let mut peer = back(&listener, &mut events, V5, &connack(true)).await;
    message.dup = true;
    peer.send(&Packet::Publish(message)).await.unwrap();
    peer.expect(&Packet::Pubrec(ack(1))).await.unwrap();
    peer.send(&Packet::Pubrel(ack(1))).await.unwrap();
    peer.expect(&Packet::Pubcomp(ack(1))).await.unwrap();
    peer.send(&Packet::Publish(publish(QoS::AtMostOnce, 0, "next")))
        .await
        .unwrap();
    assert_eq!(next_message(&mut events).await.payload(), "next");
}

#[tokio::test]
async fn a_clean_start_is_only_the_first() {
    let (listener, mut options) = broker(V5).await;
    options.reconnect = again();
    options.connect.client_id.clear();
    options.connect.settings.session_expiry_interval = Some(60);
    let accept = accepts(ConnackProperties {
        assigned_client_identifier: Some("given"),
        ..ConnackProperties::default()
    });
    let (_client, _events, peer) = connect_with(&listener, options, &accept).await;
    peer.close();
    let (_peer, received) = listener.accept_client(V5, &connack(true)).await.unwrap();
    let Packet::Connect(connect) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!((connect.client_id, connect.clean_start), ("given", false));
}

#[tokio::test]
async fn a_session_that_ends_with_its_connection_is_begun_clean_again() {
    for version in [V5, V311] {
        let (listener, mut options) = broker(version).await;
        options.reconnect = again();
        let (_client, _events, peer) = connect_with(&listener, options, &connack(false)).await;
        peer.close();
        let (_peer, received) = listener
            .accept_client(version, &connack(false))
            .await
            .unwrap();
        let Packet::Connect(connect) = received.packet() else {
            panic!("{received:?}")
        };
        assert!(connect.clean_start);
    }
}

#[tokio::test]
async fn requests_meanwhile_fail_or_wait() {
    let (listener, mut options) = lasting(V5).await;
    options.reconnect.period = Duration::from_millis(200);
    let (client, mut events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    let pending = client
        .begin_subscribe(SubscribeRequest::new("t", QoS::AtMostOnce))
        .await
        .unwrap();
    peer.receive().await.unwrap();
    peer.close();
    assert_eq!(pending.await, Err(RequestError::ConnectionLost));
    let meanwhile = client
        .subscribe(SubscribeRequest::new("t", QoS::AtMostOnce))
        .await;
    assert_eq!(meanwhile, Err(RequestError::NotConnected));
    let request = PublishRequest::new("t", "waits").with_qos(QoS::AtLeastOnce);
    let pending = client.begin_publish(request).await.unwrap();
    let mut peer = back(&listener, &mut events, V5, &connack(true)).await;
    peer.expect(&Packet::Publish(publish(QoS::AtLeastOnce, 2, "waits")))
        .await
        .unwrap();
    peer.send(&Packet::Puback(ack(2))).await.unwrap();
    pending.await.unwrap();
}

#[tokio::test]
async fn tries_have_a_number() {
    let (listener, mut options) = broker(V5).await;
    options.reconnect = Reconnect {
        period: Duration::from_millis(1),
        tries_max: 2,
    };
    let (client, mut events, peer) = connect_with(&listener, options, &connack(false)).await;
    drop(listener);
    peer.close();
    let event = next_event(&mut events).await;
    assert!(matches!(event, Some(Event::Disconnected(_))), "{event:?}");
    for (tries, reconnects) in [(1, true), (2, false)] {
        let event = next_event(&mut events).await;
        let Some(Event::ReconnectFailed(failure)) = event else {
            panic!("{event:?}")
        };
        assert_eq!((failure.tries, failure.reconnects), (tries, reconnects));
    }
    assert!(next_event(&mut events).await.is_none());
    let after = client.publish(PublishRequest::new("t", "m")).await;
    assert_eq!(after, Err(RequestError::Closed));
}

#[tokio::test]
async fn some_ends_are_for_good() {
    for (code, reconnects) in [
        (ReasonCode::SessionTakenOver, false),
        (ReasonCode::NotAuthorized, false),
        (ReasonCode::ProtocolError, false),
        (ReasonCode::ServerShuttingDown, true),
        (ReasonCode::ServerBusy, true),
    ] {
        let (listener, options) = lasting(V5).await;
        let (_client, mut events, mut peer) =
            connect_with(&listener, options, &connack(false)).await;
        peer.send(&Packet::Disconnect(Disconnect::new(code)))
            .await
            .unwrap();
        let event = next_event(&mut events).await;
        let Some(Event::Disconnected(disconnected)) = event else {
            panic!("{event:?}")
        };
        assert_eq!(disconnected.reconnects, reconnects, "{code}");
    }
}

#[tokio::test]
async fn a_client_that_waits_can_be_ended() {
    let (listener, mut options) = broker(V5).await;
    options.reconnect = Reconnect {
        period: Duration::from_secs(3600),
        tries_max: 1,
    };
    let (client, mut events, peer) = connect_with(&listener, options, &connack(false)).await;
    peer.close();
    let event = next_event(&mut events).await;
    assert!(matches!(event, Some(Event::Disconnected(_))), "{event:?}");
    client
        .disconnect(DisconnectRequest::default())
        .await
        .unwrap();
    assert!(next_event(&mut events).await.is_none());
}
