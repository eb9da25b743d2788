use dunlin_codec::{QoS, TopicFilter, TopicName};
use proptest::prelude::*;

use super::*;

fn who(client_id: &str, user_name: Option<&str>) -> Identity {
    Identity {
        client_id: client_id.into(),
        user_name: user_name.map(Into::into),
        address: Some([10, 1, 2, 3].into()),
        rules: None,
    }
}

fn rule(effect: Effect, action: Action, filter: &str) -> Rule {
    Rule {
        effect,
        action,
        filter: FilterTemplate::parse(filter, true).unwrap(),
        users: Users::All,
        clients: Vec::new(),
        networks: Vec::new(),
        qos: QoSSet::ALL,
        retain: None,
        source: RuleSource {
            file: "rules".into(),
            line: 1,
        },
    }
}

fn allow(filter: &str) -> Rule {
    rule(Effect::Allow, Action::All, filter)
}

fn deny(filter: &str) -> Rule {
    rule(Effect::Deny, Action::All, filter)
}

fn set(rules: impl IntoIterator<Item = Rule>) -> RuleSet {
    RuleSet::new(rules.into_iter().collect(), Effect::Deny)
}

fn publishes(set: &RuleSet, who: &Identity, topic: &str) -> bool {
    let topic = TopicName::parse(topic).unwrap();
    set.may_publish(who, topic, QoS::AtLeastOnce, false)
}

fn subscribes(set: &RuleSet, who: &Identity, filter: &str) -> bool {
    let filter = TopicFilter::parse(filter).unwrap();
    set.may_subscribe(who, filter, QoS::AtLeastOnce)
}

#[test]
fn the_first_rule_that_applies_decides() {
    let ada = who("c1", Some("ada"));
    let rules = set([deny("a/secret"), allow("a/+"), deny("#")]);
    assert!(publishes(&rules, &ada, "a/b"));
    assert!(!publishes(&rules, &ada, "a/secret"));
    assert!(!publishes(&rules, &ada, "b"));
    assert!(!publishes(&set([]), &ada, "b"));
}

#[test]
fn a_subscription_wider_than_its_rule_is_denied() {
    let ada = who("c1", Some("ada"));
    let rules = set([allow("a/+/c"), allow("d/#")]);
    for (filter, is_allowed) in [
        ("a/b/c", true),
        ("a/+/c", true),
        ("a/#", false),
        ("a/+/+", false),
        ("+/b/c", false),
        ("#", false),
        ("d", true),
        ("d/#", true),
        ("d/+/x", true),
        ("+/#", false),
    ] {
        assert_eq!(subscribes(&rules, &ada, filter), is_allowed, "{filter}");
    }
}

#[test]
fn a_subscription_that_reaches_into_what_is_denied_is_denied() {
    let ada = who("c1", Some("ada"));
    let rules = set([deny("a/secret/#"), allow("#")]);
    for (filter, is_allowed) in [
        ("a/b", true),
        ("a/secret", false),
        ("a/+", false),
        ("a/#", false),
        ("#", false),
        ("b/#", true),
        ("+/b", true),
    ] {
        assert_eq!(subscribes(&rules, &ada, filter), is_allowed, "{filter}");
    }
    let filter = TopicFilter::parse("a/#").unwrap();
    let question = Question::Subscribe {
        filter,
        qos: QoS::AtMostOnce,
    };
    assert!(rules.decide(&ada, question).is_partial);
}

#[test]
fn wildcards_do_not_reach_topics_of_the_server() {
    let ada = who("$SYS", Some("$SYS"));
    assert!(!subscribes(&set([allow("#")]), &ada, "$SYS/#"));
    assert!(!subscribes(&set([allow("+/#")]), &ada, "$SYS/x"));
    assert!(!subscribes(&set([allow("%u/#")]), &ada, "$SYS/#"));
    assert!(subscribes(&set([allow("$SYS/#")]), &ada, "$SYS/broker/#"));
    assert!(subscribes(&set([deny("$SYS/#"), allow("#")]), &ada, "#"));
}

// Class 13 of attacks: names that the client chooses.
#[test]
fn acl_by_client_controlled_names_is_never_wider_than_one_level() {
    let rules = set([allow("users/%u/#"), allow("devices/dev-%c/+")]);
    let good = who("7", Some("ada"));
    assert!(subscribes(&rules, &good, "users/ada/#"));
    assert!(publishes(&rules, &good, "devices/dev-7/state"));
    assert!(!publishes(&rules, &good, "devices/dev-8/state"));
    assert!(!subscribes(&rules, &good, "users/+/#"));
    for name in ["+", "#", "a/b", "+/x", "", "/", "a#"] {
        let bad = who(name, Some(name));
        for filter in ["users/+/#", "users/#", "users/ada/x", "devices/+/+"] {
            assert!(!subscribes(&rules, &bad, filter), "{name:?} {filter}");
        }
        assert!(!publishes(&rules, &bad, "users/ada/x"), "{name:?}");
        assert!(!publishes(&rules, &bad, "users/a/b"), "{name:?}");
    }
    assert!(!publishes(&rules, &who("7", None), "users//x"));
}

#[test]
fn a_name_with_a_slash_does_not_escape_a_rule_that_denies() {
    let rules = set([deny("devices/%c/secret"), allow("devices/#")]);
    assert!(publishes(&rules, &who("a", None), "devices/a/state"));
    assert!(!publishes(&rules, &who("a", None), "devices/a/secret"));
    assert!(!publishes(&rules, &who("a/b", None), "devices/a/b/secret"));
}

#[test]
fn a_rule_is_for_whom_it_names() {
    let mut for_ada = allow("a");
    for_ada.users = Users::Named(vec![NamePattern::new("ada")]);
    let mut for_anonymous = allow("b");
    for_anonymous.users = Users::Anonymous;
    let mut for_sensors = allow("c");
    for_sensors.clients = vec![NamePattern::new("sensor-*"), NamePattern::new("hub")];
    let mut for_network = allow("d");
    for_network.networks = vec![Network::parse("10.1.0.0/16").unwrap()];
    let mut for_elsewhere = allow("e");
    for_elsewhere.networks = vec![Network::parse("fd00::/8").unwrap()];
    let rules = set([
        for_ada,
        for_anonymous,
        for_sensors,
        for_network,
        for_elsewhere,
    ]);
    let may = |who: &Identity| -> String {
        let topics = ["a", "b", "c", "d", "e"].into_iter();
        topics
            .filter(|topic| publishes(&rules, who, topic))
            .collect()
    };
    assert_eq!(may(&who("x", Some("ada"))), "ad");
    assert_eq!(may(&who("x", Some("adam"))), "d");
    assert_eq!(may(&who("sensor-1", None)), "bcd");
    let mut hub = who("hub", Some("bob"));
    hub.address = Some("::ffff:10.1.9.9".parse().unwrap());
    assert_eq!(may(&hub), "cd");
    hub.address = Some("fd12::1".parse().unwrap());
    assert_eq!(may(&hub), "ce");
    hub.address = None;
    assert_eq!(may(&hub), "c");
}

#[test]
fn a_rule_may_ask_for_qos_and_retain() {
    let mut first = allow("a");
    first.qos = QoSSet::of([QoS::AtMostOnce]);
    first.retain = Some(false);
    let rules = set([first]);
    let ada = who("x", None);
    let topic = TopicName::parse("a").unwrap();
    assert!(rules.may_publish(&ada, topic, QoS::AtMostOnce, false));
    assert!(!rules.may_publish(&ada, topic, QoS::AtMostOnce, true));
    assert!(!rules.may_publish(&ada, topic, QoS::AtLeastOnce, false));
    let filter = TopicFilter::parse("a").unwrap();
    assert!(rules.may_subscribe(&ada, filter, QoS::AtMostOnce));
    assert!(!rules.may_subscribe(&ada, filter, QoS::ExactlyOnce));
}

#[test]
fn rules_of_the_client_come_before_those_of_the_broker() {
    let broker = set([allow("a/#"), allow("b/#")]);
    let mut ada = who("x", Some("ada"));
    ada.rules = Some(Arc::new(set([deny("a/#"), allow("c")])));
    assert!(!publishes(&broker, &ada, "a/1"));
    assert!(publishes(&broker, &ada, "b/1"));
    assert!(publishes(&broker, &ada, "c"));
    let open = RuleSet::new(Vec::new(), Effect::Allow);
    assert!(publishes(&open, &who("x", None), "z"));
    assert!(!publishes(&open, &ada, "z"));
}

#[test]
fn a_network_holds_the_addresses_with_its_first_bits() {
    let within = |network: &str, address: &str| {
        Network::parse(network)
            .unwrap()
            .contains(address.parse().unwrap())
    };
    assert!(within("0.0.0.0/0", "203.0.113.9"));
    assert!(!within("0.0.0.0/0", "2001:db8::1"));
    assert!(within("10.0.0.0/8", "10.255.0.1"));
    assert!(!within("10.0.0.0/8", "11.0.0.1"));
    assert!(within("192.0.2.1", "192.0.2.1"));
    assert!(!within("192.0.2.1", "192.0.2.2"));
    assert!(within("::/0", "2001:db8::1"));
    assert!(!within("2001:db8::/32", "2001:db9::1"));
    for wrong in [
        "10.0.0.0/33",
        "10.0.0/8",
        "::1/129",
        "x",
        "",
        "1.2.3.4/",
        "1.2.3.4/-1",
    ] {
        assert!(Network::parse(wrong).is_none(), "{wrong}");
    }
}

fn level() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "", "+", "%c", "x%c", "$SYS"]).prop_map(str::to_owned)
}

fn filter() -> impl Strategy<Value = String> {
    (prop::collection::vec(level(), 1..4), any::<bool>()).prop_filter_map(
        "an empty filter",
        |(mut levels, has_rest)| {
            if has_rest {
                levels.push("#".to_owned());
            }
            let text = levels.join("/");
            (!text.is_empty()).then_some(text)
        },
    )
}

fn topics() -> Vec<String> {
    let levels = ["a", "b", "", "c1", "xc1", "$SYS", "z"];
    let mut topics: Vec<String> = levels.iter().map(ToString::to_string).collect();
    let mut longer = topics.clone();
    for _ in 0..2 {
        let join = |topic: &String| levels.map(|level| format!("{topic}/{level}"));
        longer = longer.iter().flat_map(join).collect();
        topics.extend(longer.iter().cloned());
    }
    topics.retain(|topic| !topic.is_empty());
    topics
}

proptest! {
    /// Whoever may subscribe to a filter may subscribe to every topic that it matches.
    #[test]
    fn what_a_subscription_gets_is_allowed_topic_by_topic(
        rules in prop::collection::vec((any::<bool>(), filter()), 1..4),
        asked in filter(),
        client_id in prop::sample::select(vec!["c1", "+", "#", "a/b", "$SYS", "a"]),
    ) {
        let rules = set(rules.iter().map(|(allows, filter)| {
            if *allows { allow(filter) } else { deny(filter) }
        }));
        let client = who(client_id, None);
        let asked = asked.replace("%c", "c1");
        if subscribes(&rules, &client, &asked) {
            let filter = TopicFilter::parse(&asked).unwrap();
            for topic in topics() {
                if filter.matches(TopicName::parse(&topic).unwrap()) {
                    prop_assert!(subscribes(&rules, &client, &topic), "{asked} gives {topic}");
                }
            }
        }
    }

    /// One rule without names allows exactly the topics that its filter matches.
    #[test]
    fn a_rule_is_about_the_topics_of_its_filter(filter in filter()) {
        let filter = filter.replace("%c", "c");
        let rules = set([allow(&filter)]);
        let parsed = TopicFilter::parse(&filter).unwrap();
        for topic in topics() {
            let matches = parsed.matches(TopicName::parse(&topic).unwrap());
            prop_assert_eq!(publishes(&rules, &who("c", None), &topic), matches, "{}", topic);
        }
    }
}
