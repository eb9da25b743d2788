//! Clients that keep the rules, and count what they get.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use dunlin_client::codec::{Packet, QoS};
use dunlin_client::script::Peer;

use super::{ack, publication};

/// The payload of the last message of each QoS.
const END: &str = "end";

/// Messages by their topic and QoS, in the order of arrival.
pub(crate) type Messages = BTreeMap<(String, u8), Vec<String>>;

/// Publishes numbered messages of each QoS in turn and waits for what acknowledges them, until told to
/// stop; gives what it published.
pub(crate) async fn publish_until(mut peer: Peer, topic: &str, stop: &AtomicBool) -> Messages {
    let mut published = Messages::new();
    let mut number = 0;
    loop {
        let is_last = stop.load(Ordering::Relaxed);
        let payload = if is_last {
            END.to_owned()
        } else {
            number.to_string()
        };
        for (qos, packet_id) in [
            (QoS::AtMostOnce, 0),
            (QoS::AtLeastOnce, 1),
            (QoS::ExactlyOnce, 2),
        ] {
            let message = publication(topic, qos, packet_id, payload.as_bytes());
            peer.send(&message).await.unwrap();
            match qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => peer.expect(&Packet::Puback(ack(1))).await.unwrap(),
                QoS::ExactlyOnce => {
                    peer.expect(&Packet::Pubrec(ack(2))).await.unwrap();
                    peer.send(&Packet::Pubrel(ack(2))).await.unwrap();
                    peer.expect(&Packet::Pubcomp(ack(2))).await.unwrap();
                }
            }
            let messages = published.entry((topic.to_owned(), qos as u8)).or_default();
            messages.push(payload.clone());
        }
        if is_last {
            return published;
        }
        number += 1;
    }
}

/// Takes messages and acknowledges them until the last one of each of `streams` topics and QoS is
/// there and acknowledged to the end; gives what came. A repeat fails the test: no connection broke.
pub(crate) async fn take(peer: &mut Peer, streams: usize) -> Messages {
    let mut taken = Messages::new();
    let (mut ended, mut unreleased) = (0, 0);
    while ended < streams || unreleased > 0 {
        let received = peer.receive().await.unwrap();
        match received.packet() {
            Packet::Publish(publish) => {
                assert!(!publish.dup && !publish.retain, "{publish:?}");
                let packet_id = publish.packet_id.map_or(0, |id| id.as_u16());
                match publish.qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => peer.send(&Packet::Puback(ack(packet_id))).await.unwrap(),
                    QoS::ExactlyOnce => {
                        unreleased += 1;
                        peer.send(&Packet::Pubrec(ack(packet_id))).await.unwrap();
                    }
                }
                let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                ended += usize::from(payload == END);
                let stream = (publish.topic.as_str().to_owned(), publish.qos as u8);
                taken.entry(stream).or_default().push(payload);
            }
            Packet::Pubrel(pubrel) => {
                unreleased -= 1;
                let packet_id = pubrel.packet_id.as_u16();
                peer.send(&Packet::Pubcomp(ack(packet_id))).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    taken
}
