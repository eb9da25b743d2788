//! What a template appends must be what the codec would write.

use dunlin_codec::{
    Limits, Packet, PacketIdentifier, ProtocolVersion, Publish, PublishProperties, QoS, TopicName,
    decode,
};

use super::{Digits, Template};
use crate::cmd::bench::engine::stamp::Stamp;

#[test]
fn each_message_is_what_the_codec_would_write() {
    let stamp = Stamp {
        run: 7,
        publisher: 3,
        sequence: 1 << 40,
        time_ns: 12_345_678_901,
    };
    for version in [ProtocolVersion::V311, ProtocolVersion::V5] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for size in [Stamp::LEN, 64, 200, 70_000] {
                let mut properties = PublishProperties::default();
                if version.is_v5() {
                    properties.message_expiry_interval = Some(9);
                }
                let payload = vec![b'x'; size];
                let mut publish = Publish {
                    qos,
                    topic: TopicName::parse("a/0000/b/00").unwrap(),
                    properties,
                    payload: &payload,
                    ..Publish::default()
                };
                let digits = [(2, 4, 10_000), (9, 2, 100)];
                let digits = digits.map(|(at, width, modulus)| Digits { at, width, modulus });
                let template = Template::new(&publish, version, digits.to_vec()).unwrap();
                let packet_id = PacketIdentifier::new(0x1234).unwrap();
                let mut bytes = b"before".to_vec();
                template.append(&mut bytes, packet_id, 120_345, Some(stamp));

                let mut stamped = payload.clone();
                stamped[..Stamp::LEN].copy_from_slice(&stamp.to_bytes());
                publish.payload = &stamped;
                publish.topic = TopicName::parse("a/0345/b/45").unwrap();
                publish.packet_id = (qos != QoS::AtMostOnce).then_some(packet_id);
                let (packet, length) = decode(&bytes[6..], version, &Limits::default())
                    .unwrap()
                    .unwrap();
                assert_eq!(packet, Packet::Publish(publish));
                assert_eq!(length, bytes.len() - 6);
                assert_eq!(length, template.len());
                assert_eq!(Stamp::read(publish.payload, 7), Some(stamp));
                assert_eq!(Stamp::read(publish.payload, 8), None, "of another run");
            }
        }
    }
}

#[test]
fn a_short_payload_has_no_stamp() {
    assert_eq!(Stamp::read(&[0; Stamp::LEN - 1], 0), None);
    assert!(Stamp::read(&[0; Stamp::LEN], 0).is_some());
}
