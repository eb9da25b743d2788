//! A session changes hands while messages come for it.

use shuttle::thread;

use crate::client::{Client, World};
use crate::in_many_orders;

const MESSAGES: [&str; 3] = ["one", "two", "three"];

#[test]
fn a_session_that_is_taken_over_loses_no_message_and_keeps_their_order() {
    in_many_orders(|| {
        let world = World::new(3);
        let mut first = Client::connect(&world, 0, "a", false);
        first.subscribe("t");
        let mut publisher = Client::connect(&world, 2, "p", true);
        let publishing = thread::spawn(move || {
            for (packet_id, message) in (1..).zip(MESSAGES) {
                publisher.publish(packet_id, message);
            }
        });
        // It acknowledges nothing, so that the next has all of it.
        let reading = thread::spawn(move || {
            while !first.is_over {
                first.wait();
            }
            first.came
        });
        let mut second = Client::connect(&world, 1, "a", false);
        while second.came.len() < MESSAGES.len() {
            second.wait();
        }
        publishing.join().unwrap();
        let before = reading.join().unwrap();
        let texts = |came: &[crate::client::Came]| -> Vec<String> {
            came.iter().map(|it| it.payload.clone()).collect()
        };
        assert_eq!(texts(&second.came), MESSAGES);
        assert_eq!(texts(&before), MESSAGES[..before.len()]);
        for (came, message) in second.came.iter().zip(0..) {
            assert_eq!(came.dup, message < before.len(), "{came:?}");
        }
    });
}
