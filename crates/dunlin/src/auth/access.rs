//! The access rules in force, which change while the broker runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use dunlin_codec::{QoS, TopicFilter, TopicName};
use dunlin_core::access::{Access, Effect, Identity, Rule, RuleSet};
use parking_lot::Mutex;
use tracing::{error, info};

use super::acl_file;
use crate::config::AccessConfig;
use crate::files::{Reload, WatchedFile};

/// The rules of the configuration, and behind them those of a file in Mosquitto's form.
pub(crate) struct AccessRules {
    rules: ArcSwap<RuleSet>,
    /// Whether they, and those before them while both are in use, let everyone publish everything.
    allows_all_publishes: AtomicBool,
    /// Counts the changes.
    generation: AtomicU64,
    sources: Mutex<Sources>,
}

/// Where rules come from.
struct Sources {
    config: AccessConfig,
    file: Option<WatchedFile>,
}

impl AccessRules {
    /// Reads the rules.
    pub(crate) fn open(config: &AccessConfig) -> Result<Self, String> {
        let mut sources = Sources::new(config);
        let rules = sources.read()?;
        Ok(Self {
            allows_all_publishes: AtomicBool::new(rules.allows_all_publishes()),
            rules: ArcSwap::from_pointee(rules),
            generation: AtomicU64::new(0),
            sources: Mutex::new(sources),
        })
    }

    /// Takes the rules of another configuration; if they cannot be read, those in force stay.
    pub(crate) fn change(&self, config: &AccessConfig) -> Result<(), String> {
        let mut changed = Sources::new(config);
        let rules = changed.read()?;
        let mut sources = self.sources.lock();
        *sources = changed;
        self.put(rules);
        Ok(())
    }

    fn put(&self, rules: RuleSet) {
        info!("{} access rules", rules.rules().len());
        let allows_all = rules.allows_all_publishes();
        self.allows_all_publishes.store(false, Ordering::Release);
        self.rules.store(Arc::new(rules));
        self.allows_all_publishes
            .store(allows_all, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl Sources {
    fn new(config: &AccessConfig) -> Self {
        Self {
            config: config.clone(),
            file: config.acl_file.clone().map(WatchedFile::new),
        }
    }

    fn read(&mut self) -> Result<RuleSet, String> {
        let mut rules = self.config.rules.clone();
        if let Some(file) = &mut self.file {
            rules.append(&mut read(file)?);
        }
        Ok(compiled(&self.config, rules))
    }
}

/// Without any rules everything is allowed; with some, what none is about is as configured.
fn compiled(config: &AccessConfig, rules: Vec<Rule>) -> RuleSet {
    let has_rules =
        config.acl_file.is_some() || !config.rules.is_empty() || !config.http.is_empty();
    let no_match = if has_rules {
        config.no_match
    } else {
        Effect::Allow
    };
    RuleSet::new(rules, no_match)
}

fn read(file: &mut WatchedFile) -> Result<Vec<Rule>, String> {
    let text = file.read(acl_file::FILE_BYTES_MAX, false);
    let path = file.path();
    let text = text.map_err(|what| format!("{}: {what}", path.display()))?;
    acl_file::parse(path, &text).map_err(|error| error.to_string())
}

/// Reads the rules of a configuration once, for whoever asks about them without a broker.
pub(crate) fn read_once(config: &AccessConfig) -> Result<RuleSet, String> {
    Sources::new(config).read()
}

impl Access for AccessRules {
    fn may_publish(&self, who: &Identity, topic: TopicName<'_>, qos: QoS, retain: bool) -> bool {
        self.rules.load().may_publish(who, topic, qos, retain)
    }

    fn may_subscribe(&self, who: &Identity, filter: TopicFilter<'_>, qos: QoS) -> bool {
        self.rules.load().may_subscribe(who, filter, qos)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn allows_all_publishes(&self) -> bool {
        self.allows_all_publishes.load(Ordering::Acquire)
    }
}

impl Reload for AccessRules {
    fn reload(&self, is_forced: bool) -> bool {
        let mut sources = self.sources.lock();
        let Some(file) = &mut sources.file else {
            return false;
        };
        if !is_forced && !file.has_changed() {
            return false;
        }
        match sources.read() {
            Ok(rules) => {
                self.put(rules);
                true
            }
            Err(what) => {
                error!("{what}; the access rules that held before stay");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
