//! Tests of formats.

use super::{Format, from_hex, to_hex};

#[test]
fn base64_of_rfc_4648() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foobar", "Zm9vYmFy"),
    ] {
        let shown = Format::Base64.decode(bytes.as_bytes()).unwrap();
        assert_eq!(shown.as_ref(), text.as_bytes());
        for text in [text, text.trim_end_matches('=')] {
            let sent = Format::Base64.encode(text.as_bytes().to_vec());
            assert_eq!(sent.unwrap(), bytes.as_bytes());
        }
    }
    assert_eq!(Format::Base64.encode(b"Zm9v\n".to_vec()).unwrap(), b"foo");
    for wrong in ["Z", "Zm9vY", "Zm9-", "="] {
        assert!(Format::Base64.encode(wrong.into()).is_err(), "{wrong}");
    }
}

#[test]
fn hexadecimal_in_groups_of_four() {
    assert_eq!(to_hex(b"\x00\xff\x10\x7f\x01"), "00ff 107f 01");
    assert_eq!(to_hex(b""), "");
    assert_eq!(from_hex(b"00FF 107f01\n").unwrap(), b"\x00\xff\x10\x7f\x01");
    assert_eq!(from_hex(b"0"), None);
    assert_eq!(from_hex(b"0g"), None);
}

#[test]
fn json_is_made_short_to_send_and_long_to_read() {
    let sent = Format::Json.encode(b"{ \"b\": 1,\n \"a\": [] }".to_vec());
    assert_eq!(sent.unwrap(), b"{\"b\":1,\"a\":[]}");
    let shown = Format::Json.decode(b"{\"b\":1}").unwrap().into_owned();
    assert_eq!(shown, b"{\n  \"b\": 1\n}");
    assert!(Format::Json.encode(b"{".to_vec()).is_err());
    assert_eq!(Format::Json.decode(b"{"), None);
}

#[test]
fn cbor_and_messagepack_are_json_to_people() {
    let json = br#"{"a":[1,-2,1.5,"x",null,true],"b":{"c":18446744073709551615}}"#;
    for format in [Format::Cbor, Format::Msgpack] {
        let sent = format.encode(json.to_vec()).unwrap();
        assert!(sent.len() < json.len(), "{format:?}");
        let shown = format.decode(&sent).unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
        assert_eq!(shown.to_string().as_bytes(), json, "{format:?}");
        assert!(format.encode(b"{".to_vec()).is_err());
        let mut long = sent.clone();
        long.push(0);
        assert_eq!(format.decode(&long), None, "something follows the value");
        assert_eq!(format.decode(&sent[..sent.len() - 1]), None);
    }
    // RFC 8949, appendix A: h'01020304', and {1: 2}.
    let shown = |bytes: &[u8]| {
        let text = Format::Cbor.decode(bytes).unwrap().into_owned();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(shown(b"\x44\x01\x02\x03\x04"), "\"AQIDBA==\"");
    assert_eq!(shown(b"\xa1\x01\x02"), "{\n  \"1\": 2\n}");
}

#[test]
fn binary_is_left_alone() {
    let bytes = b"\x00\xff".as_slice();
    assert_eq!(Format::Binary.encode(bytes.to_vec()).unwrap(), bytes);
    assert_eq!(Format::Binary.decode(bytes).unwrap().as_ref(), bytes);
}
