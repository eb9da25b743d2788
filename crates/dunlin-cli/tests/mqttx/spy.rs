//! What stands between a command and the broker: it takes TLS and WebSocket off, passes the bytes on,
//! and writes down what the command sends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dunlin_client::codec::{Limits, Packet, ProtocolVersion, decode};
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// How a port takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Port {
    /// TCP.
    Plain,
    /// TCP, at another port.
    Other,
    /// TLS, with or without a certificate of the client.
    Tls,
    /// WebSocket.
    Web,
    /// TCP; the first connection is accepted and lost, and no other is accepted.
    Cut,
}

impl Port {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Other, Self::Tls, Self::Web, Self::Cut];
}

/// What was seen so far.
pub(crate) type Notes = Arc<Mutex<String>>;

/// An authority, and certificates that it signed.
pub(crate) struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    pub(crate) fn new(directory: &Path) -> Self {
        let mut params = CertificateParams::new(vec!["authority".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
        write("ca.pem", &ca.pem());
        for (name, hosts) in [
            ("server", ["localhost", "127.0.0.1"]),
            ("client", ["c", "d"]),
        ] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(hosts.map(str::to_owned).to_vec()).unwrap();
            write(
                &format!("{name}.pem"),
                &params.signed_by(&key, &ca).unwrap().pem(),
            );
            write(&format!("{name}.key"), &key.serialize_pem());
        }
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Those that were written here before.
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn server(&self) -> ServerConfig {
        let path = |name: &str| self.directory.join(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(path("ca.pem")).unwrap())
            .unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_file(path("server.pem")).unwrap()],
                PrivateKeyDer::from_pem_file(path("server.key")).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"x-mqtt".to_vec()];
        config
    }
}

/// Listens for one command; gives the address of each port.
pub(crate) async fn listen(
    broker: SocketAddr,
    certificates: &Certificates,
    notes: &Notes,
) -> Vec<(Port, u16)> {
    let config = Arc::new(certificates.server());
    let mut ports = Vec::new();
    for port in Port::ALL {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        ports.push((port, listener.local_addr().unwrap().port()));
        let notes = Arc::clone(notes);
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&config));
        tokio::spawn(async move {
            let (mut number, mut pace) = (0, Pace::default());
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                pace.step(&notes, "connections");
                let to = stream.local_addr().unwrap().ip();
                note(&notes, &format!("connection {number} at {port:?} to {to}"));
                let (notes, acceptor) = (Arc::clone(&notes), acceptor.clone());
                tokio::spawn(async move {
                    match port {
                        Port::Plain | Port::Other => relay(stream, broker, &notes).await,
                        Port::Cut => cut(stream, number == 1, &notes).await,
                        Port::Tls => {
                            // Those who trust nobody go away again.
                            let Ok(stream) = acceptor.accept(stream).await else {
                                return;
                            };
                            let (_, tls) = stream.get_ref();
                            let alpn = tls.alpn_protocol().map(String::from_utf8_lossy);
                            let alpn = alpn.unwrap_or_default().into_owned();
                            let has_certificate = tls.peer_certificates().is_some();
                            note(
                                &notes,
                                &format!("TLS alpn={alpn} certificate={has_certificate}"),
                            );
                            relay(stream, broker, &notes).await;
                        }
                        Port::Web => web(stream, broker, &notes).await,
                    }
                });
            }
        });
    }
    ports
}

/// Between two of a kind, more time than this is much.
const APART: Duration = Duration::from_millis(300);

/// When one of a kind was seen last.
#[derive(Default)]
struct Pace(Option<Instant>);

impl Pace {
    fn step(&mut self, notes: &Notes, kind: &str) {
        let now = Instant::now();
        let last = self.0.replace(now);
        match last.map(|last| now - last) {
            Some(time) if time >= APART => note(notes, &format!("{kind} apart by 300 ms or more")),
            Some(_) => note(notes, &format!("{kind} within 300 ms")),
            None => {}
        }
    }
}

fn note(notes: &Notes, text: &str) {
    let mut notes = notes.lock().unwrap();
    notes.push_str(text);
    notes.push('\n');
}

/// The packets of a command, written down as they come.
struct Tap {
    bytes: Vec<u8>,
    version: ProtocolVersion,
    notes: Notes,
    pace: Pace,
}

impl Tap {
    fn new(notes: &Notes) -> Self {
        Self {
            bytes: Vec::new(),
            version: ProtocolVersion::V5,
            notes: Arc::clone(notes),
            pace: Pace::default(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while let Ok(Some((packet, length))) =
            decode(&self.bytes[at..], self.version, &Limits::default())
        {
            at += length;
            if let Packet::Connect(connect) = &packet {
                self.version = connect.version;
            }
            note(&self.notes, &format!("{packet:?}"));
            if let Packet::Connect(connect) = &packet
                && let Some(password) = connect.password
            {
                // Which the packet does not show.
                let password = String::from_utf8_lossy(password);
                note(
                    &self.notes,
                    &format!("Connect(with the password {password})"),
                );
            }
            if let Packet::Publish(publish) = &packet {
                self.pace.step(&self.notes, "messages");
                let text = String::from_utf8_lossy(publish.payload);
                let size = publish.payload.len();
                let topic = publish.topic;
                note(
                    &self.notes,
                    &format!("message on {topic}, {size} bytes: {text}."),
                );
            }
        }
        self.bytes.drain(..at);
    }
}

async fn relay(stream: impl AsyncRead + AsyncWrite + Unpin, broker: SocketAddr, notes: &Notes) {
    let mut tap = Tap::new(notes);
    let mut server = TcpStream::connect(broker).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut down, mut up) = server.split();
    let sent = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            tap.take(&buffer[..length]);
            if up.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
        let _ = up.shutdown().await;
    };
    let answered = async {
        // Either side may end it.
        let _ = tokio::io::copy(&mut down, &mut writer).await;
        let _ = writer.shutdown().await;
    };
    tokio::join!(sent, answered);
}

/// Ends the connection when the first packet is there.
async fn cut(mut stream: TcpStream, is_accepted: bool, notes: &Notes) {
    let mut tap = Tap::new(notes);
    let mut buffer = vec![0; 65_536];
    if let Ok(length) = stream.read(&mut buffer).await {
        tap.take(&buffer[..length]);
    }
    if is_accepted {
        // Whoever is gone already does not hear it.
        let _ = stream.write_all(&[0x20, 3, 0, 0, 0]).await;
    }
}

#[expect(clippy::result_large_err, reason = "the library's shape")]
async fn web(stream: TcpStream, broker: SocketAddr, notes: &Notes) {
    let accept = |request: &Request, mut response: Response| {
        let header = request.headers().get("x-key");
        let key = header.map_or("", |value| value.to_str().unwrap());
        note(
            notes,
            &format!("WebSocket path={} x-key={key}.", request.uri().path()),
        );
        let headers = response.headers_mut();
        headers.insert("sec-websocket-protocol", "mqtt".parse().unwrap());
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, accept).await else {
        return;
    };
    let mut tap = Tap::new(notes);
    let mut server = TcpStream::connect(broker).await.unwrap();
    let mut buffer = vec![0; 65_536];
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Frame::Binary(bytes))) => {
                    tap.take(&bytes);
                    if server.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            read = server.read(&mut buffer) => match read {
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
