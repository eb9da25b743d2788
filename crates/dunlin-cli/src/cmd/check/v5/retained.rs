//! Retained messages (section 3.3.1.3).

use dunlin_client::codec::{QoS, RetainHandling, SubscriptionOptions};

use super::{Tried, forget, needs_retained};
use crate::cmd::check::bench::Lab;
use crate::cmd::check::probe::must;

pub(super) async fn retained(lab: Lab<'_>) -> Tried {
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

pub(super) async fn retained_removed(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "first", true).await?;
    client.say(&topic, "", true).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    client.hears_nothing(lab.quiet()).await
}

pub(super) async fn retained_left(lab: Lab<'_>) -> Tried {
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

pub(super) async fn handling_0(lab: Lab<'_>) -> Tried {
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

pub(super) async fn handling_1(lab: Lab<'_>) -> Tried {
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

pub(super) async fn handling_2(lab: Lab<'_>) -> Tried {
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

pub(super) async fn retain_cleared(lab: Lab<'_>) -> Tried {
    needs_retained(&lab)?;
    retain_forwarded(&lab, false).await
}

pub(super) async fn retain_as_published(lab: Lab<'_>) -> Tried {
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
