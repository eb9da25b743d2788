use std::time::Duration;

use dunlin_codec::{TopicFilter, TopicName};

use super::*;
use crate::id::SessionNumber;
use crate::message::{Draft, Message, Payload};
use crate::router::Identifiers;
use crate::settings::{FilterRule, Settings};

fn delivery(qos: QoS) -> Delivery {
    let draft = Draft {
        topic: TopicName::parse("a").unwrap(),
        qos,
        retain: false,
        properties: None,
        payload: Payload::Borrowed(&[0; 100]),
        whole: None,
    };
    let now = Time::ZERO.after(Duration::from_secs(1));
    let message = Message::new(&draft, SessionNumber::NONE, (now, None), &mut Vec::new()).unwrap();
    Delivery::new(message, qos, false, &Identifiers::default())
}

/// A queue of these, in this order.
fn queue(deliveries: impl IntoIterator<Item = Delivery>) -> Queue {
    let mut queue = Queue::default();
    for delivery in deliveries {
        assert_eq!(
            queue.push(delivery, &Settings::default().session.queue),
            Enqueued::Kept
        );
    }
    queue
}

/// How many are taken at once, and how many stay.
fn taken(mut queue: Queue, count_max: usize, bytes_max: usize) -> (usize, usize) {
    let mut taken = Vec::new();
    let bytes = queue.pop_plain(&mut taken, count_max, bytes_max);
    let sizes = taken.iter().map(|next| next.message.size());
    assert_eq!(sizes.sum::<usize>(), bytes);
    let _counters_are_right = queue.checked_bytes();
    assert!(taken.iter().all(|next| next.qos == QoS::AtMostOnce));
    (taken.len(), queue.len())
}

#[test]
fn what_needs_no_identifier_is_taken_at_once() {
    let plain = || std::iter::repeat_with(|| delivery(QoS::AtMostOnce));
    let everything = (usize::MAX, usize::MAX);
    let at_once = |queue, (count_max, bytes_max)| taken(queue, count_max, bytes_max);
    assert_eq!(at_once(queue(plain().take(20)), everything), (20, 0));
    assert_eq!(at_once(queue(plain().take(20)), (12, usize::MAX)), (12, 8));
    // The one that reaches the bound is the last.
    let size = delivery(QoS::AtMostOnce).message.size();
    assert_eq!(
        at_once(queue(plain().take(20)), (usize::MAX, 9 * size + 1)),
        (10, 10)
    );
    let mixed = plain()
        .take(9)
        .chain([delivery(QoS::AtLeastOnce)])
        .chain(plain().take(9));
    assert_eq!(at_once(queue(mixed), everything), (9, 10));
}

#[test]
fn few_and_what_the_store_knows_are_taken_one_by_one() {
    let plain = || std::iter::repeat_with(|| delivery(QoS::AtMostOnce));
    assert_eq!(
        taken(queue(plain().take(7)), usize::MAX, usize::MAX),
        (0, 7)
    );
    let kept = plain().take(20).map(|delivery| delivery.kept(true));
    assert_eq!(taken(queue(kept), usize::MAX, usize::MAX), (0, 20));
    let prior = QueueSettings {
        priorities: vec![(FilterRule::new(TopicFilter::parse("a").unwrap()), 3)],
        ..Settings::default().session.queue
    };
    let mut queue = Queue::default();
    for delivery in plain().take(20) {
        assert_eq!(queue.push(delivery, &prior), Enqueued::Kept);
    }
    assert_eq!(taken(queue, usize::MAX, usize::MAX), (0, 20));
}
