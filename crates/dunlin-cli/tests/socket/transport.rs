//! TCP, the transport: what is sent on it arrives whole and in order.

use dunlin_client::codec::{Packet, QoS};

use super::broker::Broker;
use super::mutation::Dice;
use super::{V5, V311, ack, open, ping, publication, subscribe};

/// More than the broker sends without an acknowledgement, and within its Receive Maximum.
const MESSAGES: u16 = 600;

/// Some packets share a read, and some take many: sizes around those of buffers are among them.
const PAYLOAD_BYTES: [usize; 10] = [0, 1, 7, 127, 128, 4095, 16_383, 16_384, 65_536, 200_000];

// [v3 MQTT-7.1.1-1] [v5 MQTT-4.2-1] [v5 MQTT-4.2.0-1]
#[tokio::test]
async fn every_byte_arrives_in_order_however_it_was_cut() {
    let broker = Broker::start(&["--set", "session.queue_bytes_max=1000000000"]);
    for version in [V311, V5] {
        let mut dice = Dice::new(7);
        let payloads: Vec<Vec<u8>> = (0..MESSAGES)
            .map(|_| {
                let length = dice.pick(&PAYLOAD_BYTES);
                (0..length).map(|_| dice.byte()).collect()
            })
            .collect();
        let mut stream = Vec::new();
        for (packet_id, payload) in (1..).zip(&payloads) {
            publication("t", QoS::AtLeastOnce, packet_id, payload)
                .encode(version, &mut stream)
                .unwrap();
        }
        let mut subscriber = open(&broker, "subscriber", version).await;
        subscribe(&mut subscriber, "t", QoS::AtLeastOnce).await;
        let mut publisher = open(&broker, "publisher", version).await;
        let sends = async {
            let mut rest = stream.as_slice();
            while !rest.is_empty() {
                let length = 1 + dice.below(rest.len().min(100_000));
                let (piece, behind) = rest.split_at(length);
                publisher.send_bytes(piece).await.unwrap();
                rest = behind;
            }
            for packet_id in 1..=MESSAGES {
                publisher
                    .expect(&Packet::Puback(ack(packet_id)))
                    .await
                    .unwrap();
            }
            ping(&mut publisher).await;
        };
        let takes = async {
            for (packet_id, payload) in (1..).zip(&payloads) {
                let message = publication("t", QoS::AtLeastOnce, packet_id, payload);
                subscriber.expect(&message).await.unwrap();
                subscriber
                    .send(&Packet::Puback(ack(packet_id)))
                    .await
                    .unwrap();
            }
            ping(&mut subscriber).await;
        };
        tokio::join!(sends, takes);
    }
}
