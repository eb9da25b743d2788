//! Bytes that are no packet, with the error and the reason code that the standard gives them.

use super::{VERSIONS, decode_whole, framed, wire};
use crate::ProtocolVersion::{V5, V31, V311};
use crate::{
    DecodeError, FixedHeader, Limits, Malformed, PacketType, ProtocolError, ProtocolVersion,
    ReasonCode, decode, fixed_header,
};

/// These bytes are refused in these versions.
fn check(versions: &[ProtocolVersion], notation: &str, error: impl Into<DecodeError>) {
    let error = error.into();
    let bytes = wire(notation);
    for &version in versions {
        let result = decode(&bytes, version, &Limits::default());
        assert_eq!(result, Err(error), "{version} {notation}");
    }
}

/// These bytes are accepted in these versions.
fn check_accepted(versions: &[ProtocolVersion], notation: &str) {
    for &version in versions {
        let bytes = wire(notation);
        let result = decode_whole(&bytes, version);
        assert!(result.is_ok(), "{version} {notation}: {result:?}");
    }
}

// [v3 MQTT-2.2.2-1] [v3 MQTT-2.2.2-2] [v3 MQTT-3.6.1-1] [v3 MQTT-3.8.1-1] [v3 MQTT-3.10.1-1]
// [v3 MQTT-3.14.1-1] [v3 MQTT-3.3.1-2] [v3 MQTT-3.3.1-4] [v5 MQTT-2.1.3-1] [v5 MQTT-3.6.1-1]
// [v5 MQTT-3.8.1-1] [v5 MQTT-3.10.1-1] [v5 MQTT-3.14.1-1] [v5 MQTT-3.15.1-1] [v5 MQTT-3.3.1-2]
// [v5 MQTT-3.3.1-4]
#[test]
fn fixed_header_flags() {
    // Table 2-2: type, the flags demanded, and a body that is right in 3.1.1 and in 5.0.
    let packets = [
        (
            1,
            0b0000,
            "00 04 'MQTT' 04 02 00 00 00 00",
            "00 04 'MQTT' 05 02 00 00 00 00 00",
        ),
        (2, 0b0000, "00 00", "00 00 00"),
        (4, 0b0000, "00 01", "00 01"),
        (5, 0b0000, "00 01", "00 01"),
        (6, 0b0010, "00 01", "00 01"),
        (7, 0b0000, "00 01", "00 01"),
        (8, 0b0010, "00 01 00 01 't' 00", "00 01 00 00 01 't' 00"),
        (9, 0b0000, "00 01 00", "00 01 00 00"),
        (10, 0b0010, "00 01 00 01 't'", "00 01 00 00 01 't'"),
        (11, 0b0000, "00 01", "00 01 00 00"),
        (12, 0b0000, "", ""),
        (13, 0b0000, "", ""),
        (14, 0b0000, "", ""),
        (15, 0b0000, "", "18 04 15 00 01 'm'"),
    ];
    for (number, demanded, body_3, body_5) in packets {
        for (version, body) in [(V311, body_3), (V5, body_5)] {
            if number == 15 && version == V311 {
                continue;
            }
            for flags in 0..16_u8 {
                let bytes = framed(number << 4 | flags, &wire(body));
                let result = decode_whole(&bytes, version);
                if flags == demanded {
                    assert!(result.is_ok(), "{version} {number} {flags:04b}: {result:?}");
                } else {
                    let kind = PacketType::from_u8(number).unwrap();
                    let error = DecodeError::from(Malformed::Flags(kind));
                    assert_eq!(result, Err(error), "{version} {number} {flags:04b}");
                }
            }
        }
    }
    for (version, body) in [(V31, ""), (V311, ""), (V5, "00")] {
        for flags in 0..16_u8 {
            let (dup, qos) = (flags & 0b1000 != 0, (flags >> 1) & 0b11);
            let id = if qos == 0 { "" } else { "00 01" };
            let bytes = framed(0x30 | flags, &wire(&format!("00 01 't' {id} {body}")));
            let expected = match (dup, qos) {
                (_, 3) => Some(Malformed::QoS),
                (true, 0) => Some(Malformed::Dup),
                _ => None,
            };
            let result = decode_whole(&bytes, version);
            assert_eq!(result.err(), expected.map(DecodeError::from), "{flags:04b}");
        }
    }
}

#[test]
fn packet_types() {
    check(&VERSIONS, "00 00", Malformed::ReservedPacketType(0));
    check(&[V31, V311], "F0 00", Malformed::ReservedPacketType(15));
    // Packets that only a server sends are none of the codec's concern.
    check_accepted(&[V31, V311], "20 02 00 00");
    check_accepted(&VERSIONS, "D0 00");
}

// [v5 MQTT-1.5.5-1]
#[test]
fn remaining_length() {
    // Table 2-4 (3.1.1) and 1-1 (5.0): first and last of each length.
    let table = [
        ("00", 0),
        ("7F", 127),
        ("80 01", 128),
        ("FF 7F", 16_383),
        ("80 80 01", 16_384),
        ("FF FF 7F", 2_097_151),
        ("80 80 80 01", 2_097_152),
        ("FF FF FF 7F", 268_435_455),
    ];
    for (notation, remaining_len) in table {
        let length = wire(notation);
        let mut bytes = vec![0x30];
        bytes.extend_from_slice(&length);
        let header = FixedHeader {
            packet_type: PacketType::Publish,
            flags: 0,
            header_len: bytes.len(),
            remaining_len,
        };
        assert_eq!(
            fixed_header(&bytes, &Limits::default()),
            Ok(Some(header)),
            "{notation}"
        );
        for end in 0..bytes.len() {
            assert_eq!(fixed_header(&bytes[..end], &Limits::default()), Ok(None));
        }
        let mut written = Vec::new();
        let value = u32::try_from(remaining_len).unwrap();
        crate::Sink::put_variable_byte_integer(&mut written, value);
        assert_eq!(written, length);
        assert_eq!(crate::variable_byte_integer_len(value), length.len());
    }
    // Four bytes that each announce another are refused without waiting for a fifth.
    check(&VERSIONS, "30 80 80 80 80", Malformed::VariableByteInteger);
    check(
        &VERSIONS,
        "30 FF FF FF FF 01",
        Malformed::VariableByteInteger,
    );
    // More bytes than needed: only 5.0 forbids it.
    let overlong = ["C0 80 00", "C0 80 80 00", "C0 80 80 80 00", "E0 80 00"];
    for notation in overlong {
        check_accepted(&[V31, V311], notation);
        check(&[V5], notation, Malformed::VariableByteInteger);
    }
    check_accepted(&[V5], "10 8C 00 00 04 'MQTT' 04 02 00 00 00 00");
    check(
        &[V311],
        "10 8D 00 00 04 'MQTT' 05 02 00 00 00 00 00",
        Malformed::VariableByteInteger,
    );
    // A property length, a property identifier and a value.
    for notation in [
        "30 05 00 01 't' 80 00",
        "30 08 00 01 't' 04 81 00 01 01",
        "30 07 00 01 't' 03 0B 81 00",
        "30 09 00 01 't' 05 0B 81 80 80 00",
        "30 07 00 01 't' 80 80 80 80",
        "30 09 00 01 't' 05 0B 80 80 80 80",
    ] {
        check(&[V5], notation, Malformed::VariableByteInteger);
    }
}

// [v5 MQTT-3.2.2-15]
#[test]
fn packet_too_large() {
    let limits = Limits {
        packet_bytes_max: 10,
        ..Limits::default()
    };
    let too_large = |length| DecodeError::PacketTooLarge {
        length,
        maximum: 10,
    };
    let fits = wire("30 08 00 01 't' '12345'");
    assert!(decode(&fits, V311, &limits).unwrap().is_some());
    // The fixed header is enough to refuse what follows.
    assert_eq!(decode(&wire("30 09"), V5, &limits), Err(too_large(11)));
    assert_eq!(
        decode(&wire("10 FF FF FF 7F"), V5, &limits),
        Err(too_large(268_435_460))
    );
    assert_eq!(too_large(11).reason_code(), ReasonCode::PacketTooLarge);
}

#[test]
fn a_huge_length_waits_for_its_bytes() {
    for first in [0x10, 0x20, 0x30, 0x40, 0x82, 0x90, 0xa2, 0xb0, 0xe0, 0xf0] {
        let mut bytes = vec![first, 0xff, 0xff, 0xff, 0x7f];
        bytes.extend_from_slice(&[0xff; 100]);
        assert_eq!(decode(&bytes, V5, &Limits::default()), Ok(None));
    }
}

/// Every place for a UTF-8 string, with `%` where its length and characters stand; `@` marks the
/// places for the text of a topic name or filter.
const STRINGS: &[(ProtocolVersion, u8, &str)] = &[
    (V311, 0x10, "00 04 'MQTT' 04 02 00 00 %"),
    (V311, 0x10, "00 04 'MQTT' 04 06 00 00 00 01 'c' % 00 00"),
    (V311, 0x10, "00 04 'MQTT' 04 82 00 00 00 01 'c' %"),
    (V311, 0x30, "%"),
    (V311, 0x82, "00 01 % 00"),
    (V311, 0xa2, "00 01 %"),
    (V5, 0x10, "00 04 'MQTT' 05 02 00 00 00 %"),
    (V5, 0x10, "00 04 'MQTT' 05 06 00 00 00 00 01 'c' 00 % 00 00"),
    (V5, 0x10, "00 04 'MQTT' 05 82 00 00 00 00 01 'c' %"),
    (V5, 0x30, "% 00"),
    (V5, 0x82, "00 01 00 % 00"),
    (V5, 0xa2, "00 01 00 %"),
    // Properties: Content Type, Response Topic, both halves of User Property, Reason String,
    // Authentication Method.
    (V5, 0x30, "00 01 't' ^ 03 %"),
    (V5, 0x30, "00 01 't' ^ 08 %"),
    (V5, 0x30, "00 01 't' ^ 26 % 00 01 'v'"),
    (V5, 0x30, "00 01 't' ^ 26 00 01 'k' %"),
    (V5, 0xe0, "00 ^ 1F %"),
    (V5, 0xf0, "18 ^ 15 %"),
];

/// Puts a string into a place; `^` becomes the length of what follows it.
fn with_string(first: u8, body: &str, text: &[u8]) -> Vec<u8> {
    let fill = |part: &str| {
        let mut bytes = Vec::new();
        for (index, piece) in part.split('%').enumerate() {
            if index > 0 {
                bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(text);
            }
            bytes.extend(wire(piece));
        }
        bytes
    };
    match body.split_once('^') {
        None => framed(first, &fill(body)),
        Some((before, properties)) => {
            let properties = fill(properties);
            let mut bytes = fill(before);
            let length = u32::try_from(properties.len()).unwrap();
            crate::Sink::put_variable_byte_integer(&mut bytes, length);
            bytes.extend(properties);
            framed(first, &bytes)
        }
    }
}

// [v3 MQTT-1.5.3-1] [v3 MQTT-1.5.3-2] [v3 MQTT-3.1.3-4] [v3 MQTT-3.1.3-10] [v3 MQTT-3.1.3-11]
// [v3 MQTT-3.3.2-1] [v3 MQTT-3.8.3-1] [v3 MQTT-3.10.3-1] [v3 MQTT-4.7.3-2]
// [v5 MQTT-1.5.4-1] [v5 MQTT-1.5.4-2] [v5 MQTT-1.5.7-1] [v5 MQTT-3.1.3-4] [v5 MQTT-3.1.3-11]
// [v5 MQTT-3.1.3-12] [v5 MQTT-3.3.2-1] [v5 MQTT-3.3.2-13] [v5 MQTT-3.3.2-19] [v5 MQTT-3.8.3-1]
// [v5 MQTT-3.10.3-1] [v5 MQTT-4.7.3-2]
#[test]
fn strings() {
    let ill_formed: &[&[u8]] = &[
        b"\x80",             // continuation without a beginning
        b"a\xc3",            // cut off
        b"\xc0\x80",         // over-long U+0000
        b"\xe0\x80\xaf",     // over-long
        b"\xed\xa0\x80",     // U+D800
        b"\xed\xbf\xbf",     // U+DFFF
        b"\xf4\x90\x80\x80", // above U+10FFFF
        b"\xf8\x88\x80\x80\x80",
        b"\xff",
        b"\0",
        b"a\0b",
    ];
    // Control characters and non-characters MAY be refused; they are not.
    let well_formed: &[&str] = &[
        "a",
        "\u{1}",
        "\u{7f}",
        "\u{ffff}",
        "A\u{2a6d4}",
        "\u{10ffff}",
    ];
    for &(version, first, body) in STRINGS {
        for text in ill_formed {
            let bytes = with_string(first, body, text);
            let error = decode_whole(&bytes, version).expect_err(body);
            let is_malformed = matches!(error, DecodeError::Malformed(_));
            assert!(is_malformed, "{version} {body} {text:02x?}: {error}");
            assert_eq!(error.reason_code(), ReasonCode::MalformedPacket);
        }
        for text in well_formed {
            let bytes = with_string(first, body, text.as_bytes());
            let result = decode_whole(&bytes, version);
            assert!(result.is_ok(), "{version} {body} {text:?}: {result:?}");
        }
    }
}

// [v3 MQTT-1.5.3-3] [v5 MQTT-1.5.4-3]
#[test]
fn byte_order_mark_is_kept() {
    let text = "\u{feff}a\u{feff}";
    for &(version, first, body) in STRINGS {
        let bytes = with_string(first, body, text.as_bytes());
        let packet = decode_whole(&bytes, version).expect(body);
        let mut again = Vec::new();
        packet.encode(version, &mut again).unwrap();
        assert_eq!(again, bytes, "{version} {body}");
    }
}

// [v3 MQTT-2.3.1-1] [v5 MQTT-2.2.1-3]
#[test]
fn packet_identifier_zero() {
    let error = ProtocolError::PacketIdentifierZero;
    for first in ["40", "50", "62", "70"] {
        check(&VERSIONS, &format!("{first} 02 00 00"), error);
    }
    let old = [V31, V311];
    check(&old, "32 05 00 01 't' 00 00", error);
    check(&old, "34 05 00 01 't' 00 00", error);
    check(&old, "82 06 00 00 00 01 't' 00", error);
    check(&old, "90 03 00 00 00", error);
    check(&old, "A2 05 00 00 00 01 't'", error);
    check(&old, "B0 02 00 00", error);
    check(&[V5], "32 06 00 01 't' 00 00 00", error);
    check(&[V5], "34 06 00 01 't' 00 00 00", error);
    check(&[V5], "82 07 00 00 00 00 01 't' 00", error);
    check(&[V5], "90 04 00 00 00 00", error);
    check(&[V5], "A2 06 00 00 00 00 01 't'", error);
    check(&[V5], "B0 04 00 00 00 00", error);
    // It is there where the type demands it.
    for first in ["40", "50", "62", "70", "82", "90", "A2", "B0"] {
        check(&VERSIONS, &format!("{first} 00"), Malformed::Truncated);
        check(&VERSIONS, &format!("{first} 01 00"), Malformed::Truncated);
    }
    check(&VERSIONS, "32 03 00 01 't'", Malformed::Truncated);
}

// [v3 MQTT-3.1.2-1] [v5 MQTT-3.1.2-1] [v5 MQTT-3.1.2-2]
#[test]
fn connect_name_and_level() {
    for name in ["'mqtt'", "'MQTX'", "'HTTP'", "FF FF FF FF"] {
        for level in ["03", "04", "05"] {
            let notation = format!("10 0C 00 04 {name} {level} 02 00 00 00 00");
            check(&VERSIONS, &notation, ProtocolError::ProtocolName);
        }
    }
    for name in ["00 00", "00 03 'MQT'", "00 05 'MQTTT'", "00 06 'MQISDP'"] {
        let bytes = framed(0x10, &wire(&format!("{name} 04 02 00 00 00 00")));
        let error = decode_whole(&bytes, V311).unwrap_err();
        assert_eq!(error, ProtocolError::ProtocolName.into(), "{name}");
        assert_eq!(error.reason_code(), ReasonCode::UnsupportedProtocolVersion);
    }
    for level in [0, 1, 2, 3, 6, 7, 0x83, 0x84, 0xff] {
        let notation = format!("10 0C 00 04 'MQTT' {level:02X} 02 00 00 00 00");
        let error = DecodeError::UnsupportedProtocolVersion { level };
        check(&VERSIONS, &notation, error);
        assert_eq!(error.reason_code(), ReasonCode::UnsupportedProtocolVersion);
        assert_eq!(error.reason_code().connect_return_code(), 1);
    }
    for level in [0, 2, 4, 5, 0x83] {
        let notation = format!("10 0E 00 06 'MQIsdp' {level:02X} 02 00 00 00 00");
        let error = DecodeError::UnsupportedProtocolVersion { level };
        check(&VERSIONS, &notation, error);
    }
}

// [v3 MQTT-3.1.2-3] [v3 MQTT-3.1.2-9] [v3 MQTT-3.1.2-11] [v3 MQTT-3.1.2-13] [v3 MQTT-3.1.2-14]
// [v3 MQTT-3.1.2-15] [v3 MQTT-3.1.2-18] [v3 MQTT-3.1.2-19] [v3 MQTT-3.1.2-20]
// [v3 MQTT-3.1.2-21] [v3 MQTT-3.1.2-22]
// [v5 MQTT-3.1.2-3] [v5 MQTT-3.1.2-9] [v5 MQTT-3.1.2-11] [v5 MQTT-3.1.2-12] [v5 MQTT-3.1.2-13]
// [v5 MQTT-3.1.2-16] [v5 MQTT-3.1.2-17] [v5 MQTT-3.1.2-18] [v5 MQTT-3.1.2-19] [v5 MQTT-3.1.4-1]
#[test]
fn connect_flags() {
    for version in [V311, V5] {
        let is_v5 = version == V5;
        for flags in 0..=u8::MAX {
            let bit = |index: u8| flags & 1 << index != 0;
            let (reserved, will, retain, password, user_name) =
                (bit(0), bit(2), bit(5), bit(6), bit(7));
            let qos = (flags >> 3) & 0b11;
            let mut body = wire(&format!(
                "00 04 'MQTT' {:02X} {flags:02X} 00 00",
                version.level()
            ));
            let empty: &[u8] = if is_v5 { b"\0" } else { b"" };
            body.extend_from_slice(empty);
            body.extend(wire("00 01 'c'"));
            if will {
                body.extend_from_slice(empty);
                body.extend(wire("00 01 't' 00 01 'm'"));
            }
            if user_name {
                body.extend(wire("00 01 'u'"));
            }
            if password {
                body.extend(wire("00 01 'p'"));
            }
            let bytes = framed(0x10, &body);
            let contradicts =
                reserved || !will && (retain || qos != 0) || !is_v5 && password && !user_name;
            let expected = if contradicts {
                Some(Malformed::ConnectFlags)
            } else if qos == 3 {
                Some(Malformed::QoS)
            } else {
                None
            };
            let result = decode_whole(&bytes, version);
            assert_eq!(
                result.err(),
                expected.map(DecodeError::from),
                "{version} {flags:08b}"
            );
            if expected.is_some() {
                continue;
            }
            // A field more, and the last field missing, are seen for each set of flags.
            let mut longer = body.clone();
            longer.extend(wire("00 01 'x'"));
            let longer = framed(0x10, &longer);
            let result = decode_whole(&longer, version);
            assert_eq!(result, Err(Malformed::Trailing.into()), "{flags:08b}");
            let shorter = framed(0x10, &body[..body.len() - 3]);
            let result = decode_whole(&shorter, version);
            assert_eq!(result, Err(Malformed::Truncated.into()), "{flags:08b}");
        }
    }
}

#[test]
fn authentication_needs_a_method() {
    let error = ProtocolError::NoAuthenticationMethod;
    check(
        &[V5],
        "10 12 00 04 'MQTT' 05 02 00 00 05 16 00 02 01 02 00 00",
        error,
    );
    check(&[V5], "F0 02 18 00", error);
    check(&[V5], "F0 07 18 05 16 00 02 01 02", error);
    check(&[V5], "F0 01 18", Malformed::Truncated);
}

// [v3 MQTT-3.3.2-2] [v3 MQTT-4.7.1-1] [v3 MQTT-4.7.3-1]
// [v5 MQTT-3.3.2-2] [v5 MQTT-3.3.2-14] [v5 MQTT-4.7.0-1] [v5 MQTT-4.7.3-1]
#[test]
fn topic_names() {
    use crate::Property;
    for text in ["+", "#", "a/+", "a/#", "a+", "#a"] {
        let length = text.len();
        let bytes = framed(0x30, &wire(&format!("00 0{length} '{text}'")));
        let is_malformed = |result: Result<_, DecodeError>| {
            let error = result.expect_err(text);
            assert_eq!(error.reason_code(), ReasonCode::MalformedPacket, "{text}");
        };
        is_malformed(decode_whole(&bytes, V31).map(drop));
        is_malformed(decode_whole(&bytes, V311).map(drop));
        let bytes = framed(0x30, &wire(&format!("00 0{length} '{text}' 00")));
        is_malformed(decode_whole(&bytes, V5).map(drop));
        let will = framed(
            0x10,
            &wire(&format!(
                "00 04 'MQTT' 04 06 00 00 00 00 00 0{length} '{text}' 00 00"
            )),
        );
        is_malformed(decode_whole(&will, V311).map(drop));
        let mut properties = Vec::new();
        crate::Sink::put_u8(&mut properties, 8);
        crate::Sink::put_binary(&mut properties, text.as_bytes()).unwrap();
        let mut body = wire("00 01 't'");
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend(properties);
        let topic = crate::TopicName::parse("a").unwrap();
        let error = ProtocolError::PropertyValue(Property::ResponseTopic(topic).id());
        let bytes = framed(0x30, &body);
        assert_eq!(decode_whole(&bytes, V5), Err(error.into()));
    }
    let empty = Malformed::Topic(crate::TopicError::Name("is empty"));
    check(&[V31, V311], "30 02 00 00", empty);
    check(&[V5], "30 03 00 00 00", ProtocolError::NoTopic);
    check(
        &[V311],
        "10 10 00 04 'MQTT' 04 06 00 00 00 00 00 00 00 00",
        empty,
    );
    // Empty Will Topic and Response Topic: no alias can stand for them.
    check(
        &[V5],
        "10 12 00 04 'MQTT' 05 06 00 00 00 00 00 00 00 00 00 00",
        empty,
    );
    let response_topic = ProtocolError::PropertyValue(crate::PropertyId::ResponseTopic);
    check(&[V5], "30 07 00 01 't' 03 08 00 00", response_topic);
}

// [v3 MQTT-3-8.3-4] [v3 MQTT-3.8.3-3] [v5 MQTT-3.8.3-2] [v5 MQTT-3.8.3-4] [v5 MQTT-3.8.3-5]
#[test]
fn subscription_options() {
    for options in 0..=u8::MAX {
        let bytes_3 = framed(0x82, &wire(&format!("00 01 00 01 't' {options:02X}")));
        let bytes_5 = framed(0x82, &wire(&format!("00 01 00 00 01 't' {options:02X}")));
        let shared = framed(
            0x82,
            &wire(&format!("00 01 00 00 0A '$share/g/t' {options:02X}")),
        );
        let (qos, no_local, handling) = (options & 0b11, options & 0b100 != 0, options >> 4);
        for version in [V31, V311] {
            let expected: Option<DecodeError> = if options > 3 {
                Some(Malformed::ReservedBits.into())
            } else if qos == 3 {
                Some(ProtocolError::MaximumQoS.into())
            } else {
                None
            };
            assert_eq!(
                decode_whole(&bytes_3, version).err(),
                expected,
                "{options:08b}"
            );
        }
        let expected: Option<DecodeError> = if options & 0b1100_0000 != 0 {
            Some(Malformed::ReservedBits.into())
        } else if qos == 3 {
            Some(ProtocolError::MaximumQoS.into())
        } else if handling == 3 {
            Some(ProtocolError::RetainHandling.into())
        } else {
            None
        };
        assert_eq!(decode_whole(&bytes_5, V5).err(), expected, "{options:08b}");
        let no_local = no_local.then(|| ProtocolError::NoLocalShared.into());
        assert_eq!(
            decode_whole(&shared, V5).err(),
            expected.or(no_local),
            "{options:08b}"
        );
    }
    check(&[V31, V311], "82 02 00 01", ProtocolError::EmptyPayload);
    check(&[V5], "82 03 00 01 00", ProtocolError::EmptyPayload);
    check(&[V311], "82 05 00 01 00 01 't'", Malformed::Truncated);
    check(&[V5], "82 06 00 01 00 00 01 't'", Malformed::Truncated);
}

// [v3 MQTT-3.10.3-2] [v5 MQTT-3.10.3-2]
#[test]
fn empty_payloads() {
    let error = ProtocolError::EmptyPayload;
    check(&[V31, V311], "A2 02 00 01", error);
    check(&[V5], "A2 03 00 01 00", error);
    check(&[V31, V311], "90 02 00 01", error);
    check(&[V5], "90 03 00 01 00", error);
    check(&[V5], "B0 03 00 01 00", error);
}

// [v3 MQTT-4.7.1-2] [v3 MQTT-4.7.1-3] [v3 MQTT-4.7.3-1]
// [v5 MQTT-4.7.1-1] [v5 MQTT-4.7.1-2] [v5 MQTT-4.7.3-1]
#[test]
fn ill_formed_filters_are_malformed() {
    for text in ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a/b+"] {
        for first in [0x82, 0xa2] {
            let options = if first == 0x82 { "00" } else { "" };
            for (version, properties) in [(V31, ""), (V311, ""), (V5, "00")] {
                let notation = format!("00 01 {properties} 00 0{} '{text}' {options}", text.len());
                let bytes = framed(first, &wire(&notation));
                let error = decode_whole(&bytes, version).expect_err(text);
                assert_eq!(error.reason_code(), ReasonCode::MalformedPacket, "{text}");
            }
        }
    }
}

#[test]
fn lengths_within_packets() {
    // A field that announces more than there is.
    let truncated = [
        "30 02 00 05",
        "30 04 FF FF 'ab'",
        "10 0C 00 04 'MQTT' 04 02 00 00 00 01",
        "10 0C FF FF 'MQTT' 04 02 00 00 00 01",
        "10 00",
        "30 00",
    ];
    for notation in truncated {
        check(&VERSIONS, notation, Malformed::Truncated);
    }
    let truncated_5 = [
        "30 04 00 01 't' 05",
        "30 03 00 01 't'",
        "30 07 00 01 't' 03 26 00 01",
        "30 08 00 01 't' 03 03 00 05 'a'",
        "40 04 00 0A 00 05",
        "20 02 00 00",
        "90 02 00 01",
        "E0 02 00 7F",
    ];
    for notation in truncated_5 {
        check(&[V5], notation, Malformed::Truncated);
    }
    // Bytes after the last field.
    let trailing = [
        "C0 01 00",
        "D0 01 00",
        "10 0D 00 04 'MQTT' 04 02 00 00 00 00 00",
    ];
    for notation in trailing {
        check(&VERSIONS, notation, Malformed::Trailing);
    }
    for notation in [
        "40 03 00 0A 00",
        "20 03 00 00 00",
        "B0 03 00 0A 00",
        "E0 01 00",
    ] {
        check(&[V31, V311], notation, Malformed::Trailing);
    }
    for notation in [
        "40 05 00 0A 00 00 00",
        "20 04 00 00 00 00",
        "E0 03 00 00 00",
    ] {
        check(&[V5], notation, Malformed::Trailing);
    }
}

// [v5 MQTT-3.2.2-1]
#[test]
fn connack_reserved_bits() {
    for flags in 2..=u8::MAX {
        let error = Malformed::ReservedBits;
        check(&[V311], &format!("20 02 {flags:02X} 00"), error);
        check(&[V5], &format!("20 03 {flags:02X} 00 00"), error);
    }
}
