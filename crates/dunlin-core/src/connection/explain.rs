//! Why a client may do something or not: the checks that its packets pass, without the packets.

use dunlin_codec::{PacketIdentifier, Publish, QoS, ReasonCode, TopicFilter, TopicName};

use super::{inbound, subscribing};
use crate::access::{Effect, Identity, Question, RuleSet, Verdict, is_servers};
use crate::error::{Refusal, Violation};
use crate::settings::Settings;

/// The check that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A PUBLISH that ends its connection, whoever sends it.
    Violation(Violation),
    /// A filter that is refused with this code, whoever asks for it.
    Filter(ReasonCode),
    /// The topic is the server's.
    ServersTopic,
    /// Access rules.
    Rules(Verdict<'a>),
}

/// What becomes of a packet, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// The code of the answer; one of success says nothing of what comes of it.
    pub reason_code: ReasonCode,
    /// What decided.
    pub step: Step<'a>,
}

/// What would become of a PUBLISH.
pub fn publish<'a>(
    settings: &Settings,
    rules: &'a RuleSet,
    who: &'a Identity,
    (topic, qos, retain): (TopicName<'_>, QoS, bool),
) -> Explanation<'a> {
    let packet = Publish {
        topic,
        qos,
        retain,
        packet_id: (qos > QoS::AtMostOnce).then_some(PacketIdentifier::MIN),
        ..Publish::default()
    };
    if let Err(violation) = inbound::check(&packet, &settings.mqtt) {
        return Explanation {
            reason_code: violation.reason_code(),
            step: Step::Violation(violation),
        };
    }
    if is_servers(topic.as_str().as_bytes()) {
        return Explanation {
            reason_code: Refusal::NotAuthorized.reason_code(),
            step: Step::ServersTopic,
        };
    }
    let verdict = rules.decide_for(who, Question::Publish { topic, qos, retain });
    by_rules(verdict, ReasonCode::Success)
}

/// What would become of a subscription.
pub fn subscribe<'a>(
    settings: &Settings,
    rules: &'a RuleSet,
    who: &'a Identity,
    (filter, qos): (TopicFilter<'_>, QoS),
) -> Explanation<'a> {
    let inner = match subscribing::check(filter, &settings.mqtt) {
        Ok((inner, _)) => inner,
        Err(reason_code) => {
            return Explanation {
                reason_code,
                step: Step::Filter(reason_code),
            };
        }
    };
    let qos = qos.min(settings.mqtt.qos_max);
    let verdict = rules.decide_for(who, Question::Subscribe { filter: inner, qos });
    by_rules(verdict, ReasonCode::granted(qos))
}

fn by_rules(verdict: Verdict<'_>, success: ReasonCode) -> Explanation<'_> {
    Explanation {
        reason_code: match verdict.effect {
            Effect::Allow => success,
            Effect::Deny => Refusal::NotAuthorized.reason_code(),
        },
        step: Step::Rules(verdict),
    }
}
