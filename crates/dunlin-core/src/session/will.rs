//! Will Messages and their Will Delay Interval (sections 3.1.2.5 and 3.1.3.2).

use std::sync::Arc;
use std::time::Duration;

use dunlin_codec as codec;
use dunlin_codec::{EncodeError, PublishProperties};

use crate::access::{
    Action, Effect, FilterTemplate, Identity, QoSSet, Question, Rule, RuleSet, RuleSource, Users,
};
use crate::id::{ClientIdentifier, SessionNumber};
use crate::message::{Draft, Message, Payload};
use crate::storage::{OwnRules, WillRecord};
use crate::time::Time;

/// A Will Message that may have to be published.
#[derive(Debug)]
pub(crate) struct Will {
    /// The message, without its expiry, which counts from its publication.
    message: Message,
    expiry_interval: Option<Duration>,
    delay: Duration,
    /// Whose it is: asked again whether it may be published when it is.
    owner: Identity,
}

impl Will {
    /// The will of a CONNECT.
    pub(crate) fn new(
        will: &codec::Will<'_>,
        owner: Identity,
        delay_max: Option<Duration>,
        number: u64,
    ) -> Result<Self, EncodeError> {
        let properties = &will.properties;
        let draft = Draft {
            topic: will.topic,
            qos: will.qos,
            retain: will.retain,
            properties: Some(&PublishProperties {
                payload_format_indicator: properties.payload_format_indicator,
                response_topic: properties.response_topic,
                correlation_data: properties.correlation_data,
                content_type: properties.content_type,
                user_properties: properties.user_properties,
                ..PublishProperties::default()
            }),
            payload: Payload::Borrowed(will.payload),
            whole: None,
        };
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let delay = properties
            .will_delay_interval
            .map_or(Duration::ZERO, seconds);
        let message = Message::new(
            &draft,
            SessionNumber::NONE,
            (Time::ZERO, None),
            &mut Vec::new(),
        )?;
        Ok(Self {
            message: message.numbered(number),
            expiry_interval: properties.message_expiry_interval.map(seconds),
            delay: delay_max.map_or(delay, |max| delay.min(max)),
            owner,
        })
    }

    /// The will as it is written down.
    pub(crate) fn record(&self) -> WillRecord<'_> {
        WillRecord {
            message: &self.message,
            expiry_interval: self.expiry_interval,
            delay: self.delay,
            user_name: self.owner.user_name.as_deref(),
            address: self.owner.address,
            own_rules: self.own_rules(),
        }
    }

    /// What the rules of its client alone say of it.
    fn own_rules(&self) -> OwnRules {
        let Some(rules) = &self.owner.rules else {
            return OwnRules::None;
        };
        let question = Question::Publish {
            topic: self.message.topic(),
            qos: self.message.qos(),
            retain: self.message.retain(),
        };
        let verdict = rules.decide(&self.owner, question);
        match (verdict.effect, verdict.rule) {
            (Effect::Allow, Some(_)) => OwnRules::Allow,
            (Effect::Allow, None) => OwnRules::None,
            (Effect::Deny, _) => OwnRules::Silent,
        }
    }

    /// A will that was written down.
    pub(crate) fn from_record(record: &WillRecord<'_>, client_id: ClientIdentifier) -> Self {
        Self {
            message: Message::clone(record.message),
            expiry_interval: record.expiry_interval,
            delay: record.delay,
            owner: Identity {
                client_id,
                user_name: record.user_name.map(Into::into),
                address: record.address,
                rules: rules(record),
            },
        }
    }

    /// What tells it from all others.
    pub(crate) fn number(&self) -> u64 {
        self.message.sequence()
    }

    /// The Will Delay Interval.
    pub(crate) const fn delay(&self) -> Duration {
        self.delay
    }

    /// The message, published at `now`, and whose it is.
    pub(crate) fn into_message(
        self,
        now: Time,
        expiry_max: Option<Duration>,
    ) -> (Message, Identity) {
        let message = self
            .message
            .published_at(now, self.expiry_interval, expiry_max);
        (message, self.owner)
    }
}

/// Rules that say of a will what those of its client said.
fn rules(record: &WillRecord<'_>) -> Option<Arc<RuleSet>> {
    let allowed = match record.own_rules {
        OwnRules::None => return None,
        OwnRules::Silent => None,
        OwnRules::Allow => FilterTemplate::parse(record.message.topic().as_str(), false).ok(),
    };
    let rule = allowed.map(|filter| Rule {
        effect: Effect::Allow,
        action: Action::Publish,
        filter,
        users: Users::All,
        clients: Vec::new(),
        networks: Vec::new(),
        qos: QoSSet::ALL,
        retain: None,
        source: RuleSource {
            file: "the authentication of its client".into(),
            line: 0,
        },
    });
    let rules = rule.into_iter().collect();
    Some(Arc::new(RuleSet::new(rules, Effect::Deny)))
}

#[cfg(test)]
mod tests;
