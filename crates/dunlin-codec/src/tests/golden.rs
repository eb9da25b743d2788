//! Packets and their bytes, written down from the figures and tables of the standards.
//!
//! Properties stand in the order in which this codec writes them; the standard gives their order no
//! meaning.

use std::num::{NonZeroU16, NonZeroU32};

use super::{decode_whole, wire};
use crate::ProtocolVersion::{V5, V31, V311};
use crate::{
    Ack, AckProperties, Auth, AuthProperties, Connack, ConnackProperties, Connect,
    ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketIdentifier, ProtocolVersion,
    Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Suback, Subscribe,
    SubscribeProperties, SubscriptionIdentifiers, SubscriptionOptions, SubscriptionRequest,
    TopicFilter, TopicName, Unsuback, Unsubscribe, UnsubscribeProperties, UserPropertiesBuf, Will,
    WillProperties,
};

/// These bytes are this packet, in both directions.
fn check(version: ProtocolVersion, packet: &Packet<'_>, notation: &str) {
    let bytes = wire(notation);
    assert_eq!(
        decode_whole(&bytes, version).as_ref(),
        Ok(packet),
        "{version} {notation}"
    );
    let mut encoded = Vec::new();
    packet.encode(version, &mut encoded).unwrap();
    assert_eq!(encoded, bytes, "{version} {notation}");
    assert_eq!(packet.encoded_len(version), Ok(bytes.len()));
}

/// These bytes are this packet as well, though it is not how we write it.
fn check_decode(version: ProtocolVersion, packet: &Packet<'_>, notation: &str) {
    let bytes = wire(notation);
    assert_eq!(
        decode_whole(&bytes, version).as_ref(),
        Ok(packet),
        "{version} {notation}"
    );
}

fn id() -> PacketIdentifier {
    PacketIdentifier::new(10).unwrap()
}

fn topic(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

/// `26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'`: one name twice, not in the order of values.
fn pairs() -> UserPropertiesBuf {
    let mut pairs = UserPropertiesBuf::new();
    pairs.push("k", "v").unwrap();
    pairs.push("k", "a").unwrap();
    pairs
}

fn connect(version: ProtocolVersion) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 60,
        properties: ConnectProperties::default(),
        client_id: "a",
        will: None,
        user_name: None,
        password: None,
    }
}

fn check_connect(connect: Connect<'_>, notation: &str) {
    check(
        connect.version,
        &Packet::Connect(Box::new(connect)),
        notation,
    );
}

// [v3 MQTT-3.1.3-1] [v3 MQTT-3.1.3-3] [v3 MQTT-3.1.2-9] [v3 MQTT-3.1.2-11]
// [v3 MQTT-3.1.2-18] [v3 MQTT-3.1.2-19] [v3 MQTT-3.1.2-20] [v3 MQTT-3.1.2-21]
#[test]
fn connect_3x() {
    check_connect(connect(V31), "10 0F 00 06 'MQIsdp' 03 02 00 3C 00 01 'a'");
    check_connect(connect(V311), "10 0D 00 04 'MQTT' 04 02 00 3C 00 01 'a'");
    // No client identifier; nothing set.
    let bare = Connect {
        clean_start: false,
        keep_alive: 0,
        client_id: "",
        ..connect(V311)
    };
    check_connect(bare, "10 0C 00 04 'MQTT' 04 00 00 00 00 00");
    // The flags of the example in section 3.1.2.
    let will = Will {
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: WillProperties::default(),
        topic: topic("w/t"),
        payload: b"bye",
    };
    let full = Connect {
        keep_alive: 10,
        will: Some(will),
        user_name: Some("user"),
        password: Some(b"\xde\xad"),
        ..connect(V311)
    };
    check_connect(
        full,
        "10 21 00 04 'MQTT' 04 CE 00 0A 00 01 'a' 00 03 'w/t' 00 03 'bye' 00 04 'user' 00 02 DE AD",
    );
    let name_only = Connect {
        will: None,
        password: None,
        ..full
    };
    check_connect(
        name_only,
        "10 13 00 04 'MQTT' 04 82 00 0A 00 01 'a' 00 04 'user'",
    );
    let retained_will = Connect {
        clean_start: false,
        will: Some(Will {
            qos: QoS::ExactlyOnce,
            retain: true,
            payload: b"",
            ..will
        }),
        user_name: None,
        password: None,
        ..full
    };
    check_connect(
        retained_will,
        "10 14 00 04 'MQTT' 04 34 00 0A 00 01 'a' 00 03 'w/t' 00 00",
    );
}

// MQTT 3.1 lets the Remaining Length end before a user name or password that is announced.
#[test]
fn connect_31_without_the_announced_fields() {
    let neither = Packet::Connect(Box::new(connect(V31)));
    check_decode(V31, &neither, "10 0F 00 06 'MQIsdp' 03 C2 00 3C 00 01 'a'");
    let no_password = Packet::Connect(Box::new(Connect {
        user_name: Some("u"),
        ..connect(V31)
    }));
    check_decode(
        V31,
        &no_password,
        "10 12 00 06 'MQIsdp' 03 C2 00 3C 00 01 'a' 00 01 'u'",
    );
}

// [v5 MQTT-3.1.3-1] [v5 MQTT-3.1.3-3] [v5 MQTT-3.1.2-9] [v5 MQTT-2.2.2-1]
// [v5 MQTT-3.1.2-16] [v5 MQTT-3.1.2-17] [v5 MQTT-3.1.2-18] [v5 MQTT-3.1.2-19]
#[test]
fn connect_5() {
    check_connect(connect(V5), "10 0E 00 04 'MQTT' 05 02 00 3C 00 00 01 'a'");
    // Unlike in 3.1.1 a password may stand alone.
    let password_only = Connect {
        password: Some(b""),
        ..connect(V5)
    };
    check_connect(
        password_only,
        "10 10 00 04 'MQTT' 05 42 00 3C 00 00 01 'a' 00 00",
    );
    let pairs = pairs();
    let will = Will {
        qos: QoS::ExactlyOnce,
        retain: true,
        properties: WillProperties {
            will_delay_interval: Some(5),
            payload_format_indicator: Some(true),
            message_expiry_interval: Some(60),
            content_type: Some("T"),
            response_topic: Some(topic("r")),
            correlation_data: Some(b"\xca\xfe"),
            user_properties: pairs.as_view(),
        },
        topic: topic("w/t"),
        payload: b"bye",
    };
    let full = Connect {
        clean_start: false,
        properties: ConnectProperties {
            session_expiry_interval: Some(10),
            receive_maximum: NonZeroU16::new(20),
            maximum_packet_size: NonZeroU32::new(1024),
            topic_alias_maximum: Some(10),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            authentication_method: Some("M1"),
            authentication_data: Some(b"\x01\x02"),
            user_properties: pairs.as_view(),
        },
        will: Some(will),
        user_name: Some("u"),
        password: Some(b"\xde\xad"),
        ..connect(V5)
    };
    check_connect(
        full,
        "10 73 00 04 'MQTT' 05 F4 00 3C
         2C 11 00 00 00 0A 21 00 14 27 00 00 04 00 22 00 0A 19 01 17 00
            15 00 02 'M1' 16 00 02 01 02 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'
         00 01 'a'
         27 18 00 00 00 05 01 01 02 00 00 00 3C 03 00 01 'T' 08 00 01 'r' 09 00 02 CA FE
            26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'
         00 03 'w/t' 00 03 'bye' 00 01 'u' 00 02 DE AD",
    );
}

fn connack(session_present: bool, reason_code: ReasonCode) -> Packet<'static> {
    Packet::Connack(Box::new(Connack {
        session_present,
        reason_code,
        properties: ConnackProperties::default(),
    }))
}

#[test]
fn connack_3x() {
    use ReasonCode::*;
    check(V31, &connack(false, Success), "20 02 00 00");
    check(V311, &connack(true, Success), "20 02 01 00");
    let refusals = [
        UnsupportedProtocolVersion,
        ClientIdentifierNotValid,
        ServerUnavailable,
        BadUserNameOrPassword,
        NotAuthorized,
    ];
    for (code, refusal) in (1..).zip(refusals) {
        for version in [V31, V311] {
            let notation = format!("20 02 00 {code:02X}");
            check(version, &connack(false, refusal), &notation);
        }
    }
    // 3.1 has no Session Present, and does not use its byte.
    check_decode(V31, &connack(false, Success), "20 02 01 00");
    check_decode(V31, &connack(false, Success), "20 02 FF 00");
    let mut bytes = Vec::new();
    connack(true, Success).encode(V31, &mut bytes).unwrap();
    assert_eq!(bytes, wire("20 02 00 00"));
}

// [v5 MQTT-2.2.2-1] [v5 MQTT-3.2.2-1]
#[test]
fn connack_5() {
    check(V5, &connack(false, ReasonCode::Success), "20 03 00 00 00");
    check(V5, &connack(true, ReasonCode::Success), "20 03 01 00 00");
    check(V5, &connack(false, ReasonCode::Banned), "20 03 00 8A 00");
    let pairs = pairs();
    let full = Connack {
        session_present: true,
        reason_code: ReasonCode::Success,
        properties: ConnackProperties {
            session_expiry_interval: Some(u32::MAX),
            receive_maximum: NonZeroU16::new(65_535),
            maximum_qos: Some(QoS::AtLeastOnce),
            retain_available: Some(true),
            maximum_packet_size: NonZeroU32::new(u32::MAX),
            assigned_client_identifier: Some("id"),
            topic_alias_maximum: Some(0),
            reason_string: Some("ok"),
            wildcard_subscription_available: Some(true),
            subscription_identifiers_available: Some(false),
            shared_subscription_available: Some(true),
            server_keep_alive: Some(60),
            response_information: Some("ri"),
            server_reference: Some("sr"),
            authentication_method: Some("M1"),
            authentication_data: Some(b"\x01\x02"),
            user_properties: pairs.as_view(),
        },
    };
    check(
        V5,
        &Packet::Connack(Box::new(full)),
        "20 4C 01 00
         49 11 FF FF FF FF 21 FF FF 24 01 25 01 27 FF FF FF FF 12 00 02 'id' 22 00 00
            1F 00 02 'ok' 28 01 29 00 2A 01 13 00 3C 1A 00 02 'ri' 1C 00 02 'sr'
            15 00 02 'M1' 16 00 02 01 02 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'",
    );
}

fn publish(topic_name: &'static str, payload: &'static [u8]) -> Publish<'static> {
    Publish {
        topic: topic(topic_name),
        payload,
        ..Publish::default()
    }
}

// [v3 MQTT-2.3.1-5] [v3 MQTT-3.3.1-2] [v3 MQTT-3.3.2-1]
#[test]
fn publish_3x() {
    for version in [V31, V311] {
        let plain = publish("a/b", b"hi");
        check(version, &Packet::Publish(plain), "30 07 00 03 'a/b' 'hi'");
        // The example of section 3.3.2.
        let once = Publish {
            qos: QoS::AtLeastOnce,
            packet_id: Some(id()),
            payload: b"",
            ..plain
        };
        check(version, &Packet::Publish(once), "32 07 00 03 'a/b' 00 0A");
        let again = Publish {
            dup: true,
            qos: QoS::ExactlyOnce,
            retain: true,
            packet_id: Some(id()),
            ..plain
        };
        check(
            version,
            &Packet::Publish(again),
            "3D 09 00 03 'a/b' 00 0A 'hi'",
        );
        // Neither DUP nor Packet Identifier at QoS 0, whatever the fields say.
        let stray = Publish {
            dup: true,
            packet_id: Some(id()),
            ..plain
        };
        let mut bytes = Vec::new();
        Packet::Publish(stray).encode(version, &mut bytes).unwrap();
        assert_eq!(bytes, wire("30 07 00 03 'a/b' 'hi'"));
    }
}

// [v5 MQTT-2.2.1-2] [v5 MQTT-2.2.2-1] [v5 MQTT-3.3.1-2] [v5 MQTT-3.3.2-1]
#[test]
fn publish_5() {
    let plain = publish("a/b", b"hi");
    let stray = Publish {
        dup: true,
        packet_id: Some(id()),
        ..plain
    };
    let mut bytes = Vec::new();
    Packet::Publish(stray).encode(V5, &mut bytes).unwrap();
    assert_eq!(bytes, wire("30 08 00 03 'a/b' 00 'hi'"));
    check(V5, &Packet::Publish(plain), "30 08 00 03 'a/b' 00 'hi'");
    let retained = Publish {
        retain: true,
        payload: b"",
        ..plain
    };
    check(V5, &Packet::Publish(retained), "31 06 00 03 'a/b' 00");
    let aliased = Publish {
        topic: TopicName::EMPTY,
        properties: PublishProperties {
            topic_alias: Some(7),
            ..PublishProperties::default()
        },
        ..plain
    };
    check(
        V5,
        &Packet::Publish(aliased),
        "30 08 00 00 03 23 00 07 'hi'",
    );
    let pairs = pairs();
    let identifiers = [1, 128, 268_435_455].map(|number| NonZeroU32::new(number).unwrap());
    let full = Publish {
        dup: true,
        qos: QoS::AtLeastOnce,
        packet_id: Some(id()),
        properties: PublishProperties {
            payload_format_indicator: Some(true),
            message_expiry_interval: Some(3600),
            topic_alias: Some(65_535),
            response_topic: Some(topic("r")),
            correlation_data: Some(b"\xff"),
            user_properties: pairs.as_view(),
            subscription_identifiers: SubscriptionIdentifiers::List(&identifiers),
            content_type: Some("T"),
        },
        ..plain
    };
    check(
        V5,
        &Packet::Publish(full),
        "3A 38 00 03 'a/b' 00 0A
         2E 02 00 00 0E 10 23 FF FF 0B 01 0B 80 01 0B FF FF FF 7F 01 01 03 00 01 'T'
            08 00 01 'r' 09 00 01 FF 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'
         'hi'",
    );
    // Another order of the properties, user properties apart from each other.
    check_decode(
        V5,
        &Packet::Publish(full),
        "3A 38 00 03 'a/b' 00 0A
         2E 26 00 01 'k' 00 01 'v' 0B 01 09 00 01 FF 08 00 01 'r' 0B 80 01 03 00 01 'T' 01 01
            23 FF FF 26 00 01 'k' 00 01 'a' 02 00 00 0E 10 0B FF FF FF 7F
         'hi'",
    );
}

type MakeAck = fn(Ack<'static>) -> Packet<'static>;

const ACKS: [(&str, MakeAck); 4] = [
    ("40", Packet::Puback),
    ("50", Packet::Pubrec),
    ("62", Packet::Pubrel),
    ("70", Packet::Pubcomp),
];

// [v5 MQTT-2.2.2-1]
#[test]
fn acknowledgements() {
    // What a constant function takes lives for ever.
    let pairs: &UserPropertiesBuf = Box::leak(Box::new(pairs()));
    for (first, make) in ACKS {
        let success = make(Ack::success(id()));
        for version in [V31, V311, V5] {
            check(version, &success, &format!("{first} 02 00 0A"));
        }
        check_decode(V5, &success, &format!("{first} 03 00 0A 00"));
        check_decode(V5, &success, &format!("{first} 04 00 0A 00 00"));
        let (number, code) = match first {
            "40" | "50" => ("97", ReasonCode::QuotaExceeded),
            _ => ("92", ReasonCode::PacketIdentifierNotFound),
        };
        let failure = Ack::new(id(), code);
        check(V5, &make(failure), &format!("{first} 03 00 0A {number}"));
        let properties = AckProperties {
            reason_string: Some("why"),
            user_properties: pairs.as_view(),
        };
        let full = Ack {
            properties,
            ..failure
        };
        let tail = "14 1F 00 03 'why' 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'";
        check(
            V5,
            &make(full),
            &format!("{first} 18 00 0A {number} {tail}"),
        );
        let success = Ack {
            properties,
            ..Ack::success(id())
        };
        check(V5, &make(success), &format!("{first} 18 00 0A 00 {tail}"));
        // 3.x has room for neither.
        let mut bytes = Vec::new();
        make(full).encode(V311, &mut bytes).unwrap();
        assert_eq!(bytes, wire(&format!("{first} 02 00 0A")));
    }
}

fn subscribe(requests: &[(&'static str, SubscriptionOptions)]) -> Subscribe<'static> {
    let request = |&(text, options)| SubscriptionRequest {
        filter: filter(text),
        options,
    };
    Subscribe {
        packet_id: id(),
        properties: SubscribeProperties::default(),
        requests: requests.iter().map(request).collect(),
    }
}

#[test]
fn subscribe_all_versions() {
    let once = SubscriptionOptions::with_qos(QoS::AtLeastOnce);
    let exactly = SubscriptionOptions::with_qos(QoS::ExactlyOnce);
    // The example of section 3.8.3.
    let plain = subscribe(&[("a/b", once), ("c/d", exactly)]);
    let packet = Packet::Subscribe(plain.clone());
    check(V311, &packet, "82 0E 00 0A 00 03 'a/b' 01 00 03 'c/d' 02");
    check(V5, &packet, "82 0F 00 0A 00 00 03 'a/b' 01 00 03 'c/d' 02");
    // In 3.1 a SUBSCRIBE that is sent again has DUP set.
    check_decode(V31, &packet, "8A 0E 00 0A 00 03 'a/b' 01 00 03 'c/d' 02");

    let all = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let some = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: false,
        retain_as_published: true,
        retain_handling: RetainHandling::SendIfNew,
    };
    let none = SubscriptionOptions::default();
    let pairs = pairs();
    let full = Subscribe {
        properties: SubscribeProperties {
            subscription_identifier: NonZeroU32::new(268_435_455),
            user_properties: pairs.as_view(),
        },
        ..subscribe(&[("a/b", all), ("c/#", some), ("$share/g/+", none)])
    };
    check(
        V5,
        &Packet::Subscribe(full),
        "82 2F 00 0A 13 0B FF FF FF 7F 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'
         00 03 'a/b' 2E 00 03 'c/#' 19 00 0A '$share/g/+' 00",
    );
    // In 3.x only the QoS travels.
    let mut bytes = Vec::new();
    let with_options = Packet::Subscribe(subscribe(&[("a/b", all)]));
    with_options.encode(V311, &mut bytes).unwrap();
    assert_eq!(bytes, wire("82 08 00 0A 00 03 'a/b' 02"));
}

// [v3 MQTT-3.9.3-2]
#[test]
fn suback_all_versions() {
    use ReasonCode::*;
    let suback = |reason_codes: &[ReasonCode]| Suback {
        packet_id: id(),
        properties: AckProperties::default(),
        reason_codes: reason_codes.to_vec(),
    };
    let codes = [Success, GrantedQoS2, UnspecifiedError, GrantedQoS1];
    let plain = Packet::Suback(suback(&codes));
    for version in [V31, V311] {
        check(version, &plain, "90 06 00 0A 00 02 80 01");
        // 3.x has one code for all failures, and none but these.
        for &code in ReasonCode::ALL {
            let mut bytes = Vec::new();
            let one = Packet::Suback(suback(&[code]));
            let written = one.encode(version, &mut bytes).is_ok();
            assert_eq!(written, code.is_legal_in(crate::PacketType::Suback));
            let number = if code.is_error() { 0x80 } else { code as u8 };
            let expected = wire(&format!("90 03 00 0A {number:02X}"));
            assert!(!written || bytes == expected, "{code}");
        }
    }
    check(V5, &plain, "90 07 00 0A 00 00 02 80 01");
    let pairs = pairs();
    let full = Suback {
        properties: AckProperties {
            reason_string: Some("why"),
            user_properties: pairs.as_view(),
        },
        ..suback(&[TopicFilterInvalid, WildcardSubscriptionsNotSupported])
    };
    check(
        V5,
        &Packet::Suback(full),
        "90 19 00 0A 14 1F 00 03 'why' 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a' 8F A2",
    );
}

#[test]
fn unsubscribe_all_versions() {
    let plain = Unsubscribe {
        packet_id: id(),
        properties: UnsubscribeProperties::default(),
        filters: vec![filter("a/b"), filter("+/#")],
    };
    let packet = Packet::Unsubscribe(plain.clone());
    check(V311, &packet, "A2 0C 00 0A 00 03 'a/b' 00 03 '+/#'");
    check(V5, &packet, "A2 0D 00 0A 00 00 03 'a/b' 00 03 '+/#'");
    check_decode(V31, &packet, "AA 0C 00 0A 00 03 'a/b' 00 03 '+/#'");
    let pairs = pairs();
    let full = Unsubscribe {
        properties: UnsubscribeProperties {
            user_properties: pairs.as_view(),
        },
        ..plain
    };
    check(
        V5,
        &Packet::Unsubscribe(full),
        "A2 1B 00 0A 0E 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a' 00 03 'a/b' 00 03 '+/#'",
    );
}

#[test]
fn unsuback_all_versions() {
    let unsuback = |reason_codes: &[ReasonCode]| Unsuback {
        packet_id: id(),
        properties: AckProperties::default(),
        reason_codes: reason_codes.to_vec(),
    };
    check(V31, &Packet::Unsuback(unsuback(&[])), "B0 02 00 0A");
    check(V311, &Packet::Unsuback(unsuback(&[])), "B0 02 00 0A");
    let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
    let plain = unsuback(&codes);
    check(V5, &Packet::Unsuback(plain.clone()), "B0 05 00 0A 00 00 11");
    // 3.x has no codes here.
    let mut bytes = Vec::new();
    Packet::Unsuback(plain.clone())
        .encode(V311, &mut bytes)
        .unwrap();
    assert_eq!(bytes, wire("B0 02 00 0A"));
    let pairs = pairs();
    let full = Unsuback {
        properties: AckProperties {
            reason_string: Some("why"),
            user_properties: pairs.as_view(),
        },
        ..plain
    };
    check(
        V5,
        &Packet::Unsuback(full),
        "B0 19 00 0A 14 1F 00 03 'why' 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a' 00 11",
    );
}

#[test]
fn ping() {
    for version in [V31, V311, V5] {
        check(version, &Packet::Pingreq, "C0 00");
        check(version, &Packet::Pingresp, "D0 00");
    }
}

#[test]
fn disconnect() {
    let normal = Disconnect::new(ReasonCode::Success);
    for version in [V31, V311, V5] {
        check(version, &Packet::Disconnect(normal), "E0 00");
    }
    check_decode(V5, &Packet::Disconnect(normal), "E0 01 00");
    check_decode(V5, &Packet::Disconnect(normal), "E0 02 00 00");
    let with_will = Disconnect::new(ReasonCode::DisconnectWithWillMessage);
    check(V5, &Packet::Disconnect(with_will), "E0 01 04");
    let pairs = pairs();
    let full = Disconnect {
        reason_code: ReasonCode::ServerMoved,
        properties: DisconnectProperties {
            session_expiry_interval: Some(10),
            reason_string: Some("why"),
            server_reference: Some("sr"),
            user_properties: pairs.as_view(),
        },
    };
    check(
        V5,
        &Packet::Disconnect(full),
        "E0 20 9D
         1E 11 00 00 00 0A 1F 00 03 'why' 1C 00 02 'sr' 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'",
    );
}

#[test]
fn auth() {
    let bare = Auth {
        reason_code: ReasonCode::Success,
        properties: AuthProperties::default(),
    };
    check(V5, &Packet::Auth(bare), "F0 00");
    let method = Auth {
        reason_code: ReasonCode::ReAuthenticate,
        properties: AuthProperties {
            authentication_method: Some("M1"),
            ..AuthProperties::default()
        },
    };
    check(V5, &Packet::Auth(method), "F0 07 19 05 15 00 02 'M1'");
    let pairs = pairs();
    let full = Auth {
        reason_code: ReasonCode::ContinueAuthentication,
        properties: AuthProperties {
            authentication_method: Some("M1"),
            authentication_data: Some(b"\x01\x02"),
            reason_string: Some("why"),
            user_properties: pairs.as_view(),
        },
    };
    check(
        V5,
        &Packet::Auth(full),
        "F0 20 18
         1E 15 00 02 'M1' 16 00 02 01 02 1F 00 03 'why' 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'a'",
    );
    assert_eq!(
        Packet::Auth(bare).encode(V311, &mut Vec::new()),
        Err(crate::EncodeError::NotInVersion)
    );
}
