//! Subscriptions and their options.

use std::num::NonZeroU32;

use dunlin_client::codec::{
    Packet, Publish, QoS, ReasonCode, SubscribeProperties, SubscriptionOptions,
};

use super::Tried;
use crate::cmd::check::bench::{Lab, Tester, message};
use crate::cmd::check::probe::{Wrong, must};

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

pub(super) async fn identifier(lab: Lab<'_>) -> Tried {
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

pub(super) async fn identifiers(lab: Lab<'_>) -> Tried {
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

pub(super) async fn no_local(lab: Lab<'_>) -> Tried {
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

pub(super) async fn replaced(lab: Lab<'_>) -> Tried {
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

pub(super) async fn suback(lab: Lab<'_>) -> Tried {
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

pub(super) async fn lower_qos(lab: Lab<'_>) -> Tried {
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

pub(super) async fn unsubscribed(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.subscribe(&topic, QoS::AtMostOnce).await?;
    client.unsubscribe(&topic).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "x", false).await?;
    client.hears_nothing(lab.quiet()).await
}

pub(super) async fn unsubscribed_nothing(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    client.unsubscribe(&lab.topic("never")).await
}
