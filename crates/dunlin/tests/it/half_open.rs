//! Connections that never come to MQTT keep nobody out.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use dunlin::Server;
use dunlin::config::{Bind, Config};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::certificate::SelfSigned;
use crate::log_in_by_hand;

/// How many handshakes may go on at once, and how many are begun and never finished.
const BOUND: usize = 8;
const HALF_OPEN: usize = 64;

fn start(scheme: &str, certificate: &SelfSigned) -> (Server, SocketAddr) {
    // With places for so few connections that those who never finish would take them all.
    let listener = format!(
        "[[listener]]\nbind = \"{scheme}://127.0.0.1:0\"\nmax_handshakes = {BOUND}\n\
         max_connections = {BOUND}\nhandshake_timeout_s = 300\n"
    );
    let config = Config::from_toml(&(certificate.section() + &listener)).unwrap();
    let server = Server::start(&config).unwrap();
    let address = server.addresses().iter().find_map(Bind::socket_address);
    (server, address.unwrap())
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
    (0..HALF_OPEN).map(begin).collect()
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

#[test]
fn of_tls() {
    let certificate = SelfSigned::new();
    let (server, address) = start("mqtts", &certificate);
    // The header of a record, and nothing in it.
    let mut begun = half_open(address, b"\x16\x03\x01\x02\x00");
    let client = Arc::new(certificate.client(&[]));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(client, name).unwrap();
    log_in_by_hand(&mut StreamOwned::new(session, tcp(address)));
    expect_closed(&mut begun[0]);
    server.shut_down();
}

#[test]
fn of_websocket() {
    let certificate = SelfSigned::new();
    let (server, address) = start("ws", &certificate);
    let mut begun = half_open(address, b"GET /mqtt HTTP/1.1\r\nHost: ");
    let mut stream = tcp(address);
    let request = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = [0; 12];
    stream.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 101");
    expect_closed(&mut begun[0]);
    server.shut_down();
}
