//! What brokers do in 5.0.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use dunlin_client::codec::ProtocolVersion::V5;
use dunlin_client::codec::{
    Ack, ConnectProperties, Packet, PacketIdentifier, Publish, PublishProperties, QoS, ReasonCode,
    RetainHandling, SubscribeProperties, SubscriptionOptions, TopicName, UserPropertiesBuf, Will,
    WillProperties,
};

use super::bench::{Lab, Opening, Tester, message};
use super::probe::{Probe, Wrong, must, probes};

type Tried = Result<(), Wrong>;

#[rustfmt::skip]
pub(super) const PROBES: &[Probe] = probes! { V5;
    "MQTT-3.1.2-4" "a clean start discards the session" => clean_start,
    "MQTT-3.1.2-5" "a session is resumed with its subscriptions and messages" => resume,
    "MQTT-3.1.2-23" "a session without an expiry interval ends with its connection" => no_expiry,
    "MQTT-3.1.2-8" "a will is published when the connection breaks" => will,
    "MQTT-3.1.2-10" "a will is not published after a normal disconnection" => will_discarded,
    "MQTT-3.1.2-15" "a will with Will Retain is retained" => will_retained,
    "MQTT-3.1.2-22" "a client that is silent for too long is disconnected" => keep_alive,
    "MQTT-3.1.2-24" "no packet is larger than the client's Maximum Packet Size" => maximum_packet_size,
    "MQTT-3.1.2-27" "without a Topic Alias Maximum no alias is sent" => no_aliases,
    "MQTT-3.1.2-28" "Response Information comes only when it is asked for" => response_information,
    "MQTT-3.1.3-7" "a client without an identifier is told which it has" => assigned,
    "MQTT-3.1.3-9" "a will with a delay waits, and a new connection cancels it" => will_delay,
    "MQTT-3.1.4-3" "a second connection with the identifier ends the first" => takeover,
    "MQTT-3.2.2-2" "Session Present is 0 after a clean start" => session_present,
    "MQTT-3.3.1-5" "a retained message goes to later subscribers, the last of its topic" => retained,
    "MQTT-3.3.1-6" "a retained message without a payload removes it" => retained_removed,
    "MQTT-3.3.1-8" "a message without RETAIN leaves the retained one" => retained_left,
    "MQTT-3.3.1-9" "with Retain Handling 0 retained messages come with each subscription" => handling_0,
    "MQTT-3.3.1-10" "with Retain Handling 1 they come with a new subscription alone" => handling_1,
    "MQTT-3.3.1-11" "with Retain Handling 2 they do not come" => handling_2,
    "MQTT-3.3.1-12" "RETAIN is 0 for those who were subscribed" => retain_cleared,
    "MQTT-3.3.1-13" "RETAIN stays with Retain As Published" => retain_as_published,
    "MQTT-3.3.2-4" "the Payload Format Indicator is forwarded" => properties,
    "MQTT-3.3.2-5" "a message that has expired is not delivered" => expired,
    "MQTT-3.3.2-6" "the expiry interval that is forwarded has the wait taken off" => expiry_left,
    "MQTT-3.3.2-7" "a Topic Alias holds for its connection alone" => alias_forgotten,
    "MQTT-3.3.2-12" "a Topic Alias stands for its topic" => alias,
    "MQTT-3.3.2-9" "a Topic Alias above the maximum is refused" => alias_too_high,
    "MQTT-3.3.2-18" "User Properties keep their order" => user_properties,
    "MQTT-3.3.4-1" "QoS 0, 1 and 2 are acknowledged as they must" => acknowledged,
    "MQTT-3.3.4-3" "a Subscription Identifier comes with the message" => identifier,
    "MQTT-3.3.4-4" "overlapping subscriptions give all their identifiers" => identifiers,
    "MQTT-3.3.4-9" "no more is in flight than the client's Receive Maximum" => receive_maximum,
    "MQTT-3.8.3-3" "No Local keeps a client's own messages from it" => no_local,
    "MQTT-3.8.4-3" "subscribing again replaces the options" => replaced,
    "MQTT-3.8.4-6" "SUBACK has a code for each filter, in their order" => suback,
    "MQTT-3.8.4-8" "the QoS of delivery is the lower of both" => lower_qos,
    "MQTT-3.10.4-2" "after UNSUBSCRIBE nothing comes" => unsubscribed,
    "MQTT-3.10.4-5" "UNSUBACK comes even if nothing was subscribed to" => unsubscribed_nothing,
    "MQTT-3.12.4-1" "PINGREQ is answered" => ping,
    "MQTT-4.3.3-10" "a message of QoS 2 that is sent twice is delivered once" => exactly_once,
    "MQTT-4.4.0-1" "unacknowledged messages are sent again with DUP, on a new connection" => again,
    "MQTT-4.6.0-6" "messages come in the order of their publishing" => order,
    "MQTT-4.7.1-1" "# stands alone and last in a filter" => bad_hash,
    "MQTT-4.7.1-2" "+ stands for a whole level" => bad_plus,
    "MQTT-4.7.0-1" "# matches its parent and all below, + one level" => wildcards,
    "MQTT-4.7.2-1" "# and + do not match topics that begin with $" => dollar,
    "MQTT-4.7.3-4" "topics are compared letter by letter" => letters,
    "MQTT-4.8.2-1" "a share without a name is refused" => bad_share,
    "MQTT-4.8.2-3" "each message goes to one member of a shared subscription" => shared,
};

fn with_expiry<'a>(seconds: u32) -> Opening<'a> {
    Opening {
        properties: ConnectProperties {
            session_expiry_interval: Some(seconds),
            ..ConnectProperties::default()
        },
        ..Opening::default()
    }
}

fn resuming<'a>(seconds: u32) -> Opening<'a> {
    Opening {
        resumes: true,
        ..with_expiry(seconds)
    }
}

async fn clean_start(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut first = lab.open("a", &with_expiry(60)).await?;
    first.subscribe(&topic, QoS::AtLeastOnce).await?;
    first.leave().await?;
    let mut second = lab.open("a", &with_expiry(0)).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "1", false).await?;
    second.hears_nothing(lab.quiet()).await
}

async fn resume(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut first = lab.open("a", &with_expiry(60)).await?;
    first.subscribe(&topic, QoS::AtLeastOnce).await?;
    first.leave().await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "while away", false).await?;
    let mut second = lab.open("a", &resuming(0)).await?;
    must(second.session_present, || "Session Present is 0".to_owned())?;
    second.hear_text("while away").await?;
    Ok(())
}

async fn no_expiry(lab: Lab<'_>) -> Tried {
    let first = lab.client("a").await?;
    first.leave().await?;
    let second = lab.open("a", &resuming(0)).await?;
    must(!second.session_present, || {
        "Session Present is 1".to_owned()
    })
}

fn will_of<'a>(topic: &'a str, retain: bool, delay: Option<u32>) -> Result<Will<'a>, Wrong> {
    let publish = message(topic, "gone")?;
    Ok(Will {
        qos: QoS::AtLeastOnce,
        retain,
        properties: WillProperties {
            will_delay_interval: delay,
            ..WillProperties::default()
        },
        topic: publish.topic,
        payload: publish.payload,
    })
}

async fn with_will(lab: &Lab<'_>, topic: &str, retain: bool) -> Result<Tester, Wrong> {
    let opening = Opening {
        will: Some(will_of(topic, retain, None)?),
        ..Opening::default()
    };
    lab.open("mortal", &opening).await
}

async fn will(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("will");
    let mut witness = lab.client("witness").await?;
    witness.subscribe(&topic, QoS::AtLeastOnce).await?;
    with_will(&lab, &topic, false).await?.vanish();
    witness.hear_text("gone").await?;
    Ok(())
}

async fn will_discarded(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("will");
    let mut witness = lab.client("witness").await?;
    witness.subscribe(&topic, QoS::AtLeastOnce).await?;
    with_will(&lab, &topic, false).await?.leave().await?;
    witness.hears_nothing(lab.quiet()).await
}

async fn will_retained(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("will");
    let mut witness = lab.client("witness").await?;
    witness.subscribe(&topic, QoS::AtLeastOnce).await?;
    with_will(&lab, &topic, true).await?.vanish();
    witness.hear_text("gone").await?;
    let mut later = lab.client("later").await?;
    later.subscribe(&topic, QoS::AtLeastOnce).await?;
    let is_retained = later.hear_text("gone").await?;
    forget(&mut later, &topic).await?;
    must(is_retained, || "the message is not retained".to_owned())
}

async fn will_delay(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("will");
    let mut witness = lab.client("witness").await?;
    witness.subscribe(&topic, QoS::AtLeastOnce).await?;
    let opening = Opening {
        will: Some(will_of(&topic, false, Some(1))?),
        ..with_expiry(60)
    };
    lab.open("mortal", &opening).await?.vanish();
    let back = lab.open("mortal", &resuming(0)).await?;
    witness
        .hears_nothing(Duration::from_secs(1) + lab.quiet())
        .await?;
    back.leave().await
}

async fn keep_alive(lab: Lab<'_>) -> Tried {
    if lab
        .offer()
        .server_keep_alive
        .is_some_and(|seconds| seconds > 1)
    {
        return Err(Wrong::NotOffered("the broker sets the keep alive itself"));
    }
    let opening = Opening {
        keep_alive: 1,
        ..Opening::default()
    };
    let client = lab.open("a", &opening).await?;
    client.is_closed().await.map(drop)
}

async fn maximum_packet_size(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let opening = Opening {
        properties: ConnectProperties {
            maximum_packet_size: NonZeroU32::new(200),
            ..ConnectProperties::default()
        },
        ..Opening::default()
    };
    let mut client = lab.open("a", &opening).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, &"x".repeat(300), false).await?;
    other.say(&topic, "small", false).await?;
    client.hear_text("small").await?;
    Ok(())
}

async fn no_aliases(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.subscribe(&topic, QoS::AtMostOnce).await?;
    for text in ["1", "2", "3"] {
        client.publish(message(&topic, text)?).await?;
        let received = client.hear().await?;
        let Packet::Publish(publish) = received.packet() else {
            continue;
        };
        must(publish.properties.topic_alias.is_none(), || {
            "a Topic Alias was sent".to_owned()
        })?;
    }
    Ok(())
}

async fn response_information(lab: Lab<'_>) -> Tried {
    let client = lab.client("a").await?;
    let is_there = match client.connack.packet() {
        Packet::Connack(connack) => connack.properties.response_information.is_some(),
        _ => false,
    };
    must(!is_there, || "it came unasked".to_owned())
}

async fn assigned(lab: Lab<'_>) -> Tried {
    let mut names = Vec::new();
    for _ in 0..2 {
        let (_, connack) = lab.greet("", &Opening::default()).await?;
        let Packet::Connack(connack) = connack.packet() else {
            return Err(Wrong::Otherwise("no CONNACK".to_owned()));
        };
        if connack.reason_code == ReasonCode::ClientIdentifierNotValid {
            return Err(Wrong::NotOffered("clients need an identifier of their own"));
        }
        let assigned = connack.properties.assigned_client_identifier;
        names.push(assigned.map(str::to_owned));
    }
    must(names.iter().all(Option::is_some), || {
        "CONNACK has no Assigned Client Identifier".to_owned()
    })?;
    must(names.first() != names.last(), || {
        "two clients have one identifier".to_owned()
    })
}

async fn takeover(lab: Lab<'_>) -> Tried {
    let first = lab.client("a").await?;
    let _second = lab.client("a").await?;
    let reason = first.is_closed().await?;
    must(
        matches!(reason, None | Some(ReasonCode::SessionTakenOver)),
        || format!("the first was told {reason:?} instead of Session taken over"),
    )
}

async fn session_present(lab: Lab<'_>) -> Tried {
    let first = lab.open("a", &with_expiry(60)).await?;
    first.leave().await?;
    let second = lab.open("a", &with_expiry(0)).await?;
    must(!second.session_present, || {
        "Session Present is 1".to_owned()
    })
}

fn needs_retained(lab: &Lab<'_>) -> Tried {
    if lab.offer().retain {
        Ok(())
    } else {
        Err(Wrong::NotOffered("the broker keeps no retained messages"))
    }
}

async fn forget(client: &mut Tester, topic: &str) -> Tried {
    client.unsubscribe(topic).await?;
    client.say(topic, "", true).await
}

async fn retained(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "first", true).await?;
    client.say(&topic, "second", true).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    let is_retained = client.hear_text("second").await?;
    forget(&mut client, &topic).await?;
    must(is_retained, || "RETAIN is 0".to_owned())
}

async fn retained_removed(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "first", true).await?;
    client.say(&topic, "", true).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    client.hears_nothing(lab.quiet()).await
}

async fn retained_left(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "kept", true).await?;
    client.say(&topic, "passing", false).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    client.hear_text("kept").await?;
    forget(&mut client, &topic).await
}

fn handling(retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        retain_handling,
        ..SubscriptionOptions::default()
    }
}

async fn handling_0(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "kept", true).await?;
    for _ in 0..2 {
        let options = handling(RetainHandling::Send);
        client.subscribe_with(&topic, options).await?;
        client.hear_text("kept").await?;
    }
    forget(&mut client, &topic).await
}

async fn handling_1(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "kept", true).await?;
    let options = handling(RetainHandling::SendIfNew);
    client.subscribe_with(&topic, options).await?;
    client.hear_text("kept").await?;
    client.subscribe_with(&topic, options).await?;
    let again = client.hears_nothing(lab.quiet()).await;
    forget(&mut client, &topic).await?;
    again
}

async fn handling_2(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "kept", true).await?;
    let options = handling(RetainHandling::DoNotSend);
    client.subscribe_with(&topic, options).await?;
    let result = client.hears_nothing(lab.quiet()).await;
    forget(&mut client, &topic).await?;
    result
}

async fn retain_cleared(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    retain_forwarded(&lab, false).await
}

async fn retain_as_published(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    retain_forwarded(&lab, true).await
}

async fn retain_forwarded(lab: &Lab<'_>, retain_as_published: bool) -> Tried {
    let topic = lab.topic("t");
    let mut listener = lab.client("a").await?;
    let options = SubscriptionOptions {
        retain_as_published,
        ..SubscriptionOptions::default()
    };
    listener.subscribe_with(&topic, options).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "live", true).await?;
    let is_retained = listener.hear_text("live").await?;
    forget(&mut other, &topic).await?;
    must(is_retained == retain_as_published, || {
        format!("RETAIN is {}", u8::from(is_retained))
    })
}

/// Publishes with these properties; gives the message as it is forwarded.
async fn forwarded(
    lab: &Lab<'_>,
    properties: PublishProperties<'_>,
    check: impl FnOnce(PublishProperties<'_>) -> Tried,
) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.subscribe(&topic, QoS::AtMostOnce).await?;
    let publish = message(&topic, "x")?;
    client
        .publish(Publish {
            properties,
            ..publish
        })
        .await?;
    let received = client.hear().await?;
    match received.packet() {
        Packet::Publish(publish) => check(publish.properties),
        _ => Ok(()),
    }
}

// [MQTT-3.3.2-15], [MQTT-3.3.2-16] and [MQTT-3.3.2-20] say the same of the others.
async fn properties(lab: Lab<'_>) -> Tried {
    let sent = PublishProperties {
        payload_format_indicator: Some(true),
        content_type: Some("text/plain"),
        response_topic: TopicName::parse("r/t").ok(),
        correlation_data: Some(b"\x00\xff"),
        ..PublishProperties::default()
    };
    forwarded(&lab, sent, |received| {
        must(received == sent, || {
            format!("sent {sent:?}, received {received:?}")
        })
    })
    .await
}

async fn user_properties(lab: Lab<'_>) -> Tried {
    let mut pairs = UserPropertiesBuf::new();
    for (name, value) in [("b", "1"), ("a", "2"), ("b", "3"), ("", "")] {
        let pushed = pairs.push(name, value);
        pushed.map_err(|error| Wrong::Otherwise(error.to_string()))?;
    }
    let sent = PublishProperties {
        user_properties: pairs.as_view(),
        ..PublishProperties::default()
    };
    let expected: Vec<_> = pairs.as_view().iter().collect();
    forwarded(&lab, sent, |received| {
        let received: Vec<_> = received.user_properties.iter().collect();
        must(received == expected, || format!("received {received:?}"))
    })
    .await
}

async fn expired(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    away_for(&lab, &topic, 1, Duration::from_millis(2_200)).await?;
    let mut back = lab.open("a", &resuming(0)).await?;
    back.hears_nothing(lab.quiet()).await
}

async fn expiry_left(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    away_for(&lab, &topic, 100, Duration::from_millis(1_500)).await?;
    let mut back = lab.open("a", &resuming(0)).await?;
    let received = back.hear().await?;
    let left = match received.packet() {
        Packet::Publish(publish) => publish.properties.message_expiry_interval,
        _ => None,
    };
    must(left.is_some_and(|left| left < 100 && left > 60), || {
        format!("sent 100 s, received {left:?} s after a wait of more than 1 s")
    })
}

/// A message that expires is published for a session that is away, for so long.
async fn away_for(lab: &Lab<'_>, topic: &str, expiry: u32, time: Duration) -> Tried {
    let mut first = lab.open("a", &with_expiry(60)).await?;
    first.subscribe(topic, QoS::AtLeastOnce).await?;
    first.leave().await?;
    let mut other = lab.client("b").await?;
    let publish = message(topic, "soon gone")?;
    let properties = PublishProperties {
        message_expiry_interval: Some(expiry),
        ..PublishProperties::default()
    };
    other
        .publish(Publish {
            qos: QoS::AtLeastOnce,
            properties,
            ..publish
        })
        .await?;
    tokio::time::sleep(time).await;
    Ok(())
}

fn needs_aliases(lab: &Lab<'_>) -> Tried {
    if lab.offer().topic_alias_maximum > 0 {
        Ok(())
    } else {
        Err(Wrong::NotOffered("the broker takes no topic aliases"))
    }
}

fn with_alias<'a>(topic: TopicName<'a>, text: &'a str, alias: u16) -> Publish<'a> {
    Publish {
        topic,
        payload: text.as_bytes(),
        properties: PublishProperties {
            topic_alias: Some(alias),
            ..PublishProperties::default()
        },
        ..Publish::default()
    }
}

async fn alias(lab: Lab<'_>) -> Tried {
    needs_aliases(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.subscribe(&topic, QoS::AtMostOnce).await?;
    let named = message(&topic, "")?;
    client.publish(with_alias(named.topic, "1", 1)).await?;
    client.publish(with_alias(TopicName::EMPTY, "2", 1)).await?;
    client.hear_text("1").await?;
    client.hear_text("2").await?;
    Ok(())
}

async fn alias_forgotten(lab: Lab<'_>) -> Tried {
    needs_aliases(&lab)?;
    let topic = lab.topic("t");
    let mut first = lab.open("a", &with_expiry(60)).await?;
    let named = message(&topic, "")?;
    first.publish(with_alias(named.topic, "1", 1)).await?;
    first.leave().await?;
    let mut second = lab.open("a", &resuming(0)).await?;
    second.publish(with_alias(TopicName::EMPTY, "2", 1)).await?;
    second.is_closed().await.map(drop)
}

async fn alias_too_high(lab: Lab<'_>) -> Tried {
    let maximum = lab.offer().topic_alias_maximum;
    let Some(above) = maximum.checked_add(1) else {
        return Err(Wrong::NotOffered("every topic alias is taken"));
    };
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    let named = message(&topic, "")?;
    client.publish(with_alias(named.topic, "1", above)).await?;
    client.is_closed().await.map(drop)
}

async fn acknowledged(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    let maximum = lab.offer().maximum_qos;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        if qos as u8 <= maximum {
            let publish = message(&topic, "x")?;
            client.publish(Publish { qos, ..publish }).await?;
        }
    }
    Ok(())
}

async fn subscribe_as(client: &mut Tester, filter: &str, identifier: u32) -> Tried {
    let properties = SubscribeProperties {
        subscription_identifier: NonZeroU32::new(identifier),
        ..SubscribeProperties::default()
    };
    let options = SubscriptionOptions::default();
    let codes = client.ask(&[(filter, options)], properties).await?;
    must(codes == [ReasonCode::Success], || {
        format!("SUBACK {codes:?}")
    })
}

fn needs_identifiers(lab: &Lab<'_>) -> Tried {
    if lab.offer().identifiers {
        Ok(())
    } else {
        Err(Wrong::NotOffered(
            "the broker has no subscription identifiers",
        ))
    }
}

async fn identifier(lab: Lab<'_>) -> Tried {
    needs_identifiers(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    subscribe_as(&mut client, &topic, 268_435_455).await?;
    client.publish(message(&topic, "x")?).await?;
    let received = client.hear().await?;
    let found = identifiers_of(&received.packet());
    must(found == [268_435_455], || format!("received {found:?}"))
}

fn identifiers_of(packet: &Packet<'_>) -> Vec<u32> {
    match packet {
        Packet::Publish(publish) => {
            let identifiers = publish.properties.subscription_identifiers.iter();
            identifiers.map(|identifier| identifier.get()).collect()
        }
        _ => Vec::new(),
    }
}

async fn identifiers(lab: Lab<'_>) -> Tried {
    needs_identifiers(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    subscribe_as(&mut client, &topic, 1).await?;
    subscribe_as(&mut client, &lab.topic("+"), 2).await?;
    client.publish(message(&topic, "x")?).await?;
    let received = client.hear().await?;
    let mut found = identifiers_of(&received.packet());
    // In one message, or in one for each subscription [MQTT-3.3.4-5].
    if found.len() < 2 {
        let received = client.hear().await?;
        found.extend(identifiers_of(&received.packet()));
    }
    found.sort_unstable();
    must(found == [1, 2], || format!("received {found:?}"))
}

async fn receive_maximum(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let opening = Opening {
        properties: ConnectProperties {
            receive_maximum: NonZeroU16::new(2),
            ..ConnectProperties::default()
        },
        ..Opening::default()
    };
    let mut client = lab.open("a", &opening).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    let mut other = lab.client("b").await?;
    for text in ["1", "2", "3"] {
        other.say(&topic, text, false).await?;
    }
    let mut first = None;
    for _ in 0..2 {
        let received = client.peer.receive().await?;
        if let Packet::Publish(publish) = received.packet() {
            first = first.or(publish.packet_id);
        }
    }
    client.hears_nothing(lab.quiet()).await?;
    let Some(first) = first else {
        return Err(Wrong::Otherwise("no message of QoS 1 came".to_owned()));
    };
    client
        .peer
        .send(&Packet::Puback(Ack::success(first)))
        .await?;
    client.hear_text("3").await?;
    Ok(())
}

async fn no_local(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    client.subscribe_with(&topic, options).await?;
    client.publish(message(&topic, "own")?).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "other", false).await?;
    client.hear_text("other").await?;
    Ok(())
}

async fn replaced(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.subscribe(&topic, QoS::AtMostOnce).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "once", false).await?;
    let received = client.hear().await?;
    let qos = match received.packet() {
        Packet::Publish(publish) => publish.qos,
        _ => QoS::AtMostOnce,
    };
    must(qos == QoS::AtLeastOnce, || format!("it came at QoS {qos}"))?;
    client.hears_nothing(lab.quiet()).await
}

async fn suback(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    let filters = [lab.topic("0"), lab.topic("1"), lab.topic("2")];
    let levels = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let asked: Vec<_> = filters
        .iter()
        .zip(levels)
        .map(|(filter, qos)| (filter.as_str(), SubscriptionOptions::with_qos(qos)))
        .collect();
    let codes = client.ask(&asked, SubscribeProperties::default()).await?;
    let expected = levels.map(ReasonCode::granted);
    must(codes == expected, || {
        format!("expected {expected:?}, received {codes:?}")
    })
}

async fn lower_qos(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    let mut other = lab.client("b").await?;
    for (granted, published) in [
        (QoS::AtMostOnce, QoS::AtLeastOnce),
        (QoS::AtLeastOnce, QoS::AtMostOnce),
    ] {
        client.subscribe(&topic, granted).await?;
        let publish = message(&topic, "x")?;
        other
            .publish(Publish {
                qos: published,
                ..publish
            })
            .await?;
        let received = client.hear().await?;
        if let Packet::Publish(publish) = received.packet() {
            must(publish.qos == QoS::AtMostOnce, || {
                format!(
                    "granted {granted}, published at {published}, came at {}",
                    publish.qos
                )
            })?;
        }
    }
    Ok(())
}

async fn unsubscribed(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.subscribe(&topic, QoS::AtMostOnce).await?;
    client.unsubscribe(&topic).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "x", false).await?;
    client.hears_nothing(lab.quiet()).await
}

async fn unsubscribed_nothing(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    client.unsubscribe(&lab.topic("never")).await
}

async fn ping(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    client.peer.send(&Packet::Pingreq).await?;
    Ok(client.peer.expect(&Packet::Pingresp).await?)
}

async fn exactly_once(lab: Lab<'_>) -> Tried {
    if lab.offer().maximum_qos < 2 {
        return Err(Wrong::NotOffered("the broker takes no messages of QoS 2"));
    }
    let topic = lab.topic("t");
    let mut listener = lab.client("a").await?;
    listener.subscribe(&topic, QoS::AtMostOnce).await?;
    let mut client = lab.client("b").await?;
    let publish = message(&topic, "once")?;
    for dup in [false, true] {
        let publish = Packet::Publish(Publish {
            dup,
            qos: QoS::ExactlyOnce,
            packet_id: Some(PacketIdentifier::MIN),
            ..publish
        });
        client.peer.send(&publish).await?;
        let answer = client.peer.receive().await?;
        must(matches!(answer.packet(), Packet::Pubrec(_)), || {
            format!("expected PUBREC, received {answer:?}")
        })?;
    }
    let release = Packet::Pubrel(Ack::success(PacketIdentifier::MIN));
    client.peer.send(&release).await?;
    let answer = client.peer.receive().await?;
    must(matches!(answer.packet(), Packet::Pubcomp(_)), || {
        format!("expected PUBCOMP, received {answer:?}")
    })?;
    listener.hear_text("once").await?;
    listener.hears_nothing(lab.quiet()).await
}

async fn again(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut first = lab.open("a", &with_expiry(60)).await?;
    first.subscribe(&topic, QoS::AtLeastOnce).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "kept", false).await?;
    let received = first.peer.receive().await?;
    must(matches!(received.packet(), Packet::Publish(_)), || {
        format!("expected PUBLISH, received {received:?}")
    })?;
    first.vanish();
    let mut second = lab.open("a", &resuming(0)).await?;
    let received = second.hear().await?;
    let dup = match received.packet() {
        Packet::Publish(publish) => publish.dup,
        _ => false,
    };
    must(dup, || "it came again without DUP".to_owned())
}

async fn order(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    let mut other = lab.client("b").await?;
    let texts: Vec<String> = (0..20).map(|number: u32| number.to_string()).collect();
    for text in &texts {
        other.say(&topic, text, false).await?;
    }
    for text in &texts {
        client.hear_text(text).await?;
    }
    Ok(())
}

/// A filter that is none: SUBACK refuses it, or the connection ends.
async fn refuses(lab: &Lab<'_>, filter: &str) -> Tried {
    let mut client = lab.client("a").await?;
    let length = u16::try_from(filter.len()).unwrap_or_default();
    let mut body = vec![0, 1, 0];
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(filter.as_bytes());
    body.push(0);
    let remaining = u8::try_from(body.len()).unwrap_or_default();
    let mut bytes = vec![0x82, remaining];
    bytes.extend(body);
    client.peer.send_bytes(&bytes).await?;
    let answer = match client.peer.receive().await {
        Ok(answer) => answer,
        Err(_) => return Ok(()),
    };
    match answer.packet() {
        Packet::Disconnect(_) => Ok(()),
        Packet::Suback(suback) => {
            let code = suback.reason_codes.first();
            must(code.is_some_and(|code| code.is_error()), || {
                format!("{filter} was granted: {code:?}")
            })
        }
        _ => Err(Wrong::Otherwise(format!("received {answer:?}"))),
    }
}

async fn bad_hash(lab: Lab<'_>) -> Tried {
    for filter in ["a/#/b", "a#"] {
        refuses(&lab, filter).await?;
    }
    Ok(())
}

async fn bad_plus(lab: Lab<'_>) -> Tried {
    for filter in ["a+", "a/+b/c"] {
        refuses(&lab, filter).await?;
    }
    Ok(())
}

async fn bad_share(lab: Lab<'_>) -> Tried {
    for filter in ["$share//t", "$share/a+/t", "$share/g"] {
        refuses(&lab, filter).await?;
    }
    Ok(())
}

fn needs_wildcards(lab: &Lab<'_>) -> Tried {
    if lab.offer().wildcards {
        Ok(())
    } else {
        Err(Wrong::NotOffered(
            "the broker has no wildcard subscriptions",
        ))
    }
}

async fn wildcards(lab: Lab<'_>) -> Tried {
    needs_wildcards(&lab)?;
    let mut other = lab.client("b").await?;
    let mut below = lab.client("a").await?;
    below.subscribe(&lab.topic("x/#"), QoS::AtMostOnce).await?;
    let mut level = lab.client("c").await?;
    level.subscribe(&lab.topic("x/+"), QoS::AtMostOnce).await?;
    for name in ["x", "x/y", "x/y/z", "xx"] {
        other.say(&lab.topic(name), name, false).await?;
    }
    for name in ["x", "x/y", "x/y/z"] {
        below.hear_text(name).await?;
    }
    below.hears_nothing(lab.quiet()).await?;
    level.hear_text("x/y").await?;
    level.hears_nothing(lab.quiet()).await
}

async fn dollar(lab: Lab<'_>) -> Tried {
    needs_wildcards(&lab)?;
    let name = lab.id("t");
    let (hidden, seen) = (
        format!("$dunlin-check/{name}"),
        format!("dunlin-check/{name}"),
    );
    let mut client = lab.client("a").await?;
    client
        .subscribe(&format!("+/{name}"), QoS::AtMostOnce)
        .await?;
    let mut other = lab.client("b").await?;
    // Some brokers let no client publish there; then nothing comes either.
    let publish = message(&hidden, "hidden")?;
    other.publish(publish).await?;
    other.say(&seen, "seen", false).await?;
    client.hear_text("seen").await?;
    Ok(())
}

async fn letters(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    client
        .subscribe(&lab.topic("Ab/é"), QoS::AtMostOnce)
        .await?;
    let mut other = lab.client("b").await?;
    for name in ["ab/é", "Ab/e\u{301}", "Ab/é/", "Ab/é"] {
        other.say(&lab.topic(name), name, false).await?;
    }
    client.hear_text("Ab/é").await?;
    client.hears_nothing(lab.quiet()).await
}

async fn shared(lab: Lab<'_>) -> Tried {
    if !lab.offer().shared {
        return Err(Wrong::NotOffered("the broker has no shared subscriptions"));
    }
    let topic = lab.topic("t");
    let filter = format!("$share/group/{topic}");
    let mut members = [lab.client("a").await?, lab.client("b").await?];
    for member in &mut members {
        member.subscribe(&filter, QoS::AtMostOnce).await?;
    }
    let mut other = lab.client("c").await?;
    for _ in 0..10 {
        other.say(&topic, "x", false).await?;
    }
    let mut count = 0;
    for member in &mut members {
        // Each answers a ping after what it was sent.
        member.peer.send(&Packet::Pingreq).await?;
        loop {
            let received = member.peer.receive().await?;
            match received.packet() {
                Packet::Publish(_) => count += 1,
                Packet::Pingresp => break,
                _ => {}
            }
        }
        member.hears_nothing(lab.quiet()).await?;
    }
    must(count == 10, || {
        format!("10 messages were delivered {count} times")
    })
}
