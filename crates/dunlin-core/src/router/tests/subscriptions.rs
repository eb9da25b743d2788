//! Subscribing and unsubscribing: what is there afterwards, and that nothing else is.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::router::RouterCounts;

/// One step of a client.
#[derive(Clone, Debug)]
enum Step {
    Subscribe(u64, String, Grant),
    Unsubscribe(u64, String),
}

fn any_step() -> impl Strategy<Value = Step> {
    let text = (any_filter(), 0..4u8).prop_map(|(text, share)| match share {
        0 => format!("$share/g/{text}"),
        1 => format!("$queue/{text}"),
        _ => text,
    });
    // A few filters with very many subscribers, so that lists get and lose their index.
    let crowded = prop_oneof![
        Just("a".to_owned()),
        Just("a/+".to_owned()),
        Just("$share/g/a".to_owned())
    ];
    let text = prop_oneof![text, crowded];
    (any::<bool>(), 0..60u64, text, any_grant()).prop_map(|(subscribe, key, text, grant)| {
        if subscribe {
            Step::Subscribe(key, text, grant)
        } else {
            Step::Unsubscribe(key, text)
        }
    })
}

#[track_caller]
fn assert_holds_nothing(router: &Router<Client>) {
    assert_eq!(router.counts(), RouterCounts::default());
    assert_eq!(router.exact.len(), 0);
    assert_eq!(router.groups.len(), 0);
    assert_eq!(router.tree.node_count(), 1);
    assert_eq!(router.tree.child_count(), 0);
}

proptest! {
    // [v3 MQTT-3.10.4-1] [v5 MQTT-3.10.4-1] [v3 MQTT-3.10.4-2] [v5 MQTT-3.10.4-2]
    // [v3 MQTT-3.8.4-3] [v5 MQTT-3.8.4-3]
    #[test]
    fn the_router_does_as_a_map_does(steps in prop::collection::vec(any_step(), 0..300)) {
        let mut router = router();
        let mut model: BTreeMap<(String, u64), Grant> = BTreeMap::new();
        for step in steps {
            let generation = router.generation();
            let is_shared;
            let groups = router.counts().groups;
            match step {
                Step::Subscribe(key, text, grant) => {
                    let was_there = router.subscribe(filter(&text), &Client::new(key), grant.clone());
                    is_shared = filter(&text).share() != Ok(None);
                    prop_assert_eq!(was_there, model.insert((text, key), grant).is_some());
                    prop_assert!(is_shared || router.generation() != generation);
                }
                Step::Unsubscribe(key, text) => {
                    let was_there = router.unsubscribe(filter(&text), &Client::new(key));
                    is_shared = filter(&text).share() != Ok(None);
                    prop_assert_eq!(was_there, model.remove(&(text, key)).is_some());
                    prop_assert!(is_shared || was_there == (router.generation() != generation));
                }
            }
            if is_shared {
                prop_assert_eq!(
                    router.generation() != generation,
                    router.counts().groups != groups
                );
            }
        }
        let is_shared = |text: &str| filter(text).share() != Ok(None);
        let mut groups: Vec<&str> =
            model.keys().map(|(text, _)| text.as_str()).filter(|text| is_shared(text)).collect();
        let shared_subscriptions = groups.len();
        groups.dedup();
        prop_assert_eq!(router.counts(), RouterCounts {
            subscriptions: model.len() - shared_subscriptions,
            shared_subscriptions,
            groups: groups.len(),
        });
        for text in &groups {
            let group = router.group(filter(text)).unwrap();
            for key in 0..60 {
                prop_assert_eq!(
                    group.grant_of(key),
                    model.get(&((*text).to_owned(), key)).cloned()
                );
            }
        }
        for name in ["a", "a/b", "/", "$s/a"] {
            let expected: std::collections::BTreeSet<u64> = model
                .keys()
                .filter(|(text, _)| !is_shared(text) && filter(text).matches(topic(name)))
                .map(|&(_, key)| key)
                .collect();
            prop_assert_eq!(reached(&router, name), expected.into_iter().collect::<Vec<_>>());
            let route = router.route(topic(name));
            let mut found: Vec<&str> = route.groups.iter().map(|group| group.text()).collect();
            found.sort_unstable();
            let mut expected = groups.clone();
            expected.retain(|text| {
                let share = filter(text).share().unwrap().unwrap();
                share.filter.matches(topic(name))
            });
            prop_assert_eq!(found, expected);
        }
        for (text, key) in model.keys() {
            prop_assert!(router.unsubscribe(filter(text), &Client::new(*key)));
        }
        assert_holds_nothing(&router);
    }
}

// [v3 MQTT-3.8.4-3] [v5 MQTT-3.8.4-3]
#[test]
fn subscribing_again_replaces_the_grant() {
    for text in ["a/b", "a/+", "$share/g/a/b"] {
        let mut router = router();
        let client = Client::new(1);
        assert!(!router.subscribe(filter(text), &client, grant(QoS::AtMostOnce)));
        assert!(router.subscribe(filter(text), &client, grant(QoS::ExactlyOnce)));
        let route = router.route(topic("a/b"));
        let seen = match (&*route.targets, &*route.groups) {
            ([target], []) => target.delivered.qos,
            ([], [group]) => group.grant_of(1).unwrap().qos,
            _ => panic!("{} targets", route.targets.len()),
        };
        assert_eq!(seen, QoS::ExactlyOnce);
        assert!(router.unsubscribe(filter(text), &client));
        assert_holds_nothing(&router);
    }
}

// [v3 MQTT-3.10.4-1] [v5 MQTT-3.10.4-1]
#[test]
fn only_the_very_same_filter_is_unsubscribed() {
    let mut router = router();
    let client = Client::new(1);
    let texts = [
        "a/b",
        "a/+",
        "a/#",
        "+/b",
        "#",
        "$share/g/a/b",
        "$share/h/a/b",
        "$queue/a/b",
    ];
    for text in texts {
        router.subscribe(filter(text), &client, grant(QoS::AtMostOnce));
    }
    for text in [
        "a",
        "a/b/",
        "A/b",
        "a/b/#",
        "+/+",
        "+",
        "$share/i/a/b",
        "$share/g/a/+",
        "$queue/a",
    ] {
        assert!(!router.unsubscribe(filter(text), &client), "{text}");
    }
    assert!(!router.unsubscribe(filter("a/b"), &Client::new(2)));
    for text in texts {
        assert!(router.unsubscribe(filter(text), &client), "{text}");
        assert!(!router.unsubscribe(filter(text), &client), "{text}");
    }
    assert_holds_nothing(&router);
}

#[test]
fn few_subscribers_keep_their_order() {
    let mut router = router();
    for key in [5, 3, 9, 1] {
        router.subscribe(filter("a"), &Client::new(key), grant(QoS::AtMostOnce));
    }
    router.unsubscribe(filter("a"), &Client::new(3));
    let route = router.route(topic("a"));
    let keys: Vec<u64> = route
        .targets
        .iter()
        .map(|target| target.subscriber.key())
        .collect();
    assert_eq!(keys, [5, 9, 1]);
}

#[test]
fn a_share_that_is_not_whole_is_not_subscribed() {
    let mut router = router();
    for text in [
        "$share",
        "$share/g",
        "$share//a",
        "$share/+/a",
        "$queue",
        "$queue/",
    ] {
        assert!(!router.subscribe(filter(text), &Client::new(1), grant(QoS::AtMostOnce)));
        assert!(!router.unsubscribe(filter(text), &Client::new(1)));
    }
    assert_holds_nothing(&router);
}
