//! A broker in this process, and clients on real sockets that are played by hand.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as expected fails the test"
)]

mod access;
mod auth;
mod certificate;
mod certified;
mod half_open;
mod limits;
mod listener;
mod many;
mod quic;
mod takeover;

use std::io::{Read, Write};
use std::path::PathBuf;

use dunlin::Server;
use dunlin::auth::{PasswordFile, PasswordScheme};
use dunlin::config::Config;
use dunlin_client::codec::{
    Connect, Packet, PacketIdentifier, ProtocolVersion, Publish, QoS, ReasonCode, Subscribe,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, TopicName,
};
use dunlin_client::script::{Peer, connect};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// A broker with a folder for its files.
struct House {
    folder: tempfile::TempDir,
    config: String,
    server: Option<Server>,
}

impl House {
    /// A broker whose file of users has `ada`, `bob` and, for SCRAM, `sam`, each with the password
    /// `NAME's secret`, and
    /// whose access rules are these lines of Mosquitto's form, if there are any.
    fn new(acl: Option<&str>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut house = Self {
            folder,
            config: String::new(),
            server: None,
        };
        let mut users = PasswordFile::default();
        for (user, scheme) in [
            ("ada", PasswordScheme::Argon2id),
            ("bob", PasswordScheme::Argon2id),
            ("sam", PasswordScheme::ScramSha256),
        ] {
            let password = format!("{user}'s secret");
            users.set(user, password.as_bytes(), scheme).unwrap();
        }
        users.write(&house.users()).unwrap();
        house.config = format!(
            "workers = 2\nstore.ephemeral = true\nlistener = [{{ bind = \"mqtt://127.0.0.1:0\" }}]\n\
             auth.password_file = \"{}\"\n",
            house.users().display()
        );
        if let Some(acl) = acl {
            house.write_acl(acl);
            let line = format!("access.acl_file = \"{}\"\n", house.acl().display());
            house.config.push_str(&line);
        }
        house.config.push_str(more);
        house.server = Some(Server::start(&house.loaded()).unwrap());
        house
    }

    fn users(&self) -> PathBuf {
        self.folder.path().join("users")
    }

    fn acl(&self) -> PathBuf {
        self.folder.path().join("acl")
    }

    fn write_acl(&self, text: &str) {
        std::fs::write(self.acl(), text).unwrap();
    }

    fn loaded(&self) -> Config {
        Config::from_toml(&self.config).unwrap()
    }

    /// Ends the broker, and starts it again.
    fn restart(&mut self) {
        self.server = None;
        self.server = Some(Server::start(&self.loaded()).unwrap());
    }

    /// What SIGHUP does.
    fn reload(&self) -> Result<(), String> {
        self.server.as_ref().unwrap().reload(&self.loaded())
    }

    async fn open(&self, version: ProtocolVersion) -> Peer {
        let address = self.server.as_ref().unwrap().addresses()[0]
            .socket_address()
            .unwrap();
        Peer::connect(address, version).await.unwrap()
    }

    /// A client of this user, which is let in.
    async fn client(&self, client_id: &str, user: &str, version: ProtocolVersion) -> Peer {
        let mut peer = self.open(version).await;
        let password = format!("{user}'s secret");
        let code = log_in(&mut peer, client_id, version, user, password.as_bytes()).await;
        assert_eq!(code, ReasonCode::Success, "{client_id} {user}");
        peer
    }
}

/// Sends CONNECT, and gives the code of CONNACK.
async fn log_in(
    peer: &mut Peer,
    client_id: &str,
    version: ProtocolVersion,
    user: &str,
    password: &[u8],
) -> ReasonCode {
    let packet = Connect {
        user_name: Some(user),
        password: Some(password),
        ..connect_fields(client_id, version)
    };
    peer.send(&Packet::Connect(Box::new(packet))).await.unwrap();
    connack(peer).await
}

fn connect_fields(client_id: &str, version: ProtocolVersion) -> Connect<'_> {
    match connect(client_id, version) {
        Packet::Connect(connect) => *connect,
        other => panic!("{other:?}"),
    }
}

async fn connack(peer: &mut Peer) -> ReasonCode {
    let received = peer.receive().await.unwrap();
    match received.packet() {
        Packet::Connack(connack) => connack.reason_code,
        other => panic!("{other:?}"),
    }
}

/// Subscribes at QoS 1, and gives the code of SUBACK.
async fn subscribe(peer: &mut Peer, filter: &str) -> ReasonCode {
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        ..SubscriptionOptions::default()
    };
    let packet = Packet::Subscribe(Subscribe {
        packet_id: PacketIdentifier::MIN,
        properties: Default::default(),
        requests: vec![SubscriptionRequest {
            filter: TopicFilter::parse(filter).unwrap(),
            options,
        }],
    });
    peer.send(&packet).await.unwrap();
    let received = peer.receive().await.unwrap();
    match received.packet() {
        Packet::Suback(suback) => suback.reason_codes[0],
        other => panic!("{other:?}"),
    }
}

/// Publishes at QoS 1, and gives the code of PUBACK.
async fn publish(peer: &mut Peer, topic: &str, payload: &str) -> ReasonCode {
    let packet = Packet::Publish(Publish {
        qos: QoS::AtLeastOnce,
        topic: TopicName::parse(topic).unwrap(),
        packet_id: Some(PacketIdentifier::MIN),
        payload: payload.as_bytes(),
        ..Publish::default()
    });
    peer.send(&packet).await.unwrap();
    let received = peer.receive().await.unwrap();
    match received.packet() {
        Packet::Puback(ack) => ack.reason_code,
        other => panic!("{other:?}"),
    }
}

/// The next packet must be a message; gives its topic and payload.
async fn message(peer: &mut Peer) -> (String, String) {
    let received = peer.receive().await.unwrap();
    match received.packet() {
        Packet::Publish(publish) => (
            publish.topic.as_str().to_owned(),
            String::from_utf8(publish.payload.to_vec()).unwrap(),
        ),
        other => panic!("{other:?}"),
    }
}

/// The next packet must be DISCONNECT; gives its code.
async fn disconnected(peer: &mut Peer) -> ReasonCode {
    let received = peer.receive().await.unwrap();
    match received.packet() {
        Packet::Disconnect(disconnect) => disconnect.reason_code,
        other => panic!("{other:?}"),
    }
}

/// Nothing waits for the client: the answer to PINGREQ is the next packet.
async fn nothing_waits(peer: &mut Peer) {
    peer.send(&Packet::Pingreq).await.unwrap();
    peer.expect(&Packet::Pingresp).await.unwrap();
}

/// CONNECT of 3.1.1 with a clean session, Keep Alive 60 and no Client Identifier.
const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";

/// CONNACK with success.
const CONNACK: [u8; 4] = *b"\x20\x02\x00\x00";

/// Sends CONNECT and expects to be let in.
fn log_in_by_hand(stream: &mut (impl Read + Write)) {
    stream.write_all(CONNECT).unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, CONNACK);
}
