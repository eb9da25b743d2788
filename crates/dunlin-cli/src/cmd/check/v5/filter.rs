//! What topic filters match (sections 4.7 and 4.8).

use dunlin_client::codec::{Packet, QoS};
use dunlin_client::script::ScriptError;

use super::Tried;
use crate::cmd::check::bench::{Lab, message};
use crate::cmd::check::probe::{Wrong, must};

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
        Err(ScriptError::Closed | ScriptError::Io(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match answer.packet() {
        Packet::Disconnect(_) => Ok(()),
        Packet::Suback(suback) => {
            let code = suback.reason_codes.first();
            if code.is_some_and(|code| code.is_error()) {
                return Ok(());
            }
            let text = format!("{filter} was granted");
            // In 3.1.1 every violation ends the connection [MQTT-4.8.0-1].
            Err(if lab.version.is_v5() {
                Wrong::Lenient(text)
            } else {
                Wrong::Otherwise(text)
            })
        }
        _ => Err(Wrong::Otherwise(format!("received {answer:?}"))),
    }
}

pub(super) async fn bad_hash(lab: Lab<'_>) -> Tried {
    for filter in ["a/#/b", "a#"] {
        refuses(&lab, filter).await?;
    }
    Ok(())
}

pub(super) async fn bad_plus(lab: Lab<'_>) -> Tried {
    for filter in ["a+", "a/+b/c"] {
        refuses(&lab, filter).await?;
    }
    Ok(())
}

pub(super) async fn bad_share(lab: Lab<'_>) -> Tried {
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

pub(super) async fn wildcards(lab: Lab<'_>) -> Tried {
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

pub(super) async fn dollar(lab: Lab<'_>) -> Tried {
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

pub(super) async fn letters(lab: Lab<'_>) -> Tried {
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

pub(super) async fn shared(lab: Lab<'_>) -> Tried {
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
        while member.hears_within(lab.quiet()).await? {
            count += 1;
        }
    }
    must(count == 10, || {
        format!("10 messages were delivered {count} times")
    })
}
