//! Clients that are known by their certificates.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use dunlin::Server;
use dunlin::config::{Bind, Config};
use dunlin_client::codec::{
    Connect, Limits, Packet, PacketIdentifier, Publish, QoS, ReasonCode, TopicName, decode,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::certificate::{Authority, SelfSigned};
use super::{V5, connect_fields};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A broker that knows its clients by their certificates.
struct Certified {
    server: Server,
    own: SelfSigned,
    authority: Authority,
}

impl Certified {
    /// `more` is for the listener, and `sections` for the end of the configuration.
    fn start(more: &str, sections: &str) -> Self {
        let (own, authority) = (SelfSigned::new(), Authority::new());
        let config = format!(
            "store.ephemeral = true\n{sections}\n{}client_ca_file = {:?}\n\
             [[listener]]\nbind = \"mqtts://127.0.0.1:0\"\n{more}\n",
            own.section(),
            authority.file(),
        );
        let server = Server::start(&Config::from_toml(&config).unwrap()).unwrap();
        Self {
            server,
            own,
            authority,
        }
    }

    /// A connection of a client whose certificate has this Common Name and DNS name.
    fn open(&self, name: Option<&str>) -> Tls {
        let address = self
            .server
            .addresses()
            .iter()
            .find_map(Bind::socket_address);
        let client = match name {
            Some(name) => self.own.client_with(&self.authority, name),
            None => self.own.client(&[]),
        };
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = ClientConnection::new(Arc::new(client), name).unwrap();
        let stream = TcpStream::connect(address.unwrap()).unwrap();
        let deadline = Some(Duration::from_secs(20));
        stream.set_read_timeout(deadline).unwrap();
        StreamOwned::new(session, stream)
    }
}

/// Sends a packet and reads the one that answers it.
fn ask<T>(tls: &mut Tls, packet: &Packet<'_>, read: impl Fn(&Packet<'_>) -> T) -> T {
    let mut bytes = Vec::new();
    packet.encode(V5, &mut bytes).unwrap();
    tls.write_all(&bytes).unwrap();
    let mut received = Vec::new();
    loop {
        let mut chunk = [0; 512];
        let count = tls.read(&mut chunk).unwrap();
        assert!(count > 0, "the connection was closed");
        received.extend_from_slice(&chunk[..count]);
        if let Some((packet, _)) = decode(&received, V5, &Limits::default()).unwrap() {
            return read(&packet);
        }
    }
}

/// What CONNACK says, and the Assigned Client Identifier.
fn log_in(tls: &mut Tls, connect: Connect<'_>) -> (ReasonCode, Option<String>) {
    ask(tls, &Packet::Connect(Box::new(connect)), |packet| {
        let Packet::Connack(connack) = packet else {
            panic!("{packet:?}");
        };
        let assigned = connack.properties.assigned_client_identifier;
        (connack.reason_code, assigned.map(str::to_owned))
    })
}

fn publish(tls: &mut Tls, topic: &str) -> ReasonCode {
    let publish = Packet::Publish(Publish {
        qos: QoS::AtLeastOnce,
        topic: TopicName::parse(topic).unwrap(),
        packet_id: Some(PacketIdentifier::MIN),
        ..Publish::default()
    });
    ask(tls, &publish, |packet| match packet {
        Packet::Puback(ack) => ack.reason_code,
        other => panic!("{other:?}"),
    })
}

#[test]
fn the_user_of_a_certificate_has_the_rules_of_its_name_whatever_connect_says() {
    let rules =
        "access.rules = [{ permission = \"allow\", users = [\"seven\"], topics = [\"of/%u\"] }]";
    let house = Certified::start("certificate_user_name = \"cn\"", rules);
    for (shown, expected) in [
        ("seven", ReasonCode::NoMatchingSubscribers),
        ("eight", ReasonCode::NotAuthorized),
    ] {
        let mut tls = house.open(Some(shown));
        let connect = Connect {
            user_name: Some("seven"),
            password: Some(b"nobody asks for it"),
            ..connect_fields("a", V5)
        };
        assert_eq!(log_in(&mut tls, connect).0, ReasonCode::Success);
        assert_eq!(publish(&mut tls, "of/seven"), expected, "{shown}");
    }
}

#[test]
fn a_listener_that_takes_names_from_certificates_lets_nobody_in_without_one() {
    let optional = "certificate_user_name = \"cn\"\ntls_client_certificate = \"optional\"";
    let house = Certified::start(optional, "");
    let mut nobody = house.open(None);
    let (code, _) = log_in(&mut nobody, connect_fields("a", V5));
    assert_eq!(code, ReasonCode::NotAuthorized);
    let mut seven = house.open(Some("seven"));
    let (code, _) = log_in(&mut seven, connect_fields("a", V5));
    assert_eq!(code, ReasonCode::Success);
}

// [v5 MQTT-3.1.3-7]
#[test]
fn the_client_identifier_is_the_certificates_and_assigned_if_connect_has_none() {
    let house = Certified::start(
        "certificate_client_id = \"dns\"",
        "auth.allow_anonymous = true",
    );
    let answer = |client_id| {
        let mut tls = house.open(Some("seven"));
        log_in(&mut tls, connect_fields(client_id, V5))
    };
    assert_eq!(answer("seven"), (ReasonCode::Success, None));
    let assigned = Some("seven".to_owned());
    assert_eq!(answer(""), (ReasonCode::Success, assigned));
    assert_eq!(
        answer("eight"),
        (ReasonCode::ClientIdentifierNotValid, None)
    );
}
