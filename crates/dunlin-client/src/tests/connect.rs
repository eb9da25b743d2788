//! Connecting and disconnecting.

use std::num::{NonZeroU16, NonZeroU32};

use dunlin_codec::{
    Connack, ConnackProperties, Disconnect, DisconnectProperties, Packet, ProtocolVersion, QoS,
    ReasonCode, UserPropertiesBuf,
};

use super::{V5, V311, accepts, broker, connect_with, next_event, pair};
use crate::script::connack;
use crate::{
    Cause, ConnectError, DisconnectRequest, Event, Foreign, MessageProperties, RequestError,
    Violation, WillOptions,
};

#[tokio::test]
async fn connect_says_what_the_options_say() {
    let (listener, mut options) = broker(V5).await;
    let mut user = UserPropertiesBuf::new();
    user.push("a", "1").unwrap();
    options.connect.clean_start = false;
    options.connect.keep_alive = 17;
    options.connect.user_name = Some("user".to_owned());
    options.connect.password = Some("secret".into());
    options.connect.will = Some(WillOptions {
        topic: "w".to_owned(),
        payload: "gone".into(),
        qos: QoS::ExactlyOnce,
        retain: true,
        will_delay_interval: Some(3),
        properties: MessageProperties {
            payload_format_indicator: Some(true),
            message_expiry_interval: Some(4),
            content_type: Some("text".to_owned()),
            response_topic: Some("r".to_owned()),
            correlation_data: Some("c".into()),
            user_properties: user.clone(),
        },
    });
    let settings = &mut options.connect.settings;
    settings.session_expiry_interval = Some(5);
    settings.receive_maximum = NonZeroU16::new(6);
    settings.maximum_packet_size = NonZeroU32::new(7000);
    settings.topic_alias_maximum = Some(8);
    settings.request_response_information = Some(true);
    settings.request_problem_information = Some(false);
    settings.user_properties = user.clone();
    let connect = options.connect.clone();
    let accept = connack(true);
    let (connected, accepted) =
        tokio::join!(options.connect(), listener.accept_client(V5, &accept));
    let (_client, _events, connected) = connected.unwrap();
    assert!(connected.connack().session_present);
    let received = accepted.unwrap().1;
    let Packet::Connect(packet) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!(*packet, connect.packet(None).unwrap());
    assert_eq!(packet.properties.receive_maximum, NonZeroU16::new(6));
    let will = packet.will.unwrap();
    assert_eq!(will.properties.will_delay_interval, Some(3));
    assert_eq!(will.properties.user_properties, user.as_view());
}

#[tokio::test]
async fn old_versions_connect_without_properties() {
    for version in [ProtocolVersion::V31, V311] {
        let (listener, mut options) = broker(version).await;
        options.connect.settings.session_expiry_interval = Some(5);
        options.connect.settings.receive_maximum = NonZeroU16::new(1);
        let accept = connack(false);
        let (connected, accepted) =
            tokio::join!(options.connect(), listener.accept_client(version, &accept));
        connected.unwrap();
        let received = accepted.unwrap().1;
        let Packet::Connect(packet) = received.packet() else {
            panic!("{received:?}")
        };
        assert_eq!(packet.version, version);
        assert_eq!(packet.properties, Default::default());
    }
}

#[tokio::test]
async fn a_refusal_tells_its_reason() {
    for (version, text) in [
        (V5, "connection refused: Not authorized (0x87): go away"),
        (V311, "connection refused: Not authorized (return code 5)"),
    ] {
        let (listener, options) = broker(version).await;
        let refuses = Packet::Connack(Box::new(Connack {
            session_present: false,
            reason_code: ReasonCode::NotAuthorized,
            properties: ConnackProperties {
                reason_string: Some("go away"),
                ..ConnackProperties::default()
            },
        }));
        let (connected, accepted) =
            tokio::join!(options.connect(), listener.accept_client(version, &refuses));
        accepted.unwrap();
        assert_eq!(connected.unwrap_err().to_string(), text);
    }
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let (listener, options) = broker(V5).await;
    let (connected, accepted) = tokio::join!(options.connect(), async {
        listener.accept(V5).await.unwrap().close();
    });
    let () = accepted;
    assert!(
        matches!(connected, Err(ConnectError::Closed | ConnectError::Io(_))),
        "{connected:?}"
    );

    let (listener, options) = broker(V5).await;
    let (connected, accepted) = tokio::join!(
        options.connect(),
        listener.accept_client(V5, &Packet::Pingresp)
    );
    accepted.unwrap();
    assert!(
        matches!(
            connected,
            Err(ConnectError::Violation(Violation::Unexpected(_)))
        ),
        "{connected:?}"
    );

    // [MQTT-3.2.2-2] is the server's: the client asked for a clean start.
    let (listener, options) = broker(V5).await;
    let present = connack(true);
    let (connected, accepted) =
        tokio::join!(options.connect(), listener.accept_client(V5, &present));
    accepted.unwrap();
    assert!(
        matches!(
            connected,
            Err(ConnectError::Violation(Violation::SessionPresent))
        ),
        "{connected:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_silent_is_given_up() {
    let (listener, mut options) = broker(V5).await;
    options.connect_timeout = std::time::Duration::from_millis(50);
    let (connected, peer) = tokio::join!(options.connect(), listener.accept(V5));
    peer.unwrap();
    assert!(
        matches!(connected, Err(ConnectError::Timeout)),
        "{connected:?}"
    );
}

// [v3 MQTT-3.14.4-1]
#[tokio::test]
async fn disconnect_is_the_last_packet() {
    let (client, mut events, mut peer) = pair(V5).await;
    let mut user = UserPropertiesBuf::new();
    user.push("a", "1").unwrap();
    let request = DisconnectRequest {
        reason_code: ReasonCode::DisconnectWithWillMessage,
        session_expiry_interval: Some(9),
        reason_string: Some("enough".to_owned()),
        user_properties: user.clone(),
    };
    let expected = Packet::Disconnect(Disconnect {
        reason_code: ReasonCode::DisconnectWithWillMessage,
        properties: DisconnectProperties {
            session_expiry_interval: Some(9),
            reason_string: Some("enough"),
            server_reference: None,
            user_properties: user.as_view(),
        },
    });
    let (disconnected, ()) = tokio::join!(client.disconnect(request), async {
        peer.expect(&expected).await.unwrap();
        peer.expect_close().await.unwrap();
        peer.close();
    });
    disconnected.unwrap();
    assert!(next_event(&mut events).await.is_none());
    let after = client.disconnect(DisconnectRequest::default()).await;
    assert_eq!(after, Err(RequestError::Closed));
}

#[tokio::test]
async fn dropping_the_last_handle_disconnects() {
    let (client, _events, mut peer) = pair(V311).await;
    let other = client.clone();
    drop(client);
    drop(other);
    peer.expect(&Packet::Disconnect(Disconnect::new(ReasonCode::Success)))
        .await
        .unwrap();
    peer.expect_close().await.unwrap();
}

#[tokio::test]
async fn abort_sends_nothing() {
    let (client, _events, mut peer) = pair(V5).await;
    client.abort().await.unwrap();
    peer.expect_close().await.unwrap();
}

#[tokio::test]
async fn the_servers_disconnect_is_told_with_its_reason() {
    let (_client, mut events, mut peer) = pair(V5).await;
    peer.send(&Packet::Disconnect(Disconnect {
        reason_code: ReasonCode::SessionTakenOver,
        properties: DisconnectProperties {
            reason_string: Some("another came"),
            ..DisconnectProperties::default()
        },
    }))
    .await
    .unwrap();
    let Some(Event::Disconnected(disconnected)) = next_event(&mut events).await else {
        panic!("no end")
    };
    assert_eq!(
        disconnected.cause.to_string(),
        "the server disconnected: Session taken over (0x8e): another came"
    );
    assert_eq!(
        disconnected.cause.server_reason(),
        Some(ReasonCode::SessionTakenOver)
    );
    assert!(next_event(&mut events).await.is_none());
}

#[tokio::test]
async fn broken_packets_are_answered_with_their_reason() {
    for (bytes, code) in [
        // A PUBLISH of QoS 3.
        ([0x36, 0x00].as_slice(), ReasonCode::MalformedPacket),
        // A CONNECT.
        (
            &[
                0x10, 0x0d, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 0,
            ],
            ReasonCode::ProtocolError,
        ),
        // A PUBLISH whose topic alias is above the maximum, which is 0.
        (
            &[0x30, 0x07, 0, 1, b't', 3, 0x23, 0, 1],
            ReasonCode::TopicAliasInvalid,
        ),
    ] {
        let (_client, mut events, mut peer) = pair(V5).await;
        peer.send_bytes(bytes).await.unwrap();
        assert_eq!(
            peer.expect_disconnect().await.unwrap(),
            code,
            "{bytes:02x?}"
        );
        peer.close();
        let event = next_event(&mut events).await;
        let Some(Event::Disconnected(disconnected)) = event else {
            panic!("{event:?}")
        };
        assert!(
            matches!(disconnected.cause, Cause::Violation(_)),
            "{disconnected:?}"
        );
    }
}

// [v5 MQTT-3.2.2-21]
#[tokio::test]
async fn the_servers_keep_alive_holds() {
    let (listener, mut options) = broker(V5).await;
    options.connect.keep_alive = 600;
    let accept = accepts(ConnackProperties {
        server_keep_alive: Some(1),
        ..ConnackProperties::default()
    });
    let (_client, _events, mut peer) = connect_with(&listener, options, &accept).await;
    peer.expect(&Packet::Pingreq).await.unwrap();
}

#[tokio::test]
async fn who_speaks_another_protocol_is_told_apart() {
    let alert = [0x15, 3, 3, 0, 2, 2, 50].as_slice();
    for (answer, is) in [
        (alert, Some(Foreign::Tls)),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Some(Foreign::Http)),
        (b"SSH-2.0-x\r\n", None),
    ] {
        let (listener, options) = broker(V5).await;
        let answering = async {
            let mut peer = listener.accept(V5).await.unwrap();
            peer.receive().await.unwrap();
            peer.send_bytes(answer).await.unwrap();
            peer
        };
        let (connected, _peer) = tokio::join!(options.connect(), answering);
        match (connected.unwrap_err(), is) {
            (ConnectError::Foreign(found), Some(is)) => assert_eq!(found, is),
            (ConnectError::Violation(Violation::Decode(_)), None) => {}
            (other, _) => panic!("{other}"),
        }
    }
}
