//! Reason codes, by the standard's tables.

use super::{decode_whole, framed, wire};
use crate::ProtocolVersion::{V5, V311};
use crate::{
    DecodeError, EncodeError, Malformed, Packet, PacketType, ProtocolError, QoS, ReasonCode,
    TopicError,
};

/// Table 2-6, and the tables of the packets where they differ from it in nothing.
const CODES: &[(u8, &str, &str)] = &[
    (
        0x00,
        "Success",
        "CONNACK PUBACK PUBREC PUBREL PUBCOMP UNSUBACK AUTH DISCONNECT SUBACK",
    ),
    (0x01, "Granted QoS 1", "SUBACK"),
    (0x02, "Granted QoS 2", "SUBACK"),
    (0x04, "Disconnect with Will Message", "DISCONNECT"),
    (0x10, "No matching subscribers", "PUBACK PUBREC"),
    (0x11, "No subscription existed", "UNSUBACK"),
    (0x18, "Continue authentication", "AUTH"),
    (0x19, "Re-authenticate", "AUTH"),
    (
        0x80,
        "Unspecified error",
        "CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT",
    ),
    (0x81, "Malformed Packet", "CONNACK DISCONNECT"),
    (0x82, "Protocol Error", "CONNACK DISCONNECT"),
    (
        0x83,
        "Implementation specific error",
        "CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT",
    ),
    (0x84, "Unsupported Protocol Version", "CONNACK"),
    (0x85, "Client Identifier not valid", "CONNACK"),
    (0x86, "Bad User Name or Password", "CONNACK"),
    (
        0x87,
        "Not authorized",
        "CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT",
    ),
    (0x88, "Server unavailable", "CONNACK"),
    (0x89, "Server busy", "CONNACK DISCONNECT"),
    (0x8a, "Banned", "CONNACK"),
    (0x8b, "Server shutting down", "DISCONNECT"),
    (0x8c, "Bad authentication method", "CONNACK DISCONNECT"),
    (0x8d, "Keep Alive timeout", "DISCONNECT"),
    (0x8e, "Session taken over", "DISCONNECT"),
    (0x8f, "Topic Filter invalid", "SUBACK UNSUBACK DISCONNECT"),
    (
        0x90,
        "Topic Name invalid",
        "CONNACK PUBACK PUBREC DISCONNECT",
    ),
    (
        0x91,
        "Packet Identifier in use",
        "PUBACK PUBREC SUBACK UNSUBACK",
    ),
    (0x92, "Packet Identifier not found", "PUBREL PUBCOMP"),
    (0x93, "Receive Maximum exceeded", "DISCONNECT"),
    (0x94, "Topic Alias invalid", "DISCONNECT"),
    (0x95, "Packet too large", "CONNACK DISCONNECT"),
    (0x96, "Message rate too high", "DISCONNECT"),
    (
        0x97,
        "Quota exceeded",
        "CONNACK PUBACK PUBREC SUBACK DISCONNECT",
    ),
    (0x98, "Administrative action", "DISCONNECT"),
    (
        0x99,
        "Payload format invalid",
        "CONNACK PUBACK PUBREC DISCONNECT",
    ),
    (0x9a, "Retain not supported", "CONNACK DISCONNECT"),
    (0x9b, "QoS not supported", "CONNACK DISCONNECT"),
    (0x9c, "Use another server", "CONNACK DISCONNECT"),
    (0x9d, "Server moved", "CONNACK DISCONNECT"),
    (
        0x9e,
        "Shared Subscriptions not supported",
        "SUBACK DISCONNECT",
    ),
    (0x9f, "Connection rate exceeded", "CONNACK DISCONNECT"),
    (0xa0, "Maximum connect time", "DISCONNECT"),
    (
        0xa1,
        "Subscription Identifiers not supported",
        "SUBACK DISCONNECT",
    ),
    (
        0xa2,
        "Wildcard Subscriptions not supported",
        "SUBACK DISCONNECT",
    ),
];

/// A packet of 5.0 with one reason code.
fn body(packet_type: PacketType, code: u8) -> String {
    match packet_type {
        PacketType::Connack => format!("00 {code:02X} 00"),
        PacketType::Suback | PacketType::Unsuback => format!("00 01 00 {code:02X}"),
        PacketType::Disconnect => format!("{code:02X} 00"),
        PacketType::Auth => format!("{code:02X} 04 15 00 01 'm'"),
        _ => format!("00 01 {code:02X} 00"),
    }
}

const PACKETS: &[(PacketType, u8)] = &[
    (PacketType::Connack, 0x20),
    (PacketType::Puback, 0x40),
    (PacketType::Pubrec, 0x50),
    (PacketType::Pubrel, 0x62),
    (PacketType::Pubcomp, 0x70),
    (PacketType::Suback, 0x90),
    (PacketType::Unsuback, 0xb0),
    (PacketType::Disconnect, 0xe0),
    (PacketType::Auth, 0xf0),
];

fn is_listed(packet_type: PacketType, code: u8) -> bool {
    let name = packet_type.name();
    let row = CODES.iter().find(|row| row.0 == code);
    row.is_some_and(|row| row.2.split(' ').any(|listed| listed == name))
}

#[test]
fn values_and_names() {
    let expected: Vec<_> = CODES.iter().map(|row| (row.0, row.1)).collect();
    let all: Vec<_> = ReasonCode::ALL
        .iter()
        .map(|&code| (code as u8, code.name()))
        .collect();
    assert_eq!(all, expected);
    for value in 0..=u8::MAX {
        let code = ReasonCode::from_u8(value);
        assert_eq!(code.is_some(), CODES.iter().any(|row| row.0 == value));
        assert!(code.is_none_or(|code| code as u8 == value));
        assert!(code.is_none_or(|code| code.is_error() == (value >= 0x80)));
    }
}

// [v5 MQTT-3.2.2-8] [v5 MQTT-3.4.2-1] [v5 MQTT-3.5.2-1] [v5 MQTT-3.6.2-1] [v5 MQTT-3.7.2-1]
// [v5 MQTT-3.9.3-2] [v5 MQTT-3.11.3-2] [v5 MQTT-3.14.2-1] [v5 MQTT-3.15.2-1]
#[test]
fn codes_of_each_packet() {
    for &(packet_type, first) in PACKETS {
        for code in 0..=u8::MAX {
            let bytes = framed(first, &wire(&body(packet_type, code)));
            let result = decode_whole(&bytes, V5);
            if is_listed(packet_type, code) {
                assert!(result.is_ok(), "{packet_type} {code:#x}: {result:?}");
            } else {
                let error = DecodeError::from(Malformed::ReasonCode(code));
                assert_eq!(result, Err(error), "{packet_type}");
            }
        }
        // Nor is another code written.
        let listed = (0..=u8::MAX).find(|&code| is_listed(packet_type, code));
        let bytes = framed(first, &wire(&body(packet_type, listed.unwrap())));
        let packet = decode_whole(&bytes, V5).unwrap();
        for &code in ReasonCode::ALL {
            let packet = with_code(packet.clone(), code);
            let mut out = Vec::new();
            let result = packet.encode(V5, &mut out);
            if is_listed(packet_type, code as u8) {
                assert_eq!(result, Ok(()), "{packet_type} {code}");
            } else {
                let error = EncodeError::ReasonCode(code, packet_type);
                assert_eq!(result, Err(error));
                assert_eq!(packet.encoded_len(V5), Err(error));
                assert!(out.is_empty());
            }
        }
    }
}

fn with_code(mut packet: Packet<'_>, code: ReasonCode) -> Packet<'_> {
    match &mut packet {
        Packet::Connack(packet) => packet.reason_code = code,
        Packet::Puback(packet)
        | Packet::Pubrec(packet)
        | Packet::Pubrel(packet)
        | Packet::Pubcomp(packet) => packet.reason_code = code,
        Packet::Suback(packet) => packet.reason_codes = vec![code],
        Packet::Unsuback(packet) => packet.reason_codes = vec![code],
        Packet::Disconnect(packet) => packet.reason_code = code,
        Packet::Auth(packet) => packet.reason_code = code,
        other => unreachable!("{other:?} has no code"),
    }
    packet
}

#[test]
fn codes_of_3x() {
    for code in 0..=u8::MAX {
        let bytes = framed(0x20, &[0, code]);
        assert_eq!(decode_whole(&bytes, V311).is_ok(), code <= 5, "{code}");
        let bytes = framed(0x90, &[0, 1, code]);
        let is_suback = matches!(code, 0 | 1 | 2 | 0x80);
        assert_eq!(decode_whole(&bytes, V311).is_ok(), is_suback, "{code}");
    }
    for code in 0..=5 {
        let reason_code = ReasonCode::from_connect_return_code(code).unwrap();
        assert_eq!(reason_code.connect_return_code(), code);
    }
    // Every other refusal becomes one of the five; none becomes success.
    for &code in ReasonCode::ALL {
        let returned = code.connect_return_code();
        assert!(returned <= 5);
        assert_eq!(returned == 0, code == ReasonCode::Success, "{code}");
    }
    for (qos, code) in [
        (QoS::AtMostOnce, 0),
        (QoS::AtLeastOnce, 1),
        (QoS::ExactlyOnce, 2),
    ] {
        assert_eq!(ReasonCode::granted(qos) as u8, code);
    }
}

#[test]
fn nearest_codes() {
    use ReasonCode::*;
    for packet_type in [PacketType::Connack, PacketType::Disconnect] {
        for &code in ReasonCode::ALL {
            let nearest = code.nearest_in(packet_type);
            assert!(nearest.is_legal_in(packet_type), "{code} {packet_type}");
            let is_legal = code.is_legal_in(packet_type);
            assert_eq!(nearest == code, is_legal, "{code} {packet_type}");
        }
    }
    let version = UnsupportedProtocolVersion;
    assert_eq!(version.nearest_in(PacketType::Disconnect), ProtocolError);
    assert_eq!(
        TopicAliasInvalid.nearest_in(PacketType::Connack),
        ProtocolError
    );
    let password = BadUserNameOrPassword;
    assert_eq!(password.nearest_in(PacketType::Disconnect), NotAuthorized);
    assert_eq!(
        KeepAliveTimeout.nearest_in(PacketType::Connack),
        UnspecifiedError
    );
}

/// The code that goes into DISCONNECT or CONNACK for each error.
#[test]
fn codes_of_errors() {
    use crate::PropertyId;
    let table: &[(DecodeError, u8)] = &[
        (Malformed::Utf8.into(), 0x81),
        (Malformed::QoS.into(), 0x81),
        (Malformed::PropertyId(0).into(), 0x81),
        (
            Malformed::PropertyMisplaced(PropertyId::TopicAlias).into(),
            0x81,
        ),
        // Not 0x8F and 0x90, which are for topics that are correctly formed.
        (Malformed::Topic(TopicError::Name("")).into(), 0x81),
        (Malformed::Topic(TopicError::Filter("")).into(), 0x81),
        (ProtocolError::ProtocolName.into(), 0x84),
        (ProtocolError::EmptyPayload.into(), 0x82),
        (ProtocolError::MaximumQoS.into(), 0x82),
        (ProtocolError::NoTopic.into(), 0x82),
        (
            ProtocolError::PropertyRepeated(PropertyId::TopicAlias).into(),
            0x82,
        ),
        (
            ProtocolError::PropertyValue(PropertyId::ReceiveMaximum).into(),
            0x82,
        ),
        (
            ProtocolError::PropertyValue(PropertyId::TopicAlias).into(),
            0x94,
        ),
        (DecodeError::TooManyUserProperties { maximum: 1 }, 0x97),
        (
            DecodeError::PacketTooLarge {
                length: 2,
                maximum: 1,
            },
            0x95,
        ),
        (DecodeError::UnsupportedProtocolVersion { level: 6 }, 0x84),
    ];
    for &(error, code) in table {
        let reason_code = error.reason_code();
        assert_eq!(reason_code as u8, code, "{error}");
        let fits = reason_code.is_legal_in(PacketType::Connack)
            || reason_code.is_legal_in(PacketType::Disconnect);
        assert!(fits, "{error}");
    }
}
