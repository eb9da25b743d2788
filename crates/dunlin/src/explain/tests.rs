use super::*;

fn ask(config: &str, filter: &str, is_publish: bool) -> Explained {
    let config = Config::from_toml(config).unwrap();
    let ada = Asker {
        client_id: "c1".to_owned(),
        user_name: Some("ada".to_owned()),
        address: None,
    };
    if is_publish {
        let topic = TopicName::parse(filter).unwrap();
        publish(&config, &ada, topic, QoS::AtMostOnce, false).unwrap()
    } else {
        let filter = TopicFilter::parse(filter).unwrap();
        subscribe(&config, &ada, filter, QoS::ExactlyOnce).unwrap()
    }
}

const RULES: &str = "\
mqtt.qos_max = 1
[[access.rules]]
permission = \"deny\"
topics = [\"a/secret\"]
[[access.rules]]
permission = \"allow\"
topics = [\"a/#\"]
users = [\"ada\"]
";

#[test]
fn the_rule_that_decides_is_named_with_its_line() {
    let allowed = ask(RULES, "a/b", true);
    assert!(allowed.is_allowed);
    let last = allowed.steps.last().unwrap();
    assert_eq!(last, "<text>:7: the rule allows a/#");
    let denied = ask(RULES, "a/secret", true);
    assert_eq!(denied.reason_code, ReasonCode::NotAuthorized);
    let last = denied.steps.last().unwrap();
    assert_eq!(last, "<text>:4: the rule denies a/secret");
    let partly = ask(RULES, "$share/g/a/+", false);
    assert!(!partly.is_allowed);
    assert_eq!(
        partly.steps,
        [
            "it is a shared subscription: rules are asked about a/+",
            "it is within the limits of the configuration",
            "<text>:4: the rule denies a/secret, which is a part of what is asked for",
        ]
    );
}

#[test]
fn what_is_not_a_matter_of_rules_is_told_as_well() {
    let open = ask("", "a", false);
    assert_eq!(open.reason_code, ReasonCode::GrantedQoS2);
    assert!(open.steps[1].starts_with("there are no access rules"));
    assert!(ask("", "$SYS/x", true).steps[1].contains("$SYS is the broker's"));
    let none = ask(RULES, "b", false);
    assert!(
        none.steps[1].starts_with("none of 2 rules allows it"),
        "{none:?}"
    );
    let deep = ask("mqtt.topic_levels_max = 2", "a/b/c", false);
    assert_eq!(deep.reason_code, ReasonCode::TopicFilterInvalid);
    assert!(ask("mqtt.topic_levels_max = 2", "a/b/c", true).steps[0].contains("ends"));
}

#[test]
fn a_server_that_only_a_broker_asks_is_named() {
    let config = "[[access.http]]\nurl = \"https://rules.example/\"\n";
    for is_publish in [true, false] {
        let denied = ask(config, "a", is_publish);
        assert!(!denied.is_allowed, "{denied:?}");
        assert!(denied.steps[0].starts_with("https://rules.example/ is not asked here"));
    }
}
