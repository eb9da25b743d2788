//! A member of a shared subscription leaves while messages come for it.

use dunlin_codec::QoS;
use shuttle::thread;

use crate::client::{Client, World};
use crate::in_many_orders;

const MESSAGES: [&str; 2] = ["one", "two"];

#[test]
fn what_a_member_had_when_it_left_goes_to_the_other_once() {
    in_many_orders(|| {
        let world = World::new(3);
        let mut leaves = Client::connect(&world, 0, "a", true);
        leaves.subscribe("$share/g/t");
        let mut stays = Client::connect(&world, 1, "b", true);
        stays.subscribe("$share/g/t");
        let mut publisher = Client::connect(&world, 2, "p", true);
        let publishing = thread::spawn(move || {
            for (packet_id, message) in (1..).zip(MESSAGES) {
                publisher.publish(packet_id, message);
            }
        });
        // It acknowledges nothing.
        let leaving = thread::spawn(move || leaves.disconnect());
        while stays.came.len() < MESSAGES.len() {
            stays.wait();
        }
        publishing.join().unwrap();
        leaving.join().unwrap();
        let mut came: Vec<_> = stays.came.iter().map(|it| it.payload.as_str()).collect();
        came.sort_unstable();
        assert_eq!(came, MESSAGES);
    });
}

#[test]
fn what_a_member_was_not_sent_goes_to_the_other_also_with_qos_2() {
    in_many_orders(|| {
        let world = World::new(3);
        let mut leaves = Client::connect(&world, 0, "a", true);
        leaves.subscribe_at(QoS::ExactlyOnce, "$share/g/t");
        let mut stays = Client::connect(&world, 1, "b", true);
        stays.subscribe_at(QoS::ExactlyOnce, "$share/g/t");
        let mut publisher = Client::connect(&world, 2, "p", true);
        let publishing = thread::spawn(move || {
            for message in (1..).zip(MESSAGES) {
                publisher.publish_as(QoS::ExactlyOnce, false, message);
            }
        });
        // It acknowledges nothing.
        let leaving = thread::spawn(move || {
            leaves.disconnect();
            leaves.came
        });
        publishing.join().unwrap();
        let had = leaving.join().unwrap();
        stays.read();
        let came = had.iter().chain(&stays.came);
        let mut came: Vec<_> = came.map(|it| it.payload.as_str()).collect();
        came.sort_unstable();
        assert_eq!(came, MESSAGES);
    });
}
