//! When a publisher may send.

use std::num::NonZeroU32;

use dunlin_codec::QoS;

use super::{Publisher, QUIET_SECONDS_MAX};
use crate::cmd::bench::engine::plan::{Pacing, PublisherPlan};

fn publisher(copies: u64) -> Publisher {
    Publisher::new(PublisherPlan {
        number: 0,
        templates: Vec::new(),
        copies,
        scatter: None,
        limit: None,
    })
}

fn window(messages: u32, until_received: bool, is_eager: bool) -> Pacing {
    Pacing::Window {
        messages: NonZeroU32::new(messages).unwrap(),
        until_received,
        is_eager,
    }
}

/// How many messages it sends before it must wait.
fn burst(publisher: &mut Publisher, qos: QoS, pacing: Pacing) -> u32 {
    let mut sent = 0;
    if publisher.may_begin(qos, pacing) {
        while publisher.may_send(qos, pacing) {
            publisher.outstanding += publisher.plan.copies;
            publisher.unacknowledged += u32::from(qos != QoS::AtMostOnce);
            publisher.sent += 1;
            sent += 1;
        }
    }
    sent
}

#[test]
fn a_window_counts_messages_that_not_all_subscribers_have() {
    let pacing = window(16, true, true);
    let mut publisher = publisher(1000);
    assert_eq!(burst(&mut publisher, QoS::AtMostOnce, pacing), 16);
    publisher.outstanding -= 999;
    assert_eq!(burst(&mut publisher, QoS::AtMostOnce, pacing), 0);
    publisher.outstanding -= 1;
    assert_eq!(burst(&mut publisher, QoS::AtMostOnce, pacing), 1);
}

#[test]
fn without_haste_half_of_the_window_must_be_free() {
    let pacing = window(16, true, false);
    let mut publisher = publisher(1);
    assert_eq!(burst(&mut publisher, QoS::AtLeastOnce, pacing), 16);
    publisher.outstanding -= 8;
    publisher.unacknowledged -= 7;
    assert_eq!(burst(&mut publisher, QoS::AtLeastOnce, pacing), 0);
    publisher.unacknowledged -= 1;
    assert_eq!(burst(&mut publisher, QoS::AtLeastOnce, pacing), 8);
}

#[test]
fn a_window_of_one_is_one() {
    for is_eager in [false, true] {
        let pacing = window(1, true, is_eager);
        let mut publisher = publisher(1);
        for _ in 0..3 {
            assert_eq!(burst(&mut publisher, QoS::AtMostOnce, pacing), 1);
            publisher.outstanding -= 1;
        }
    }
}

#[test]
fn acknowledgements_and_the_receive_maximum_bound_it_too() {
    let mut one = publisher(1);
    let until_acknowledged = window(16, false, true);
    assert_eq!(burst(&mut one, QoS::AtLeastOnce, until_acknowledged), 16);
    one.unacknowledged = 10;
    assert_eq!(burst(&mut one, QoS::AtLeastOnce, until_acknowledged), 6);
    let mut other = publisher(1);
    other.receive_maximum = 5;
    assert_eq!(burst(&mut other, QoS::ExactlyOnce, until_acknowledged), 5);
}

#[test]
fn a_limit_ends_it() {
    let mut publisher = publisher(1);
    publisher.plan.limit = Some(3);
    assert_eq!(
        burst(&mut publisher, QoS::AtMostOnce, window(16, true, true)),
        3
    );
}

#[test]
fn due_times_follow_each_other_however_late_they_are_sent() {
    let pacing = Pacing::Interval {
        interval_ns: 100,
        is_spread: true,
    };
    let mut publisher = publisher(1);
    assert!(!publisher.may_send(QoS::AtMostOnce, pacing));
    publisher.due = 3;
    publisher.due_since_ns = 1000;
    let due: Vec<_> = std::iter::from_fn(|| {
        let may = publisher.may_send(QoS::AtMostOnce, pacing);
        may.then(|| publisher.take_due(pacing)).flatten()
    })
    .collect();
    assert_eq!(due, [1000, 1100, 1200]);
}

#[test]
fn lost_deliveries_are_given_up_after_some_quiet_seconds() {
    let mut publisher = publisher(1);
    publisher.outstanding = 16;
    for _ in 0..QUIET_SECONDS_MAX {
        assert_eq!(publisher.release_if_quiet(), None);
    }
    assert_eq!(publisher.release_if_quiet(), Some(16));
    assert_eq!(publisher.outstanding, 0);
}
