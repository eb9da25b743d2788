//! Packets of every kind with some of their bytes changed, and bytes that never were a packet.

use std::num::NonZeroU32;

use dunlin_client::codec::{
    Ack, AckProperties, Auth, AuthProperties, Connect, ConnectProperties, Disconnect, Limits,
    Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, Suback, Subscribe,
    SubscribeProperties, SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName,
    Unsuback, Unsubscribe, UnsubscribeProperties, UserPropertiesBuf, Will, WillProperties, decode,
};
use dunlin_client::script::connack;

use super::{VERSIONS, ack, id};

/// A sequence of numbers that looks random and is the same for the same seed (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Bytes that a peer may send, malformed or, by chance, not.
pub(crate) fn bytes(dice: &mut Dice, version: ProtocolVersion) -> Vec<u8> {
    if dice.below(8) == 0 {
        let length = 1 + dice.below(64);
        return (0..length).map(|_| dice.byte()).collect();
    }
    let packets = packets(version);
    let mut bytes = packets[dice.below(packets.len())].clone();
    for _change in 0..=dice.below(4) {
        change(dice, &mut bytes);
    }
    bytes
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>) {
    // The first bytes say what the rest is, so they are met more often.
    let reach = if dice.below(3) == 0 { 5 } else { usize::MAX };
    let place = dice.below(bytes.len().clamp(1, reach));
    match dice.below(6) {
        0 if !bytes.is_empty() => bytes[place] ^= 1 << dice.below(8),
        1 if !bytes.is_empty() => bytes[place] = dice.byte(),
        2 if !bytes.is_empty() => bytes[place] = dice.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        3 if !bytes.is_empty() => drop(bytes.remove(place)),
        4 => bytes.truncate(place + 1),
        _ => bytes.insert(place, dice.byte()),
    }
}

/// Whether a broker that reads these bytes meets an error, and does not only wait for more.
pub(crate) fn is_malformed(mut bytes: &[u8], version: ProtocolVersion) -> bool {
    loop {
        match decode(bytes, version, &Limits::default()) {
            Err(_) => return true,
            Ok(None) => return false,
            Ok(Some((_, length))) => bytes = &bytes[length..],
        }
    }
}

/// One packet of each kind at least, with every part that this version knows. No topic begins as
/// those of the good clients do.
fn packets(version: ProtocolVersion) -> Vec<Vec<u8>> {
    let mut user_properties = UserPropertiesBuf::new();
    if version.is_v5() {
        user_properties.push("name", "value").unwrap();
        user_properties.push("name", "other").unwrap();
    }
    let user_properties = user_properties.as_view();
    let acknowledgement = |reason_code| Ack {
        packet_id: id(7),
        reason_code,
        properties: AckProperties {
            reason_string: version.is_v5().then_some("reason"),
            user_properties,
        },
    };
    let topic = TopicName::parse("bad/topic").unwrap();
    let filters =
        ["bad/+/#", "$share/group/bad/topic"].map(|text| TopicFilter::parse(text).unwrap());
    let mut packets = vec![
        Packet::Connect(Box::new(Connect {
            version,
            clean_start: true,
            keep_alive: 60,
            properties: ConnectProperties {
                session_expiry_interval: version.is_v5().then_some(0),
                user_properties,
                ..ConnectProperties::default()
            },
            client_id: "bad",
            will: Some(Will {
                qos: QoS::AtLeastOnce,
                retain: false,
                properties: WillProperties {
                    content_type: version.is_v5().then_some("text"),
                    user_properties,
                    ..WillProperties::default()
                },
                topic,
                payload: b"gone",
            }),
            user_name: Some("user"),
            password: Some(b"password"),
        })),
        connack(false),
        Packet::Puback(ack(7)),
        Packet::Puback(acknowledgement(ReasonCode::Success)),
        Packet::Pubrec(acknowledgement(ReasonCode::Success)),
        Packet::Pubrel(acknowledgement(ReasonCode::Success)),
        Packet::Pubcomp(acknowledgement(ReasonCode::Success)),
        Packet::Subscribe(Subscribe {
            packet_id: id(8),
            properties: SubscribeProperties {
                subscription_identifier: version.is_v5().then_some(NonZeroU32::MIN),
                user_properties,
            },
            requests: filters
                .map(|filter| SubscriptionRequest {
                    filter,
                    options: SubscriptionOptions::with_qos(QoS::ExactlyOnce),
                })
                .to_vec(),
        }),
        Packet::Suback(Suback {
            packet_id: id(8),
            properties: AckProperties::default(),
            reason_codes: vec![ReasonCode::Success],
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id(9),
            properties: UnsubscribeProperties { user_properties },
            filters: filters.to_vec(),
        }),
        Packet::Unsuback(Unsuback {
            packet_id: id(9),
            properties: AckProperties::default(),
            reason_codes: vec![ReasonCode::Success],
        }),
        Packet::Pingreq,
        Packet::Pingresp,
        Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
    ];
    packets.extend(
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(|qos| {
            Packet::Publish(Publish {
                qos,
                topic,
                packet_id: (qos != QoS::AtMostOnce).then(|| id(7)),
                properties: PublishProperties {
                    payload_format_indicator: version.is_v5().then_some(true),
                    message_expiry_interval: version.is_v5().then_some(60),
                    topic_alias: version.is_v5().then_some(1),
                    response_topic: version.is_v5().then_some(topic),
                    correlation_data: version.is_v5().then_some(b"data"),
                    user_properties,
                    content_type: version.is_v5().then_some("text"),
                    ..PublishProperties::default()
                },
                payload: b"payload",
                ..Publish::default()
            })
        }),
    );
    if version.is_v5() {
        packets.push(Packet::Auth(Auth {
            reason_code: ReasonCode::ContinueAuthentication,
            properties: AuthProperties {
                authentication_method: Some("method"),
                authentication_data: Some(b"data"),
                user_properties,
                ..AuthProperties::default()
            },
        }));
    }
    let written = packets.iter().map(|packet| {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        bytes
    });
    written.collect()
}

#[test]
fn what_is_changed_was_right_before() {
    for version in VERSIONS {
        for bytes in packets(version) {
            assert!(!is_malformed(&bytes, version), "{version} {bytes:02x?}");
        }
    }
}
