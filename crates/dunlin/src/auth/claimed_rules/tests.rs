use dunlin_codec::{QoS, TopicFilter, TopicName};
use dunlin_core::access::{Access as _, Identity};
use serde_json::json;

use super::*;

#[test]
fn lists_allow_what_they_name() {
    let value = json!({ "pub": ["out/%c"], "sub": ["in/%u/#"], "all": ["both"] });
    let rules = read(&value, "a test").unwrap();
    let who = Identity {
        client_id: "c".into(),
        user_name: Some("u".into()),
        address: None,
        rules: None,
    };
    let publishes = |topic| {
        let topic = TopicName::parse(topic).unwrap();
        rules.may_publish(&who, topic, QoS::AtMostOnce, false)
    };
    let subscribes = |filter| {
        let filter = TopicFilter::parse(filter).unwrap();
        rules.may_subscribe(&who, filter, QoS::AtMostOnce)
    };
    assert_eq!(
        ["out/c", "out/d", "in/u/x", "both", "other"].map(publishes),
        [true, false, false, true, false]
    );
    assert_eq!(
        ["out/c", "in/u/#", "in/#", "both", "#"].map(subscribes),
        [false, true, false, true, false]
    );
}

#[test]
fn what_is_no_list_of_filters_is_refused_whole() {
    for (value, says) in [
        (json!(null), "invalid type"),
        (json!("#"), "invalid type"),
        (json!({ "pub": "#" }), "invalid type"),
        (json!({ "pub": [1] }), "invalid type"),
        (json!({ "publish": [] }), "unknown field"),
        (json!({ "sub": ["a/#/b"] }), "a/#/b"),
        (json!({ "all": vec!["a"; FILTERS_MAX + 1] }), "more than"),
    ] {
        let error = read(&value, "a test").unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
