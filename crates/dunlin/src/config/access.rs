//! What clients may do.

use std::path::PathBuf;

use dunlin_codec::QoS;
use dunlin_core::access::{
    Action, Effect, FilterTemplate, NamePattern, Network, QoSSet, Rule, RuleSource, Users,
};

use super::auth::HttpAuthConfig;
use super::error::Source;
use super::extract::{FromValue, take};
use super::filter::TopicFilterBuf;
use super::value::{Settings, Value};
use super::words::{DeniedPublish, Permission, Revoked, RuleAction, RuleRetain};

/// What clients may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessConfig {
    /// The rules of the configuration, in their order.
    pub rules: Vec<Rule>,
    /// A file of rules in Mosquitto's form, which come after those.
    pub acl_file: Option<PathBuf>,
    /// Servers that know the rules of clients whose credential brought none.
    pub http: Vec<HttpAuthConfig>,
    /// What holds where there are rules and none applies.
    pub no_match: Effect,
    /// Whether a publish that is denied ends its connection.
    pub denied_publish_disconnects: bool,
    /// Whether a change that ends one of a client's subscriptions ends its connection.
    pub revoked_disconnects: bool,
}

impl AccessConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let rules: Vec<RuleTable> = take(settings, "access.rules");
        let denied: DeniedPublish = take(settings, "access.denied_publish");
        let revoked: Revoked = take(settings, "access.revoked");
        Self {
            rules: rules.into_iter().flat_map(|table| table.0).collect(),
            acl_file: take(settings, "access.acl_file"),
            http: take(settings, "access.http"),
            no_match: effect(take(settings, "access.no_match")),
            denied_publish_disconnects: denied == DeniedPublish::Disconnect,
            revoked_disconnects: revoked == Revoked::Disconnect,
        }
    }
}

const fn effect(permission: Permission) -> Effect {
    match permission {
        Permission::Allow => Effect::Allow,
        Permission::Deny => Effect::Deny,
    }
}

/// A table of the configuration: one rule for each of its topics.
struct RuleTable(Vec<Rule>);

impl FromValue for RuleTable {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Table(fields) = value else {
            return None;
        };
        let (users, clients): (Vec<String>, Vec<String>) =
            (take(fields, "users"), take(fields, "clients"));
        let pattern = |name: &String| NamePattern::new(name);
        let qos: Vec<QoS> = take(fields, "qos");
        let topics: Vec<TopicFilterBuf> = take(fields, "topics");
        let first = Rule {
            effect: effect(take(fields, "permission")),
            action: match take(fields, "action") {
                RuleAction::Publish => Action::Publish,
                RuleAction::Subscribe => Action::Subscribe,
                RuleAction::All => Action::All,
            },
            filter: FilterTemplate::parse("#", false).ok()?,
            users: if users.is_empty() {
                Users::All
            } else {
                Users::Named(users.iter().map(pattern).collect())
            },
            clients: clients.iter().map(pattern).collect(),
            networks: take(fields, "addresses"),
            qos: QoSSet::of(qos),
            retain: match take(fields, "retain") {
                RuleRetain::Any => None,
                RuleRetain::Set => Some(true),
                RuleRetain::Clear => Some(false),
            },
            source: source(fields)?,
        };
        let rule = |topic: &TopicFilterBuf| {
            Some(Rule {
                filter: FilterTemplate::parse(topic.as_str(), true).ok()?,
                ..first.clone()
            })
        };
        topics.iter().map(rule).collect::<Option<_>>().map(Self)
    }
}

/// Where a rule begins: its keys know their lines.
fn source(fields: &Settings) -> Option<RuleSource> {
    let source = &fields.get("topics")?.source;
    let (file, line) = match source {
        Source::File { path, line } => (path.display().to_string(), line.unwrap_or(0)),
        other => (other.to_string(), 0),
    };
    Some(RuleSource {
        file: file.into(),
        line: u32::try_from(line).unwrap_or(0),
    })
}

impl FromValue for Network {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Network(network) => Some(*network),
            _ => None,
        }
    }
}
