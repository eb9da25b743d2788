//! Mosquitto's file of access rules, read as it is.
//!
//! | Line | Meaning |
//! |---|---|
//! | `topic [read\|write\|readwrite\|deny] FILTER` | for the user above it; above the first user, for clients without a user name |
//! | `user NAME` | the lines that follow are for this user |
//! | `pattern [read\|write\|readwrite\|deny] FILTER` | for everyone; `%u` is the user name and `%c` the client identifier |
//!
//! What is denied wins over what is allowed among the lines of a user, and among patterns; a user's
//! lines come before patterns. What no line is about is denied. One thing differs: a subscription
//! that asks for more than its lines allow is refused, where Mosquitto lets it in and holds messages
//! back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dunlin_core::access::{
    Action, Effect, FilterTemplate, NamePattern, QoSSet, Rule, RuleSource, Users,
};

/// The largest file of rules that is read.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;

/// What is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}", path.display())]
pub(crate) struct AclFileError {
    path: PathBuf,
    line: u32,
    what: String,
}

/// The four kinds of lines, in the order in which they are asked.
#[derive(Default)]
struct Sorted {
    denied_to_users: Vec<Rule>,
    allowed_to_users: Vec<Rule>,
    denied_patterns: Vec<Rule>,
    allowed_patterns: Vec<Rule>,
}

/// Reads the text of a file, which `path` names in errors and rules.
///
/// # Errors
/// [`AclFileError`] names the first line that is wrong.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<Rule>, AclFileError> {
    let file: Arc<str> = path.display().to_string().into();
    let mut users = Users::Anonymous;
    let mut sorted = Sorted::default();
    for (number, line) in (1..).zip(text.lines()) {
        let error = |what: String| AclFileError {
            path: path.into(),
            line: number,
            what,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = split(line);
        let is_pattern = match word {
            "user" if rest.is_empty() => return Err(error("user without a name".to_owned())),
            "user" => {
                users = Users::Named(vec![NamePattern::literal(rest)]);
                continue;
            }
            "topic" => false,
            "pattern" => true,
            _ => {
                let what = format!("{word:?}: expected user, topic or pattern");
                return Err(error(what));
            }
        };
        let (effect, action, filter) = access(rest);
        if filter.is_empty() {
            return Err(error(format!("{word} without a topic filter")));
        }
        let filter = FilterTemplate::parse(filter, is_pattern)
            .map_err(|wrong| error(format!("{filter:?}: {wrong}")))?;
        let rule = Rule {
            effect,
            action,
            filter,
            users: if is_pattern {
                Users::All
            } else {
                users.clone()
            },
            clients: Vec::new(),
            networks: Vec::new(),
            qos: QoSSet::ALL,
            retain: None,
            source: RuleSource {
                file: Arc::clone(&file),
                line: number,
            },
        };
        let list = match (is_pattern, effect) {
            (false, Effect::Deny) => &mut sorted.denied_to_users,
            (false, Effect::Allow) => &mut sorted.allowed_to_users,
            (true, Effect::Deny) => &mut sorted.denied_patterns,
            (true, Effect::Allow) => &mut sorted.allowed_patterns,
        };
        list.push(rule);
    }
    let mut rules = sorted.denied_to_users;
    rules.append(&mut sorted.allowed_to_users);
    rules.append(&mut sorted.denied_patterns);
    rules.append(&mut sorted.allowed_patterns);
    Ok(rules)
}

/// The first word and what follows it.
fn split(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (word, rest.trim_start())
}

/// What `[read|write|readwrite|deny] FILTER` says; a filter may hold spaces.
fn access(rest: &str) -> (Effect, Action, &str) {
    let (word, filter) = split(rest);
    if filter.is_empty() {
        return (Effect::Allow, Action::All, rest);
    }
    match word {
        "read" => (Effect::Allow, Action::Subscribe, filter),
        "write" => (Effect::Allow, Action::Publish, filter),
        "readwrite" => (Effect::Allow, Action::All, filter),
        "deny" => (Effect::Deny, Action::All, filter),
        _ => (Effect::Allow, Action::All, rest),
    }
}

#[cfg(test)]
mod tests;
