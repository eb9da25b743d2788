use dunlin_codec::{QoS, TopicName};
use dunlin_core::settings::{QueuePolicy, RetainedPolicy, Settings, Strategy};

use super::core_settings;
use crate::config::Config;

fn settings(toml: &str) -> Settings {
    core_settings(&Config::from_toml(toml).unwrap())
}

/// The two tables of defaults are kept apart, since the core knows no configuration.
#[test]
fn the_defaults_are_those_of_the_core() {
    let (ours, core) = (settings(""), Settings::default());
    assert_eq!(format!("{:?}", ours.mqtt), format!("{:?}", core.mqtt));
    assert_eq!(format!("{:?}", ours.session), format!("{:?}", core.session));
    assert_eq!(
        format!("{:?}", ours.retained),
        format!("{:?}", core.retained)
    );
    assert_eq!(format!("{:?}", ours.shared), format!("{:?}", core.shared));
    assert_eq!(ours.message_expiry_max, core.message_expiry_max);
}

#[test]
fn what_is_configured_reaches_the_core() {
    let settings = settings(
        r#"
        [mqtt]
        response_information = "answers/%c"
        qos_max = 1
        [session]
        queue_policy = "refuse"
        offline_qos_min = 0
        priorities = [{ filter = "alarms/#", priority = 9 }]
        keep_last = ["state/+"]
        [retained]
        policy_at_limit = "drop-oldest"
        [shared]
        share_strategy = "least-in-flight"
        queue_strategy = "sticky"
        groups = [
            { group = "jobs-*", strategy = "hash-client" },
            { group = "*", strategy = "hash-topic" },
        ]
        durable_groups = ["$share/workers/jobs/#"]
        "#,
    );
    assert_eq!(settings.mqtt.response_information, "answers/%c");
    assert_eq!(settings.mqtt.qos_max, QoS::AtLeastOnce);
    let queue = &settings.session.queue;
    assert_eq!(queue.policy, QueuePolicy::Refuse);
    assert_eq!(queue.offline_qos_min, QoS::AtMostOnce);
    let (rule, priority) = &queue.priorities[0];
    assert!(rule.matches(TopicName::parse("alarms/fire").unwrap()));
    assert_eq!(*priority, 9);
    assert!(queue.keep_last[0].matches(TopicName::parse("state/a").unwrap()));
    assert_eq!(
        settings.retained.policy_at_limit,
        RetainedPolicy::DropOldest
    );
    let shared = &settings.shared;
    assert_eq!(shared.share_strategy, Strategy::LeastInFlight);
    assert_eq!(shared.queue_strategy, Strategy::Sticky);
    let groups = [
        ("jobs-*".to_owned(), Strategy::HashClient),
        ("*".to_owned(), Strategy::HashTopic),
    ];
    assert_eq!(shared.groups, groups);
    let durable = shared.durable_groups[0].filter().unwrap();
    assert_eq!(durable.as_str(), "$share/workers/jobs/#");
}
