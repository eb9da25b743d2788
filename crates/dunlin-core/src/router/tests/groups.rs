//! Which member of a shared subscription gets a message.

use std::sync::Arc;

use super::*;
use crate::router::Group;
use crate::router::shared::pattern_matches;
use crate::settings::{FilterRule, Strategy};

const SHARED: &str = "$share/workers/jobs/#";

struct Fixture {
    router: Router<Client>,
    clients: Vec<Client>,
}

impl Fixture {
    fn new(strategy: Strategy, count: u64) -> Self {
        let settings = SharedSettings {
            share_strategy: strategy,
            ..SharedSettings::default()
        };
        let mut router = Router::new(hasher(), settings);
        let clients: Vec<Client> = (1..=count).map(Client::new).collect();
        for client in &clients {
            router.subscribe(filter(SHARED), client, grant(QoS::AtLeastOnce));
        }
        Self { router, clients }
    }

    fn client(&self, key: u64) -> &State {
        let client = self.clients.iter().find(|client| client.key() == key);
        &client.unwrap().0
    }

    fn group(&self) -> Arc<Group<Client>> {
        let route = self.router.route(topic("jobs/1"));
        assert_eq!(route.targets.len(), 0);
        Arc::clone(&route.groups[0])
    }

    /// The member chosen for a message of this publisher, or 0.
    fn choose(&self, name: &str, publisher: u64, random: u64, exclude: Option<u64>) -> u64 {
        self.group()
            .choose(name.as_bytes(), publisher, random, exclude)
            .map_or(0, |(client, _)| client.key())
    }

    fn choices(&self, count: u64) -> Vec<u64> {
        (0..count)
            .map(|random| self.choose("jobs/1", 0, random, None))
            .collect()
    }
}

const ALL: [Strategy; 6] = [
    Strategy::Random,
    Strategy::RoundRobin,
    Strategy::Sticky,
    Strategy::HashClient,
    Strategy::HashTopic,
    Strategy::LeastInFlight,
];

#[test]
fn the_members_take_turns() {
    let mut fixture = Fixture::new(Strategy::RoundRobin, 3);
    assert_eq!(fixture.choices(7), [1, 2, 3, 1, 2, 3, 1]);
    let late = Client::new(4);
    fixture
        .router
        .subscribe(filter(SHARED), &late, grant(QoS::AtMostOnce));
    assert_eq!(fixture.choices(5), [2, 3, 4, 1, 2]);
}

#[test]
fn a_member_that_cannot_take_a_message_gives_its_turn_away() {
    let fixture = Fixture::new(Strategy::RoundRobin, 3);
    fixture.client(2).has_room.set(false);
    assert_eq!(fixture.choices(4), [1, 3, 1, 3]);
    fixture.client(2).has_room.set(true);
    assert_eq!(fixture.choices(3), [1, 2, 3]);
}

#[test]
fn random_is_the_argument_and_reaches_all() {
    let fixture = Fixture::new(Strategy::Random, 4);
    assert_eq!(fixture.choices(8), [1, 2, 3, 4, 1, 2, 3, 4]);
    assert_eq!(fixture.choices(8), fixture.choices(8));
    // Most are full: the choice among the others is even all the same.
    let fixture = Fixture::new(Strategy::Random, 40);
    for key in 1..=40 {
        fixture.client(key).has_room.set(key % 20 == 0);
    }
    let mut counts = [0; 2];
    let mut random = 1_u64;
    for _ in 0..2000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        counts[match fixture.choose("jobs/1", 0, random, None) {
            20 => 0,
            40 => 1,
            other => panic!("{other} is full"),
        }] += 1;
    }
    assert!(counts.iter().all(|&count| count > 850), "{counts:?}");
}

#[test]
fn sticky_stays_until_it_cannot() {
    let fixture = Fixture::new(Strategy::Sticky, 5);
    let first = fixture.choose("jobs/1", 0, 3, None);
    assert_eq!(fixture.choices(10), [first; 10]);
    // Excluded once, it is not left for good.
    assert_ne!(fixture.choose("jobs/1", 0, 3, Some(first)), first);
    assert_eq!(fixture.choose("jobs/1", 0, 0, None), first);
    fixture.client(first).is_connected.set(false);
    let second = fixture.choose("jobs/1", 0, 3, None);
    assert_ne!(second, first);
    fixture.client(first).is_connected.set(true);
    assert_eq!(fixture.choices(10), [second; 10]);
    // Nobody is any better, so it stays.
    for client in &fixture.clients {
        client.0.has_room.set(false);
    }
    assert_eq!(fixture.choices(10), [second; 10]);
}

#[test]
fn sticky_outlives_its_member() {
    let mut fixture = Fixture::new(Strategy::Sticky, 3);
    let first = fixture.choose("jobs/1", 0, 0, None);
    fixture
        .router
        .unsubscribe(filter(SHARED), &Client::new(first));
    let second = fixture.choose("jobs/1", 0, 0, None);
    assert!(second != 0 && second != first);
}

#[test]
fn hashes_are_stable_and_spread() {
    let by_client = Fixture::new(Strategy::HashClient, 8);
    let by_topic = Fixture::new(Strategy::HashTopic, 8);
    let of_client = |publisher, random| by_client.choose("jobs/1", publisher, random, None);
    let of_topic = |name: &str, random| by_topic.choose(name, random, random, None);
    let mut hit = [0; 9];
    for number in 0..1000 {
        let name = format!("jobs/{number}");
        assert_eq!(of_client(number, 1), of_client(number, 2));
        assert_eq!(of_topic(&name, 1), of_topic(&name, 2));
        hit[usize::try_from(of_client(number, 1)).unwrap()] += 1;
        hit[usize::try_from(of_topic(&name, 1)).unwrap()] += 1;
    }
    assert!(hit[1..].iter().all(|&count| count > 150), "{hit:?}");
}

#[test]
fn a_new_member_takes_only_its_share_of_the_hashes() {
    let mut fixture = Fixture::new(Strategy::HashClient, 8);
    let all = |fixture: &Fixture| -> Vec<u64> {
        (0..1000)
            .map(|publisher| fixture.choose("jobs/1", publisher, 0, None))
            .collect()
    };
    let before = all(&fixture);
    let late = Client::new(9);
    fixture
        .router
        .subscribe(filter(SHARED), &late, grant(QoS::AtMostOnce));
    let after = all(&fixture);
    let moved = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after);
    assert!(moved.clone().all(|(_, &after)| after == 9));
    assert!((50..200).contains(&moved.count()));
    fixture.router.unsubscribe(filter(SHARED), &late);
    assert_eq!(all(&fixture), before);
}

#[test]
fn the_member_with_the_fewest_in_flight() {
    let fixture = Fixture::new(Strategy::LeastInFlight, 4);
    for (key, in_flight) in [(1, 5), (2, 2), (3, 7), (4, 2)] {
        fixture.client(key).in_flight.set(in_flight);
    }
    // Equals take turns.
    assert_eq!(fixture.choices(4), [2, 4, 2, 4]);
    fixture.client(3).in_flight.set(0);
    assert_eq!(fixture.choices(2), [3, 3]);
    // One that has room comes before one with less to do.
    fixture.client(3).has_room.set(false);
    fixture.client(2).is_connected.set(false);
    assert_eq!(fixture.choices(2), [4, 4]);
}

#[test]
fn ready_before_full_before_away_whatever_the_strategy() {
    for strategy in ALL {
        let fixture = Fixture::new(strategy, 30);
        for key in 1..=30 {
            fixture.client(key).is_connected.set(key % 3 != 0);
            fixture.client(key).has_room.set(key == 7);
        }
        assert_eq!(fixture.choices(40), [7; 40], "{strategy:?}");
        fixture.client(7).has_room.set(false);
        assert!(
            fixture.choices(40).iter().all(|key| key % 3 != 0),
            "{strategy:?}"
        );
        for client in &fixture.clients {
            client.0.is_connected.set(false);
        }
        assert!(
            fixture.choices(40).iter().all(|&key| key != 0),
            "{strategy:?}"
        );
    }
}

#[test]
fn the_excluded_member_is_never_chosen() {
    for strategy in ALL {
        let fixture = Fixture::new(strategy, 3);
        fixture.client(1).is_connected.set(false);
        fixture.client(3).is_connected.set(false);
        for random in 0..20 {
            assert_eq!(fixture.choose("jobs/1", random, random, None), 2);
            assert_ne!(fixture.choose("jobs/1", random, random, Some(2)), 2);
        }
        let fixture = Fixture::new(strategy, 1);
        assert_eq!(fixture.choose("jobs/1", 0, 0, Some(1)), 0, "{strategy:?}");
        assert_eq!(fixture.choose("jobs/1", 0, 0, Some(9)), 1, "{strategy:?}");
    }
}

// [v5 MQTT-4.8.2-3]
#[test]
fn each_member_has_its_own_grant() {
    let mut router = router();
    for (key, qos) in [(1, QoS::AtMostOnce), (2, QoS::ExactlyOnce)] {
        router.subscribe(filter("$queue/a"), &Client::new(key), grant(qos));
    }
    let group = Arc::clone(&router.route(topic("a")).groups[0]);
    let choose = || group.choose(b"a", 0, 0, None).unwrap();
    let (first, second) = (choose(), choose());
    assert_eq!((first.0.key(), first.1.qos), (1, QoS::AtMostOnce));
    assert_eq!((second.0.key(), second.1.qos), (2, QoS::ExactlyOnce));
}

#[test]
fn groups_are_told_apart_by_name_and_filter() {
    let mut router = router();
    let texts = [
        "$share/g/a/b",
        "$share/g/a/+",
        "$share/h/a/b",
        "$queue/a/b",
        "$queue/#",
    ];
    for text in texts {
        router.subscribe(filter(text), &Client::new(1), grant(QoS::AtMostOnce));
    }
    let route = router.route(topic("a/b"));
    let mut found: Vec<&str> = route.groups.iter().map(|group| group.text()).collect();
    found.sort_unstable();
    let mut expected = texts;
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(router.route(topic("$a")).groups.len(), 0);
    let names: Vec<Option<&str>> = texts
        .iter()
        .map(|text| router.group(filter(text)).unwrap().name())
        .collect();
    assert_eq!(names, [Some("g"), Some("g"), Some("h"), None, None]);
}

#[test]
fn a_durable_group_exists_without_members() {
    let settings = SharedSettings {
        durable_groups: vec![
            FilterRule::new(filter(SHARED)),
            FilterRule::new(filter("$queue/q")),
        ],
        ..SharedSettings::default()
    };
    let mut router = Router::new(hasher(), settings);
    assert_eq!(router.counts().groups, 2);
    let generation = router.generation();
    let group = Arc::clone(&router.route(topic("jobs/1")).groups[0]);
    assert!(group.is_durable());
    assert!(group.choose(b"jobs/1", 0, 0, None).is_none());
    router.subscribe(filter(SHARED), &Client::new(1), grant(QoS::AtMostOnce));
    assert!(group.choose(b"jobs/1", 0, 0, None).is_some());
    assert!(router.unsubscribe(filter(SHARED), &Client::new(1)));
    assert!(group.choose(b"jobs/1", 0, 0, None).is_none());
    assert!(Arc::ptr_eq(
        &group,
        &router.route(topic("jobs/1")).groups[0]
    ));
    assert_eq!(router.generation(), generation);
}

#[test]
fn the_strategy_is_that_of_the_first_pattern_that_matches() {
    let settings = SharedSettings {
        groups: vec![
            ("one".to_owned(), Strategy::Sticky),
            ("w*-*s".to_owned(), Strategy::HashTopic),
            ("w*".to_owned(), Strategy::LeastInFlight),
            ("*x".to_owned(), Strategy::HashClient),
        ],
        ..SharedSettings::default()
    };
    let mut router = Router::new(hasher(), settings);
    for (text, strategy) in [
        ("$share/one/a", Strategy::Sticky),
        ("$share/one1/a", Strategy::Random),
        ("$share/w-s/a", Strategy::HashTopic),
        ("$share/worker-1s/a", Strategy::HashTopic),
        ("$share/ws/a", Strategy::LeastInFlight),
        ("$share/w/a", Strategy::LeastInFlight),
        ("$share/wx/a", Strategy::LeastInFlight),
        ("$share/ax/a", Strategy::HashClient),
        ("$share/x/a", Strategy::HashClient),
        ("$share/xa/a", Strategy::Random),
        ("$queue/one", Strategy::RoundRobin),
    ] {
        router.subscribe(filter(text), &Client::new(1), grant(QoS::AtMostOnce));
        assert_eq!(
            router.group(filter(text)).unwrap().strategy(),
            strategy,
            "{text}"
        );
    }
}

#[test]
fn a_star_in_a_pattern_stands_for_any_text() {
    let table = [
        ("workers", "workers", true),
        ("workers", "workers2", false),
        ("*", "", true),
        ("*", "anything", true),
        ("w*", "workers", true),
        ("w*", "a-worker", false),
        ("*s", "workers", true),
        ("*s", "worker", false),
        ("a*b*c", "abc", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "acb", false),
        ("ab*ba", "aba", false),
        ("a*a*a", "aa", false),
        ("a**a", "aa", true),
        ("\u{e9}*", "\u{e9}cole", true),
    ];
    for (pattern, name, expected) in table {
        assert_eq!(pattern_matches(pattern, name), expected, "{pattern} {name}");
    }
}
