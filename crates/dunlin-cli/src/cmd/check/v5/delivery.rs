//! Properties of messages, how they are acknowledged, and their order.

use std::num::NonZeroU16;
use std::time::Duration;

use dunlin_client::codec::{
    Ack, ConnectProperties, Packet, PacketIdentifier, Publish, PublishProperties, QoS, TopicName,
    UserPropertiesBuf,
};

use super::{Tried, resuming, with_expiry};
use crate::cmd::check::bench::{Lab, Opening, message};
use crate::cmd::check::probe::{Wrong, must};

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
pub(super) async fn properties(lab: Lab<'_>) -> Tried {
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

pub(super) async fn user_properties(lab: Lab<'_>) -> Tried {
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

pub(super) async fn expired(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    away_for(&lab, &topic, 1, Duration::from_millis(2_200)).await?;
    let mut back = lab.open("a", &resuming(0)).await?;
    back.hears_nothing(lab.quiet()).await
}

pub(super) async fn expiry_left(lab: Lab<'_>) -> Tried {
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

pub(super) async fn no_aliases(lab: Lab<'_>) -> Tried {
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

pub(super) async fn alias(lab: Lab<'_>) -> Tried {
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

pub(super) async fn alias_forgotten(lab: Lab<'_>) -> Tried {
    needs_aliases(&lab)?;
    let topic = lab.topic("t");
    let mut first = lab.open("a", &with_expiry(60)).await?;
    let named = message(&topic, "")?;
    first.publish(with_alias(named.topic, "1", 1)).await?;
    first.leave().await?;
    let mut second = lab.open("a", &resuming(0)).await?;
    second.publish(with_alias(TopicName::EMPTY, "2", 1)).await?;
    second.must_end().await.map(drop)
}

pub(super) async fn alias_too_high(lab: Lab<'_>) -> Tried {
    let maximum = lab.offer().topic_alias_maximum;
    let Some(above) = maximum.checked_add(1) else {
        return Err(Wrong::NotOffered("every topic alias is taken"));
    };
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    let named = message(&topic, "")?;
    client.publish(with_alias(named.topic, "1", above)).await?;
    client.must_end().await.map(drop)
}

pub(super) async fn acknowledged(lab: Lab<'_>) -> Tried {
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

pub(super) async fn receive_maximum(lab: Lab<'_>) -> Tried {
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

pub(super) async fn exactly_once(lab: Lab<'_>) -> Tried {
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

pub(super) async fn again(lab: Lab<'_>) -> Tried {
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

pub(super) async fn order(lab: Lab<'_>) -> Tried {
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
