//! Tests of the client against a scripted peer that plays the broker.

mod connect;
mod keep_alive;
mod publish;
mod receive;
mod reconnect;
mod scram;
mod subscribe;
mod transport;

use std::time::Duration;

use dunlin_codec::{
    Ack, Connack, ConnackProperties, Packet, PacketIdentifier, ProtocolVersion, Publish, QoS,
    ReasonCode, TopicName,
};

use crate::script::{DEADLINE, Peer, PeerListener, connack};
use crate::{Client, ClientOptions, Endpoint, Event, Events, Message, Reconnect};

const V5: ProtocolVersion = ProtocolVersion::V5;
const V311: ProtocolVersion = ProtocolVersion::V311;

/// A listener, and options that lead to it: no keep alive, no reconnecting.
async fn broker(version: ProtocolVersion) -> (PeerListener, ClientOptions) {
    let listener = PeerListener::bind().await.unwrap();
    let address = listener.address().unwrap();
    let endpoint = Endpoint::tcp(address.ip().to_string(), address.port());
    let mut options = ClientOptions::new(endpoint);
    options.connect.version = version;
    options.connect.client_id = "c".to_owned();
    options.connect.keep_alive = 0;
    (listener, options)
}

/// Connects these options; gives the handles and the peer.
async fn connect_with(
    listener: &PeerListener,
    options: ClientOptions,
    connack: &Packet<'_>,
) -> (Client, Events, Peer) {
    let version = options.connect.version;
    let (connected, accepted) =
        tokio::join!(options.connect(), listener.accept_client(version, connack));
    let (client, events, _) = connected.unwrap();
    (client, events, accepted.unwrap().0)
}

/// A client with default options, and its peer.
async fn pair(version: ProtocolVersion) -> (Client, Events, Peer) {
    let (listener, options) = broker(version).await;
    connect_with(&listener, options, &connack(false)).await
}

/// Options to try again at once, as often as is needed.
fn again() -> Reconnect {
    Reconnect {
        period: Duration::from_millis(1),
        tries_max: 1000,
    }
}

fn accepts(properties: ConnackProperties<'_>) -> Packet<'_> {
    Packet::Connack(Box::new(Connack {
        session_present: false,
        reason_code: ReasonCode::Success,
        properties,
    }))
}

fn id(value: u16) -> PacketIdentifier {
    PacketIdentifier::new(value).unwrap()
}

fn ack(value: u16) -> Ack<'static> {
    Ack::success(id(value))
}

/// PUBLISH to `t` as the client sends it, or the broker.
fn publish(qos: QoS, packet_id: u16, payload: &str) -> Publish<'_> {
    Publish {
        qos,
        topic: TopicName::parse("t").unwrap(),
        packet_id: PacketIdentifier::new(packet_id),
        payload: payload.as_bytes(),
        ..Publish::default()
    }
}

async fn next_event(events: &mut Events) -> Option<Event> {
    tokio::time::timeout(DEADLINE, events.next()).await.unwrap()
}

async fn next_message(events: &mut Events) -> Message {
    match next_event(events).await {
        Some(Event::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}
