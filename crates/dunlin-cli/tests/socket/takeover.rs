//! Very many connections of one client: one of them has the session, and no message is lost.
//!
//! `OVERLOAD=50 cargo test -p dunlin-cli --test socket takeover` is fifty times as much.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dunlin_client::codec::{Packet, QoS};
use dunlin_client::script::{Peer, ScriptError};
use tokio::task::JoinSet;

use super::broker::Broker;
use super::overload::scaled;
use super::{V5, V311, ack, is_well, open, open_with, persistent, ping, publication, subscribe};

/// Connections with one Client Identifier, and how many of them come at a time.
const CONNECTIONS: usize = 200;
const AT_A_TIME: usize = 20;

/// The payload of the last message.
const END: &str = "end";

/// Publishes numbered messages until told to stop; gives what was acknowledged.
async fn publish_until(mut peer: Peer, stop: Arc<AtomicBool>) -> BTreeSet<String> {
    let mut published = BTreeSet::new();
    loop {
        let is_last = stop.load(Ordering::Relaxed);
        let payload = if is_last {
            END.to_owned()
        } else {
            published.len().to_string()
        };
        let message = publication("numbers", QoS::AtLeastOnce, 1, payload.as_bytes());
        peer.send(&message).await.unwrap();
        peer.expect(&Packet::Puback(ack(1))).await.unwrap();
        published.insert(payload);
        if is_last {
            return published;
        }
    }
}

/// Takes messages until another connection takes the session over (false) or the last message is
/// there (true). Every other message stays unacknowledged for a while, and so is on its way when the
/// session goes elsewhere.
async fn take_until(peer: &mut Peer, taken: &mut BTreeSet<String>) -> bool {
    let mut left = None;
    loop {
        let received = match peer.receive().await {
            Ok(received) => received,
            Err(ScriptError::Closed | ScriptError::Io(_)) => return false,
            Err(error) => panic!("{error}"),
        };
        match received.packet() {
            Packet::Publish(publish) => {
                let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                let is_last = payload == END;
                taken.insert(payload);
                let id = publish.packet_id.unwrap().as_u16();
                let Some(before) = left.take().filter(|_| !is_last) else {
                    left = Some(id);
                    if is_last {
                        return true;
                    }
                    continue;
                };
                for id in [before, id] {
                    // The connection may be another one's by now.
                    let _ = peer.send(&Packet::Puback(ack(id))).await;
                }
            }
            // Session taken over.
            Packet::Disconnect(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// One of the connections; whether it has the session to the end, and what it took.
async fn one_of_many(broker: SocketAddr, connect: Packet<'static>) -> (bool, BTreeSet<String>) {
    let mut taken = BTreeSet::new();
    // It may be over before its CONNACK was read.
    let Ok((mut peer, _)) = Peer::open(broker, &connect).await else {
        return (false, taken);
    };
    let has_session = take_until(&mut peer, &mut taken).await;
    if has_session {
        ping(&mut peer).await;
    }
    (has_session, taken)
}

/// Class 11 of attacks: reconnect storms with one Client Identifier, over two workers.
#[tokio::test]
async fn takeover_at_a_bad_moment_leaves_one_connection_and_loses_nothing() {
    for version in [V311, V5] {
        let broker = Broker::start(&["--workers", "2"]);
        let connect = persistent("many", version);
        let mut first = open_with(&broker, &connect).await;
        subscribe(&mut first, "numbers", QoS::AtLeastOnce).await;
        let writer = open(&broker, "writer", version).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let published = tokio::spawn(publish_until(writer, Arc::clone(&is_over)));
        let mut many = JoinSet::new();
        let mut results = Vec::new();
        for _ in 0..scaled(CONNECTIONS) {
            if many.len() == AT_A_TIME {
                results.push(many.join_next().await.unwrap().unwrap());
            }
            many.spawn(one_of_many(
                broker.socket_address(),
                persistent("many", version),
            ));
        }
        // All but the one that has the session are over.
        while many.len() > 1 {
            results.push(many.join_next().await.unwrap().unwrap());
        }
        is_over.store(true, Ordering::Relaxed);
        results.push(many.join_next().await.unwrap().unwrap());
        let published = published.await.unwrap();
        let mut taken = BTreeSet::new();
        take_until(&mut first, &mut taken).await;
        let winners = results.iter().filter(|(has_session, _)| *has_session);
        assert_eq!(winners.count(), 1, "{version}");
        taken.extend(results.into_iter().flat_map(|(_, taken)| taken));
        let lost: Vec<_> = published.difference(&taken).collect();
        assert!(lost.is_empty(), "{version}: lost {lost:?}");
        is_well(broker).await;
    }
}
