//! MQTT over QUIC.

use std::net::SocketAddr;
use std::sync::Arc;

use dunlin::Server;
use dunlin::config::{Bind, Config};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream};

use crate::certificate::SelfSigned;
use crate::{CONNACK, CONNECT};

fn start(certificate: &SelfSigned) -> (Server, SocketAddr) {
    start_with(certificate, "")
}

/// The same with these keys of its listener.
fn start_with(certificate: &SelfSigned, more: &str) -> (Server, SocketAddr) {
    let config = Config::from_toml(&format!(
        "store.ephemeral = true\n{}[[listener]]\nbind = \"quic://127.0.0.1:0\"\n{more}",
        certificate.section()
    ));
    let config = config.unwrap();
    let server = Server::start(&config).unwrap();
    let address = server.addresses().iter().find_map(Bind::socket_address);
    (server, address.unwrap())
}

async fn connected(
    certificate: &SelfSigned,
    address: SocketAddr,
    alpn: &[&[u8]],
) -> Result<(Endpoint, Connection), ConnectionError> {
    let crypto = QuicClientConfig::try_from(certificate.client(alpn)).unwrap();
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint.connect_with(client, address, "localhost").unwrap();
    Ok((endpoint, connecting.await?))
}

async fn expect(receive: &mut RecvStream, wanted: &[u8]) {
    let mut read = vec![0; wanted.len()];
    receive.read_exact(&mut read).await.unwrap();
    assert_eq!(read, wanted);
}

async fn open(connection: &Connection) -> (SendStream, RecvStream) {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(CONNECT).await.unwrap();
    expect(&mut receive, &CONNACK).await;
    (send, receive)
}

#[tokio::test]
async fn a_message_goes_out_and_comes_back_on_one_stream() {
    let certificate = SelfSigned::new();
    let (server, address) = start(&certificate);
    let (_endpoint, connection) = connected(&certificate, address, &[b"mqtt"]).await.unwrap();
    let (mut send, mut receive) = open(&connection).await;
    send.write_all(b"\x82\x06\x00\x01\x00\x01t\x00")
        .await
        .unwrap();
    expect(&mut receive, b"\x90\x03\x00\x01\x00").await;
    // Larger than what a connection may have on its way at once.
    let payload = vec![b'x'; 900_000];
    let remaining = 3 + payload.len();
    let mut publish = vec![0x30];
    for shift in [0, 7, 14] {
        let more = if shift < 14 { 0x80 } else { 0 };
        publish.push(u8::try_from((remaining >> shift) & 0x7f).unwrap() | more);
    }
    publish.extend(b"\x00\x01t");
    publish.extend(&payload);
    send.write_all(&publish).await.unwrap();
    expect(&mut receive, &publish).await;
    // DISCONNECT, after which the broker ends the connection.
    send.write_all(b"\xe0\x00").await.unwrap();
    let ended = connection.closed().await;
    assert!(
        matches!(ended, ConnectionError::ApplicationClosed(_)),
        "{ended}"
    );
    tokio::task::spawn_blocking(|| server.shut_down())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_end_of_the_broker_is_told() {
    let certificate = SelfSigned::new();
    let (server, address) = start(&certificate);
    let (_endpoint, connection) = connected(&certificate, address, &[b"mqtt"]).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    // 5.0, which is told why: DISCONNECT with Server shutting down.
    send.write_all(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
        .await
        .unwrap();
    let mut begin = [0; 2];
    receive.read_exact(&mut begin).await.unwrap();
    assert_eq!(begin[0], 0x20);
    receive
        .read_exact(&mut vec![0; begin[1].into()])
        .await
        .unwrap();
    let ending = tokio::task::spawn_blocking(|| server.shut_down());
    expect(&mut receive, b"\xe0\x01\x8b").await;
    connection.close(0_u8.into(), b"");
    ending.await.unwrap();
}

#[tokio::test]
async fn a_listener_without_a_place_says_so() {
    let certificate = SelfSigned::new();
    let (server, address) = start_with(&certificate, "max_connections = 1\n");
    let (_endpoint, first) = connected(&certificate, address, &[b"mqtt"]).await.unwrap();
    let _streams = open(&first).await;
    let (_endpoint, second) = connected(&certificate, address, &[b"mqtt"]).await.unwrap();
    let (mut send, _receive) = second.open_bi().await.unwrap();
    // Whether it is written before it is closed does not matter.
    let _ = send.write_all(CONNECT).await;
    let ConnectionError::ApplicationClosed(close) = second.closed().await else {
        panic!("it is closed by the broker")
    };
    assert_eq!(&close.reason[..], b"the listener is full");
    tokio::task::spawn_blocking(|| server.shut_down())
        .await
        .unwrap();
}

/// A client that does not go on after the handshake of QUIC has its time as well.
// Class 18 of attacks.
#[tokio::test]
async fn slow_clients_who_opens_no_stream_is_closed_in_time() {
    let certificate = SelfSigned::new();
    let (server, address) = start_with(&certificate, "handshake_timeout_s = 1\n");
    let (_endpoint, connection) = connected(&certificate, address, &[b"mqtt"]).await.unwrap();
    connection.closed().await;
    tokio::task::spawn_blocking(|| server.shut_down())
        .await
        .unwrap();
}

#[tokio::test]
async fn another_protocol_is_not_agreed_on() {
    let certificate = SelfSigned::new();
    let (server, address) = start(&certificate);
    let refused = connected(&certificate, address, &[b"h3"]).await;
    let Err(ConnectionError::ConnectionClosed(close)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        close.to_string().contains("no_application_protocol") || close.to_string().contains("120"),
        "{close}"
    );
    tokio::task::spawn_blocking(|| server.shut_down())
        .await
        .unwrap();
}
