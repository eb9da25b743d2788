//! Each property in each packet, by the standard's table of properties (section 2.2.2.2).

use super::{decode_whole, framed, wire};
use crate::ProtocolVersion::V5;
use crate::{
    DecodeError, EncodeError, Limits, Malformed, PropertyId, ProtocolError, ReasonCode, decode,
};

/// Packets by the standard's names: the first byte, and what stands before and after the properties.
const PACKETS: &[(&str, u8, &str, &str)] = &[
    ("CONNECT", 0x10, "00 04 'MQTT' 05 02 00 00", "00 00"),
    (
        "Will Properties",
        0x10,
        "00 04 'MQTT' 05 06 00 00 00 00 00",
        "00 01 'w' 00 00",
    ),
    ("CONNACK", 0x20, "00 00", ""),
    ("PUBLISH", 0x30, "00 01 't'", ""),
    ("PUBACK", 0x40, "00 01 00", ""),
    ("PUBREC", 0x50, "00 01 00", ""),
    ("PUBREL", 0x62, "00 01 00", ""),
    ("PUBCOMP", 0x70, "00 01 00", ""),
    ("SUBSCRIBE", 0x82, "00 01", "00 01 't' 00"),
    ("SUBACK", 0x90, "00 01", "00"),
    ("UNSUBSCRIBE", 0xa2, "00 01", "00 01 't'"),
    ("UNSUBACK", 0xb0, "00 01", "00"),
    ("DISCONNECT", 0xe0, "00", ""),
    ("AUTH", 0xf0, "18", ""),
];

/// Table 2-4: identifier, a value of its type, and the packets where it is legal.
const PROPERTIES: &[(u8, &str, &str)] = &[
    (0x01, "01", "PUBLISH, Will Properties"),
    (0x02, "00 00 00 01", "PUBLISH, Will Properties"),
    (0x03, "00 01 'a'", "PUBLISH, Will Properties"),
    (0x08, "00 01 'a'", "PUBLISH, Will Properties"),
    (0x09, "00 01 FF", "PUBLISH, Will Properties"),
    (0x0b, "80 01", "PUBLISH, SUBSCRIBE"),
    (0x11, "00 00 00 00", "CONNECT, CONNACK, DISCONNECT"),
    (0x12, "00 01 'a'", "CONNACK"),
    (0x13, "00 01", "CONNACK"),
    (0x15, "00 01 'a'", "CONNECT, CONNACK, AUTH"),
    (0x16, "00 01 FF", "CONNECT, CONNACK, AUTH"),
    (0x17, "01", "CONNECT"),
    (0x18, "00 00 00 01", "Will Properties"),
    (0x19, "01", "CONNECT"),
    (0x1a, "00 01 'a'", "CONNACK"),
    (0x1c, "00 01 'a'", "CONNACK, DISCONNECT"),
    (
        0x1f,
        "00 01 'a'",
        "CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH",
    ),
    (0x21, "00 01", "CONNECT, CONNACK"),
    (0x22, "00 01", "CONNECT, CONNACK"),
    (0x23, "00 01", "PUBLISH"),
    (0x24, "01", "CONNACK"),
    (0x25, "01", "CONNACK"),
    (
        0x26,
        "00 01 'a' 00 01 'b'",
        "CONNECT, CONNACK, PUBLISH, Will Properties, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, \
         SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH",
    ),
    (0x27, "00 00 00 01", "CONNECT, CONNACK"),
    (0x28, "01", "CONNACK"),
    (0x29, "01", "CONNACK"),
    (0x2a, "01", "CONNACK"),
];

const METHOD: u8 = 0x15;
const DATA: u8 = 0x16;

fn packet(first: u8, before: &str, properties: &[u8], after: &str) -> Vec<u8> {
    let mut body = wire(before);
    let length = u32::try_from(properties.len()).unwrap();
    crate::Sink::put_variable_byte_integer(&mut body, length);
    body.extend_from_slice(properties);
    body.extend(wire(after));
    framed(first, &body)
}

fn id(number: u8) -> PropertyId {
    let is_it = |id: &&PropertyId| **id as u8 == number;
    *PropertyId::ALL.iter().find(is_it).unwrap()
}

#[test]
fn identifiers() {
    let numbers: Vec<_> = PropertyId::ALL.iter().map(|&id| id as u8).collect();
    let expected: Vec<_> = PROPERTIES.iter().map(|row| row.0).collect();
    assert_eq!(numbers, expected);
    for number in 0..=u8::MAX {
        let mut section = Vec::new();
        crate::Sink::put_variable_byte_integer(&mut section, u32::from(number));
        section.extend([0; 8]);
        let error = decode_whole(&packet(0x20, "00 00", &section, ""), V5).unwrap_err();
        let unknown = DecodeError::from(Malformed::PropertyId(number.into()));
        assert_eq!(error == unknown, !expected.contains(&number), "{number:#x}");
    }
}

#[test]
fn where_each_is_legal() {
    for &(name, first, before, after) in PACKETS {
        for &(number, value, legal) in PROPERTIES {
            let is_legal = legal.split(", ").any(|place| place == name);
            let mut one = vec![number];
            one.extend(wire(value));
            let mut section = Vec::new();
            // AUTH must have a method, and data must not be without one.
            if (name == "AUTH" || number == DATA && is_legal) && number != METHOD {
                section.extend(wire("15 00 01 'm'"));
            }
            section.extend_from_slice(&one);
            let bytes = packet(first, before, &section, after);
            let result = decode_whole(&bytes, V5);
            if !is_legal {
                let error = DecodeError::from(Malformed::PropertyMisplaced(id(number)));
                assert_eq!(result, Err(error), "{name} {number:#x}");
                assert_eq!(error.reason_code(), ReasonCode::MalformedPacket);
                continue;
            }
            assert!(result.is_ok(), "{name} {number:#x}: {result:?}");

            // Twice: user properties everywhere, subscription identifiers in PUBLISH.
            section.extend_from_slice(&one);
            let may_repeat = number == 0x26 || number == 0x0b && name == "PUBLISH";
            let repeated = packet(first, before, &section, after);
            let error = DecodeError::from(ProtocolError::PropertyRepeated(id(number)));
            let expected = (!may_repeat).then_some(error);
            assert_eq!(
                decode_whole(&repeated, V5).err(),
                expected,
                "{name} {number:#x}"
            );
            assert_eq!(error.reason_code(), ReasonCode::ProtocolError);

            // Cut off within the property, with a length that fits: malformed wherever it ends.
            for end in 1..one.len() {
                let bytes = packet(first, before, &one[..end], after);
                let error = decode_whole(&bytes, V5).expect_err(name);
                assert_eq!(error.reason_code(), ReasonCode::MalformedPacket, "{error}");
            }
        }
    }
}

// [v5 MQTT-3.3.2-8]
#[test]
fn values_that_are_not_allowed() {
    let table = [
        ("CONNECT", "21 00 00", 0x82),
        ("CONNECT", "27 00 00 00 00", 0x82),
        ("CONNECT", "17 02", 0x82),
        ("CONNECT", "19 02", 0x82),
        ("Will Properties", "01 02", 0x82),
        ("CONNACK", "21 00 00", 0x82),
        ("CONNACK", "24 02", 0x82),
        ("CONNACK", "25 02", 0x82),
        ("CONNACK", "27 00 00 00 00", 0x82),
        ("CONNACK", "28 FF", 0x82),
        ("CONNACK", "29 02", 0x82),
        ("CONNACK", "2A 02", 0x82),
        ("PUBLISH", "01 02", 0x82),
        ("PUBLISH", "0B 00", 0x82),
        ("PUBLISH", "23 00 00", 0x94),
        ("SUBSCRIBE", "0B 00", 0x82),
    ];
    for (name, section, code) in table {
        let row = PACKETS.iter().find(|row| row.0 == name).unwrap();
        let section = wire(section);
        let bytes = packet(row.1, row.2, &section, row.3);
        let error = decode_whole(&bytes, V5).unwrap_err();
        let expected = ProtocolError::PropertyValue(id(section[0]));
        assert_eq!(error, expected.into(), "{name} {section:02x?}");
        assert_eq!(error.reason_code() as u8, code);
    }
}

#[test]
fn too_many_user_properties() {
    let limits = Limits {
        user_properties_max: 2,
        ..Limits::default()
    };
    let pair = wire("26 00 00 00 00");
    let two = packet(0x30, "00 01 't'", &pair.repeat(2), "");
    assert!(decode(&two, V5, &limits).unwrap().is_some());
    let three = packet(0x30, "00 01 't'", &pair.repeat(3), "");
    let error = decode(&three, V5, &limits).unwrap_err();
    assert_eq!(error, DecodeError::TooManyUserProperties { maximum: 2 });
    assert_eq!(error.reason_code(), ReasonCode::QuotaExceeded);
}

#[test]
fn what_cannot_be_written() {
    use crate::{Property, UserPropertiesBuf};
    let long = "x".repeat(65_536);
    let mut out = Vec::new();
    let result = Property::ContentType(&long).write(&mut out);
    assert_eq!(result, Err(EncodeError::FieldTooLong(65_536)));

    let mut pairs = UserPropertiesBuf::new();
    let result = pairs.push("name", &long);
    assert_eq!(result, Err(EncodeError::FieldTooLong(65_536)));
    assert_eq!(pairs, UserPropertiesBuf::new());

    let identifier = std::num::NonZeroU32::new(268_435_456).unwrap();
    let result = Property::SubscriptionIdentifier(identifier).write(&mut out);
    assert_eq!(
        result,
        Err(EncodeError::SubscriptionIdentifier(268_435_456))
    );
}
