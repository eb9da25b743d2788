//! Tests of formats.

use super::{Format, from_base64, from_hex, to_base64, to_hex};

#[test]
fn base64_of_rfc_4648() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(to_base64(bytes.as_bytes()), text);
        assert_eq!(from_base64(text.as_bytes()).unwrap(), bytes.as_bytes());
        let bare = text.trim_end_matches('=');
        assert_eq!(from_base64(bare.as_bytes()).unwrap(), bytes.as_bytes());
    }
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(from_base64(to_base64(&all).as_bytes()).unwrap(), all);
    assert_eq!(from_base64(b"Zm9v\n").unwrap(), b"foo");
    for wrong in ["Z", "Zm9vY", "Zm9-", "=", "Zg=a", "===="] {
        assert_eq!(from_base64(wrong.as_bytes()), None, "{wrong}");
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
    assert_eq!(Format::Json.decode(b"{"), Err(b"{".as_slice()));
}

#[test]
fn binary_is_left_alone() {
    let bytes = b"\x00\xff".as_slice();
    assert_eq!(Format::Binary.encode(bytes.to_vec()).unwrap(), bytes);
    assert_eq!(Format::Binary.decode(bytes).unwrap().as_ref(), bytes);
}
