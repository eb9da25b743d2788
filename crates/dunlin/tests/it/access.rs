//! What clients may do, while rules stay and while they change.

use dunlin_client::codec::{Connect, Packet, ProtocolVersion, QoS, ReasonCode, TopicName, Will};

use super::{
    House, V5, connack, connect_fields, disconnected, log_in, message, nothing_waits, publish,
    subscribe,
};

const ACL: &str = "\
user ada
topic readwrite rooms/#
topic deny rooms/vault
user bob
topic read rooms/hall
topic write inbox/bob
pattern readwrite own/%c/%u
";

#[tokio::test]
async fn rules_decide_about_publish_and_subscribe() {
    let house = House::new(Some(ACL), "");
    let mut ada = house.client("a", "ada", V5).await;
    let mut bob = house.client("b", "bob", V5).await;
    let granted = ReasonCode::GrantedQoS1;
    let denied = ReasonCode::NotAuthorized;
    for (filter, code) in [
        ("rooms/hall", granted),
        ("rooms/+", denied),
        ("rooms/vault", denied),
        ("#", denied),
        ("own/b/bob", granted),
        ("own/+/bob", denied),
    ] {
        assert_eq!(subscribe(&mut bob, filter).await, code, "{filter}");
    }
    assert_eq!(
        publish(&mut ada, "rooms/hall", "1").await,
        ReasonCode::Success
    );
    assert_eq!(message(&mut bob).await, ("rooms/hall".into(), "1".into()));
    assert_eq!(publish(&mut ada, "rooms/vault", "2").await, denied);
    assert_eq!(publish(&mut ada, "inbox/bob", "3").await, denied);
    let mut old_bob = house.client("o", "bob", ProtocolVersion::V311).await;
    assert_eq!(
        subscribe(&mut old_bob, "rooms/#").await,
        ReasonCode::UnspecifiedError
    );
    // A 3.x client is not told.
    assert_eq!(
        publish(&mut old_bob, "rooms/hall", "4").await,
        ReasonCode::Success
    );
    nothing_waits(&mut ada).await;
}

// Class 15 of attacks.
#[tokio::test]
async fn second_door_bypass_shared_subscriptions_have_the_rules_of_their_filter() {
    let house = House::new(Some(ACL), "");
    let mut bob = house.client("b", "bob", V5).await;
    for (filter, code) in [
        ("$share/g/rooms/hall", ReasonCode::GrantedQoS1),
        ("$queue/rooms/hall", ReasonCode::GrantedQoS1),
        ("$share/g/rooms/vault", ReasonCode::NotAuthorized),
        ("$share/g/#", ReasonCode::NotAuthorized),
        ("$queue/rooms/vault", ReasonCode::NotAuthorized),
        ("$share/rooms/hall/x", ReasonCode::NotAuthorized),
        ("$SYS/#", ReasonCode::NotAuthorized),
    ] {
        assert_eq!(subscribe(&mut bob, filter).await, code, "{filter}");
    }
}

fn with_will<'a>(client_id: &'a str, topic: &'a str) -> Connect<'a> {
    Connect {
        user_name: Some("bob"),
        password: Some(b"bob's secret"),
        will: Some(Will {
            topic: TopicName::parse(topic).unwrap(),
            payload: b"gone",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Default::default(),
        }),
        ..connect_fields(client_id, V5)
    }
}

// Class 12 of attacks.
#[tokio::test]
async fn will_related_a_will_needs_its_rule_at_connect_and_when_it_fires() {
    let house = House::new(Some(ACL), "");
    let mut refused = house.open(V5).await;
    let packet = Packet::Connect(Box::new(with_will("w", "rooms/hall")));
    refused.send(&packet).await.unwrap();
    assert_eq!(connack(&mut refused).await, ReasonCode::NotAuthorized);

    let mut writer = house.open(V5).await;
    let packet = Packet::Connect(Box::new(with_will("w", "inbox/bob")));
    writer.send(&packet).await.unwrap();
    assert_eq!(connack(&mut writer).await, ReasonCode::Success);
    let acl = "user ada\ntopic readwrite inbox/#\nuser bob\ntopic read rooms/hall\n";
    house.write_acl(acl);
    house.reload().unwrap();
    let mut ada = house.client("a", "ada", V5).await;
    assert_eq!(
        subscribe(&mut ada, "inbox/#").await,
        ReasonCode::GrantedQoS1
    );
    drop(writer);
    // What a client that came later says is seen after the will, if there is one.
    let mut bob = house.client("w", "bob", V5).await;
    nothing_waits(&mut bob).await;
    assert_eq!(publish(&mut ada, "inbox/x", "1").await, ReasonCode::Success);
}

// Class 14 of attacks.
#[tokio::test]
async fn acl_on_delivery_a_subscription_ends_with_its_rule() {
    let house = House::new(Some(ACL), "");
    let mut ada = house.client("a", "ada", V5).await;
    let mut bob = house.client("b", "bob", V5).await;
    assert_eq!(
        subscribe(&mut bob, "rooms/hall").await,
        ReasonCode::GrantedQoS1
    );
    assert_eq!(
        subscribe(&mut bob, "own/b/bob").await,
        ReasonCode::GrantedQoS1
    );
    house.write_acl("user ada\ntopic readwrite rooms/#\npattern readwrite own/%c/%u\n");
    house.reload().unwrap();
    // From the answer on, nothing is delivered under the old rules, whether the subscription has ended
    // already or is about to.
    let code = publish(&mut ada, "rooms/hall", "1").await;
    assert!(
        matches!(
            code,
            ReasonCode::Success | ReasonCode::NoMatchingSubscribers
        ),
        "{code}"
    );
    nothing_waits(&mut bob).await;
    assert_eq!(
        publish(&mut bob, "own/b/bob", "2").await,
        ReasonCode::Success
    );
    assert_eq!(message(&mut bob).await, ("own/b/bob".into(), "2".into()));
    house.write_acl("user ada\ntopic readwrite rooms/#\n");
    // Nobody has to say so: the broker looks at the file.
    assert_eq!(disconnected(&mut bob).await, ReasonCode::NotAuthorized);
    nothing_waits(&mut ada).await;
}

#[tokio::test]
async fn what_is_denied_ends_the_connection_where_it_is_said() {
    let house = House::new(Some(ACL), "access.denied_publish = \"disconnect\"\n");
    let mut bob = house.client("b", "bob", V5).await;
    let packet = Packet::Publish(dunlin_client::codec::Publish {
        topic: TopicName::parse("rooms/hall").unwrap(),
        ..Default::default()
    });
    bob.send(&packet).await.unwrap();
    assert_eq!(disconnected(&mut bob).await, ReasonCode::NotAuthorized);
}

// Class 16 of attacks.
#[tokio::test]
async fn fail_open_configuration_broken_rules_leave_those_that_hold() {
    let house = House::new(Some(ACL), "");
    house.write_acl("user ada\nnonsense\n");
    let error = house.reload().unwrap_err();
    assert!(error.contains("acl:2: \"nonsense\""), "{error}");
    let mut ada = house.client("a", "ada", V5).await;
    assert_eq!(
        publish(&mut ada, "rooms/hall", "1").await,
        ReasonCode::NoMatchingSubscribers
    );
    assert_eq!(
        publish(&mut ada, "rooms/vault", "1").await,
        ReasonCode::NotAuthorized
    );
}

#[tokio::test]
async fn rules_of_the_configuration_change_with_it() {
    let rule = |permission: &str| {
        format!(
            "[[access.rules]]\npermission = \"{permission}\"\ntopics = [\"t\"]\nusers = [\"bob\"]\n"
        )
    };
    let mut house = House::new(None, &rule("allow"));
    let mut bob = house.open(V5).await;
    let code = log_in(&mut bob, "b", V5, "bob", b"bob's secret").await;
    assert_eq!(code, ReasonCode::Success);
    assert_eq!(
        publish(&mut bob, "t", "1").await,
        ReasonCode::NoMatchingSubscribers
    );
    house.config = house.config.replace(&rule("allow"), &rule("deny"));
    house.reload().unwrap();
    assert_eq!(publish(&mut bob, "t", "1").await, ReasonCode::NotAuthorized);
}

/// What waited for a client that was away is not delivered when its rule is gone: it is asked about
/// when the client comes back.
#[tokio::test]
async fn acl_on_delivery_what_waits_is_dropped_with_its_rule() {
    let house = House::new(Some(ACL), "");
    let mut packet = connect_fields("b", V5);
    packet.user_name = Some("bob");
    packet.password = Some(b"bob's secret");
    packet.clean_start = false;
    packet.properties.session_expiry_interval = Some(600);
    let packet = Packet::Connect(Box::new(packet));
    let mut bob = house.open(V5).await;
    bob.send(&packet).await.unwrap();
    assert_eq!(connack(&mut bob).await, ReasonCode::Success);
    for filter in ["rooms/hall", "own/b/bob"] {
        let code = subscribe(&mut bob, filter).await;
        assert_eq!(code, ReasonCode::GrantedQoS1);
    }
    drop(bob);
    let mut ada = house.client("a", "ada", V5).await;
    // Whether he is away already or not: it is not acknowledged.
    let code = publish(&mut ada, "rooms/hall", "1").await;
    assert_eq!(code, ReasonCode::Success);
    house.write_acl("user ada\ntopic readwrite rooms/#\npattern readwrite own/%c/%u\n");
    house.reload().unwrap();
    let mut bob = house.open(V5).await;
    bob.send(&packet).await.unwrap();
    assert_eq!(connack(&mut bob).await, ReasonCode::Success);
    nothing_waits(&mut bob).await;
    // The other subscription is still there.
    let code = publish(&mut bob, "own/b/bob", "2").await;
    assert_eq!(code, ReasonCode::Success);
    assert_eq!(message(&mut bob).await.1, "2");
}
