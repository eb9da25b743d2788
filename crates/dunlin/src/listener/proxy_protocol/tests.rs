use super::{HeaderError, Said, V1_BYTES_MAX, V2_BYTES_MAX, V2_SIGNATURE, parse};
use crate::mutate::corpus;

fn client(address: &str) -> Said {
    Said::Client(address.parse().unwrap())
}

fn v2(version_and_command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = V2_SIGNATURE.to_vec();
    header.extend([version_and_command, family]);
    header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
    header.extend(addresses);
    header
}

/// Every beginning of a header is not whole yet, and what stands behind it is not the header's.
fn assert_said(header: &[u8], said: Said) {
    for len in 1..header.len() {
        assert_eq!(parse(&header[..len]), Ok(None), "{:?}", &header[..len]);
    }
    assert_eq!(parse(header), Ok(Some((said, header.len()))));
    let with_more = [header, b"\x10\x0c\r\n"].concat();
    assert_eq!(parse(&with_more), Ok(Some((said, header.len()))));
}

#[test]
fn version_1_says_who_it_is() {
    let four = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 1883\r\n";
    assert_said(four, client("192.0.2.7:56324"));
    let six = b"PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n";
    assert_said(six, client("[2001:db8::7]:0"));
    assert_said(b"PROXY UNKNOWN\r\n", Said::Nothing);
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(V1_BYTES_MAX - 16));
    assert_eq!(longest.len(), V1_BYTES_MAX);
    assert_said(longest.as_bytes(), Said::Nothing);
}

#[test]
fn version_2_says_who_it_is() {
    let four = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x07, 0x5b];
    assert_said(&v2(0x21, 0x11, &four), client("192.0.2.7:56324"));
    let with_more = [&four[..], b"\x03\x00\x04\x01\x02\x03\x04"].concat();
    assert_said(&v2(0x21, 0x11, &with_more), client("192.0.2.7:56324"));
    let mut six = [0; 36];
    six[..2].copy_from_slice(&[0x20, 0x01]);
    six[15] = 7;
    six[32..34].copy_from_slice(&[0xdc, 0x04]);
    assert_said(&v2(0x21, 0x21, &six), client("[2001::7]:56324"));
    assert_said(&v2(0x20, 0x00, b""), Said::Nothing);
    assert_said(&v2(0x20, 0x11, &four), Said::Nothing);
    assert_said(&v2(0x21, 0x00, b"whatever"), Said::Nothing);
    assert_said(&v2(0x21, 0x31, &[0; 216]), Said::Nothing);
}

#[test]
fn everything_else_is_refused() {
    let line = |line: &str| format!("{line}\r\n").into_bytes();
    let too_long = format!("PROXY UNKNOWN {}", "f".repeat(V1_BYTES_MAX));
    for (bytes, error) in [
        (b"\x10\x0c\x00\x04MQTT".to_vec(), HeaderError::None),
        (b"GET / HTTP/1.1".to_vec(), HeaderError::None),
        (b"PROXYTCP4".to_vec(), HeaderError::None),
        (too_long.into_bytes(), HeaderError::TooLong),
        (line("PROXY "), HeaderError::Malformed),
        (
            line("PROXY TCP5 192.0.2.7 198.51.100.1 1 2"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 1"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 1  2"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 01 2"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 +1 2"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 65536 2"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP4 2001:db8::7 2001:db8::1 1 2"),
            HeaderError::Malformed,
        ),
        (
            line("PROXY TCP6 192.0.2.7 198.51.100.1 1 2"),
            HeaderError::Malformed,
        ),
        (b"PROXY TCP4 \xff\r\n".to_vec(), HeaderError::Malformed),
        (v2(0x11, 0x11, &[0; 12]), HeaderError::Malformed),
        (v2(0x22, 0x11, &[0; 12]), HeaderError::Malformed),
        (v2(0x21, 0x13, &[0; 12]), HeaderError::Malformed),
        (v2(0x21, 0x41, &[0; 12]), HeaderError::Malformed),
        (v2(0x21, 0x11, &[0; 11]), HeaderError::Malformed),
        (v2(0x21, 0x21, &[0; 35]), HeaderError::Malformed),
        (v2(0x21, 0x12, &[0; 12]), HeaderError::NoStream),
        (v2(0x20, 0x00, &vec![0; V2_BYTES_MAX]), HeaderError::TooLong),
    ] {
        assert_eq!(
            parse(&bytes),
            Err(error),
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

/// A header says the same however its bytes arrive, and what is behind it does not count.
#[test]
fn fuzz_proxy_headers() {
    let (mut good, mut broken) = (0, 0);
    for bytes in corpus("proxy_header", 2000) {
        let whole = parse(&bytes);
        let first = (0..=bytes.len()).find(|&len| parse(&bytes[..len]) != Ok(None));
        match whole {
            Ok(Some((_, len))) => {
                assert!(len <= V2_BYTES_MAX, "{}", bytes.escape_ascii());
                assert_eq!(first, Some(len), "{}", bytes.escape_ascii());
                assert_eq!(parse(&bytes[..len]), whole, "{}", bytes.escape_ascii());
                good += 1;
            }
            Ok(None) => assert_eq!(first, None, "{}", bytes.escape_ascii()),
            Err(_) => {
                let told = first.map(|len| parse(&bytes[..len]));
                assert_eq!(told, Some(whole), "{}", bytes.escape_ascii());
                broken += 1;
            }
        }
    }
    assert!(good > 1000 && broken > 1000, "{good} good, {broken} broken");
}
