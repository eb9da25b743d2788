//! Publishing.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use dunlin_codec::{
    Ack, AckProperties, ConnackProperties, Packet, PublishProperties, QoS, ReasonCode, TopicName,
    UserPropertiesBuf,
};

use super::{V5, V311, accepts, ack, broker, connect_with, id, pair, publish};
use crate::script::connack;
use crate::{DisconnectRequest, MessageProperties, PublishRequest, Published, RequestError};

fn request(qos: QoS, payload: &'static str) -> PublishRequest {
    PublishRequest::new("t", payload).with_qos(qos)
}

fn success() -> Published {
    Published {
        reason_code: ReasonCode::Success,
        reason_string: None,
    }
}

#[tokio::test]
async fn qos_0_needs_no_answer() {
    for version in [V5, V311] {
        let (client, _events, mut peer) = pair(version).await;
        let published = client.publish(request(QoS::AtMostOnce, "m")).await;
        assert_eq!(published, Ok(success()));
        peer.expect(&Packet::Publish(publish(QoS::AtMostOnce, 0, "m")))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn qos_1_waits_for_puback() {
    for version in [V5, V311] {
        let (client, _events, mut peer) = pair(version).await;
        let pending = client
            .begin_publish(request(QoS::AtLeastOnce, "m"))
            .await
            .unwrap();
        peer.expect(&Packet::Publish(publish(QoS::AtLeastOnce, 1, "m")))
            .await
            .unwrap();
        peer.send(&Packet::Puback(ack(1))).await.unwrap();
        assert_eq!(pending.await, Ok(success()));
    }
}

#[tokio::test]
async fn qos_2_goes_all_the_way() {
    for version in [V5, V311] {
        let (client, _events, mut peer) = pair(version).await;
        let pending = client
            .begin_publish(request(QoS::ExactlyOnce, "m"))
            .await
            .unwrap();
        peer.expect(&Packet::Publish(publish(QoS::ExactlyOnce, 1, "m")))
            .await
            .unwrap();
        peer.send(&Packet::Pubrec(ack(1))).await.unwrap();
        peer.expect(&Packet::Pubrel(ack(1))).await.unwrap();
        // A PUBREC that comes again is answered again.
        peer.send(&Packet::Pubrec(ack(1))).await.unwrap();
        peer.expect(&Packet::Pubrel(ack(1))).await.unwrap();
        peer.send(&Packet::Pubcomp(ack(1))).await.unwrap();
        assert_eq!(pending.await, Ok(success()));
    }
}

#[tokio::test]
async fn refusals_carry_their_reason() {
    let (client, _events, mut peer) = pair(V5).await;
    let refused = |packet_id| Ack {
        packet_id: id(packet_id),
        reason_code: ReasonCode::NotAuthorized,
        properties: AckProperties {
            reason_string: Some("no"),
            ..AckProperties::default()
        },
    };
    let expected = Ok(Published {
        reason_code: ReasonCode::NotAuthorized,
        reason_string: Some("no".into()),
    });
    let pending = client
        .begin_publish(request(QoS::AtLeastOnce, "m"))
        .await
        .unwrap();
    peer.receive().await.unwrap();
    peer.send(&Packet::Puback(refused(1))).await.unwrap();
    assert_eq!(pending.await, expected);
    let pending = client
        .begin_publish(request(QoS::ExactlyOnce, "m"))
        .await
        .unwrap();
    peer.receive().await.unwrap();
    peer.send(&Packet::Pubrec(refused(2))).await.unwrap();
    assert_eq!(pending.await, expected);
    // The refused message is over: no PUBREL follows, and the next comes as the next.
    client.post(request(QoS::AtMostOnce, "next")).await.unwrap();
    peer.expect(&Packet::Publish(publish(QoS::AtMostOnce, 0, "next")))
        .await
        .unwrap();
}

#[tokio::test]
async fn all_properties_arrive() {
    let (client, _events, mut peer) = pair(V5).await;
    let mut user = UserPropertiesBuf::new();
    user.push("a", "1").unwrap();
    user.push("a", "2").unwrap();
    let request = request(QoS::AtMostOnce, "m")
        .with_retain(true)
        .with_properties(MessageProperties {
            payload_format_indicator: Some(true),
            message_expiry_interval: Some(4),
            content_type: Some("text".to_owned()),
            response_topic: Some("r".to_owned()),
            correlation_data: Some("c".into()),
            user_properties: user.clone(),
        });
    client.publish(request).await.unwrap();
    let mut expected = publish(QoS::AtMostOnce, 0, "m");
    expected.retain = true;
    expected.properties = PublishProperties {
        payload_format_indicator: Some(true),
        message_expiry_interval: Some(4),
        content_type: Some("text"),
        response_topic: Some(TopicName::parse("r").unwrap()),
        correlation_data: Some(b"c"),
        user_properties: user.as_view(),
        ..PublishProperties::default()
    };
    peer.expect(&Packet::Publish(expected)).await.unwrap();
}

#[tokio::test]
async fn the_servers_receive_maximum_is_respected() {
    let (listener, options) = broker(V5).await;
    let accept = accepts(ConnackProperties {
        receive_maximum: NonZeroU16::new(2),
        ..ConnackProperties::default()
    });
    let (client, _events, mut peer) = connect_with(&listener, options, &accept).await;
    let mut pending = Vec::new();
    for payload in ["1", "2", "3"] {
        let request = request(QoS::AtLeastOnce, payload);
        pending.push(client.begin_publish(request).await.unwrap());
    }
    peer.expect(&Packet::Publish(publish(QoS::AtLeastOnce, 1, "1")))
        .await
        .unwrap();
    peer.expect(&Packet::Publish(publish(QoS::AtLeastOnce, 2, "2")))
        .await
        .unwrap();
    peer.expect_silence(Duration::from_millis(50))
        .await
        .unwrap();
    // The other packets go on meanwhile.
    let unsubscribe = client.unsubscribe(crate::UnsubscribeRequest::new("t"));
    let answer = async {
        let received = peer.receive().await.unwrap();
        let Packet::Unsubscribe(unsubscribe) = received.packet() else {
            panic!("{received:?}")
        };
        let answer = dunlin_codec::Unsuback {
            packet_id: unsubscribe.packet_id,
            properties: AckProperties::default(),
            reason_codes: vec![ReasonCode::Success],
        };
        peer.send(&Packet::Unsuback(answer)).await.unwrap();
    };
    tokio::join!(unsubscribe, answer).0.unwrap();
    peer.send(&Packet::Puback(ack(2))).await.unwrap();
    let third = peer.receive().await.unwrap();
    let Packet::Publish(third) = third.packet() else {
        panic!("{third:?}")
    };
    assert_eq!(third.payload, b"3");
    peer.send(&Packet::Puback(ack(1))).await.unwrap();
    peer.send(&Packet::Puback(Ack::success(third.packet_id.unwrap())))
        .await
        .unwrap();
    for pending in pending {
        pending.await.unwrap();
    }
}

#[tokio::test]
async fn what_the_server_does_not_take_is_not_sent() {
    let (listener, options) = broker(V5).await;
    let accept = accepts(ConnackProperties {
        maximum_qos: Some(QoS::AtLeastOnce),
        retain_available: Some(false),
        maximum_packet_size: NonZeroU32::new(20),
        topic_alias_maximum: Some(1),
        ..ConnackProperties::default()
    });
    let (client, _events, mut peer) = connect_with(&listener, options, &accept).await;
    let sent = client.publish(request(QoS::ExactlyOnce, "m")).await;
    assert_eq!(sent, Err(RequestError::QoSNotSupported(QoS::ExactlyOnce)));
    let sent = client
        .publish(request(QoS::AtMostOnce, "m").with_retain(true))
        .await;
    assert_eq!(sent, Err(RequestError::RetainNotSupported));
    let sent = client
        .publish(request(QoS::AtMostOnce, "a message too long"))
        .await;
    let too_large = RequestError::PacketTooLarge {
        length: 24,
        maximum: 20,
    };
    assert_eq!(sent, Err(too_large));
    for alias in [0, 2] {
        let mut request = request(QoS::AtMostOnce, "m");
        request.topic_alias = Some(alias);
        let error = RequestError::TopicAlias { alias, maximum: 1 };
        assert_eq!(client.publish(request).await, Err(error));
    }
    let sent = client.publish(PublishRequest::new("a/#", "m")).await;
    assert!(matches!(sent, Err(RequestError::Topic(_))), "{sent:?}");
    client
        .publish(request(QoS::AtMostOnce, "last"))
        .await
        .unwrap();
    peer.expect(&Packet::Publish(publish(QoS::AtMostOnce, 0, "last")))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_topic_alias_stands_for_the_topic_once_it_is_set() {
    let (listener, options) = broker(V5).await;
    let accept = accepts(ConnackProperties {
        topic_alias_maximum: Some(5),
        ..ConnackProperties::default()
    });
    let (client, _events, mut peer) = connect_with(&listener, options, &accept).await;
    for topic in ["t", "t", "u", "u"] {
        let mut request = PublishRequest::new(topic, "m");
        request.topic_alias = Some(5);
        client.publish(request).await.unwrap();
    }
    for topic in ["t", "", "u", ""] {
        let received = peer.receive().await.unwrap();
        let Packet::Publish(publish) = received.packet() else {
            panic!("{received:?}")
        };
        assert_eq!(publish.topic.as_str(), topic);
        assert_eq!(publish.properties.topic_alias, Some(5));
    }
}

#[tokio::test]
async fn what_was_queued_goes_before_disconnect() {
    let (client, _events, mut peer) = pair(V5).await;
    let mut pending = Vec::new();
    for _ in 0..500 {
        pending.push(
            client
                .begin_publish(request(QoS::AtMostOnce, "m"))
                .await
                .unwrap(),
        );
    }
    let (disconnected, ()) = tokio::join!(client.disconnect(DisconnectRequest::default()), async {
        for _ in 0..500 {
            peer.expect(&Packet::Publish(publish(QoS::AtMostOnce, 0, "m")))
                .await
                .unwrap();
        }
        assert_eq!(peer.expect_disconnect().await.unwrap(), ReasonCode::Success);
        peer.close();
    });
    disconnected.unwrap();
    for pending in pending {
        assert_eq!(pending.await, Ok(success()));
    }
}

/// A server that stops reading stops the publisher, rather than filling its memory.
#[tokio::test]
async fn a_server_that_does_not_read_makes_publishing_wait() {
    let (listener, mut options) = broker(V5).await;
    options.queue_messages_max = 4;
    let (client, _events, mut peer) = connect_with(&listener, options, &connack(false)).await;
    let message = PublishRequest::new("t", vec![b'x'; 1024 * 1024]);
    // More than any buffer of the system holds.
    let count = 64;
    let sending = async {
        for _ in 0..count {
            client.post(message.clone()).await.unwrap();
        }
    };
    tokio::pin!(sending);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut sending).await;
    assert!(early.is_err());
    let reading = async {
        for _ in 0..count {
            peer.receive().await.unwrap();
        }
    };
    tokio::join!(sending, reading);
}
