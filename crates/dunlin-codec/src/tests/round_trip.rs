//! What holds for every packet, and for bytes that are none.

use proptest::prelude::*;

use super::{VERSIONS, arbitrary, framed};
use crate::{
    Ack, DecodeError, Limits, Packet, PacketType, ProtocolVersion, TopicFilter, TopicName, decode,
    decode_publish, fixed_header,
};

fn versioned_packet() -> impl Strategy<Value = (ProtocolVersion, Packet<'static>)> {
    proptest::sample::select(&VERSIONS)
        .prop_flat_map(|version| (Just(version), arbitrary::packet(version)))
}

fn encode(packet: &Packet<'_>, version: ProtocolVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

/// Whatever the bytes are: no panic, progress, and a packet that can be written and read again.
fn check_any_bytes(bytes: &[u8], version: ProtocolVersion) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let Ok(Some((packet, length))) = decode(bytes, version, &limits) else {
        return Ok(());
    };
    prop_assert!((2..=bytes.len()).contains(&length));
    // CONNECT brings its version; the other packets have that of the connection.
    let version = match &packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    };
    let again = encode(&packet, version);
    let decoded = decode(&again, version, &limits);
    prop_assert_eq!(decoded, Ok(Some((packet, again.len()))));
    Ok(())
}

proptest! {
    #[test]
    fn decode_gives_back_what_encode_wrote((version, packet) in versioned_packet()) {
        let mut bytes = encode(&packet, version);
        let length = bytes.len();
        prop_assert_eq!(packet.encoded_len(version), Ok(length));
        let decoded = decode(&bytes, version, &Limits::default());
        prop_assert_eq!(decoded, Ok(Some((packet.clone(), length))));
        // What follows does not matter, and what stands before in the buffer stays.
        bytes.extend_from_slice(b"\xff\xff");
        let decoded = decode(&bytes, version, &Limits::default());
        prop_assert_eq!(decoded, Ok(Some((packet.clone(), length))));
        packet.encode(version, &mut bytes).unwrap();
        prop_assert_eq!(&bytes[length + 2..], &bytes[..length]);
    }

    #[test]
    fn a_known_topic_makes_no_difference(
        (version, packet) in versioned_packet(),
        other in "[a-z/]{1,3}",
        is_its_own in any::<bool>(),
    ) {
        let Packet::Publish(publish) = packet else {
            return Ok(());
        };
        let bytes = encode(&packet, version);
        let limits = Limits::default();
        let header = fixed_header(&bytes, &limits).unwrap().unwrap();
        let body = &bytes[header.header_len..];
        let known = match is_its_own {
            true => publish.topic,
            false => TopicName::parse(&other).unwrap(),
        };
        let decoded = decode_publish(&header, body, version, &limits, known);
        prop_assert_eq!(decoded, Ok(publish));
    }

    #[test]
    fn no_prefix_of_a_packet_is_an_error((version, packet) in versioned_packet()) {
        let bytes = encode(&packet, version);
        for end in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..end], version, &Limits::default()), Ok(None));
        }
    }

    #[test]
    fn limits_are_exact((version, packet) in versioned_packet()) {
        let bytes = encode(&packet, version);
        let length = u32::try_from(bytes.len()).unwrap();
        let limit = |packet_bytes_max| Limits { packet_bytes_max, ..Limits::default() };
        prop_assert!(decode(&bytes, version, &limit(length)).is_ok());
        let maximum = length - 1;
        let error = DecodeError::PacketTooLarge { length, maximum };
        prop_assert_eq!(decode(&bytes, version, &limit(maximum)), Err(error));
    }

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        for version in VERSIONS {
            check_any_bytes(&bytes, version)?;
        }
    }

    #[test]
    fn random_bodies(
        first in any::<u8>(),
        body in proptest::collection::vec(prop_oneof![0..6_u8, 0..=u8::MAX], 0..48),
    ) {
        for version in VERSIONS {
            check_any_bytes(&framed(first, &body), version)?;
        }
    }

    #[test]
    fn mutated_packets(
        (version, packet) in versioned_packet(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = encode(&packet, version);
        let header_len = fixed_header(&bytes, &Limits::default()).unwrap().unwrap().header_len;
        let mut mutated = bytes.clone();
        for (place, byte) in places {
            let place = place.index(mutated.len());
            mutated[place] = byte;
            for version in VERSIONS {
                check_any_bytes(&mutated, version)?;
            }
        }
        // A shorter body whose header says so, and the same body as another type.
        let body = &bytes[header_len..];
        let shorter = &body[..cut.index(body.len() + 1)];
        for first in [bytes[0], 0x10, 0x20, 0x33, 0x40, 0x82, 0x90, 0xa2, 0xb0, 0xe0, 0xf0] {
            for version in VERSIONS {
                check_any_bytes(&framed(first, shorter), version)?;
            }
        }
    }
}

#[test]
fn what_a_packet_may_cost() {
    // A packet is moved about by value; what is rare and large is boxed.
    assert!(
        size_of::<Packet<'_>>() <= 160,
        "{}",
        size_of::<Packet<'_>>()
    );
    // The lists are all that decoding allocates: a bounded number of bytes for each byte received.
    let mut body = vec![0, 1];
    body.extend([0, 1, b't', 0].repeat(10_000));
    let bytes = framed(0x82, &body);
    let decoded = decode(&bytes, ProtocolVersion::V311, &Limits::default());
    let Ok(Some((Packet::Subscribe(subscribe), _))) = decoded else {
        panic!("{decoded:?}");
    };
    let allocated = subscribe.requests.capacity() * size_of_val(&subscribe.requests[0]);
    assert!(allocated <= 16 * bytes.len(), "{allocated}");

    let mut body = vec![0, 1];
    body.extend([0, 1, b't'].repeat(10_000));
    let bytes = framed(0xa2, &body);
    let decoded = decode(&bytes, ProtocolVersion::V311, &Limits::default());
    let Ok(Some((Packet::Unsubscribe(unsubscribe), _))) = decoded else {
        panic!("{decoded:?}");
    };
    let allocated = unsubscribe.filters.capacity() * size_of::<TopicFilter<'_>>();
    assert!(allocated <= 16 * bytes.len(), "{allocated}");

    let bytes = framed(0x90, &[1; 10_000]);
    let decoded = decode(&bytes, ProtocolVersion::V311, &Limits::default());
    let Ok(Some((Packet::Suback(suback), _))) = decoded else {
        panic!("{decoded:?}");
    };
    assert!(suback.reason_codes.capacity() <= 2 * bytes.len());
}

#[test]
fn the_longest_topic_travels() {
    let text = "/".repeat(65_535);
    let topic = TopicName::parse(&text).unwrap();
    let packet = Packet::Publish(crate::Publish {
        topic,
        ..crate::Publish::default()
    });
    let bytes = encode(&packet, ProtocolVersion::V311);
    let decoded = decode(&bytes, ProtocolVersion::V311, &Limits::default());
    assert_eq!(decoded, Ok(Some((packet, bytes.len()))));
}

/// What is read as an acknowledgement without being decoded is what decoding says, in all versions, and
/// what is written as one is read so.
#[test]
fn an_acknowledgement_of_success_is_what_decoding_says() {
    let made = |kind, ack| match kind {
        PacketType::Puback => Packet::Puback(ack),
        PacketType::Pubrec => Packet::Pubrec(ack),
        PacketType::Pubrel => Packet::Pubrel(ack),
        _ => Packet::Pubcomp(ack),
    };
    let mut read = 0;
    for first in 0..=u8::MAX {
        for (length, id) in (0..6).flat_map(|length| [0, 1, 0x1234].map(|id| (length, id))) {
            let [high, low] = u16::to_be_bytes(id);
            let bytes = [first, length, high, low, 0, 0, 0];
            let Some((kind, packet_id)) = Ack::read_success(&bytes) else {
                continue;
            };
            read += 1;
            for version in VERSIONS {
                let ack = made(kind, Ack::success(packet_id));
                let decoded = decode(&bytes, version, &Limits::default());
                assert_eq!(decoded, Ok(Some((ack, Ack::SUCCESS_BYTES))));
            }
            let mut written = Vec::new();
            Ack::encode_success(kind, packet_id, &mut written);
            assert_eq!(written, bytes[..Ack::SUCCESS_BYTES]);
            assert_eq!(Ack::read_success(&bytes[..Ack::SUCCESS_BYTES - 1]), None);
        }
    }
    assert_eq!(read, 8);
}
