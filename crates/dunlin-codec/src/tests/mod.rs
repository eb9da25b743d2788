//! Tests of the codec.

mod arbitrary;
mod forward;
mod golden;
mod malformed;
mod properties;
mod reason_codes;
mod round_trip;
mod topics;

use crate::{DecodeError, Limits, Packet, ProtocolVersion, decode};

const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V31,
    ProtocolVersion::V311,
    ProtocolVersion::V5,
];

/// Bytes as the tests write them: hexadecimal, and between quotes text as it is.
fn wire(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in notation.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
        } else {
            let parse = |byte| u8::from_str_radix(byte, 16).expect("hexadecimal");
            bytes.extend(part.split_whitespace().map(parse));
        }
    }
    bytes
}

/// A packet of this first byte and body.
fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    crate::Sink::put_variable_byte_integer(&mut bytes, u32::try_from(body.len()).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

/// Decodes bytes that are one whole packet.
fn decode_whole(bytes: &[u8], version: ProtocolVersion) -> Result<Packet<'_>, DecodeError> {
    let (packet, length) = decode(bytes, version, &Limits::default())?.expect("whole");
    assert_eq!(length, bytes.len());
    Ok(packet)
}
