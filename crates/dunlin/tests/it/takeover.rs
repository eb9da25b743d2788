//! A client that comes back at once, and is served by another worker then.

use dunlin::Server;
use dunlin::config::Config;
use dunlin_client::codec::{
    Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, Publish, QoS, ReasonCode,
    TopicName, Will, WillProperties,
};
use dunlin_client::script::{Peer, connect};

use super::{V5, connack, connect_fields, message, publish, subscribe};

/// The last of it was DISCONNECT, which ends the session and discards its Will Message.
// [v5 MQTT-3.14.4-3]
#[tokio::test]
async fn what_a_client_said_before_it_came_back_holds() {
    let config = "workers = 2\nstore.ephemeral = true\nauth.allow_anonymous = true\n\
                  listener = [{ bind = \"mqtt://127.0.0.1:0\" }]\n";
    let server = Server::start(&Config::from_toml(config).unwrap()).unwrap();
    let address = server.addresses()[0].socket_address().unwrap();
    let comes = Packet::Connect(Box::new(Connect {
        clean_start: false,
        properties: ConnectProperties {
            session_expiry_interval: Some(100),
            ..ConnectProperties::default()
        },
        will: Some(Will {
            topic: TopicName::parse("end").unwrap(),
            payload: b"will",
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: WillProperties::default(),
        }),
        ..connect_fields("a", V5)
    }));
    // Enough to keep a worker busy while the other one is asked.
    let mut last_words = Vec::new();
    for _ in 0..500 {
        let publish = Publish {
            topic: TopicName::parse("t").unwrap(),
            payload: b"message",
            ..Publish::default()
        };
        Packet::Publish(publish)
            .encode(V5, &mut last_words)
            .unwrap();
    }
    let disconnect = Disconnect {
        reason_code: ReasonCode::Success,
        properties: DisconnectProperties {
            session_expiry_interval: Some(0),
            ..DisconnectProperties::default()
        },
    };
    Packet::Disconnect(disconnect)
        .encode(V5, &mut last_words)
        .unwrap();
    let [mut observer, mut other] = [
        Peer::connect(address, V5).await.unwrap(),
        Peer::connect(address, V5).await.unwrap(),
    ];
    for (peer, client_id) in [(&mut observer, "b"), (&mut other, "c")] {
        peer.send(&connect(client_id, V5)).await.unwrap();
        assert_eq!(connack(peer).await, ReasonCode::Success);
    }
    assert!(!subscribe(&mut observer, "end").await.is_error());
    for _ in 0..100 {
        let mut peer = Peer::connect(address, V5).await.unwrap();
        peer.send(&comes).await.unwrap();
        let received = peer.receive().await.unwrap();
        let Packet::Connack(connack) = received.packet() else {
            panic!("{received:?}")
        };
        assert!(!connack.session_present);
        peer.send_bytes(&last_words).await.unwrap();
        peer.close();
    }
    assert_eq!(
        publish(&mut other, "end", "no will").await,
        ReasonCode::Success
    );
    assert_eq!(message(&mut observer).await.1, "no will");
}
