//! Many subscribers, deep filters, and the size of what there is most of.

use super::*;
use crate::router::Target;
use crate::router::exact::FILTER_BYTES;
use crate::router::list::Subscribers;
use crate::router::tree::NODE_BYTES;

#[test]
fn twenty_thousand_subscribers_of_one_filter() {
    let count = 20_000;
    for text in ["a/b", "a/+", "$queue/a/b"] {
        let mut router = router();
        let clients: Vec<Client> = (1..=count).map(Client::new).collect();
        for client in &clients {
            assert!(!router.subscribe(filter(text), client, grant(QoS::AtMostOnce)));
        }
        for client in &clients {
            assert!(router.subscribe(filter(text), client, grant(QoS::AtLeastOnce)));
        }
        let route = router.route(topic("a/b"));
        assert_eq!(
            route.targets.len() + route.groups.len(),
            if text.starts_with('$') { 1 } else { 20_000 }
        );
        // From the middle outwards, so that neither end is special.
        let (first, second) = clients.split_at(clients.len() / 2);
        for client in first.iter().rev().chain(second) {
            assert!(router.unsubscribe(filter(text), client));
        }
        assert!(router.route(topic("a/b")).is_empty());
        assert_eq!(router.tree.node_count(), 1);
    }
}

#[test]
fn two_filters_with_many_subscribers_name_each_once() {
    let mut router = router();
    for key in 0..3000 {
        let client = Client::new(key * 1024);
        router.subscribe(filter("a/b"), &client, grant(QoS::AtMostOnce));
        if key % 2 == 0 {
            router.subscribe(filter("a/#"), &client, grant(QoS::ExactlyOnce));
        }
        if key % 3 == 0 {
            router.subscribe(filter("+/b"), &client, grant(QoS::AtLeastOnce));
        }
    }
    let route = router.route(topic("a/b"));
    assert_eq!(route.targets.len(), 3000);
    for target in &route.targets {
        let expected = match target.subscriber.key() / 1024 {
            key if key % 2 == 0 => QoS::ExactlyOnce,
            key if key % 3 == 0 => QoS::AtLeastOnce,
            _ => QoS::AtMostOnce,
        };
        assert_eq!(target.delivered.qos, expected);
    }
}

#[test]
fn the_deepest_filters_and_names() {
    let slashes = "/".repeat(65_535);
    let plus = "+/".repeat(32_767) + "+";
    let deep = "/".repeat(65_534) + "#";
    let mut router = router();
    for (key, text) in (1..).zip([&slashes, &plus, &deep]) {
        router.subscribe(filter(text), &Client::new(key), grant(QoS::AtMostOnce));
    }
    assert_eq!(reached(&router, &slashes), [1, 3]);
    assert_eq!(reached(&router, &"/".repeat(65_533)), [3]);
    assert_eq!(reached(&router, &"/".repeat(32_767)), [2]);
    assert_eq!(reached(&router, "a"), []);
    for (key, text) in (1..).zip([&slashes, &plus, &deep]) {
        assert!(router.unsubscribe(filter(text), &Client::new(key)));
    }
    assert_eq!(router.tree.node_count(), 1);
    assert!(router.route(topic(&slashes)).is_empty());
}

#[test]
fn a_filter_takes_no_node_for_each_level() {
    let mut router = router();
    let client = Client::new(1);
    let texts = [
        "a/+/b/c/d/e/f/#",
        "a/+/b/c/x",
        "a/+/b/c",
        "a/+",
        "a/+/b/c/d/e/f/+/+/+",
    ];
    let mut counts = Vec::new();
    for text in texts {
        router.subscribe(filter(text), &client, grant(QoS::AtMostOnce));
        counts.push(router.tree.node_count());
    }
    // The root and one; then two where the second branches off, none for what ends there, one more
    // for what ends in the middle of a node, and one behind.
    assert_eq!(counts, [2, 4, 4, 5, 6]);
    assert_eq!(reached(&router, "a/1/b/c/d/e/f"), [1]);
    assert_eq!(reached(&router, "a/1/b/c/d/e"), []);
    for text in texts {
        assert!(router.unsubscribe(filter(text), &client));
    }
    assert_eq!(router.tree.node_count(), 1);
    let deep = "+/".repeat(32_767) + "+";
    router.subscribe(filter(&deep), &client, grant(QoS::AtMostOnce));
    assert_eq!(router.tree.node_count(), 2);
}

/// Wildcards at every place: more nodes are reached than lie in a short list.
#[test]
fn all_filters_of_five_levels() {
    let mut router = router();
    let mut count = 0;
    for bits in 0..32u32 {
        let levels: Vec<&str> = (0..5)
            .map(|bit| if bits >> bit & 1 == 1 { "+" } else { "a" })
            .collect();
        count += 1;
        router.subscribe(
            filter(&levels.join("/")),
            &Client::new(count),
            grant(QoS::AtMostOnce),
        );
    }
    assert_eq!(reached(&router, "a/a/a/a/a").len(), 32);
    assert_eq!(reached(&router, "a/a/b/a/a").len(), 16);
    assert_eq!(reached(&router, "a/a/a/a").len(), 0);
}

#[test]
fn what_there_is_most_of_is_small() {
    assert_eq!(size_of::<Subscribers<Client>>(), 16);
    assert_eq!(NODE_BYTES, 80);
    // A line of the cache.
    assert_eq!(FILTER_BYTES, 64);
    assert!(size_of::<Target<Client>>() <= 40 + size_of::<Client>());
}

// Among so many some have the same half of a hash, by which they are found.
#[test]
fn filters_are_told_apart_whatever_their_hashes_are() {
    let mut router = router();
    let names = || (0..200_000_u64).map(|key| (key, format!("name{key}"), format!("name{key}/x")));
    for (key, one, _) in names() {
        let client = Client::new(key);
        router.subscribe(filter(&one), &client, grant(QoS::AtMostOnce));
        router.subscribe(filter(&format!("{one}/+")), &client, grant(QoS::AtMostOnce));
    }
    let mut search = Search::default();
    for (key, one, below) in names() {
        for route in router.routes(&[topic(&one), topic(&below)], &mut search) {
            let keys: Vec<_> = route.targets.iter().map(|it| it.subscriber.key()).collect();
            assert_eq!(keys, [key]);
        }
    }
}
