//! Messages are printed as scripts read them; the whole is shown in `tests/it`.

use dunlin_client::codec::{Publish, PublishProperties, TopicName, UserPropertiesBuf};
use serde_json::json;

use super::{head, properties};

fn publish<'a>(properties: PublishProperties<'a>) -> Publish<'a> {
    Publish {
        topic: TopicName::parse("t/1").unwrap(),
        payload: b"hello",
        properties,
        ..Publish::default()
    }
}

fn line(publish: &Publish<'_>) -> String {
    let mut out = Vec::new();
    head(publish, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_line_of_the_topic() {
    let plain = publish(PublishProperties::default());
    assert_eq!(line(&plain), "topic: t/1, qos: 0, size: 5B\n");
    let mut user = UserPropertiesBuf::new();
    for (name, value) in [("a", "1"), ("b", "x"), ("a", "2")] {
        user.push(name, value).unwrap();
    }
    let mut full = publish(PublishProperties {
        user_properties: user.as_view(),
        ..PublishProperties::default()
    });
    full.retain = true;
    assert_eq!(
        line(&full),
        "topic: t/1, qos: 0, size: 5B, retain: true, \
         userProperties: {\"a\":[\"1\",\"2\"],\"b\":\"x\"}\n"
    );
}

#[test]
fn only_properties_that_are_there_are_shown() {
    assert!(properties(&PublishProperties::default()).is_empty());
    let some = PublishProperties {
        payload_format_indicator: Some(true),
        correlation_data: Some(b"c"),
        response_topic: Some(TopicName::parse("r").unwrap()),
        ..PublishProperties::default()
    };
    let expected = json!({
        "payloadFormatIndicator": true, "responseTopic": "r", "correlationData": "c",
    });
    assert_eq!(serde_json::Value::from(properties(&some)), expected);
}
