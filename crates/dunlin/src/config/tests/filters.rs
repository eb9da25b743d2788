//! Topic filters and share names in options.

use super::super::{QueuePolicy, SharePattern};
use super::{lines, set};

#[test]
fn patterns_hold_what_a_share_name_may() {
    for right in ["workers", "*", "w*s", "\u{e9}*"] {
        assert_eq!(SharePattern::parse(right).unwrap().as_str(), right);
    }
    for wrong in ["", "a/b", "+", "#", "a\0"] {
        assert!(SharePattern::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn topic_filters_are_those_of_the_standard() {
    let table = [
        (
            "session.keep_last=a/#/b",
            "topic filter has # elsewhere than as its whole last level",
        ),
        ("session.keep_last=[\"\"]", "topic filter is empty"),
        (
            "session.keep_last=$share/g/a",
            "expected a topic filter such as \"sensors/+/state\"",
        ),
        (
            "shared.durable_groups=a/b",
            "expected a shared subscription such as \"$share/workers/jobs/#\"",
        ),
        (
            "shared.durable_groups=$share/g",
            "topic filter of a shared subscription has no filter after its name",
        ),
        (
            "shared.groups=[{ group = \"a/b\", strategy = \"random\" }]",
            "a share name holds no /, +, # or U+0000",
        ),
    ];
    for (assignment, reason) in table {
        let lines = lines(&set(&[assignment]).expect_err(assignment));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with(&format!("--set {assignment}: ")),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(&format!(": {reason}")), "{lines:?}");
    }
}

#[test]
fn lists_arrive_in_their_order() {
    let config = set(&[
        "session.priorities=[{ filter = \"b/#\", priority = 9 }, { filter = \"a\", priority = 1 }]",
        "session.keep_last=[\"x\", \"y/+\"]",
        "shared.durable_groups=[\"$share/g/a/#\", \"$queue/b\"]",
        "session.queue_policy=refuse",
    ])
    .unwrap();
    let queue = &config.session.queue;
    let priorities: Vec<_> = queue
        .priorities
        .iter()
        .map(|entry| (entry.filter.as_str(), entry.priority))
        .collect();
    assert_eq!(priorities, [("b/#", 9), ("a", 1)]);
    let keep_last: Vec<_> = queue
        .keep_last
        .iter()
        .map(|filter| filter.as_filter().as_str())
        .collect();
    assert_eq!(keep_last, ["x", "y/+"]);
    assert_eq!(queue.policy, QueuePolicy::Refuse);
    let shares: Vec<_> = config
        .shared
        .durable_groups
        .iter()
        .map(|group| group.as_filter().share().unwrap().unwrap())
        .map(|share| (share.name, share.filter.as_str()))
        .collect();
    assert_eq!(shares, [(Some("g"), "a/#"), (None, "b")]);
}
