//! Will Messages (section 3.1.2.5).

use std::time::Duration;

use dunlin_client::codec::{QoS, Will, WillProperties};

use super::{Tried, forget, needs_retained, resuming, with_expiry};
use crate::cmd::check::bench::{Lab, Opening, Tester, message};
use crate::cmd::check::probe::{Wrong, must};

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

pub(super) async fn will(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("will");
    let mut witness = lab.client("witness").await?;
    witness.subscribe(&topic, QoS::AtLeastOnce).await?;
    with_will(&lab, &topic, false).await?.vanish();
    witness.hear_text("gone").await?;
    Ok(())
}

pub(super) async fn will_discarded(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("will");
    let mut witness = lab.client("witness").await?;
    witness.subscribe(&topic, QoS::AtLeastOnce).await?;
    with_will(&lab, &topic, false).await?.leave().await?;
    witness.hears_nothing(lab.quiet()).await
}

pub(super) async fn will_retained(lab: Lab<'_>) -> Tried {
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

pub(super) async fn will_delay(lab: Lab<'_>) -> Tried {
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
