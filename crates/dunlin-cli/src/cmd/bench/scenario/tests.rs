//! Plans: everyone hears whom they should, however many threads there are.

use std::collections::BTreeMap;

use clap::Parser;
use dunlin_codec::{Limits, Packet, PacketIdentifier, TopicFilter, decode};

use super::{Planner, routing_filter};
use crate::cmd::bench::engine::plan::{Plan, Role};
use crate::cmd::bench::flags::run::RunArgs;

#[derive(Parser)]
#[command(disable_help_flag = true)]
struct Program {
    #[command(flatten)]
    args: RunArgs,
}

fn plan(line: &str) -> Plan {
    let words = std::iter::once("run").chain(line.split_whitespace());
    let args = Program::try_parse_from(words).unwrap().args;
    let client = args.options().unwrap();
    Planner::new(&args, client, 7).plan().unwrap()
}

/// The topic of a publisher's message with this number.
fn topic(plan: &Plan, worker: usize, publisher: usize, number: u64) -> String {
    let publisher = &plan.workers[worker].publishers[publisher];
    let mut bytes = Vec::new();
    publisher.templates[0].append(&mut bytes, PacketIdentifier::MIN, number, None);
    let version = plan.client.connect.version;
    let (packet, _) = decode(&bytes, version, &Limits::default())
        .unwrap()
        .unwrap();
    match packet {
        Packet::Publish(publish) => publish.topic.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Checks for each publisher that exactly the subscribers whose group hears it have a filter for its
/// topic, that there are as many groups of them as it expects copies, and that numbers are unique.
fn check(plan: &Plan) {
    let mut client_ids = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for (worker, part) in plan.workers.iter().enumerate() {
        for link in &part.links {
            *client_ids.entry(&link.client_id).or_insert(0) += 1;
        }
        for (place, publisher) in part.publishers.iter().enumerate() {
            *numbers.entry(publisher.number).or_insert(0) += 1;
            let topic = topic(plan, worker, place, 0);
            let mut groups = 0;
            for other in &plan.workers {
                let mut heard = vec![0; other.groups.len()];
                for link in &other.links {
                    let Role::Subscriber { group: Some(group) } = link.role else {
                        continue;
                    };
                    let matches =
                        link.subscriptions
                            .iter()
                            .flat_map(|it| &it.filters)
                            .any(|(filter, _)| {
                                let filter = TopicFilter::parse(filter).unwrap();
                                let share = filter.share().unwrap();
                                let filter = share.map_or(filter, |share| share.filter);
                                filter.as_str() == topic
                            });
                    let hears = other.groups[group].index(publisher.number).is_some();
                    assert_eq!(matches, hears, "{} and {topic}", link.client_id);
                    heard[group] += usize::from(matches);
                }
                groups += heard.iter().filter(|&&members| members > 0).count();
            }
            assert_eq!(groups as u64, publisher.copies, "{topic}");
        }
    }
    assert!(client_ids.values().all(|&count| count == 1), "identifiers");
    assert!(numbers.values().all(|&count| count == 1), "numbers");
    let count = u32::try_from(numbers.len()).unwrap();
    assert!(numbers.into_keys().eq(0..count), "from 0, without gaps");
}

#[test]
fn everyone_hears_whom_they_should() {
    for threads in [1, 2, 3] {
        for line in [
            "p2p --pairs 7",
            "fan-out --subscribers 5",
            "fan-out --publishers 3 --subscribers 5",
            "fan-in --publishers 7",
            "fan-in --publishers 10 --subscribers 3",
            "fan-in --publishers 2 --subscribers 3",
            "shared --publishers 4 --subscribers 3",
            "shared --publishers 4 --subscribers 3 --groups 2",
        ] {
            check(&plan(&format!("{line} --threads {threads}")));
        }
    }
}

#[test]
fn idle_connections_come_beside_the_others() {
    let plan = plan("p2p --pairs 2 --idle 3 --idle-subscribe --threads 2");
    let links: Vec<_> = plan.workers.iter().flat_map(|part| &part.links).collect();
    let idle = links.iter().filter(|link| link.role == Role::Idle);
    assert!(idle.clone().all(|link| link.subscriptions.len() == 1));
    assert_eq!((links.len(), idle.count()), (7, 3));
    check(&plan);
}

#[test]
fn each_topic_of_routing_matches_one_filter() {
    let plan = plan("routing --subscriptions 100 --subscribers 3 --publishers 2");
    let filters: Vec<_> = (0..100)
        .map(|index| routing_filter("bench", index))
        .collect();
    let planned = plan.workers[0].links.iter();
    let planned = planned.flat_map(|link| link.subscriptions.iter().flat_map(|it| &it.filters));
    let mut planned: Vec<_> = planned.map(|(filter, _)| filter.clone()).collect();
    let mut expected = filters.clone();
    planned.sort();
    expected.sort();
    assert_eq!(planned, expected);
    for number in 0..100 {
        let topic = topic(&plan, 0, 1, number);
        let name = dunlin_codec::TopicName::parse(&topic).unwrap();
        let matching = filters
            .iter()
            .filter(|filter| TopicFilter::parse(filter).unwrap().matches(name));
        assert_eq!(matching.count(), 1, "{topic}");
    }
    let exact = filters.iter().filter(|filter| !filter.contains(['+', '#']));
    let many = filters.iter().filter(|filter| filter.ends_with('#'));
    assert_eq!((exact.count(), many.count()), (60, 10));
}

#[test]
fn a_rate_is_shared_by_the_publishers() {
    use crate::cmd::bench::engine::plan::Pacing;
    let plan = plan("p2p --pairs 50 --rate 5000");
    let expected = Pacing::Interval {
        interval_ns: 10_000_000,
        is_spread: true,
    };
    assert_eq!(plan.pacing, expected);
}
