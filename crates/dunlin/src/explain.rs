//! Why a client may publish or subscribe, or may not: the code that decides says what decided.
//!
//! It knows the configuration and its files. What only a running broker knows it does not: rules that
//! come with a client's authentication, and what waits or is full.

use std::net::IpAddr;

use dunlin_codec::{QoS, ReasonCode, TopicFilter, TopicName};
use dunlin_core::access::{Effect, Identity, Rule, Verdict};
use dunlin_core::connection::explain::{self, Explanation, Step};

use crate::auth::access_rules;
use crate::config::{Config, HttpAuthConfig};
use crate::settings::core_settings;

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// Client Identifier.
    pub client_id: String,
    /// User Name.
    pub user_name: Option<String>,
    /// Where it connects from.
    pub address: Option<IpAddr>,
}

/// An answer and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Whether it may.
    pub is_allowed: bool,
    /// The code that a 5.0 client is answered with.
    pub reason_code: ReasonCode,
    /// What was asked and answered, step by step; the last one decided.
    pub steps: Vec<String>,
}

impl Asker {
    fn identity(&self) -> Identity {
        Identity {
            client_id: self.client_id.as_str().into(),
            user_name: self.user_name.as_deref().map(Into::into),
            address: self.address,
            rules: None,
        }
    }
}

/// Whether this may be published.
///
/// # Errors
/// What is wrong with a file of the configuration.
pub fn publish(
    config: &Config,
    asker: &Asker,
    topic: TopicName<'_>,
    qos: QoS,
    retain: bool,
) -> Result<Explained, String> {
    let rules = access_rules(config)?;
    let identity = asker.identity();
    let settings = core_settings(config);
    let explanation = explain::publish(&settings, &rules, &identity, (topic, qos, retain));
    Ok(explained(
        &explanation,
        rules.rules().len(),
        not_asked(config),
        "",
    ))
}

/// Whether this may be subscribed to.
///
/// # Errors
/// What is wrong with a file of the configuration.
pub fn subscribe(
    config: &Config,
    asker: &Asker,
    filter: TopicFilter<'_>,
    qos: QoS,
) -> Result<Explained, String> {
    let rules = access_rules(config)?;
    let identity = asker.identity();
    let settings = core_settings(config);
    let explanation = explain::subscribe(&settings, &rules, &identity, (filter, qos));
    let share = filter.share().ok().flatten();
    let mut steps = not_asked(config);
    steps.extend(share.map(|share| {
        let inner = share.filter;
        format!("it is a shared subscription: rules are asked about {inner}")
    }));
    let wider = ", and a subscription that is wider than its rule is denied whole";
    Ok(explained(&explanation, rules.rules().len(), steps, wider))
}

/// What only a running broker asks.
fn not_asked(config: &Config) -> Vec<String> {
    let servers = config.access.http.iter();
    let step = |server: &HttpAuthConfig| {
        format!(
            "{} is not asked here: a client may have rules from it, which come first",
            server.url
        )
    };
    servers.map(step).collect()
}

/// `besides` is what is to be known if no rule applies and the rest is denied.
fn explained(
    explanation: &Explanation<'_>,
    rules: usize,
    mut steps: Vec<String>,
    besides: &str,
) -> Explained {
    let within = "it is within the limits of the configuration";
    match explanation.step {
        Step::Violation(violation) => steps.push(format!("{violation}: the connection ends")),
        Step::Filter(code) => steps.push(format!("the filter cannot be subscribed to: {code}")),
        Step::ServersTopic => {
            steps.push(within.to_owned());
            steps.push("what begins with $SYS is the broker's to publish".to_owned());
        }
        Step::Rules(verdict) => {
            steps.push(within.to_owned());
            steps.push(by_rules(&verdict, rules, besides));
        }
    }
    Explained {
        is_allowed: !explanation.reason_code.is_error(),
        reason_code: explanation.reason_code,
        steps,
    }
}

fn by_rules(verdict: &Verdict<'_>, rules: usize, besides: &str) -> String {
    match (verdict.rule, verdict.effect) {
        (Some(rule), effect) => {
            let part = if verdict.is_partial {
                ", which is a part of what is asked for"
            } else {
                ""
            };
            format!("{}: {}{part}", rule.source, words(rule, effect))
        }
        (None, Effect::Allow) if rules == 0 => {
            "there are no access rules: everything is allowed".to_owned()
        }
        (None, Effect::Allow) => {
            format!("none of {rules} rules applies: access.no_match allows it")
        }
        (None, Effect::Deny) => {
            format!("none of {rules} rules allows it: access.no_match denies the rest{besides}")
        }
    }
}

fn words(rule: &Rule, effect: Effect) -> String {
    let verb = match effect {
        Effect::Allow => "allows",
        Effect::Deny => "denies",
    };
    format!("the rule {verb} {}", rule.filter.as_str())
}

#[cfg(test)]
mod tests;
