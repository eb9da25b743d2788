//! Rules that several options must keep together.

use super::error::Source;
use super::extract::take;
use super::raw::Raw;
use super::value::{Setting, Value};
use super::{AuthConfig, Bind, ListenerConfig};

/// Checks the settings together; each is allowed by itself.
pub(super) fn together(raw: &mut Raw) {
    listeners(raw);
    authentication(raw);
}

/// Each issuer of tokens needs a key, and each server a URL: without it nobody could be let in.
fn authentication(raw: &mut Raw) {
    let auth = AuthConfig::from_settings(&raw.settings);
    let without_key = auth.jwt.iter().map(|issuer| !issuer.has_keys()).collect();
    let what = "auth.jwt has no key: name one with secret_file, key_files or jwks_url";
    refuse_items(raw, "auth.jwt", without_key, what);
    let without_url = auth.http.iter().map(|http| http.url.is_empty()).collect();
    refuse_items(raw, "auth.http", without_url, "auth.http.url is empty");
}

/// Refuses the items of a list that are marked.
fn refuse_items(raw: &mut Raw, path: &'static str, is_wrong: Vec<bool>, what: &str) {
    let Some(Setting {
        value: Value::List(items),
        ..
    }) = raw.settings.get(path).cloned()
    else {
        return;
    };
    for (item, is_wrong) in items.into_iter().zip(is_wrong) {
        if is_wrong {
            raw.problem(item.source, what.to_owned());
        }
    }
}

fn listeners(raw: &mut Raw) {
    let Some(Setting {
        value: Value::List(items),
        source,
    }) = raw.settings.get("listener").cloned()
    else {
        return;
    };
    if items.is_empty() {
        let what = "listener is empty: the broker must listen on one address at least";
        raw.problem(source, what.to_owned());
        return;
    }
    let listeners: Vec<ListenerConfig> = take(&raw.settings, "listener");
    let auth = AuthConfig::from_settings(&raw.settings);
    let is_decided = auth.allow_anonymous || auth.is_configured();
    let mut seen: Vec<Bind> = Vec::new();
    for (ListenerConfig { bind, .. }, Setting { source, .. }) in listeners.iter().zip(items) {
        if !bind.is_loopback() && !is_decided {
            refuse_open(raw, *bind, source);
        } else if bind.socket_address().port() != 0 && seen.contains(bind) {
            raw.problem(source, format!("listener.bind = \"{bind}\" is given twice"));
        }
        seen.push(*bind);
    }
}

/// An address that others can reach must not let anyone in by mere omission.
fn refuse_open(raw: &mut Raw, bind: Bind, source: Source) {
    let what = format!(
        "listener.bind = \"{bind}\": other machines can reach this address and no authentication is \
         configured; name a file of users with --password-file (`dunlin passwd` makes one), bind to \
         127.0.0.1 or [::1], or let everyone in with --allow-anonymous (auth.allow_anonymous = true)"
    );
    raw.problem(source, what);
}
