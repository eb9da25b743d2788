use std::collections::BTreeMap;
use std::time::Duration;

use dunlin_codec::{PublishProperties, QoS, TopicFilter, TopicName};
use proptest::prelude::*;

use super::{Onward, Retained, onward};
use crate::error::Refusal;
use crate::id::SessionNumber;
use crate::message::{Draft, Message, Payload};
use crate::settings::{RetainedPolicy, RetainedSettings};
use crate::time::Time;

const START: Time = Time::from_millis(1_000_000);

fn message(topic: &str, payload: &str, expiry: Option<u32>) -> Message {
    let draft = Draft {
        topic: TopicName::parse(topic).unwrap(),
        qos: QoS::AtMostOnce,
        retain: true,
        properties: Some(&PublishProperties {
            message_expiry_interval: expiry,
            ..PublishProperties::default()
        }),
        payload: Payload::Borrowed(payload.as_bytes()),
        whole: None,
    };
    Message::new(&draft, SessionNumber::NONE, (START, None), &mut Vec::new()).unwrap()
}

/// The topics of all pages.
fn topics(
    retained: &Retained,
    filter: &str,
    as_of: u64,
    now: Time,
    limits: (usize, usize),
) -> Vec<String> {
    let filter = TopicFilter::parse(filter).unwrap();
    let (mut topics, mut after) = (Vec::new(), None::<Box<str>>);
    loop {
        let page = retained.page(filter, after.as_deref(), (as_of, now), limits);
        assert!(page.messages.len() <= limits.0);
        topics.extend(
            page.messages
                .iter()
                .map(|message| message.topic().to_string()),
        );
        match page.next {
            Some(next) => after = Some(next),
            None => return topics,
        }
    }
}

fn all(retained: &Retained, filter: &str) -> Vec<String> {
    topics(retained, filter, u64::MAX, START, (100, 100))
}

#[test]
fn there_is_one_for_each_topic_and_the_later_publish_wins() {
    let mut retained = Retained::new(&RetainedSettings::default());
    retained.set(message("a", "one", None), (1, 1)).unwrap();
    retained.set(message("a", "three", None), (3, 3)).unwrap();
    retained.set(message("a", "two", None), (2, 2)).unwrap();
    retained.clear(b"a", 2);
    let filter = TopicFilter::parse("a").unwrap();
    let page = retained.page(filter, None, (9, START), (9, 9));
    assert_eq!(page.messages.len(), 1);
    assert_eq!(page.messages[0].payload(), b"three");
    retained.clear(b"a", 4);
    assert_eq!((retained.count(), retained.bytes), (0, 0));
}

// [v5 MQTT-3.3.1-6] [v3 MQTT-3.3.1-10]
#[test]
fn an_earlier_publish_does_not_bring_a_deleted_message_back() {
    let mut retained = Retained::new(&RetainedSettings::default());
    retained.clear(b"a", 2);
    retained.set(message("a", "one", None), (1, 1)).unwrap();
    assert_eq!(retained.count(), 0);
    retained.set(message("a", "three", None), (3, 3)).unwrap();
    assert_eq!(retained.count(), 1);
    // What is remembered of deleted topics has a bound.
    for sequence in 4..4000_u64 {
        retained.clear(format!("b{}", sequence % 1500).as_bytes(), sequence);
    }
    assert!(retained.cleared.order.len() <= super::CLEARED_MAX);
    assert!(retained.cleared.by_topic.len() <= super::CLEARED_MAX);
}

#[test]
fn an_outdated_message_is_no_trouble_at_a_limit() {
    let settings = RetainedSettings {
        messages_max: 1,
        ..RetainedSettings::default()
    };
    let mut retained = Retained::new(&settings);
    retained.clear(b"b", 3);
    retained.set(message("a", "x", None), (1, 1)).unwrap();
    assert_eq!(retained.set(message("b", "x", None), (2, 2)), Ok(()));
    assert_eq!(all(&retained, "#"), ["a"]);
}

#[test]
fn a_page_without_room_loses_nothing() {
    let mut retained = Retained::new(&RetainedSettings::default());
    for (sequence, topic) in (1..).zip(["a", "b/a", "b/b"]) {
        retained
            .set(message(topic, "x", None), (sequence, sequence))
            .unwrap();
    }
    let filter = TopicFilter::parse("b/+").unwrap();
    for limits in [(0, 9), (9, 0)] {
        let page = retained.page(filter, None, (9, START), limits);
        assert!(page.messages.is_empty());
        let page = retained.page(filter, page.next.as_deref(), (9, START), (9, 9));
        assert_eq!(page.messages.len(), 2);
        assert_eq!(page.next, None);
    }
}

#[test]
fn what_cannot_match_is_passed_over() {
    let mut retained = Retained::new(&RetainedSettings::default());
    let mut sequence = 0;
    for site in 0..100 {
        for device in 0..100 {
            sequence += 1;
            let topic = format!("site{site:02}/device{device:02}/state");
            retained
                .set(message(&topic, "x", None), (sequence, sequence))
                .unwrap();
        }
    }
    // The messages of a hundred sites without looking at all ten thousand.
    let filter = TopicFilter::parse("+/device50/#").unwrap();
    let page = retained.page(filter, None, (sequence, START), (1000, 3000));
    assert_eq!((page.messages.len(), page.next), (100, None));
    let filter = TopicFilter::parse("+/other").unwrap();
    let page = retained.page(filter, None, (sequence, START), (1000, 3000));
    assert_eq!((page.messages.len(), page.next), (0, None));
}

#[test]
fn the_next_topic_that_can_match() {
    let to = |text: &str| Onward::To(text.as_bytes().to_vec());
    for (filter, topic, expected) in [
        ("+/b", "x/a", to("x/b")),
        ("+/b", "x/b-", to("x/b/")),
        ("+/b", "x/c", to("x0")),
        ("+/b", "x/b/c", to("x/b0")),
        ("+/b", "x", Onward::Next),
        ("a/+", "b", Onward::Nowhere),
        ("a/#", "a-b", to("a/")),
        ("#", "$SYS/a", to("%")),
        ("+", "$SYS/a", to("%")),
        ("+", "a/b", to("a0")),
        ("a/+/c", "a//b", to("a//c")),
        ("/+", "0", Onward::Nowhere),
    ] {
        let seen = onward(filter.as_bytes(), topic.as_bytes());
        assert_eq!(seen, expected, "{filter:?} behind {topic:?}");
    }
}

#[test]
fn what_was_set_after_the_subscription_is_not_for_it() {
    let mut retained = Retained::new(&RetainedSettings::default());
    retained.set(message("a", "x", None), (1, 1)).unwrap();
    retained.set(message("b", "x", None), (2, 2)).unwrap();
    assert_eq!(topics(&retained, "#", 1, START, (10, 10)), ["a"]);
    assert_eq!(topics(&retained, "b", 1, START, (10, 10)), [""; 0]);
}

#[test]
fn expired_messages_are_not_given_and_go() {
    let mut retained = Retained::new(&RetainedSettings::default());
    for (sequence, topic) in (1..).zip(["a", "b", "c", "d"]) {
        let expiry = (topic != "c").then_some(10);
        retained
            .set(message(topic, "x", expiry), (sequence, sequence))
            .unwrap();
    }
    let later = START.after(Duration::from_secs(10));
    assert_eq!(topics(&retained, "#", 9, later, (10, 10)), ["c"]);
    assert_eq!(retained.next_expiry(), Some(later));
    retained.expire(START, 10);
    assert_eq!(retained.count(), 4);
    retained.expire(later, 2);
    assert_eq!(retained.count(), 2);
    retained.expire(later, 2);
    assert_eq!((retained.count(), retained.next_expiry()), (1, None));
    // One that was replaced or deleted is no more to expire.
    retained.set(message("a", "x", Some(10)), (5, 5)).unwrap();
    retained.set(message("a", "y", None), (6, 6)).unwrap();
    retained.set(message("b", "x", Some(10)), (7, 7)).unwrap();
    retained.clear(b"b", 8);
    assert_eq!((retained.count(), retained.next_expiry()), (2, None));
}

#[test]
fn bounds_are_kept_as_the_policy_says() {
    let mut settings = RetainedSettings {
        messages_max: 2,
        ..RetainedSettings::default()
    };
    let mut refusing = Retained::new(&settings);
    refusing.set(message("a", "x", None), (1, 1)).unwrap();
    refusing.set(message("b", "x", None), (2, 2)).unwrap();
    assert_eq!(
        refusing.set(message("c", "x", None), (3, 3)),
        Err(Refusal::QuotaExceeded)
    );
    refusing.set(message("a", "y", None), (4, 4)).unwrap();
    settings.policy_at_limit = RetainedPolicy::DropOldest;
    let mut dropping = Retained::new(&settings);
    for (sequence, topic) in (1..).zip(["a", "b", "a", "c"]) {
        dropping
            .set(message(topic, "x", None), (sequence, sequence))
            .unwrap();
    }
    assert_eq!(all(&dropping, "#"), ["a", "c"]);
    settings.payload_bytes_max = 2;
    let mut small = Retained::new(&settings);
    assert_eq!(
        small.set(message("a", "xyz", None), (1, 1)),
        Err(Refusal::QuotaExceeded)
    );
}

#[test]
fn bytes_are_bounded() {
    let one = message("a", "x", None).size() as u64;
    let settings = RetainedSettings {
        bytes_max: 2 * one,
        policy_at_limit: RetainedPolicy::DropOldest,
        ..RetainedSettings::default()
    };
    let mut retained = Retained::new(&settings);
    for (sequence, topic) in (1..).zip(["a", "b", "c"]) {
        retained
            .set(message(topic, "x", None), (sequence, sequence))
            .unwrap();
    }
    assert_eq!(all(&retained, "#"), ["b", "c"]);
}

#[test]
fn what_the_server_says_of_itself_takes_no_room_of_clients() {
    for policy_at_limit in [RetainedPolicy::Refuse, RetainedPolicy::DropOldest] {
        let settings = RetainedSettings {
            messages_max: 2,
            bytes_max: 2 * message("a", "x", None).size() as u64,
            policy_at_limit,
            ..RetainedSettings::default()
        };
        let mut retained = Retained::new(&settings);
        for (sequence, topic) in (1..).zip(["$SYS/broker/uptime", "a", "b", "$SYS/broker/load"]) {
            retained
                .set(message(topic, "x", None), (sequence, sequence))
                .unwrap();
        }
        assert_eq!(all(&retained, "#"), ["a", "b"]);
        assert_eq!(all(&retained, "$SYS/#").len(), 2);
        retained.clear(b"$SYS/broker/uptime", 5);
        let third = retained.set(message("c", "x", None), (6, 6));
        assert_eq!(third.is_ok(), policy_at_limit == RetainedPolicy::DropOldest);
        assert_eq!(all(&retained, "#").len(), 2);
        assert_eq!(all(&retained, "$SYS/#"), ["$SYS/broker/load"]);
    }
}

// [v5 MQTT-4.7.2-1] [v3 MQTT-4.7.2-1]
#[test]
fn wildcards_at_the_first_level_do_not_match_dollar_topics() {
    let mut retained = Retained::new(&RetainedSettings::default());
    for (sequence, topic) in (1..).zip(["$SYS/a", "x/a"]) {
        retained
            .set(message(topic, "x", None), (sequence, sequence))
            .unwrap();
    }
    assert_eq!(all(&retained, "#"), ["x/a"]);
    assert_eq!(all(&retained, "+/a"), ["x/a"]);
    assert_eq!(all(&retained, "$SYS/#"), ["$SYS/a"]);
}

const LEVELS: [&str; 6] = ["", "a", "b", "a-", "ab", "$x"];

fn topic() -> impl Strategy<Value = String> {
    let levels = prop::collection::vec(prop::sample::select(LEVELS.to_vec()), 1..4);
    levels
        .prop_map(|levels| levels.join("/"))
        .prop_filter("not empty", |text| !text.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just("+"), prop::sample::select(LEVELS.to_vec())];
    (prop::collection::vec(level, 0..4), any::<bool>())
        .prop_map(|(mut levels, is_open)| {
            if is_open {
                levels.push("#");
            }
            levels.join("/")
        })
        .prop_filter("not empty", |text| !text.is_empty())
}

proptest! {
    #[test]
    fn nothing_that_matches_is_passed_over(
        filter in filter(),
        topics in prop::collection::vec(topic(), 0..40),
    ) {
        let parsed = TopicFilter::parse(&filter).unwrap();
        let (matching, others): (Vec<String>, _) = topics
            .into_iter()
            .partition(|topic| parsed.matches(TopicName::parse(topic).unwrap()));
        for topic in &others {
            let mut behind = matching.iter().filter(|other| *other > topic);
            match onward(filter.as_bytes(), topic.as_bytes()) {
                Onward::Next => {}
                Onward::To(text) => {
                    prop_assert!(text.as_slice() > topic.as_bytes());
                    prop_assert!(behind.all(|other| other.as_bytes() >= text.as_slice()));
                }
                Onward::Nowhere => prop_assert_eq!(behind.next(), None),
            }
        }
    }

    // [v3 MQTT-3.3.1-6] [v3 MQTT-3.3.2-3] [v5 MQTT-3.3.2-3]
    #[test]
    fn pages_give_what_a_naive_search_gives(
        sets in prop::collection::vec((topic(), any::<bool>()), 0..200),
        filter in filter(),
        limits in (1..5_usize, 1..7_usize),
    ) {
        let mut retained = Retained::new(&RetainedSettings::default());
        let mut model = BTreeMap::new();
        for (sequence, (topic, is_set)) in (1..).zip(sets) {
            if is_set {
                retained.set(message(&topic, "x", None), (sequence, sequence)).unwrap();
                model.insert(topic, sequence);
            } else {
                retained.clear(topic.as_bytes(), sequence);
                model.remove(&topic);
            }
        }
        let parsed = TopicFilter::parse(&filter).unwrap();
        let wanted: Vec<_> = model
            .keys()
            .filter(|topic| parsed.matches(TopicName::parse(topic).unwrap()))
            .cloned()
            .collect();
        prop_assert_eq!(topics(&retained, &filter, u64::MAX, START, limits), wanted);
        prop_assert_eq!(retained.count(), model.len());
    }
}
