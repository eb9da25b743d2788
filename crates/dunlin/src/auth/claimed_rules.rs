//! Access rules for one client, as tokens and HTTP servers give them:
//! `{ "pub": ["a/%c"], "sub": ["b/#"], "all": ["c/+"] }`. What they do not name is denied, unless a rule
//! of the broker allows it.

use std::sync::Arc;

use dunlin_core::access::{
    Action, Effect, FilterTemplate, QoSSet, Rule, RuleSet, RuleSource, Users,
};
use serde::Deserialize;
use serde_json::Value;

/// Filters that one client may be given.
const FILTERS_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    #[serde(default, rename = "pub")]
    publish: Vec<String>,
    #[serde(default, rename = "sub")]
    subscribe: Vec<String>,
    #[serde(default)]
    all: Vec<String>,
}

/// Reads the rules. `whose` names them when somebody asks what decided.
///
/// # Errors
/// What is wrong with them; none of them holds then.
pub(super) fn read(value: &Value, whose: &str) -> Result<Arc<RuleSet>, String> {
    let lists = Lists::deserialize(value).map_err(|error| error.to_string())?;
    let parts = [
        (Action::Publish, lists.publish),
        (Action::Subscribe, lists.subscribe),
        (Action::All, lists.all),
    ];
    if parts
        .iter()
        .map(|(_, filters)| filters.len())
        .sum::<usize>()
        > FILTERS_MAX
    {
        return Err(format!("more than {FILTERS_MAX} topic filters"));
    }
    let file: Arc<str> = whose.into();
    let mut rules = Vec::new();
    for (action, filters) in parts {
        for filter in filters {
            let filter = FilterTemplate::parse(&filter, true)
                .map_err(|error| format!("{filter:?}: {error}"))?;
            rules.push(Rule {
                effect: Effect::Allow,
                action,
                filter,
                users: Users::All,
                clients: Vec::new(),
                networks: Vec::new(),
                qos: QoSSet::ALL,
                retain: None,
                source: RuleSource {
                    file: Arc::clone(&file),
                    line: 0,
                },
            });
        }
    }
    Ok(Arc::new(RuleSet::new(rules, Effect::Deny)))
}

#[cfg(test)]
mod tests;
