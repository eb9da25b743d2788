//! Messages come for a client while it reads retained ones.

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
