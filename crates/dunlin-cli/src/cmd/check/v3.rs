//! What brokers do in 3.1.1.

use dunlin_client::codec::ProtocolVersion::V311;
use dunlin_client::codec::{Packet, QoS, ReasonCode, SubscribeProperties, SubscriptionOptions};

use super::bench::{Lab, Opening, closes};
use super::probe::{Probe, Wrong, must, probes};

type Tried = Result<(), Wrong>;

#[rustfmt::skip]
pub(super) const PROBES: &[Probe] = probes! { V311;
    "MQTT-3.1.2-4" "a session that is not clean is resumed" => resume,
    "MQTT-3.1.2-6" "a clean session discards the one before" => clean,
    "MQTT-3.1.3-8" "a client without an identifier needs a clean session" => no_identifier,
    "MQTT-3.1.3-6" "a client without an identifier is accepted with a clean session" => assigned,
    "MQTT-3.1.4-2" "a second connection with the identifier ends the first" => takeover,
    "MQTT-3.2.2-2" "Session Present tells whether there is a session" => session_present,
    "MQTT-3.3.1-8" "a retained message comes to a new subscription with RETAIN 1" => retained,
    "MQTT-3.8.4-5" "SUBACK has a code for each filter" => suback,
    "MQTT-3.12.4-1" "PINGREQ is answered" => ping,
};

fn kept<'a>() -> Opening<'a> {
    Opening {
        resumes: true,
        ..Opening::default()
    }
}

async fn resume(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut first = lab.open("a", &kept()).await?;
    first.subscribe(&topic, QoS::AtLeastOnce).await?;
    first.leave().await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "while away", false).await?;
    let mut second = lab.open("a", &kept()).await?;
    second.hear_text("while away").await?;
    second.leave().await?;
    lab.client("a").await?.leave().await
}

async fn clean(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut first = lab.open("a", &kept()).await?;
    first.subscribe(&topic, QoS::AtLeastOnce).await?;
    first.leave().await?;
    let mut second = lab.client("a").await?;
    let mut other = lab.client("b").await?;
    other.say(&topic, "x", false).await?;
    second.hears_nothing(lab.quiet()).await
}

async fn no_identifier(lab: Lab<'_>) -> Tried {
    let (mut peer, answer) = lab.greet("", &kept()).await?;
    let Packet::Connack(connack) = answer.packet() else {
        return Err(Wrong::Otherwise(format!("received {answer:?}")));
    };
    let code = connack.reason_code;
    must(code == ReasonCode::ClientIdentifierNotValid, || {
        format!(
            "the return code is {} instead of 2",
            code.connect_return_code()
        )
    })?;
    closes(&mut peer).await.map(drop)
}

async fn assigned(lab: Lab<'_>) -> Tried {
    let (_, answer) = lab.greet("", &Opening::default()).await?;
    let is_accepted = match answer.packet() {
        Packet::Connack(connack) => !connack.reason_code.is_error(),
        _ => false,
    };
    must(is_accepted, || format!("received {answer:?}"))
}

async fn takeover(lab: Lab<'_>) -> Tried {
    let first = lab.client("a").await?;
    let _second = lab.client("a").await?;
    first.must_end().await.map(drop)
}

async fn session_present(lab: Lab<'_>) -> Tried {
    let first = lab.open("a", &kept()).await?;
    must(!first.session_present, || {
        "it is 1 for a new session".to_owned()
    })?;
    first.leave().await?;
    let second = lab.open("a", &kept()).await?;
    must(second.session_present, || {
        "it is 0 for an old session".to_owned()
    })?;
    second.leave().await?;
    let third = lab.client("a").await?;
    must(!third.session_present, || {
        "it is 1 for a clean session".to_owned()
    })
}

async fn retained(lab: Lab<'_>) -> Tried {
    let topic = lab.topic("t");
    let mut client = lab.client("a").await?;
    client.say(&topic, "kept", true).await?;
    client.subscribe(&topic, QoS::AtLeastOnce).await?;
    let is_retained = client.hear_text("kept").await?;
    client.unsubscribe(&topic).await?;
    client.say(&topic, "", true).await?;
    must(is_retained, || "RETAIN is 0".to_owned())
}

async fn suback(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    let (first, second) = (lab.topic("0"), lab.topic("1"));
    let asked = [
        (first.as_str(), SubscriptionOptions::default()),
        (
            second.as_str(),
            SubscriptionOptions::with_qos(QoS::AtLeastOnce),
        ),
    ];
    let codes = client.ask(&asked, SubscribeProperties::default()).await?;
    let expected = [ReasonCode::Success, ReasonCode::granted(QoS::AtLeastOnce)];
    must(codes == expected, || format!("received {codes:?}"))
}

async fn ping(lab: Lab<'_>) -> Tried {
    let mut client = lab.client("a").await?;
    client.peer.send(&Packet::Pingreq).await?;
    Ok(client.peer.expect(&Packet::Pingresp).await?)
}
