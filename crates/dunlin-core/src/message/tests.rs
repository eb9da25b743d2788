use dunlin_codec::{Limits, Packet, ProtocolVersion, Publish, decode_publish, fixed_header};

use super::*;

const PUBLISHER: SessionNumber = SessionNumber(7);

/// The bytes of a PUBLISH, and where its body begins.
fn encoded(qos: QoS, version: ProtocolVersion) -> (Vec<u8>, usize) {
    let publish = Publish {
        dup: false,
        qos,
        retain: false,
        topic: TopicName::parse("a/\u{e4}").unwrap(),
        packet_id: (qos > QoS::AtMostOnce).then_some(PacketIdentifier::MIN),
        properties: PublishProperties::default(),
        payload: b"text",
    };
    let mut bytes = Vec::new();
    Packet::Publish(publish)
        .encode(version, &mut bytes)
        .unwrap();
    (bytes, 2)
}

/// The message of a PUBLISH, and its packet identifier, if it is one without properties.
fn decoded(bytes: &[u8], version: ProtocolVersion) -> Option<(Message, Option<PacketIdentifier>)> {
    let limits = Limits::default();
    let header = fixed_header(bytes, &limits).ok()??;
    let body = &bytes[header.header_len..];
    let publish = decode_publish(&header, body, version, &limits, TopicName::EMPTY).ok()?;
    let draft = Draft {
        topic: publish.topic,
        qos: publish.qos,
        retain: publish.retain,
        properties: (!publish.properties.is_empty()).then_some(&publish.properties),
        payload: Payload::Borrowed(publish.payload),
        whole: Some(body),
    };
    let is_plain = publish.properties.is_empty();
    let message = Message::new(&draft, PUBLISHER, (Time::ZERO, None), &mut Vec::new());
    is_plain.then_some((message.ok()?, publish.packet_id))
}

/// A PUBLISH is taken for another one again if decoding says that it has the same topic and no properties,
/// and only then, whichever of its bytes is another one, and however many are missing.
#[test]
fn again_is_what_decoding_says() {
    let (mut alike, mut others) = (0, 0);
    for version in [ProtocolVersion::V311, ProtocolVersion::V5] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let (bytes, body) = encoded(qos, version);
            let (first, _) = decoded(&bytes, version).unwrap();
            let changed =
                (body..bytes.len()).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte)));
            let changed = changed.map(|(place, byte)| {
                let mut bytes = bytes.clone();
                bytes[place] = byte;
                bytes
            });
            let shortened = (body..bytes.len()).map(|length| {
                let mut bytes = bytes[..length].to_vec();
                bytes[1] = u8::try_from(length - body).unwrap();
                bytes
            });
            for bytes in changed.chain(shortened) {
                let shown = bytes.escape_ascii();
                let again = first.again(&bytes[body..], version.is_v5());
                let decoded = decoded(&bytes, version);
                let decoded = decoded.filter(|(message, _)| message.topic() == first.topic());
                let Some((message, packet_id)) = again else {
                    assert!(decoded.is_none(), "{version} {shown}");
                    others += 1;
                    continue;
                };
                let (same, same_id) = decoded.unwrap_or_else(|| panic!("{version} {shown}"));
                assert_eq!(message.parts(), same.parts(), "{version} {shown}");
                assert_eq!(packet_id, same_id, "{version} {shown}");
                alike += 1;
            }
        }
    }
    assert!(alike > 1000 && others > 1000, "{alike} {others}");
}

/// What has more than a topic and a payload is never taken for a message again.
#[test]
fn again_of_what_is_more_is_none() {
    let version = ProtocolVersion::V311;
    let (bytes, body) = encoded(QoS::AtMostOnce, version);
    let (first, _) = decoded(&bytes, version).unwrap();
    assert!(first.again(&bytes[body..], false).is_some());
    let others = [
        first.published_at(Time::ZERO, Some(Duration::from_secs(1)), None),
        first.without_payload(),
        Message(ThinArc::from_header_and_slice(
            Head {
                flags: Flags::new(true, 0),
                ..first.head().clone()
            },
            first.bytes(),
        )),
    ];
    for other in others {
        assert!(other.again(&bytes[body..], false).is_none(), "{other:?}");
    }
    assert!(first.again(&bytes[body..], true).is_none());
}
