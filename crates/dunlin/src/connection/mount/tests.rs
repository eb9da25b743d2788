use dunlin_codec::{
    Connect, ConnectProperties, DecodeError, Packet, PacketIdentifier, ProtocolVersion, Publish,
    Subscribe, SubscribeProperties, SubscriptionOptions, SubscriptionRequest, TopicFilter,
    TopicName, Unsubscribe, UnsubscribeProperties, Will, WillProperties,
};

use super::mounted;

const ID: PacketIdentifier = PacketIdentifier::new(7).unwrap();

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

/// The topics and filters of a packet.
fn topics(packet: &Packet<'_>) -> Vec<String> {
    match packet {
        Packet::Publish(publish) => vec![publish.topic.to_string()],
        Packet::Connect(connect) => connect
            .will
            .iter()
            .map(|will| will.topic.to_string())
            .collect(),
        Packet::Subscribe(subscribe) => subscribe
            .requests
            .iter()
            .map(|request| request.filter.to_string())
            .collect(),
        Packet::Unsubscribe(unsubscribe) => unsubscribe
            .filters
            .iter()
            .map(ToString::to_string)
            .collect(),
        _ => Vec::new(),
    }
}

fn topics_of(packet: Packet<'_>) -> Result<Vec<String>, DecodeError> {
    mounted(packet, "tenant/a/", |packet| {
        packet.map(|packet| topics(&packet))
    })
}

#[test]
fn every_topic_of_a_client_is_below_the_mount_point() {
    let publish = Publish {
        topic: TopicName::parse("t/1").unwrap(),
        ..Publish::default()
    };
    assert_eq!(
        topics_of(Packet::Publish(publish)).unwrap(),
        ["tenant/a/t/1"]
    );
    let by_alias = Packet::Publish(Publish::default());
    assert_eq!(
        topics_of(by_alias).unwrap(),
        [""],
        "the alias stands for the whole topic"
    );

    let will = Will {
        qos: Default::default(),
        retain: false,
        properties: WillProperties::default(),
        topic: TopicName::parse("gone").unwrap(),
        payload: b"",
    };
    let connect = Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id: "c",
        will: Some(will),
        user_name: None,
        password: None,
    };
    assert_eq!(
        topics_of(Packet::Connect(Box::new(connect))).unwrap(),
        ["tenant/a/gone"]
    );

    let given = [
        "#",
        "+/x",
        "$share/g/t/#",
        "$queue/jobs",
        "$share/g",
        "$SYS/#",
    ];
    let wanted = [
        "tenant/a/#",
        "tenant/a/+/x",
        "$share/g/tenant/a/t/#",
        "$queue/tenant/a/jobs",
        "$share/g",
        "tenant/a/$SYS/#",
    ];
    let subscribe = Subscribe {
        packet_id: ID,
        properties: SubscribeProperties::default(),
        requests: given
            .map(|text| SubscriptionRequest {
                filter: filter(text),
                options: SubscriptionOptions::default(),
            })
            .to_vec(),
    };
    assert_eq!(topics_of(Packet::Subscribe(subscribe)).unwrap(), wanted);
    let unsubscribe = Unsubscribe {
        packet_id: ID,
        properties: UnsubscribeProperties::default(),
        filters: given.map(filter).to_vec(),
    };
    assert_eq!(topics_of(Packet::Unsubscribe(unsubscribe)).unwrap(), wanted);
    assert_eq!(topics_of(Packet::Pingreq).unwrap(), [""; 0]);
}

#[test]
fn a_topic_that_the_mount_point_makes_too_long_is_refused() {
    let long = "t".repeat(65_530);
    let publish = Publish {
        topic: TopicName::parse(&long).unwrap(),
        ..Publish::default()
    };
    assert!(topics_of(Packet::Publish(publish)).is_err());
}
