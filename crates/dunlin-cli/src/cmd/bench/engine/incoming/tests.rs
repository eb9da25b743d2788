//! The short reader must agree with the codec.

use dunlin_codec::{
    Ack, Disconnect, Packet, PacketIdentifier, PacketType, ProtocolVersion, Publish,
    PublishProperties, QoS, ReasonCode, Suback, TopicName,
};

use super::{Incoming, next};

const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V31,
    ProtocolVersion::V311,
    ProtocolVersion::V5,
];

fn id() -> PacketIdentifier {
    PacketIdentifier::new(0xabcd).unwrap()
}

fn encode(packet: &Packet<'_>, version: ProtocolVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_publish_gives_qos_identifier_and_payload() {
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut properties = PublishProperties::default();
            if version.is_v5() {
                properties.content_type = Some("text");
            }
            let has_id = qos != QoS::AtMostOnce;
            let bytes = encode(
                &Packet::Publish(Publish {
                    qos,
                    topic: TopicName::parse("a/b").unwrap(),
                    packet_id: has_id.then(id),
                    properties,
                    payload: b"payload",
                    ..Publish::default()
                }),
                version,
            );
            let packet_id = if has_id { id() } else { PacketIdentifier::MIN };
            let payload = b"payload".as_slice();
            let incoming = Incoming::Publish {
                qos,
                packet_id,
                payload,
            };
            assert_eq!(next(&bytes, version), Ok(Some((incoming, bytes.len()))));
            for cut in 0..bytes.len() {
                assert_eq!(next(&bytes[..cut], version), Ok(None), "cut at {cut}");
            }
        }
    }
}

#[test]
fn an_acknowledgement_gives_its_identifier_and_whether_it_is_an_error() {
    for code in [ReasonCode::Success, ReasonCode::QuotaExceeded] {
        let bytes = encode(&Packet::Puback(Ack::new(id(), code)), ProtocolVersion::V5);
        let incoming = Incoming::Ack {
            kind: PacketType::Puback,
            packet_id: id(),
            is_error: code.is_error(),
        };
        let whole = Ok(Some((incoming, bytes.len())));
        assert_eq!(next(&bytes, ProtocolVersion::V5), whole);
    }
}

#[test]
fn a_refused_subscription_and_a_disconnect_are_seen() {
    let suback = Packet::Suback(Suback {
        packet_id: id(),
        properties: dunlin_codec::AckProperties::default(),
        reason_codes: vec![ReasonCode::Success, ReasonCode::NotAuthorized],
    });
    let bytes = encode(&suback, ProtocolVersion::V5);
    let (incoming, _) = next(&bytes, ProtocolVersion::V5).unwrap().unwrap();
    assert_eq!(incoming, Incoming::Subscribed { refused: 1 });

    let code = ReasonCode::SessionTakenOver;
    let bytes = encode(
        &Packet::Disconnect(Disconnect::new(code)),
        ProtocolVersion::V5,
    );
    let (incoming, _) = next(&bytes, ProtocolVersion::V5).unwrap().unwrap();
    assert_eq!(incoming, Incoming::Disconnect(code));
}
