use dunlin_codec::{Limits, ProtocolVersion, decode};

use super::*;
use crate::mutate::corpus;

const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V31,
    ProtocolVersion::V311,
    ProtocolVersion::V5,
];

/// The packet as its sender could have written it.
fn written(packet: &Packet<'_>, version: ProtocolVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

/// A packet is the same however its bytes arrive, and when it is written and read again; with a mount
/// point before its topics it can be written as well.
#[test]
fn fuzz_packets() {
    let limits = Limits::default();
    let (mut good, mut broken) = (0, 0);
    for bytes in corpus("packets", 1000) {
        for version in VERSIONS {
            let whole = decode(&bytes, version, &limits);
            let first = (0..=bytes.len())
                .map(|len| decode(&bytes[..len], version, &limits))
                .find(|decoded| *decoded != Ok(None));
            assert_eq!(first.unwrap_or(Ok(None)), whole, "{}", bytes.escape_ascii());
            let Ok(decoded) = whole else {
                broken += 1;
                continue;
            };
            let Some((packet, _)) = decoded else {
                continue;
            };
            // CONNECT brings its version.
            let version = match &packet {
                Packet::Connect(connect) => connect.version,
                _ => version,
            };
            let again = written(&packet, version);
            let length = again.len();
            let told = decode(&again, version, &limits);
            assert_eq!(told, Ok(Some((packet.clone(), length))));
            mounted(packet, "tenant/", |packet| {
                let packet = written(&packet.unwrap(), version);
                assert!(matches!(decode(&packet, version, &limits), Ok(Some(_))));
            });
            good += 1;
        }
    }
    assert!(good > 1000 && broken > 1000, "{good} good, {broken} broken");
}
