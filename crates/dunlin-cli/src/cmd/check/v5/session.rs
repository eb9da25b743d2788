//! What outlives a connection, and what a connection must do.

use std::num::NonZeroU32;

use dunlin_client::codec::{ConnectProperties, Packet, QoS, ReasonCode};

use super::{Tried, resuming, with_expiry};
use crate::cmd::check::bench::{Lab, Opening, closes};
use crate::cmd::check::probe::{Wrong, must};

pub(super) async fn clean_start(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut first = lab.open("a", &with_expiry(60)).await?;
    first.subscribe(&topic, QoS::AtLeastOnce).await?;
    first.leave().await?;
    let mut second = lab.open("a", &with_expiry(0)).await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "1", false).await?;
    second.hears_nothing(lab.quiet()).await
}

pub(super) async fn resume(lab: Lab<'_>) -> Tried {
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

pub(super) async fn no_expiry(lab: Lab<'_>) -> Tried {
    let first = lab.client("a").await?;
    first.leave().await?;
    let second = lab.open("a", &resuming(0)).await?;
    must(!second.session_present, || {
        "Session Present is 1".to_owned()
    })
}

pub(super) async fn keep_alive(lab: Lab<'_>) -> Tried {
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
    // How soon after that time the standard does not say, and brokers look every few seconds.
    let mut peer = client.peer.with_deadline(lab.patience() * 2);
    closes(&mut peer).await.map(drop)
}

pub(super) async fn maximum_packet_size(lab: Lab<'_>) -> Tried {
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

pub(super) async fn response_information(lab: Lab<'_>) -> Tried {
    let client = lab.client("a").await?;
    let is_there = match client.connack.packet() {
        Packet::Connack(connack) => connack.properties.response_information.is_some(),
        _ => false,
    };
    must(!is_there, || "it came unasked".to_owned())
}

pub(super) async fn assigned(lab: Lab<'_>) -> Tried {
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

pub(super) async fn takeover(lab: Lab<'_>) -> Tried {
    let first = lab.client("a").await?;
    let _second = lab.client("a").await?;
    let reason = first.must_end().await?;
    must(
        matches!(reason, None | Some(ReasonCode::SessionTakenOver)),
        || format!("the first was told {reason:?} instead of Session taken over"),
    )
}

pub(super) async fn session_present(lab: Lab<'_>) -> Tried {
    let first = lab.open("a", &with_expiry(60)).await?;
    first.leave().await?;
    let second = lab.open("a", &with_expiry(0)).await?;
    must(!second.session_present, || {
        "Session Present is 1".to_owned()
    })
}

pub(super) async fn ping(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    client.peer.send(&Packet::Pingreq).await?;
    Ok(client.peer.expect(&Packet::Pingresp).await?)
}
