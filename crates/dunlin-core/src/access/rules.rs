//! Access rules: an ordered list, of which the first that applies decides.

use std::fmt;
use std::sync::Arc;

use ahash::RandomState;
use dunlin_codec::{QoS, TopicFilter, TopicName};
use hashbrown::HashMap;

use super::filter::{FilterTemplate, Relation, Unusable};
use super::names::{NamePattern, Network, Users};
use super::{Access, Identity};

/// What a rule says of what it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It may be done.
    Allow,
    /// It may not.
    Deny,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// PUBLISH and Will Messages.
    Publish,
    /// SUBSCRIBE, and with it receiving.
    Subscribe,
    /// Both.
    All,
}

/// Some of the three QoS levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QoSSet([bool; 3]);

impl QoSSet {
    /// Every QoS.
    pub const ALL: Self = Self([true; 3]);

    /// These.
    pub fn of(levels: impl IntoIterator<Item = QoS>) -> Self {
        let mut set = [false; 3];
        for qos in levels {
            if let Some(slot) = set.get_mut(usize::from(qos as u8)) {
                *slot = true;
            }
        }
        Self(set)
    }

    /// Whether it is one of them.
    pub fn contains(self, qos: QoS) -> bool {
        self.0.get(usize::from(qos as u8)) == Some(&true)
    }
}

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSource {
    /// The file, or whatever else holds rules.
    pub file: Arc<str>,
    /// The line, counted from 1; 0 where there are no lines.
    pub line: u32,
}

impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// One rule. It applies where all of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it says.
    pub effect: Effect,
    /// What it is about.
    pub action: Action,
    /// The topics.
    pub filter: FilterTemplate,
    /// For which users.
    pub users: Users,
    /// For which clients; empty is all.
    pub clients: Vec<NamePattern>,
    /// From which addresses; empty is all. A client without an address is in no network.
    pub networks: Vec<Network>,
    /// At which QoS.
    pub qos: QoSSet,
    /// Of a publish: with which RETAIN; `None` is with either.
    pub retain: Option<bool>,
    /// Where it was written.
    pub source: RuleSource,
}

/// What a rule set is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// May this be published?
    Publish {
        /// The topic.
        topic: TopicName<'a>,
        /// The QoS.
        qos: QoS,
        /// RETAIN.
        retain: bool,
    },
    /// May all messages be received that this filter matches?
    Subscribe {
        /// The filter; the inner one of a shared subscription.
        filter: TopicFilter<'a>,
        /// The QoS of the subscription.
        qos: QoS,
    },
}

/// What was decided, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The answer.
    pub effect: Effect,
    /// The rule that decided; `None` if none applied.
    pub rule: Option<&'a Rule>,
    /// Whether the rule denies a part only of what was asked for, which denies the whole.
    pub is_partial: bool,
}

/// Rules in their order, found by whom they are for.
#[derive(Clone, Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_user: HashMap<Box<str>, Vec<usize>, RandomState>,
    by_client: HashMap<Box<str>, Vec<usize>, RandomState>,
    /// Those for many.
    others: Vec<usize>,
    no_match: Effect,
}

/// The same rules in the same order are the same set.
impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules && self.no_match == other.no_match
    }
}

impl Eq for RuleSet {}

impl RuleSet {
    /// A set of these rules; `no_match` is what holds where none applies.
    pub fn new(rules: Vec<Rule>, no_match: Effect) -> Self {
        // Names in rules are the operator's, whom nobody has to guard against.
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let mut by_user: HashMap<_, Vec<usize>, _> = HashMap::with_hasher(hasher.clone());
        let mut by_client: HashMap<_, Vec<usize>, _> = HashMap::with_hasher(hasher);
        let mut others = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            if let Users::Named(names) = &rule.users
                && let Some(names) = exact(names)
            {
                for name in names {
                    by_user.entry(name.into()).or_default().push(index);
                }
            } else if let Some(names) = exact(&rule.clients)
                && !names.is_empty()
            {
                for name in names {
                    by_client.entry(name.into()).or_default().push(index);
                }
            } else {
                others.push(index);
            }
        }
        Self {
            rules,
            by_user,
            by_client,
            others,
            no_match,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the first rule that applies says; what holds without one, if none does.
    pub fn decide(&self, who: &Identity, question: Question<'_>) -> Verdict<'_> {
        let found = self
            .candidates(who)
            .find_map(|rule| rule.verdict(who, question));
        found.unwrap_or(Verdict {
            effect: self.no_match,
            rule: None,
            is_partial: false,
        })
    }

    /// As [`RuleSet::decide`], with the rules that came with the client's authentication first.
    pub fn decide_for<'a>(&'a self, who: &'a Identity, question: Question<'_>) -> Verdict<'a> {
        let own = who.rules.as_deref().map(|own| own.decide(who, question));
        match own {
            Some(verdict) if verdict.rule.is_some() => verdict,
            Some(_) | None => {
                let verdict = self.decide(who, question);
                let denies = own.is_some_and(|own| own.effect == Effect::Deny);
                if verdict.rule.is_none() && denies {
                    Verdict {
                        effect: Effect::Deny,
                        ..verdict
                    }
                } else {
                    verdict
                }
            }
        }
    }

    /// The rules that can be for this client, in their order.
    fn candidates<'a>(&'a self, who: &Identity) -> impl Iterator<Item = &'a Rule> {
        let list = |names: &'a HashMap<Box<str>, Vec<usize>, RandomState>, name: &str| {
            names.get(name).map_or(&[][..], Vec::as_slice)
        };
        let user = who.user_name.as_deref();
        let mut lists = [
            user.map_or(&[][..], |name| list(&self.by_user, name)),
            list(&self.by_client, who.client_id.as_str()),
            self.others.as_slice(),
        ];
        std::iter::from_fn(move || {
            let next = lists.iter_mut().filter(|list| !list.is_empty());
            let list = next.min_by_key(|list| list.first().copied())?;
            let (index, rest) = list.split_first()?;
            *list = rest;
            self.rules.get(*index)
        })
    }
}

/// The names, if each pattern stands for one only.
fn exact(patterns: &[NamePattern]) -> Option<Vec<&str>> {
    let mut names: Vec<_> = patterns
        .iter()
        .map(NamePattern::exact)
        .collect::<Option<_>>()?;
    names.sort_unstable();
    names.dedup();
    Some(names)
}

impl Rule {
    /// What it says, if it applies.
    fn verdict(&self, who: &Identity, question: Question<'_>) -> Option<Verdict<'_>> {
        let (action, asked, qos, retain) = match question {
            Question::Publish { topic, qos, retain } => {
                (Action::Publish, topic.as_str(), qos, Some(retain))
            }
            Question::Subscribe { filter, qos } => (Action::Subscribe, filter.as_str(), qos, None),
        };
        let is_meant = (self.action == Action::All || self.action == action)
            && self.qos.contains(qos)
            && (self.retain.is_none() || retain.is_none() || self.retain == retain)
            && self.is_for(who);
        if !is_meant {
            return None;
        }
        let unusable = match self.effect {
            Effect::Allow => Unusable::MatchesNothing,
            Effect::Deny => Unusable::MatchesAll,
        };
        let relation = self.filter.relation(who, asked, unusable);
        let applies = match (relation, self.effect) {
            (Relation::Covers, _) => true,
            // Whoever may not have a part of it may not have the whole.
            (Relation::Overlaps, Effect::Deny) => true,
            (Relation::Overlaps, Effect::Allow) | (Relation::Apart, _) => false,
        };
        applies.then_some(Verdict {
            effect: self.effect,
            rule: Some(self),
            is_partial: relation == Relation::Overlaps,
        })
    }

    fn is_for(&self, who: &Identity) -> bool {
        let is_user = match (&self.users, who.user_name.as_deref()) {
            (Users::All, _) | (Users::Anonymous, None) => true,
            (Users::Named(names), Some(name)) => names.iter().any(|pattern| pattern.matches(name)),
            (Users::Anonymous, Some(_)) | (Users::Named(_), None) => false,
        };
        let client_id = who.client_id.as_str();
        let is_in = |address| {
            let mut networks = self.networks.iter();
            networks.any(|network| network.contains(address))
        };
        is_user
            && (self.clients.is_empty() || self.clients.iter().any(|name| name.matches(client_id)))
            && (self.networks.is_empty() || who.address.is_some_and(is_in))
    }
}

/// Rules that stay as they are.
impl Access for RuleSet {
    fn may_publish(&self, who: &Identity, topic: TopicName<'_>, qos: QoS, retain: bool) -> bool {
        let question = Question::Publish { topic, qos, retain };
        self.decide_for(who, question).effect == Effect::Allow
    }

    fn may_subscribe(&self, who: &Identity, filter: TopicFilter<'_>, qos: QoS) -> bool {
        let question = Question::Subscribe { filter, qos };
        self.decide_for(who, question).effect == Effect::Allow
    }

    fn generation(&self) -> u64 {
        0
    }

    fn allows_all_publishes(&self) -> bool {
        self.rules.is_empty() && self.no_match == Effect::Allow
    }
}
