//! A forwarded PUBLISH has the bytes of [`Packet::Publish`] with the same fields.

use std::num::NonZeroU32;

use crate::{
    EncodeError, ForwardedPublish, Packet, PacketIdentifier, PlainPublish, ProtocolVersion,
    Publish, PublishProperties, QoS, SubscriptionIdentifiers, TopicName, UserPropertiesBuf,
};

const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V31,
    ProtocolVersion::V311,
    ProtocolVersion::V5,
];

fn check(publish: &Publish<'_>, identifiers: &[NonZeroU32]) {
    let mut forwarded_properties = Vec::new();
    let properties = &publish.properties;
    properties
        .write_forwarded(&mut forwarded_properties)
        .unwrap();
    let forwarded = ForwardedPublish {
        dup: publish.dup,
        qos: publish.qos,
        retain: publish.retain,
        topic: publish.topic.as_str().as_bytes(),
        packet_id: publish.packet_id,
        message_expiry_interval: properties.message_expiry_interval,
        topic_alias: properties.topic_alias,
        subscription_identifiers: identifiers,
        forwarded_properties: &forwarded_properties,
        payload: publish.payload,
    };
    for version in VERSIONS {
        let mut expected = b"before".to_vec();
        let mut header = expected.clone();
        let mut whole = expected.clone();
        Packet::Publish(*publish)
            .encode(version, &mut expected)
            .unwrap();
        forwarded.encode(version, &mut whole).unwrap();
        assert_eq!(whole, expected, "{version} {publish:?}");
        forwarded.encode_header(version, &mut header).unwrap();
        header.extend_from_slice(publish.payload);
        assert_eq!(header, expected, "{version} {publish:?}");
        assert_eq!(forwarded.packet_len(version), Ok(expected.len() - 6));
        if publish.properties.is_empty() || !version.is_v5() {
            let topic = publish.topic.as_str().as_bytes();
            let length = u16::try_from(topic.len()).unwrap().to_be_bytes();
            let plain = PlainPublish {
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                packet_id: publish.packet_id,
                topic: &[&length[..], topic].concat(),
                payload: publish.payload,
            };
            let mut whole = b"before".to_vec();
            plain.encode(version, &mut whole).unwrap();
            assert_eq!(whole, expected, "{version} {publish:?}");
        }
    }
}

#[test]
fn equals_publish() {
    let mut pairs = UserPropertiesBuf::new();
    pairs.push("a", "1").unwrap();
    pairs.push("a", "").unwrap();
    let identifiers = [1, 127, 128, 268_435_455].map(|number| NonZeroU32::new(number).unwrap());
    let long = vec![b'x'; 70_000];
    let bare = PublishProperties::default();
    let full = PublishProperties {
        payload_format_indicator: Some(true),
        message_expiry_interval: Some(7),
        topic_alias: Some(65_535),
        response_topic: Some(TopicName::parse("answer").unwrap()),
        correlation_data: Some(&long[..65_535]),
        user_properties: pairs.as_view(),
        subscription_identifiers: SubscriptionIdentifiers::List(&identifiers),
        content_type: Some("text"),
    };
    for (properties, identifiers) in [(bare, [].as_slice()), (full, &identifiers)] {
        for topic in [TopicName::EMPTY, TopicName::parse("a/b").unwrap()] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                for (dup, retain) in [(false, false), (true, false), (false, true)] {
                    // Lengths on both sides of where a Remaining Length takes a byte more.
                    for payload in [
                        0, 1, 116, 117, 118, 119, 120, 121, 122, 16_370, 16_380, 70_000,
                    ] {
                        let publish = Publish {
                            dup,
                            qos,
                            retain,
                            topic,
                            packet_id: PacketIdentifier::new(0x1234),
                            properties,
                            payload: &long[..payload],
                        };
                        check(&publish, identifiers);
                    }
                }
            }
        }
    }
}

#[test]
fn errors_write_nothing() {
    let no_identifier = ForwardedPublish {
        qos: QoS::AtLeastOnce,
        ..ForwardedPublish::default()
    };
    let mut out = Vec::new();
    let result = no_identifier.encode(ProtocolVersion::V5, &mut out);
    assert_eq!(result, Err(EncodeError::NoPacketIdentifier));

    let payload = vec![0; 268_435_454];
    let too_long = ForwardedPublish {
        payload: &payload,
        ..ForwardedPublish::default()
    };
    let result = too_long.encode_header(ProtocolVersion::V311, &mut out);
    assert_eq!(result, Err(EncodeError::PacketTooLong(268_435_456)));
    assert!(out.is_empty());
}
