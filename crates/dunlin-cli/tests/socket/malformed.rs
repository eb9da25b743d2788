//! Malformed packets by the thousand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dunlin_client::codec::{Disconnect, Packet, QoS, ReasonCode};
use dunlin_client::script::{Peer, connect};
use tokio::task::JoinSet;

use super::broker::Broker;
use super::mutation::{Dice, bytes, is_malformed};
use super::until_closed;
use super::{V5, V311, VERSIONS, good, is_well, open, open_with, persistent, ping, subscribe};

/// Each makes a peer of its own, and always the same one.
const SEEDS: [u64; 8] = [1, 2, 3, 5, 8, 13, 21, 34];

/// What each of them sends at least.
const MALFORMED_PACKETS: usize = 250;

// [v3 MQTT-4.8.0-1] [v5 MQTT-4.13.1-1]
#[tokio::test]
async fn good_clients_notice_nothing_of_malformed_packets() {
    // A client that is away misses nothing, however many messages it comes to.
    let broker = Broker::start(&[
        "--set",
        "session.queue_messages_max=1000000",
        "--set",
        "session.queue_bytes_max=1000000000",
    ]);
    let mut takers = JoinSet::new();
    let mut sleepers = Vec::new();
    for version in [V311, V5] {
        let name = format!("taker {version}");
        let mut taker = open_with(&broker, &persistent(&name, version)).await;
        subscribe(&mut taker, "good/#", QoS::ExactlyOnce).await;
        takers.spawn(async move {
            let taken = good::take(&mut taker, 6).await;
            // Nothing follows what was promised, and the connection is there still.
            ping(&mut taker).await;
            taken
        });
        let name = format!("sleeper {version}");
        let mut sleeper = open_with(&broker, &persistent(&name, version)).await;
        subscribe(&mut sleeper, "good/#", QoS::ExactlyOnce).await;
        let goodbye = Packet::Disconnect(Disconnect::new(ReasonCode::Success));
        sleeper.send(&goodbye).await.unwrap();
        sleeper.expect_close().await.unwrap();
        sleepers.push((name, version));
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut publishers = JoinSet::new();
    for version in [V311, V5] {
        let peer = open(&broker, &format!("publisher {version}"), version).await;
        let is_over = Arc::clone(&is_over);
        let topic = format!("good/{version}");
        publishers.spawn(async move { good::publish_until(peer, &topic, &is_over).await });
    }
    let mut hostile = JoinSet::new();
    for seed in SEEDS {
        hostile.spawn(rage(broker.socket_address(), seed));
    }
    let sent: usize = hostile.join_all().await.into_iter().sum();
    assert_eq!(sent, SEEDS.len() * MALFORMED_PACKETS);
    is_over.store(true, Ordering::Relaxed);
    let published: good::Messages = publishers.join_all().await.into_iter().flatten().collect();
    for taken in takers.join_all().await {
        assert_eq!(taken, published);
    }
    let mut kept = published;
    kept.retain(|(_, qos), _| *qos > 0);
    for (name, version) in sleepers {
        let mut sleeper = open_with(&broker, &persistent(&name, version)).await;
        assert_eq!(good::take(&mut sleeper, 4).await, kept);
        ping(&mut sleeper).await;
    }
    is_well(broker).await;
}

/// Sends malformed packets, each on a connection of its own because it ends it, and, as they come,
/// some that only look so.
async fn rage(broker: SocketAddr, seed: u64) -> usize {
    let mut dice = Dice::new(seed);
    let mut sent = 0;
    while sent < MALFORMED_PACKETS {
        let version = dice.pick(&VERSIONS);
        let bytes = bytes(&mut dice, version);
        let is_malformed = is_malformed(&bytes, version);
        let comes_first = dice.below(3) == 0;
        let what = format!("seed {seed}, {version}, first {comes_first}: {bytes:02x?}");
        let mut peer = if comes_first {
            Peer::connect(broker, version).await.unwrap()
        } else {
            let client_id = format!("bad {seed}");
            let opened = Peer::open(broker, &connect(&client_id, version)).await;
            opened.unwrap_or_else(|error| panic!("{what}: {error}")).0
        };
        peer.send_bytes(&bytes).await.unwrap();
        if is_malformed {
            sent += 1;
            let closed = until_closed(&mut peer).await;
            closed.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
    sent
}
