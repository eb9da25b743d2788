//! The broker as a process, spoken to over TCP by hand: by clients that keep the rules and by peers
//! that do not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as expected fails the test"
)]

#[path = "../broker/mod.rs"]
mod broker;
mod good;
mod limits;
mod malformed;
mod mutation;
mod overload;
mod takeover;
mod transport;

use dunlin_client::codec::{
    Ack, Connect, ConnectProperties, Packet, PacketIdentifier, ProtocolVersion, Publish,
    PublishProperties, QoS, Subscribe, SubscribeProperties, SubscriptionOptions,
    SubscriptionRequest, TopicFilter, TopicName,
};
use dunlin_client::script::{Peer, ScriptError, connect};

use broker::Broker;

const V31: ProtocolVersion = ProtocolVersion::V31;
const V311: ProtocolVersion = ProtocolVersion::V311;
const V5: ProtocolVersion = ProtocolVersion::V5;
const VERSIONS: [ProtocolVersion; 3] = [V31, V311, V5];

/// What the broker may have resident at its most, in KiB. Idle it takes about a tenth; a fault that
/// keeps a megabyte for each hostile packet takes twenty times as much.
const RESIDENT_KIB_MAX: u64 = 128 * 1024;

/// A client with a clean start that was accepted.
async fn open(broker: &Broker, client_id: &str, version: ProtocolVersion) -> Peer {
    open_with(broker, &connect(client_id, version)).await
}

/// A client with this CONNECT that was accepted.
async fn open_with(broker: &Broker, connect: &Packet<'_>) -> Peer {
    let (peer, connack) = Peer::open(broker.socket_address(), connect).await.unwrap();
    let Packet::Connack(packet) = connack.packet() else {
        panic!("{connack:?}")
    };
    assert!(!packet.reason_code.is_error(), "{packet:?}");
    peer
}

/// CONNECT of a client whose session outlives its connection.
fn persistent(client_id: &str, version: ProtocolVersion) -> Packet<'_> {
    Packet::Connect(Box::new(Connect {
        version,
        clean_start: false,
        keep_alive: 0,
        properties: ConnectProperties {
            session_expiry_interval: version.is_v5().then_some(3600),
            ..ConnectProperties::default()
        },
        client_id,
        will: None,
        user_name: None,
        password: None,
    }))
}

/// Subscribes and waits for the SUBACK, which must grant it.
async fn subscribe(peer: &mut Peer, filter: &str, qos: QoS) {
    peer.send(&subscription(filter, qos)).await.unwrap();
    let received = peer.receive().await.unwrap();
    let Packet::Suback(suback) = received.packet() else {
        panic!("{received:?}")
    };
    assert_eq!(suback.reason_codes[0] as u8, qos as u8);
}

fn subscription(filter: &str, qos: QoS) -> Packet<'_> {
    Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: SubscribeProperties::default(),
        requests: vec![SubscriptionRequest {
            filter: TopicFilter::parse(filter).unwrap(),
            options: SubscriptionOptions::with_qos(qos),
        }],
    })
}

fn publication<'a>(topic: &'a str, qos: QoS, packet_id: u16, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: TopicName::parse(topic).unwrap(),
        packet_id: PacketIdentifier::new(packet_id),
        properties: PublishProperties::default(),
        payload,
    })
}

fn id(value: u16) -> PacketIdentifier {
    PacketIdentifier::new(value).unwrap()
}

fn ack(value: u16) -> Ack<'static> {
    Ack::success(id(value))
}

/// The next packet is for one who waits for nothing else.
async fn ping(peer: &mut Peer) {
    peer.send(&Packet::Pingreq).await.unwrap();
    peer.expect(&Packet::Pingresp).await.unwrap();
}

/// Reads on until the broker closes the connection.
async fn until_closed(peer: &mut Peer) -> Result<(), ScriptError> {
    loop {
        match peer.receive().await {
            Ok(_) => {}
            Err(ScriptError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// After all that: a new client is served, the broker took no more memory than it may, nothing of it
/// panicked, and it ends in order.
async fn is_well(broker: Broker) {
    for version in VERSIONS {
        let mut late = open(&broker, "late", version).await;
        subscribe(&mut late, "late", QoS::AtMostOnce).await;
        let message = publication("late", QoS::AtMostOnce, 0, b"here");
        late.send(&message).await.unwrap();
        late.expect(&message).await.unwrap();
    }
    if let Some(resident) = broker.peak_resident_kib() {
        assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB were resident");
    }
    let (status, log) = broker.end();
    assert!(status.success(), "{status}");
    for line in log {
        assert!(!line.contains("panic"), "{line}");
    }
}
