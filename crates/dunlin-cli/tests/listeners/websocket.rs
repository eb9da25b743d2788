//! MQTT over WebSocket, with and without TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::broker::Broker;
use crate::certificates::Authority;
use crate::suite;

fn start(more: &[&str]) -> Broker {
    let listen = [
        "--listen",
        "ws://127.0.0.1:0",
        "--listen",
        "mqtt://127.0.0.1:0",
    ];
    Broker::listening(2, &[listen.as_slice(), more].concat())
}

fn start_secure(authority: &Authority) -> Broker {
    authority.server();
    let (cert, key) = (
        authority.path("server.pem"),
        authority.path("server-key.pem"),
    );
    let listen = ["--listen", "wss://127.0.0.1:0"];
    let files = ["--tls-cert", &cert, "--tls-key", &key];
    Broker::listening(1, &[listen.as_slice(), files.as_slice()].concat())
}

#[test]
fn paho_does_all_over_websocket() {
    if suite::is_wanted() {
        suite::run("paho", start(&[]).port_of("ws"), &[("TRANSPORT", "ws")]);
    }
}

#[test]
fn mqtt_js_does_all_over_websocket() {
    if suite::is_wanted() {
        suite::run("mqttjs", start(&[]).port_of("ws"), &[("TRANSPORT", "ws")]);
    }
}

#[test]
fn a_page_in_a_browser_is_served() {
    if suite::is_wanted() {
        suite::run("browser", start(&[]).port_of("ws"), &[]);
    }
}

#[test]
fn paho_does_all_over_websocket_and_tls() {
    if suite::is_wanted() {
        let authority = Authority::new();
        let broker = start_secure(&authority);
        let ca = authority.path("ca.pem");
        let environment = [("TRANSPORT", "wss"), ("CA_FILE", &ca)];
        suite::run("paho", broker.port_of("wss"), &environment);
    }
}

#[test]
fn mqtt_js_does_all_over_websocket_and_tls() {
    if suite::is_wanted() {
        let authority = Authority::new();
        let broker = start_secure(&authority);
        let ca = authority.path("ca.pem");
        let environment = [("TRANSPORT", "wss"), ("CA_FILE", &ca)];
        suite::run("mqttjs", broker.port_of("wss"), &environment);
    }
}

/// Sends a request with these fields and gives the connection.
fn request(broker: &Broker, path: &str, fields: &[&str]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port_of("ws"))).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n"
    )
    .unwrap();
    stream
}

const UPGRADE: [&str; 5] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: mqtt",
];

/// The response, up to its empty line.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

// [v5 MQTT-6.0.0-4] [v3 MQTT-6.0.0-4]
#[test]
fn the_upgrade_names_the_subprotocol_and_a_browser_is_told_what_this_is() {
    let broker = start(&[]);
    let mut upgraded = request(&broker, "/mqtt", &UPGRADE);
    let response = head(&mut upgraded);
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(
        response.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"),
        "{response}"
    );
    for (path, fields, status) in [
        ("/mqtt", [].as_slice(), "426 Upgrade Required"),
        ("/", &UPGRADE, "404 Not Found"),
        ("/mqtt", &UPGRADE[..4], "400 Bad Request"),
    ] {
        let response = String::from_utf8(rest(request(&broker, path, fields))).unwrap();
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{response}"
        );
        assert!(response.contains("This is an MQTT broker"), "{response}");
    }
}

#[test]
fn pages_of_other_origins_are_kept_out() {
    let listener = "listener=[{ bind = \"ws://127.0.0.1:0/live\", \
                    websocket_origins = [\"https://shop.example\"] }]";
    let broker = Broker::listening(1, &["--set", listener]);
    for (origin, status) in [
        ("Origin: https://shop.example", "101 "),
        ("Origin: https://evil.example", "403 "),
        ("X-No-Origin: 1", "101 "),
    ] {
        let fields = [UPGRADE.as_slice(), &[origin]].concat();
        let response = head(&mut request(&broker, "/live", &fields));
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{origin}: {response}"
        );
    }
}

// [v5 MQTT-6.0.0-1] [v3 MQTT-6.0.0-1]
#[test]
fn a_text_frame_ends_the_network_connection() {
    let broker = start(&[]);
    let mut stream = request(&broker, "/mqtt", &UPGRADE);
    assert!(head(&mut stream).starts_with("HTTP/1.1 101 "));
    // A CONNECT, but in a text frame, with a mask of zeros.
    let frame = b"\x81\x8e\0\0\0\0\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";
    stream.write_all(frame).unwrap();
    // Close with 1003 and nothing else.
    assert_eq!(rest(stream), b"\x88\x02\x03\xeb");
}

/// Class 21 of attacks: frames that are wrong, with more behind them than the broker wants to read. It
/// says why it ends, and that arrives.
#[test]
fn web_a_broken_frame_is_told_of_however_much_follows() {
    let broker = start(&[]);
    let mebibyte = vec![0; 1 << 20];
    for (frame, status) in [
        // Text; not masked; a reserved bit, as for compression; a control frame that is too long; a
        // continuation of nothing; a length with its highest bit.
        (&b"\x81\x81\0\0\0\0x"[..], 1003_u16),
        (b"\x82\x01x", 1002),
        (b"\xc2\x81\0\0\0\0x", 1002),
        (b"\x89\xfe\x00\x7e\0\0\0\0", 1002),
        (b"\x80\x81\0\0\0\0x", 1002),
        (b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 1002),
    ] {
        let mut stream = request(&broker, "/mqtt", &UPGRADE);
        assert!(head(&mut stream).starts_with("HTTP/1.1 101 "));
        stream.write_all(frame).unwrap();
        stream.write_all(&mebibyte).unwrap();
        let [high, low] = status.to_be_bytes();
        assert_eq!(rest(stream), [0x88, 2, high, low], "{frame:x?}");
    }
}

// [v5 MQTT-6.0.0-2] [v3 MQTT-6.0.0-2]
#[test]
fn packets_need_not_end_where_frames_do() {
    let broker = start(&[]);
    let mut stream = request(&broker, "/mqtt", &UPGRADE);
    assert!(head(&mut stream).starts_with("HTTP/1.1 101 "));
    // CONNECT, PINGREQ and DISCONNECT of 3.1.1: cut in the middle, and two at once.
    let packets = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\xc0\x00\xe0\x00";
    let (begin, end) = packets.split_at(5);
    for piece in [begin, end] {
        let len = u8::try_from(piece.len()).unwrap();
        stream.write_all(&[0x82, 0x80 | len, 0, 0, 0, 0]).unwrap();
        stream.write_all(piece).unwrap();
    }
    let answer = rest(stream);
    let packets: Vec<u8> = answer
        .iter()
        .copied()
        .filter(|byte| ![0x82, 0x04, 0x06].contains(byte))
        .collect();
    // CONNACK and PINGRESP, in one frame or two.
    assert!(packets.starts_with(b"\x20\x02\x00\x00\xd0"), "{answer:x?}");
}
