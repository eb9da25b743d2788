//! Each transport against a server that takes it off and passes the bytes to a scripted peer.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dunlin_codec::QoS;
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::{V5, next_message};
use crate::script::{DEADLINE, PeerListener, connack};
use crate::{
    Address, ClientOptions, ConnectError, Endpoint, PublishRequest, TlsError, TlsOptions,
    WebSocketEndpoint,
};

/// An authority, what it signed, and a certificate that signs itself, as files.
struct Certificates {
    directory: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        let authority = || {
            let mut params = CertificateParams::new(vec!["authority".to_owned()]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
        };
        let ca = authority();
        write("ca.pem", &ca.pem());
        write("other-ca.pem", &authority().pem());
        for (name, host) in [("server", "localhost"), ("client", "device-1")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            write(
                &format!("{name}.pem"),
                &params.signed_by(&key, &ca).unwrap().pem(),
            );
            write(&format!("{name}.key"), &key.serialize_pem());
        }
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        write("self.pem", &params.self_signed(&key).unwrap().pem());
        write("self.key", &key.serialize_pem());
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn server(&self, name: &str, asks_clients: bool) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks_clients {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap())
                .unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            );
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_file(self.path(&format!("{name}.pem")));
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
        builder
            .with_single_cert(vec![certificate.unwrap()], key.unwrap())
            .unwrap()
    }

    fn trusting(&self, name: &str) -> TlsOptions {
        TlsOptions {
            ca: Some(self.path(name)),
            ..TlsOptions::default()
        }
    }
}

/// Moves bytes between a client whose transport was taken off, and the peer.
async fn relay(mut stream: impl AsyncRead + AsyncWrite + Unpin, to: SocketAddr) {
    let mut peer = TcpStream::connect(to).await.unwrap();
    // Either side may end it.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut peer).await;
}

/// A TLS server on a free port.
async fn tls_server(config: ServerConfig, to: SocketAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the server ends the handshake.
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(relay(stream, to));
            }
        }
    });
    port
}

fn options(endpoint: Endpoint) -> ClientOptions {
    let mut options = ClientOptions::new(endpoint);
    options.connect.client_id = "c".to_owned();
    options.connect.keep_alive = 0;
    options
}

fn tls_to(port: u16, tls: &TlsOptions) -> ClientOptions {
    options(Endpoint::Tls(
        Address::new("localhost", port),
        tls.build().unwrap(),
    ))
}

/// A large message there and back, and the end.
async fn works(peers: &PeerListener, options: ClientOptions) {
    let played = async {
        let (mut peer, _) = peers.accept_client(V5, &connack(false)).await.unwrap();
        let publish = peer.receive().await.unwrap();
        peer.send(&publish.packet()).await.unwrap();
        peer.expect_disconnect().await.unwrap()
    };
    let client = async {
        let (client, mut events, _) = options.connect().await.unwrap();
        let payload = vec![b'x'; 1_000_000];
        let request = PublishRequest::new("t", payload.clone()).with_qos(QoS::AtMostOnce);
        client.publish(request).await.unwrap();
        assert_eq!(next_message(&mut events).await.payload(), payload);
        client.disconnect(Default::default()).await.unwrap();
    };
    tokio::join!(played, client);
}

async fn fails(options: ClientOptions) -> String {
    let result = tokio::time::timeout(DEADLINE, options.connect())
        .await
        .unwrap();
    match result {
        Err(ConnectError::Io(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tls_with_an_authority_and_with_the_very_certificate() {
    let certificates = Certificates::new();
    let peers = PeerListener::bind().await.unwrap();
    let to = peers.address().unwrap();
    let port = tls_server(certificates.server("server", false), to).await;
    works(&peers, tls_to(port, &certificates.trusting("ca.pem"))).await;
    let port = tls_server(certificates.server("self", false), to).await;
    works(&peers, tls_to(port, &certificates.trusting("self.pem"))).await;
    let insecure = TlsOptions {
        accepts_any_certificate: true,
        ..TlsOptions::default()
    };
    works(&peers, tls_to(port, &insecure)).await;
}

#[tokio::test]
async fn servers_that_are_not_trusted_are_refused() {
    let certificates = Certificates::new();
    let to = PeerListener::bind().await.unwrap().address().unwrap();
    let port = tls_server(certificates.server("server", false), to).await;
    let text = fails(tls_to(port, &certificates.trusting("other-ca.pem"))).await;
    assert!(text.contains("invalid peer certificate"), "{text}");
    let tls = certificates.trusting("ca.pem").build().unwrap();
    let by_address = Endpoint::Tls(Address::new("127.0.0.1", port), tls);
    let text = fails(options(by_address)).await;
    assert!(text.contains("not valid for name"), "{text}");
    // A certificate that signs itself is for its own name too.
    let port = tls_server(certificates.server("self", false), to).await;
    let tls = certificates.trusting("self.pem").build().unwrap();
    let text = fails(options(Endpoint::Tls(Address::new("127.0.0.1", port), tls))).await;
    assert!(text.contains("not valid for name"), "{text}");
}

#[tokio::test]
async fn a_client_has_a_certificate_as_well() {
    let certificates = Certificates::new();
    let peers = PeerListener::bind().await.unwrap();
    let to = peers.address().unwrap();
    let port = tls_server(certificates.server("server", true), to).await;
    let with = TlsOptions {
        certificate: Some(certificates.path("client.pem")),
        key: Some(certificates.path("client.key")),
        ..certificates.trusting("ca.pem")
    };
    works(&peers, tls_to(port, &with)).await;
    let text = fails(tls_to(port, &certificates.trusting("ca.pem"))).await;
    assert!(text.contains("CertificateRequired"), "{text}");
}

#[tokio::test]
async fn sessions_are_resumed_unless_that_is_unwanted() {
    let certificates = Certificates::new();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(certificates.server("server", false)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new("localhost", listener.local_addr().unwrap().port());
    let resuming = certificates.trusting("ca.pem").build().unwrap();
    let full = resuming.without_resumption();
    let kinds = [
        (&full, HandshakeKind::Full),
        (&full, HandshakeKind::Full),
        (&resuming, HandshakeKind::Full),
        (&resuming, HandshakeKind::Resumed),
    ];
    for (tls, expected) in kinds {
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b"x").await.unwrap();
            stream.get_ref().1.handshake_kind()
        };
        let client = async {
            let endpoint = Endpoint::Tls(address.clone(), tls.clone());
            // The tickets come before the byte.
            endpoint.open().await.unwrap().read_u8().await.unwrap();
        };
        let (kind, ()) = tokio::join!(served, client);
        assert_eq!(kind, Some(expected));
    }
}

#[test]
fn files_that_are_none_are_told() {
    let certificates = Certificates::new();
    let told = |options: &TlsOptions| options.build().unwrap_err().to_string();
    let mut options = certificates.trusting("server.key");
    assert!(told(&options).ends_with("server.key: no PEM certificate in it"));
    options.ca = Some(Path::new("/nowhere").to_owned());
    assert!(told(&options).starts_with("/nowhere: "));
    let mut options = certificates.trusting("ca.pem");
    options.certificate = Some(certificates.path("client.pem"));
    assert!(matches!(options.build(), Err(TlsError::OneOfTwo)));
    options.key = Some(certificates.path("ca.pem"));
    assert!(told(&options).ends_with("ca.pem: no PEM private key in it"));
    options.key = Some(certificates.path("server.key"));
    assert!(told(&options).contains("not the key of "));
}

/// A WebSocket server; gives the port, and each request's path and header `x-key`.
async fn web_server(
    tls: Option<ServerConfig>,
    to: SocketAddr,
) -> (u16, tokio::sync::mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        match tls {
            Some(config) => {
                let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
                web_socket(acceptor.accept(stream).await.unwrap(), to, sender).await;
            }
            None => web_socket(stream, to, sender).await,
        }
    });
    (port, receiver)
}

#[expect(clippy::result_large_err, reason = "the library's shape")]
async fn web_socket(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    seen: tokio::sync::mpsc::Sender<(String, String)>,
) {
    let accept = |request: &Request, mut response: Response| {
        let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("sec-websocket-protocol"), "mqtt");
        let told = (request.uri().path().to_owned(), header("x-key").to_owned());
        seen.try_send(told).unwrap();
        let headers = response.headers_mut();
        headers.insert("sec-websocket-protocol", "mqtt".parse().unwrap());
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, accept)
        .await
        .unwrap();
    let mut peer = TcpStream::connect(to).await.unwrap();
    let mut buffer = vec![0; 777];
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Frame::Binary(bytes))) => peer.write_all(&bytes).await.unwrap(),
                Some(Ok(Frame::Close(_))) | Some(Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            read = peer.read(&mut buffer) => match read {
                // Small pieces, so that packets lie across frames.
                Ok(length @ 1..) => {
                    let frame = Frame::binary(buffer[..length].to_vec());
                    if socket.send(frame).await.is_err() {
                        return;
                    }
                }
                _ => {
                    let _ = socket.close(None).await;
                    return;
                }
            },
        }
    }
}

fn web(port: u16, tls: Option<&TlsOptions>) -> ClientOptions {
    options(Endpoint::WebSocket(Box::new(WebSocketEndpoint {
        address: Address::new("localhost", port),
        path: "/some/path".to_owned(),
        headers: vec![("X-Key".to_owned(), "k1".to_owned())],
        tls: tls.map(|tls| tls.build().unwrap()),
    })))
}

// [v5 MQTT-6.0.0-2] [v5 MQTT-6.0.0-3] [v3 MQTT-6.0.0-2] [v3 MQTT-6.0.0-3]
#[tokio::test]
async fn web_sockets_with_and_without_tls() {
    let certificates = Certificates::new();
    let peers = PeerListener::bind().await.unwrap();
    let to = peers.address().unwrap();
    let expected = ("/some/path".to_owned(), "k1".to_owned());
    let (port, mut seen) = web_server(None, to).await;
    works(&peers, web(port, None)).await;
    assert_eq!(seen.recv().await, Some(expected.clone()));
    let config = certificates.server("server", false);
    let (port, mut seen) = web_server(Some(config), to).await;
    works(&peers, web(port, Some(&certificates.trusting("ca.pem")))).await;
    assert_eq!(seen.recv().await, Some(expected));
}

#[tokio::test]
async fn a_server_without_web_sockets_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let _ = stream.read(&mut request).await;
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    });
    let text = fails(web(port, None)).await;
    assert!(text.contains("404 Not Found"), "{text}");
}

#[tokio::test]
async fn unix_sockets() {
    let peers = PeerListener::bind().await.unwrap();
    let to = peers.address().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        relay(stream, to).await;
    });
    works(&peers, options(Endpoint::Unix(path.clone()))).await;
    fails(options(Endpoint::Unix(directory.path().join("none.sock")))).await;
}

#[tokio::test]
async fn quic() {
    let certificates = Certificates::new();
    let peers = PeerListener::bind().await.unwrap();
    let to = peers.address().unwrap();
    let mut config = certificates.server("server", false);
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(config).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let server = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            let Ok(connection) = incoming.await else {
                continue;
            };
            let (send, receive) = connection.accept_bi().await.unwrap();
            tokio::spawn(relay(tokio::io::join(receive, send), to));
        }
    });
    let tls = |name: &str| certificates.trusting(name).build().unwrap();
    let at = |tls| {
        // Over IPv4, wherever localhost leads first.
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        options(Endpoint::Quic(Address::new("localhost", port), tls).at(address))
    };
    works(&peers, at(tls("ca.pem"))).await;
    let text = fails(at(tls("other-ca.pem"))).await;
    assert!(text.contains("certificate"), "{text}");
}
