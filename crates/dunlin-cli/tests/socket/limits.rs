//! What the standard can express and hardly anybody needs: the broker says no, and stays small.

use dunlin_client::codec::{
    Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, TopicName,
    UserPropertiesBuf,
};
use dunlin_client::script::{Peer, ScriptError};

use super::broker::Broker;
use super::{
    V5, VERSIONS, id, is_well, open, ping, publication, subscribe, subscription, until_closed,
};

/// Each attack comes this often, so that what one of them leaves behind shows in the memory.
const TIMES: usize = 20;

/// What the broker announces unless told otherwise.
const RECEIVE_MAXIMUM: u16 = 1024;

/// As long as a topic can be, with as many levels as it can have.
fn deepest() -> String {
    "/".repeat(65_535)
}

/// The broker ends the connection, in 5.0 with this reason code.
async fn ended(peer: &mut Peer, version: ProtocolVersion, code: ReasonCode) {
    let told = peer.expect_disconnect().await.unwrap();
    let expected = if version.is_v5() {
        code
    } else {
        ReasonCode::Success
    };
    assert_eq!(told, expected, "{version}");
}

#[tokio::test]
async fn a_topic_of_slashes_ends_the_connection_of_its_publisher() {
    // It is not too long, it has too many levels.
    let broker = Broker::start(&["--set", "mqtt.topic_bytes_max=65535"]);
    let topic = deepest();
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for _ in 0..TIMES {
                let mut peer = open(&broker, "bad", version).await;
                let packet = publication(&topic, qos, u16::from(qos != QoS::AtMostOnce), b"x");
                peer.send(&packet).await.unwrap();
                ended(&mut peer, version, ReasonCode::TopicNameInvalid).await;
            }
        }
    }
    is_well(broker).await;
}

#[tokio::test]
async fn a_filter_of_slashes_is_refused_and_the_connection_stays() {
    // They are not too long, they have too many levels.
    let broker = Broker::start(&["--set", "mqtt.topic_bytes_max=65535"]);
    let pluses = format!("{}+", "+/".repeat(32_767));
    for version in VERSIONS {
        let mut peer = open(&broker, "bad", version).await;
        for filter in [deepest(), pluses.clone()] {
            for _ in 0..TIMES {
                peer.send(&subscription(&filter, QoS::AtMostOnce))
                    .await
                    .unwrap();
                let received = peer.receive().await.unwrap();
                let Packet::Suback(suback) = received.packet() else {
                    panic!("{received:?}")
                };
                assert!(suback.reason_codes[0].is_error(), "{suback:?}");
            }
        }
        ping(&mut peer).await;
    }
    is_well(broker).await;
}

/// Nothing in the broker takes a step on the stack for each level.
#[tokio::test]
async fn where_it_is_allowed_the_deepest_topic_is_served() {
    let broker = Broker::start(&[
        "--set",
        "mqtt.topic_levels_max=65536",
        "--set",
        "mqtt.topic_bytes_max=65535",
    ]);
    let topic = deepest();
    let pluses = format!("{}+", "+/".repeat(32_767));
    let half = "/".repeat(32_767);
    for version in VERSIONS {
        let mut peer = open(&broker, "deep", version).await;
        for (filter, topic) in [(&topic, &topic), (&pluses, &half)] {
            subscribe(&mut peer, filter, QoS::AtMostOnce).await;
            let message = publication(topic, QoS::AtMostOnce, 0, b"x");
            peer.send(&message).await.unwrap();
            peer.expect(&message).await.unwrap();
        }
    }
    is_well(broker).await;
}

#[tokio::test]
async fn a_remaining_length_of_five_bytes_ends_the_connection() {
    let broker = Broker::start(&[]);
    for version in VERSIONS {
        for kind in 0..16_u8 {
            let bytes = [kind << 4, 0x80, 0x80, 0x80, 0x80, 0x01];
            let mut first = Peer::connect(broker.socket_address(), version)
                .await
                .unwrap();
            first.send_bytes(&bytes).await.unwrap();
            until_closed(&mut first).await.unwrap();
            let mut later = open(&broker, "bad", version).await;
            later.send_bytes(&bytes).await.unwrap();
            ended(&mut later, version, ReasonCode::MalformedPacket).await;
        }
    }
    is_well(broker).await;
}

/// The broker takes no memory for what is only announced, and not for long what is.
#[tokio::test]
async fn the_longest_packet_is_refused_when_it_is_announced() {
    let broker = Broker::start(&[]);
    for version in VERSIONS {
        let mut waiting = Vec::new();
        for kind in [0x10, 0x30, 0x32, 0x82] {
            for _ in 0..TIMES {
                let bytes = [kind, 0xff, 0xff, 0xff, 0x7f];
                let mut first = Peer::connect(broker.socket_address(), version)
                    .await
                    .unwrap();
                first.send_bytes(&bytes).await.unwrap();
                waiting.push(first);
            }
        }
        for mut first in waiting {
            until_closed(&mut first).await.unwrap();
        }
        let mut later = open(&broker, "bad", version).await;
        later
            .send_bytes(&[0x30, 0xff, 0xff, 0xff, 0x7f])
            .await
            .unwrap();
        ended(&mut later, version, ReasonCode::PacketTooLarge).await;
    }
    is_well(broker).await;
}

/// Memory is taken for bytes that came, where the longest packet is allowed as well: the broker has less
/// than all of them announce.
#[tokio::test]
async fn a_length_that_is_announced_takes_no_memory() {
    let broker = Broker::start_in(
        &["prlimit", "--as=3000000000"],
        &[
            "--ephemeral",
            "--set",
            "mqtt.packet_bytes_max=268435460",
            "--set",
            "mqtt.connect_packet_bytes_max=268435460",
        ],
    );
    let mut begin = vec![0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, b't'];
    // Large enough for a buffer of its own, and with more to come.
    begin.resize(100_000, 0);
    for version in VERSIONS {
        let mut waiting = Vec::new();
        for number in 0..TIMES {
            let mut peer = open(&broker, &format!("b{number}"), version).await;
            peer.send_bytes(&begin).await.unwrap();
            let mut first = Peer::connect(broker.socket_address(), version)
                .await
                .unwrap();
            first
                .send_bytes(&[0x10, 0xff, 0xff, 0xff, 0x7f])
                .await
                .unwrap();
            waiting.push((peer, first));
        }
        let mut other = open(&broker, "good", version).await;
        ping(&mut other).await;
    }
    is_well(broker).await;
}

/// A packet that began and does not go on ends its connection, whatever the Keep Alive is.
#[tokio::test]
async fn slow_clients_a_packet_that_began_has_a_time() {
    let broker = Broker::start(&["--set", "mqtt.partial_packet_timeout_s=1"]);
    for version in VERSIONS {
        let mut small = open(&broker, "small", version).await;
        small.send_bytes(b"\x30\x10\x00\x01").await.unwrap();
        // Large enough for a buffer of its own.
        let mut large = open(&broker, "large", version).await;
        large
            .send_bytes(b"\x30\x80\x80\x02\x00\x01t")
            .await
            .unwrap();
        until_closed(&mut small).await.unwrap();
        until_closed(&mut large).await.unwrap();
    }
    is_well(broker).await;
}

#[tokio::test]
async fn a_thousand_user_properties_end_the_connection() {
    let broker = Broker::start(&[]);
    let mut user_properties = UserPropertiesBuf::new();
    for number in 0..1000 {
        user_properties.push(&number.to_string(), "value").unwrap();
    }
    let packet = Packet::Publish(Publish {
        qos: QoS::AtLeastOnce,
        topic: TopicName::parse("t").unwrap(),
        packet_id: Some(id(1)),
        properties: PublishProperties {
            user_properties: user_properties.as_view(),
            ..PublishProperties::default()
        },
        ..Publish::default()
    });
    for _ in 0..TIMES {
        let mut peer = open(&broker, "bad", V5).await;
        peer.send(&packet).await.unwrap();
        ended(&mut peer, V5, ReasonCode::QuotaExceeded).await;
    }
    is_well(broker).await;
}

/// The state of QoS 2 is bounded by the Receive Maximum, in 3.x as well, where it is not announced.
// [v5 MQTT-3.3.4-7]
#[tokio::test]
async fn identifiers_of_qos_2_without_pubrel_end_the_connection() {
    let broker = Broker::start(&[]);
    for version in VERSIONS {
        let mut stream = Vec::new();
        for packet_id in 1..=u16::MAX {
            publication("t", QoS::ExactlyOnce, packet_id, b"x")
                .encode(version, &mut stream)
                .unwrap();
        }
        for _ in 0..TIMES {
            let mut peer = open(&broker, "bad", version).await;
            // The broker may close before it has read it all.
            match peer.send_bytes(&stream).await {
                Ok(()) | Err(ScriptError::Io(_)) => {}
                Err(error) => panic!("{error}"),
            }
            for packet_id in 1..=RECEIVE_MAXIMUM {
                let received = peer.receive().await.unwrap();
                let Packet::Pubrec(pubrec) = received.packet() else {
                    panic!("{received:?}")
                };
                assert_eq!(pubrec.packet_id, id(packet_id));
                assert!(!pubrec.reason_code.is_error(), "{pubrec:?}");
            }
            ended(&mut peer, version, ReasonCode::ReceiveMaximumExceeded).await;
        }
    }
    is_well(broker).await;
}
