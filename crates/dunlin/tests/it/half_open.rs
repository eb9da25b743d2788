//! Connections that never come to MQTT keep nobody out.
//!
//! `OVERLOAD=50 cargo test -p dunlin --test it half_open -- --nocapture` is fifty times as much:
//! docs/benchmarks/overload.md has the figures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin::Server;
use dunlin::config::{Bind, Config};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::certificate::SelfSigned;
use crate::{CONNACK, CONNECT, log_in_by_hand};

/// How many handshakes may go on at once, of so many that are begun and never finished.
const BOUND: usize = 12;
const HALF_OPEN: usize = 100;

/// How often a client that means well comes, while they are there.
const GOOD: usize = 5;

/// This many, or as many times more as `OVERLOAD` says.
fn scaled(number: usize) -> usize {
    let times = std::env::var("OVERLOAD").map_or(1, |times| times.parse().unwrap());
    number * times
}

fn start(scheme: &str, certificate: &SelfSigned) -> (Server, SocketAddr) {
    // With places for so few connections that those who never finish would take them all.
    let bound = scaled(BOUND);
    let limits =
        format!("max_handshakes = {bound}\nmax_connections = {bound}\nhandshake_timeout_s = 300\n");
    start_with(scheme, certificate, &limits)
}

fn start_with(scheme: &str, certificate: &SelfSigned, more: &str) -> (Server, SocketAddr) {
    let listener = format!("[[listener]]\nbind = \"{scheme}://127.0.0.1:0\"\n{more}");
    let config = Config::from_toml(&format!(
        "store.ephemeral = true\n{}{listener}",
        certificate.section()
    ))
    .unwrap();
    let server = Server::start(&config).unwrap();
    let address = server.addresses().iter().find_map(Bind::socket_address);
    (server, address.unwrap())
}

/// Says how long the slowest of several logins took that are tried while others never finish.
fn good_clients(transport: &str, log_in: impl Fn()) {
    let times = (0..GOOD).map(|_| {
        let began = Instant::now();
        log_in();
        began.elapsed()
    });
    say(transport, times.max().unwrap());
}

#[allow(clippy::print_stderr, reason = "figures, for who runs it for them")]
fn say(transport: &str, slowest: Duration) {
    let count = scaled(HALF_OPEN);
    eprintln!("{transport}: {count} half-open, a good client is let in within {slowest:.1?}");
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// Begins something and leaves it.
fn half_open(address: SocketAddr, begin: &[u8]) -> Vec<TcpStream> {
    let begin = |_| {
        let mut stream = tcp(address);
        stream.write_all(begin).unwrap();
        stream
    };
    (0..scaled(HALF_OPEN)).map(begin).collect()
}

/// Waits for the broker to close the oldest of them.
fn expect_closed(stream: &mut TcpStream) {
    let read = stream.read(&mut [0; 16]);
    assert!(
        matches!(&read, Ok(0))
            || read
                .as_ref()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        "{read:?}"
    );
}

/// A connection over TLS that is open.
fn tls(certificate: &SelfSigned, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
    let client = Arc::new(certificate.client(&[]));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(client, name).unwrap();
    StreamOwned::new(session, tcp(address))
}

/// Asks for a WebSocket, which is agreed to.
fn upgrade(stream: &mut (impl Read + Write)) {
    let request = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = [0; 12];
    stream.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 101");
}

/// The header of a record of TLS, and nothing in it.
const RECORD: &[u8] = b"\x16\x03\x01\x02\x00";

#[test]
fn of_tls() {
    let certificate = SelfSigned::new();
    let (server, address) = start("mqtts", &certificate);
    let mut begun = half_open(address, RECORD);
    good_clients("mqtts", || log_in_by_hand(&mut tls(&certificate, address)));
    expect_closed(&mut begun[0]);
    server.shut_down();
}

#[test]
fn of_websocket() {
    let certificate = SelfSigned::new();
    let (server, address) = start("ws", &certificate);
    let mut begun = half_open(address, b"GET /mqtt HTTP/1.1\r\nHost: ");
    good_clients("ws", || upgrade(&mut tcp(address)));
    expect_closed(&mut begun[0]);
    server.shut_down();
}

#[test]
fn of_websocket_over_tls() {
    let certificate = SelfSigned::new();
    let (server, address) = start("wss", &certificate);
    let mut begun = half_open(address, RECORD);
    good_clients("wss", || upgrade(&mut tls(&certificate, address)));
    expect_closed(&mut begun[0]);
    server.shut_down();
}

// Class 18 of attacks: there is room for more handshakes, and still one that is left ends.
#[test]
fn slow_clients_a_handshake_that_is_left_ends_in_time() {
    let certificate = SelfSigned::new();
    for (scheme, begin) in [
        ("mqtts", RECORD),
        ("ws", b"GET /mqtt HTTP/1.1\r\nHost: "),
        ("wss", RECORD),
    ] {
        let (server, address) = start_with(scheme, &certificate, "handshake_timeout_s = 1\n");
        let mut stream = tcp(address);
        stream.write_all(begin).unwrap();
        expect_closed(&mut stream);
        server.shut_down();
    }
}

/// The first datagrams of clients of QUIC that are sent no answer.
async fn first_datagrams(certificate: &SelfSigned) -> Vec<Vec<u8>> {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    nobody
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let crypto = QuicClientConfig::try_from(certificate.client(&[b"mqtt"])).unwrap();
    let client = ClientConfig::new(Arc::new(crypto));
    let mut datagrams = Vec::new();
    for _ in 0..scaled(HALF_OPEN) {
        let to = nobody.local_addr().unwrap();
        let connecting = endpoint.connect_with(client.clone(), to, "localhost");
        // It is sent by another task.
        let recorder = nobody.try_clone().unwrap();
        let received = tokio::task::spawn_blocking(move || {
            let mut datagram = vec![0; 2048];
            let count = recorder.recv(&mut datagram).unwrap();
            datagram.truncate(count);
            datagram
        });
        datagrams.push(received.await.unwrap());
        drop(connecting);
    }
    datagrams
}

#[tokio::test]
async fn of_quic() {
    let certificate = SelfSigned::new();
    let datagrams = first_datagrams(&certificate).await;
    let (server, address) = start("quic", &certificate);
    let hostile: Vec<_> = (0..HALF_OPEN)
        .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();
    for (datagram, from) in datagrams.iter().zip(hostile.iter().cycle()) {
        from.send_to(datagram, address).unwrap();
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..GOOD {
        let began = Instant::now();
        let crypto = QuicClientConfig::try_from(certificate.client(&[b"mqtt"])).unwrap();
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = ClientConfig::new(Arc::new(crypto));
        let connecting = endpoint.connect_with(client, address, "localhost");
        let (mut send, mut receive) = connecting.unwrap().await.unwrap().open_bi().await.unwrap();
        send.write_all(CONNECT).await.unwrap();
        let mut connack = [0; 4];
        receive.read_exact(&mut connack).await.unwrap();
        assert_eq!(connack, CONNACK);
        slowest = slowest.max(began.elapsed());
    }
    say("quic", slowest);
    tokio::task::spawn_blocking(|| server.shut_down())
        .await
        .unwrap();
}
