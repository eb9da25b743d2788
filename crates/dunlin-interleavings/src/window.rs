//! Messages come for a client while it reads retained ones, or its session changes hands.

use dunlin_codec::QoS;
use shuttle::thread;

use crate::client::{Client, World};
use crate::in_many_orders;

#[test]
fn what_is_retained_and_what_comes_share_the_window_of_a_client() {
    in_many_orders(|| {
        let world = World::with_window(2, 1);
        let mut publisher = Client::connect(&world, 0, "p", true);
        publisher.publish_as(QoS::AtLeastOnce, true, (1, "retained"));
        let mut reader = Client::connect(&world, 1, "a", true);
        let publishing = thread::spawn(move || {
            for (packet_id, message) in (2..).zip(["one", "two"]) {
                publisher.publish(packet_id, message);
            }
        });
        reader.subscribe("t");
        publishing.join().unwrap();
        // It acknowledges nothing.
        reader.read();
        assert_eq!(reader.came.len(), 1, "{:?}", reader.came);
    });
}

#[test]
fn a_connection_that_takes_over_gets_no_more_than_its_own_window() {
    in_many_orders(|| {
        let world = World::new(4);
        let mut first = Client::connect_with_window(&world, 0, "a", 10);
        first.subscribe("t");
        let publishing: Vec<_> = [(2, "one"), (3, "two")]
            .map(|(number, message)| {
                let mut publisher = Client::connect(&world, number, message, true);
                thread::spawn(move || publisher.publish(1, message))
            })
            .into();
        let mut second = Client::connect_with_window(&world, 1, "a", 1);
        for publishing in publishing {
            publishing.join().unwrap();
        }
        // It acknowledges nothing.
        second.read();
        assert_eq!(second.came.len(), 1, "{:?}", second.came);
    });
}
