//! Someone who follows no standard: packets that make no sense, and bytes that are no packets.

use std::num::NonZeroU32;

use dunlin_codec::{
    Ack, Connect, ConnectProperties, Disconnect, Packet, PacketIdentifier, ProtocolVersion,
    Publish, PublishProperties, QoS, ReasonCode, Subscribe, SubscribeProperties,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName,
};

use crate::random::Random;

/// The CONNECT of a stranger, who has an identifier and topics of its own: what it does may end its
/// own connection, and nothing else.
pub(crate) fn connect(place: usize, version: ProtocolVersion) -> Vec<u8> {
    let client_id = format!("stranger{place}");
    encoded(
        &Packet::Connect(Box::new(Connect {
            version,
            clean_start: place == 0,
            keep_alive: 0,
            properties: ConnectProperties::default(),
            client_id: &client_id,
            will: None,
            user_name: None,
            password: None,
        })),
        version,
    )
}

/// Something that a number determines.
pub(crate) fn bytes(number: u64, version: ProtocolVersion) -> Vec<u8> {
    let mut random = Random::new(number);
    if random.percent(10) {
        let length = random.below(20);
        return (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
    }
    let mut bytes = Vec::new();
    for _ in 0..random.between(1, 4) {
        bytes.extend(packet(&mut random, version));
    }
    if random.percent(30) && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    bytes
}

fn packet(random: &mut Random, version: ProtocolVersion) -> Vec<u8> {
    let id = PacketIdentifier::new(u16::try_from(random.between(1, 3)).unwrap_or(1))
        .unwrap_or(PacketIdentifier::MIN);
    let code = random.one_of(&[
        ReasonCode::Success,
        ReasonCode::UnspecifiedError,
        ReasonCode::PacketIdentifierNotFound,
    ]);
    let ack = Ack::new(id, code);
    let qos = random.one_of(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let text = random.one_of(&["x/0", "x/1", ""]);
    let alias = random.one_of(&[None, None, Some(1), Some(9)]);
    let payload = vec![b'x'; random.one_of(&[0, 3, 500])];
    let packet = match random.below(12) {
        0..=4 => Packet::Publish(Publish {
            dup: qos > QoS::AtMostOnce && random.percent(50),
            qos,
            retain: random.percent(20),
            topic: TopicName::parse(text).unwrap_or(TopicName::EMPTY),
            packet_id: (qos > QoS::AtMostOnce).then_some(id),
            properties: PublishProperties {
                topic_alias: alias.filter(|_| version.is_v5()),
                message_expiry_interval: random.one_of(&[None, Some(0), Some(1)]),
                ..PublishProperties::default()
            },
            payload: &payload,
        }),
        5 => Packet::Puback(ack),
        6 => Packet::Pubrec(ack),
        7 => Packet::Pubrel(ack),
        8 => Packet::Pubcomp(ack),
        9 => Packet::Subscribe(Subscribe {
            packet_id: id,
            properties: SubscribeProperties {
                subscription_identifier: NonZeroU32::new(7).filter(|_| version.is_v5()),
                ..SubscribeProperties::default()
            },
            requests: vec![SubscriptionRequest {
                filter: TopicFilter::parse(random.one_of(&["x/#", "$share/x/x/+", "x/0"]))
                    .expect("a valid filter"),
                options: SubscriptionOptions::with_qos(qos),
            }],
        }),
        10 => Packet::Pingreq,
        _ => Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
    };
    encoded(&packet, version)
}

/// The bytes of a packet; none if it cannot even be said.
fn encoded(packet: &Packet<'_>, version: ProtocolVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    match packet.encode(version, &mut bytes) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}
