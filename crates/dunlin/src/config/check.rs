//! Rules that several options must keep together.

use super::error::Source;
use super::raw::Raw;
use super::value::{Setting, Value};
use super::{
    AccessConfig, AuthConfig, Bind, CertificateNames, ListenerConfig, StoreConfig, TlsConfig,
};

/// Checks the settings together; each is allowed by itself.
pub(super) fn together(raw: &mut Raw) {
    listeners(raw);
    authentication(raw);
}

/// Each issuer of tokens needs a key, and each server a URL: without it nobody could be let in.
fn authentication(raw: &mut Raw) {
    let auth = AuthConfig::from_settings(&raw.settings);
    let is_ephemeral = StoreConfig::from_settings(&raw.settings) == StoreConfig::Ephemeral;
    if auth.stored_users
        && is_ephemeral
        && let Some(setting) = raw.settings.get("auth.stored_users").cloned()
    {
        let what = "auth.stored_users = true: the users are kept in store.data_dir, and store.ephemeral \
                    says that there is none";
        raw.problem(setting.source, what.to_owned());
    }
    let without_key = auth.jwt.iter().map(|issuer| !issuer.has_keys()).collect();
    let what = "auth.jwt has no key: name one with secret_file, key_files or jwks_url";
    refuse_items(raw, "auth.jwt", without_key, what);
    let without_url = auth.http.iter().map(|http| http.url.is_empty()).collect();
    refuse_items(raw, "auth.http", without_url, "auth.http.url is empty");
    let access = AccessConfig::from_settings(&raw.settings);
    let without_url = access.http.iter().map(|http| http.url.is_empty()).collect();
    refuse_items(raw, "access.http", without_url, "access.http.url is empty");
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
    let auth = AuthConfig::from_settings(&raw.settings);
    let tls = TlsConfig::from_settings(&raw.settings);
    let listeners = ListenerConfig::all(&raw.settings, &auth, &tls);
    let mut seen: Vec<Bind> = Vec::new();
    for (listener, Setting { source, .. }) in listeners.iter().zip(items) {
        let bind = &listener.bind;
        let is_closed = auth.is_configured() || listener.knows_clients_by_certificate();
        if !listener.allow_anonymous && !is_closed {
            refuse_open(raw, bind, source);
        } else if seen.contains(bind) && bind.is_in_the_way_of(bind) {
            raw.problem(source, format!("listener.bind = \"{bind}\" is given twice"));
        } else if let Some(other) = seen.iter().find(|other| other.is_in_the_way_of(bind)) {
            let what = format!("listener.bind = \"{bind}\" has the port of {other}");
            raw.problem(source, what);
        } else if let Some(what) = unused(listener) {
            raw.problem(source, what);
        } else if let Some(tls) = &listener.tls {
            certificate(raw, bind, tls, source);
        }
        seen.push(bind.clone());
    }
}

/// What is said of a listener that makes no sense, or that its transport does not have.
fn unused(listener: &ListenerConfig) -> Option<String> {
    let bind = &listener.bind;
    let is_websocket = matches!(bind, Bind::WebSocket { .. } | Bind::SecureWebSocket { .. });
    let mount_point = &listener.mount_point;
    if !mount_point.is_empty() && (!mount_point.ends_with('/') || mount_point.starts_with('$')) {
        Some(format!(
            "listener.mount_point = {mount_point:?}: expected levels of a topic that do not begin with \
             $ and end with /, such as \"tenant-a/\""
        ))
    } else if !listener.websocket_origins.is_empty() && !is_websocket {
        Some(format!(
            "listener.websocket_origins is for ws:// and wss://, and {bind} is neither"
        ))
    } else if listener.certificate_names != CertificateNames::default()
        && !listener.asks_for_certificates()
    {
        Some(format!(
            "listener.certificate_user_name and listener.certificate_client_id are for listeners that ask \
             clients for a certificate, and {bind} does not: it takes TLS and tls.client_ca_file"
        ))
    } else if !listener.proxy_protocol_from.is_empty()
        && matches!(bind, Bind::Quic(_) | Bind::Unix(_))
    {
        Some(format!(
            "listener.proxy_protocol_from is for TCP, and {bind} is another transport"
        ))
    } else {
        None
    }
}

/// TLS needs a certificate and its key.
fn certificate(raw: &mut Raw, bind: &Bind, tls: &TlsConfig, source: Source) {
    let (has_certificate, has_key) = (
        !tls.certificate_file.as_os_str().is_empty(),
        !tls.key_file.as_os_str().is_empty(),
    );
    let missing = match (has_certificate, has_key) {
        (true, true) => return,
        (false, false) => "a certificate and its key",
        (false, true) => "a certificate",
        (true, false) => "the key of its certificate",
    };
    let what = format!(
        "listener.bind = \"{bind}\" needs {missing}: give --tls-cert FILE and --tls-key FILE \
         (tls.certificate_file, tls.key_file), such as `dunlin cert self-signed` makes for a first \
         try"
    );
    raw.problem(source, what);
}

/// An address that others can reach must not let anyone in by mere omission.
fn refuse_open(raw: &mut Raw, bind: &Bind, source: Source) {
    let what = format!(
        "listener.bind = \"{bind}\": other machines can reach this address and no authentication is \
         configured; name a file of users with --password-file (`dunlin passwd` makes one), bind to \
         127.0.0.1 or [::1], or let everyone in with --allow-anonymous (auth.allow_anonymous = true)"
    );
    raw.problem(source, what);
}
