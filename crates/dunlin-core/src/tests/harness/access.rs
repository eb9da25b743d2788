//! Access rules that a test changes while the broker runs.

use std::sync::Arc;

use dunlin_codec::{QoS, TopicFilter, TopicName};
use parking_lot::Mutex;

use crate::access::{
    Access, Action, Effect, FilterTemplate, Identity, NamePattern, QoSSet, Rule, RuleSet,
    RuleSource, Users,
};

/// One rule: who may not do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) is_publish: bool,
    pub(crate) filter: String,
    /// The client that it is for; `None` is for all.
    pub(crate) client_id: Option<String>,
}

/// Rules that deny; what none of them denies is allowed.
#[derive(Clone, Debug)]
pub(crate) struct AccessRules(Arc<Mutex<Present>>);

#[derive(Debug)]
struct Present {
    denied: Vec<Denied>,
    rules: RuleSet,
    generation: u64,
}

impl Default for AccessRules {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Present {
            denied: Vec::new(),
            rules: RuleSet::new(Vec::new(), Effect::Allow),
            generation: 0,
        })))
    }
}

impl AccessRules {
    pub(crate) fn deny(&self, rule: Denied) {
        self.change(|denied| denied.push(rule));
    }

    pub(crate) fn allow(&self, rule: &Denied) {
        self.change(|denied| denied.retain(|present| present != rule));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Denied>)) {
        let mut present = self.0.lock();
        change(&mut present.denied);
        let rules = present.denied.iter().map(Denied::rule).collect();
        present.rules = RuleSet::new(rules, Effect::Allow);
        present.generation += 1;
    }
}

impl Denied {
    fn rule(&self) -> Rule {
        let client = self.client_id.as_deref().map(NamePattern::new);
        Rule {
            effect: Effect::Deny,
            action: if self.is_publish {
                Action::Publish
            } else {
                Action::Subscribe
            },
            filter: FilterTemplate::parse(&self.filter, false).unwrap(),
            users: Users::All,
            clients: client.into_iter().collect(),
            networks: Vec::new(),
            qos: QoSSet::ALL,
            retain: None,
            source: RuleSource {
                file: "script".into(),
                line: 0,
            },
        }
    }
}

impl Access for AccessRules {
    fn may_publish(&self, who: &Identity, topic: TopicName<'_>, qos: QoS, retain: bool) -> bool {
        self.0.lock().rules.may_publish(who, topic, qos, retain)
    }

    fn may_subscribe(&self, who: &Identity, filter: TopicFilter<'_>, qos: QoS) -> bool {
        self.0.lock().rules.may_subscribe(who, filter, qos)
    }

    fn generation(&self) -> u64 {
        self.0.lock().generation
    }
}
