//! What a listener says holds for its own clients, and not for those of others.

use std::net::SocketAddr;
use std::time::Duration;

use dunlin::Server;
use dunlin::config::{Bind, Config};
use dunlin_client::codec::{Packet, ProtocolVersion, Publish, QoS, ReasonCode, TopicName};
use dunlin_client::script::{Peer, connect};

use super::{V5, connack, disconnected, message, publish, subscribe};

/// A broker with two listeners, of which one has this line.
fn start(more: &str) -> (Server, [SocketAddr; 2]) {
    let listener = "[[listener]]\nbind = \"mqtt://127.0.0.1:0\"\n";
    let text = format!("store.ephemeral = true\n{listener}{more}\n{listener}");
    let server = Server::start(&Config::from_toml(&text).unwrap()).unwrap();
    let addresses = server.addresses().iter().map(Bind::socket_address);
    let addresses: Vec<_> = addresses.map(Option::unwrap).collect();
    (server, addresses.try_into().unwrap())
}

async fn client(address: SocketAddr, client_id: &str) -> Peer {
    client_of(V5, address, client_id).await
}

async fn client_of(version: ProtocolVersion, address: SocketAddr, client_id: &str) -> Peer {
    let mut peer = Peer::connect(address, version).await.unwrap();
    peer.send(&connect(client_id, version)).await.unwrap();
    assert_eq!(connack(&mut peer).await, ReasonCode::Success);
    peer
}

/// Whether somebody is let in.
async fn has_a_place(address: SocketAddr) -> bool {
    let Ok(mut peer) = Peer::connect(address, V5).await else {
        return false;
    };
    // It may be closed before it has said anything.
    peer.send(&connect("x", V5)).await.is_ok() && peer.receive().await.is_ok()
}

#[tokio::test]
async fn a_listener_has_places_of_its_own() {
    let (_server, [first, second]) = start("max_connections = 2");
    let one = client(first, "a").await;
    let _two = client(first, "b").await;
    assert!(!has_a_place(first).await);
    assert!(has_a_place(second).await);
    drop(one);
    // The place is free again once the broker has noticed.
    let until_it_has_a_place = async { while !has_a_place(first).await {} };
    let deadline = Duration::from_secs(20);
    tokio::time::timeout(deadline, until_it_has_a_place)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_listener_has_a_longest_packet_of_its_own() {
    let (_server, [first, second]) = start("packet_bytes_max = 100");
    let payload = "x".repeat(200);
    let mut other = client(second, "b").await;
    let code = publish(&mut other, "t", &payload).await;
    assert_eq!(code, ReasonCode::NoMatchingSubscribers);
    let mut own = Peer::connect(first, V5).await.unwrap();
    own.send(&connect("a", V5)).await.unwrap();
    let received = own.receive().await.unwrap();
    let Packet::Connack(connack) = received.packet() else {
        panic!("{received:?}")
    };
    let announced = connack.properties.maximum_packet_size;
    assert_eq!(announced.map(u32::from), Some(100));
    let message = Publish {
        topic: TopicName::parse("t").unwrap(),
        payload: payload.as_bytes(),
        ..Default::default()
    };
    own.send(&Packet::Publish(message)).await.unwrap();
    assert_eq!(disconnected(&mut own).await, ReasonCode::PacketTooLarge);
}

#[tokio::test]
async fn clients_below_a_mount_point_see_what_is_there_and_nothing_else() {
    let (_server, [first, second]) = start("mount_point = \"tenant-a/\"");
    let mut below = client(first, "a").await;
    let mut above = client(second, "b").await;
    let granted = ReasonCode::GrantedQoS1;
    assert_eq!(subscribe(&mut below, "#").await, granted);
    assert_eq!(subscribe(&mut above, "tenant-a/#").await, granted);
    // Who is elsewhere is not heard below.
    let code = publish(&mut above, "t", "1").await;
    assert_eq!(code, ReasonCode::NoMatchingSubscribers);
    assert_eq!(
        publish(&mut above, "tenant-a/t", "2").await,
        ReasonCode::Success
    );
    assert_eq!(message(&mut below).await, ("t".into(), "2".into()));
    assert_eq!(message(&mut above).await, ("tenant-a/t".into(), "2".into()));
}

/// A PUBLISH is written in more than one way: each of them names the topic as the client knows it.
#[tokio::test]
async fn below_a_mount_point_no_version_and_no_qos_shows_what_is_above() {
    for version in [ProtocolVersion::V31, ProtocolVersion::V311, V5] {
        let (_server, [first, second]) = start("mount_point = \"tenant-a/\"");
        let mut below = client_of(version, first, "a").await;
        let mut above = client(second, "b").await;
        assert!(!subscribe(&mut below, "t").await.is_error());
        let message_of_qos_0 = Publish {
            topic: TopicName::parse("tenant-a/t").unwrap(),
            payload: b"1",
            ..Publish::default()
        };
        above
            .send(&Packet::Publish(message_of_qos_0))
            .await
            .unwrap();
        let received = below.receive().await.unwrap();
        let Packet::Publish(publish) = received.packet() else {
            panic!("{received:?}")
        };
        assert_eq!(
            (publish.qos, publish.topic.as_str()),
            (QoS::AtMostOnce, "t")
        );
        let code = self::publish(&mut above, "tenant-a/t", "2").await;
        assert_eq!(code, ReasonCode::Success);
        assert_eq!(message(&mut below).await, ("t".into(), "2".into()));
    }
}
