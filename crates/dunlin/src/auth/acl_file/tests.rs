use dunlin_codec::{QoS, TopicFilter, TopicName};
use dunlin_core::access::{Access as _, Identity, RuleSet};

use super::*;
use crate::mutate::text_corpus;

const TEXT: &str = "\
# for clients without a name
topic read news/#
topic readwrite guests

user ada
topic house/+/state
topic read  rooms of ada/#
topic deny house/vault/state
user sensor*
topic write t

pattern write devices/%c/up
pattern read users/%u/#
pattern deny devices/%c/up/secret
";

fn rules(text: &str) -> RuleSet {
    RuleSet::new(parse(Path::new("acl"), text).unwrap(), Effect::Deny)
}

fn who(client_id: &str, user_name: Option<&str>) -> Identity {
    Identity {
        client_id: client_id.into(),
        user_name: user_name.map(Into::into),
        address: None,
        rules: None,
    }
}

/// `w` if it may be written, `r` if it may be read.
fn may(rules: &RuleSet, who: &Identity, topic: &str) -> String {
    let name = TopicName::parse(topic).unwrap();
    let filter = TopicFilter::parse(topic).unwrap();
    let mut may = String::new();
    if rules.may_subscribe(who, filter, QoS::AtLeastOnce) {
        may.push('r');
    }
    if rules.may_publish(who, name, QoS::AtLeastOnce, true) {
        may.push('w');
    }
    may
}

#[test]
fn lines_mean_what_they_mean_to_mosquitto() {
    let rules = rules(TEXT);
    let (nobody, ada, sensor) = (
        who("c1", None),
        who("c1", Some("ada")),
        who("c2", Some("sensor*")),
    );
    for (client, topic, expected) in [
        (&nobody, "news/a", "r"),
        (&nobody, "guests", "rw"),
        (&nobody, "devices/c1/up", "w"),
        (&nobody, "house/a/state", ""),
        (&ada, "news/a", ""),
        (&ada, "house/a/state", "rw"),
        (&ada, "house/vault/state", ""),
        (&ada, "rooms of ada/1", "r"),
        (&ada, "users/ada/x", "r"),
        (&ada, "users/bob/x", ""),
        (&ada, "devices/c1/up", "w"),
        (&ada, "devices/c2/up", ""),
        (&sensor, "t", "w"),
        (&who("c2", Some("sensor1")), "t", ""),
    ] {
        assert_eq!(may(&rules, client, topic), expected, "{client:?} {topic}");
    }
    let vault = TopicFilter::parse("house/+/state").unwrap();
    assert!(!rules.may_subscribe(&ada, vault, QoS::AtMostOnce));
}

#[test]
fn rules_know_their_line() {
    let rules = parse(Path::new("acl"), TEXT).unwrap();
    let lines: Vec<_> = rules.iter().map(|rule| rule.source.line).collect();
    assert_eq!(lines, [8, 2, 3, 6, 7, 10, 14, 12, 13]);
    assert_eq!(rules[0].source.to_string(), "acl:8");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, expected) in [
        ("\nuser", "acl:2: user without a name"),
        ("topic", "acl:1: topic without a topic filter"),
        ("topic read a/#/b", "acl:1: \"a/#/b\": topic filter has #"),
        ("pattern write a+", "acl:1: \"a+\": topic filter has +"),
        (
            "topics a",
            "acl:1: \"topics\": expected user, topic or pattern",
        ),
    ] {
        let error = parse(Path::new("acl"), text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// A file is rules, each of a line that it has, or is refused with the line that is wrong.
#[test]
fn fuzz_acl_files() {
    let (mut good, mut broken) = (0, 0);
    for text in text_corpus("acl_file", 2000) {
        let lines = text.lines().count();
        match parse(Path::new("acl"), &text) {
            Ok(rules) => {
                let line = |rule: &Rule| usize::try_from(rule.source.line).unwrap();
                assert!(rules.iter().all(|rule| (1..=lines).contains(&line(rule))));
                // What they are compiled to answers, whoever asks.
                let rules = RuleSet::new(rules, Effect::Deny);
                for client in [who("c1", None), who("a/#", Some("ada")), who("", Some("+"))] {
                    let _any = may(&rules, &client, "house/ada/state");
                }
                good += 1;
            }
            Err(error) => {
                assert!((1..=lines).contains(&usize::try_from(error.line).unwrap()));
                broken += 1;
            }
        }
    }
    assert!(good > 1000 && broken > 1000, "{good} good, {broken} broken");
}
