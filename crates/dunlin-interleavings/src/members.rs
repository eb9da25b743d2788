//! A member of a shared subscription leaves while messages come for it.

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
