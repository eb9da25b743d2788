//! Which filters match, and what a subscriber of several gets.

use std::num::NonZeroU32;

use dunlin_codec::QoS;
use proptest::prelude::*;

use super::*;
use crate::router::route::{Delivered, ForOwn};

#[track_caller]
fn check(text: &str, matching: &[&str], other: &[&str]) {
    let mut router = router();
    router.subscribe(filter(text), &Client::new(1), grant(QoS::AtMostOnce));
    for name in matching {
        assert_eq!(reached(&router, name), [1], "{text:?} and {name:?}");
    }
    for name in other {
        assert!(reached(&router, name).is_empty(), "{text:?} and {name:?}");
    }
}

// [v3 MQTT-3.3.2-3] [v5 MQTT-3.3.2-3] [v3 MQTT-3.8.3-2]
#[test]
fn the_examples_of_section_4_7() {
    check(
        "sport/tennis/player1/#",
        &[
            "sport/tennis/player1",
            "sport/tennis/player1/ranking",
            "sport/tennis/player1/score/wimbledon",
        ],
        &["sport/tennis", "sport/tennis/player10"],
    );
    check("sport/#", &["sport", "sport/", "sport/a"], &["sports"]);
    check("#", &["a", "/", "a/b/c"], &[]);
    check(
        "sport/tennis/+",
        &["sport/tennis/player1", "sport/tennis/"],
        &["sport/tennis", "sport/tennis/player1/ranking"],
    );
    check("sport/+", &["sport/"], &["sport"]);
    check("+/+", &["/finance"], &["finance"]);
    check("/+", &["/finance"], &["finance", "a/finance"]);
    check("+", &["finance"], &["/finance"]);
    check(
        "+/tennis/#",
        &["a/tennis", "/tennis/b"],
        &["tennis", "a/tennis2"],
    );
}

// [v3 MQTT-4.7.2-1] [v5 MQTT-4.7.2-1]
#[test]
fn a_leading_wildcard_does_not_match_a_dollar_topic() {
    check("#", &["SYS/a"], &["$SYS", "$SYS/a"]);
    check("+/a", &["SYS/a"], &["$SYS/a"]);
    check("+/#", &["SYS/a"], &["$SYS/a", "$SYS"]);
    check("$SYS/#", &["$SYS", "$SYS/a"], &["SYS/a"]);
    check("$SYS/+", &["$SYS/a"], &["$SYS", "SYS/a"]);
    check("a/+", &["a/$SYS"], &[]);
    check("a/#", &["a/$SYS"], &[]);
}

// [v3 MQTT-4.7.3-4] [v5 MQTT-4.7.3-4]
#[test]
fn nothing_is_normalised() {
    // A letter with its accent as one character, and as two.
    check("caf\u{e9}", &["caf\u{e9}"], &["cafe\u{301}", "Caf\u{e9}"]);
    check(
        "+/caf\u{e9}",
        &["a/caf\u{e9}"],
        &["a/cafe\u{301}", "a/CAF\u{c9}"],
    );
    check(
        "ACCOUNTS",
        &["ACCOUNTS"],
        &["Accounts", "ACCOUNTS ", "/ACCOUNTS"],
    );
}

/// What the router must answer, said without it: for each subscriber, from its matching grants.
fn merged(grants: &[&Grant]) -> Option<(QoS, bool, Vec<u32>)> {
    let qos = grants.iter().map(|grant| grant.qos).max()?;
    let as_published = grants.iter().any(|grant| grant.retain_as_published);
    let mut identifiers: Vec<u32> = grants
        .iter()
        .filter_map(|grant| grant.identifier.map(NonZeroU32::get))
        .collect();
    identifiers.sort_unstable();
    Some((qos, as_published, identifiers))
}

fn seen(delivered: &Delivered) -> (QoS, bool, Vec<u32>) {
    let several = delivered.identifiers.several();
    let one = || delivered.identifiers.one().into_iter().collect();
    let all: Vec<NonZeroU32> = several.map_or_else(one, |several| several.to_vec());
    let mut identifiers: Vec<u32> = all.iter().map(|identifier| identifier.get()).collect();
    identifiers.sort_unstable();
    (delivered.qos, delivered.retain_as_published, identifiers)
}

proptest! {
    // [v3 MQTT-3.3.2-3] [v5 MQTT-3.3.2-3] [v3 MQTT-4.7.2-1] [v5 MQTT-4.7.2-1]
    // [v5 MQTT-3.3.4-2] [v5 MQTT-3.3.4-4] [v5 MQTT-3.8.3-3] [v5 MQTT-3.8.4-3]
    #[test]
    fn routes_are_those_of_a_naive_search(
        subscriptions in prop::collection::vec((0..12u64, any_filter(), any_grant()), 0..60),
        names in prop::collection::vec(any_topic(), 1..20),
    ) {
        let mut router = router();
        let mut model: std::collections::BTreeMap<(u64, String), Grant> = Default::default();
        for (key, text, grant) in &subscriptions {
            router.subscribe(filter(text), &Client::new(*key), grant.clone());
            model.insert((*key, text.clone()), grant.clone());
        }
        // Together, as well as each by itself.
        let topics: Vec<_> = names.iter().map(|name| topic(name)).collect();
        let mut search = Search::default();
        let together = router.routes(&topics, &mut search);
        let alone = names.iter().map(|name| router.route(topic(name)));
        for (name, route) in names.iter().zip(together).chain(names.iter().zip(alone)) {
            let expected: Vec<u64> = (0..12)
                .filter(|key| model.keys().any(|(other, text)| {
                    other == key && filter(text).matches(topic(name))
                }))
                .collect();
            let mut keys: Vec<u64> = route.targets.iter().map(|target| target.subscriber.key()).collect();
            keys.sort_unstable();
            prop_assert_eq!(keys, expected, "topic {:?}", name);
            for target in &route.targets {
                let key = target.subscriber.key();
                let grants: Vec<&Grant> = model
                    .iter()
                    .filter(|((other, text), _)| *other == key && filter(text).matches(topic(name)))
                    .map(|(_, grant)| grant)
                    .collect();
                prop_assert_eq!(target.delivered_from(key + 1).map(seen), merged(&grants));
                let others: Vec<&Grant> =
                    grants.into_iter().filter(|grant| !grant.no_local).collect();
                prop_assert_eq!(target.delivered_from(key).map(seen), merged(&others));
            }
        }
    }
}

// [v5 MQTT-3.3.4-2] [v5 MQTT-3.3.4-4]
#[test]
fn overlapping_subscriptions_are_one_delivery() {
    let mut router = router();
    let client = Client::new(1);
    for (text, qos, identifier) in [
        ("a/b", QoS::AtMostOnce, 1),
        ("a/+", QoS::ExactlyOnce, 2),
        ("a/#", QoS::AtLeastOnce, 2),
        ("c", QoS::AtMostOnce, 9),
    ] {
        let grant = Grant {
            identifier: NonZeroU32::new(identifier),
            ..grant(qos)
        };
        router.subscribe(filter(text), &client, grant);
    }
    let route = router.route(topic("a/b"));
    assert_eq!(route.targets.len(), 1);
    assert_eq!(
        seen(&route.targets[0].delivered),
        (QoS::ExactlyOnce, false, vec![1, 2, 2])
    );
    assert_eq!(route.targets[0].for_own, ForOwn::Same);
}

// [v5 MQTT-3.8.3-3]
#[test]
fn no_local_counts_for_its_own_subscription_alone() {
    let mut router = router();
    let no_local = Grant {
        no_local: true,
        ..grant(QoS::ExactlyOnce)
    };
    router.subscribe(filter("a/#"), &Client::new(1), no_local);
    let own = |router: &Router<Client>| {
        let route = router.route(topic("a/b"));
        route.targets[0].delivered_from(1).cloned()
    };
    let others = |router: &Router<Client>| {
        let route = router.route(topic("a/b"));
        route.targets[0].delivered_from(2).cloned()
    };
    assert_eq!(own(&router), None);
    assert_eq!(
        others(&router),
        Some(Delivered::new(&grant(QoS::ExactlyOnce)))
    );
    router.subscribe(filter("a/b"), &Client::new(1), grant(QoS::AtMostOnce));
    assert_eq!(own(&router), Some(Delivered::new(&grant(QoS::AtMostOnce))));
    assert_eq!(
        others(&router),
        Some(Delivered::new(&grant(QoS::ExactlyOnce)))
    );
}
