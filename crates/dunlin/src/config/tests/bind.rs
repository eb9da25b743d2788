//! The URLs of listeners.

use super::super::{Bind, Config, Override, Sources};
use super::{lines, set};

#[test]
fn urls_that_are_addresses() {
    let table = [
        ("mqtt://127.0.0.1:1883", "127.0.0.1:1883", true),
        ("mqtt://127.0.0.1", "127.0.0.1:1883", true),
        ("mqtt://127.8.9.10:1", "127.8.9.10:1", true),
        ("mqtt://localhost", "127.0.0.1:1883", true),
        ("mqtt://localhost:0", "127.0.0.1:0", true),
        ("mqtt://0.0.0.0:65535", "0.0.0.0:65535", false),
        ("mqtt://192.0.2.1/", "192.0.2.1:1883", false),
        ("mqtt://[::1]", "[::1]:1883", true),
        ("mqtt://[::1]:2883", "[::1]:2883", true),
        ("mqtt://[::]:1883", "[::]:1883", false),
        (
            "mqtt://[::ffff:127.0.0.1]:1883",
            "[::ffff:127.0.0.1]:1883",
            true,
        ),
        (
            "mqtt://[::ffff:192.0.2.1]:1883",
            "[::ffff:192.0.2.1]:1883",
            false,
        ),
        ("mqtt://[fe80::1%2]:1883", "[fe80::1%2]:1883", false),
        ("mqtts://127.0.0.1", "127.0.0.1:8883", true),
        ("mqtts://0.0.0.0:1", "0.0.0.0:1", false),
        ("ws://127.0.0.1", "127.0.0.1:8083", true),
        ("ws://127.0.0.1:80/a/b", "127.0.0.1:80", true),
        ("quic://127.0.0.1", "127.0.0.1:14567", true),
        ("wss://[::]", "[::]:8084", false),
    ];
    for (url, address, is_loopback) in table {
        let bind = Bind::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(bind.socket_address().unwrap().to_string(), address, "{url}");
        assert_eq!(bind.is_loopback(), is_loopback, "{url}");
        assert_eq!(
            Bind::parse(&bind.to_string()),
            Ok(bind.clone()),
            "{url} written again"
        );
    }
}

#[test]
fn a_listener_that_knows_clients_by_certificate_may_be_open_to_the_world_and_is_not_anonymous() {
    let of = |bind: &str, more: &str| {
        format!(
            "[tls]\ncertificate_file = \"c\"\nkey_file = \"k\"\nclient_ca_file = \"a\"\n\
             [[listener]]\nbind = \"{bind}\"\n{more}"
        )
    };
    let by_name = "certificate_user_name = \"cn\"";
    for bind in [
        "mqtts://0.0.0.0",
        "mqtts://127.0.0.1",
        "wss://127.0.0.1",
        "quic://[::]",
    ] {
        let config = Config::from_toml(&of(bind, by_name)).unwrap();
        assert!(!config.listeners[0].allow_anonymous, "{bind}");
    }
    for (text, told) in [
        (of("mqtts://0.0.0.0", ""), "no authentication is configured"),
        (
            of("mqtts://0.0.0.0", "certificate_client_id = \"cn\""),
            "no authentication is configured",
        ),
        (
            of("mqtt://127.0.0.1", by_name),
            "mqtt://127.0.0.1:1883 does not",
        ),
        (
            of(
                "mqtts://127.0.0.1",
                "certificate_client_id = \"uri\"\ntls_client_certificate = \"none\"",
            ),
            "mqtts://127.0.0.1:8883 does not",
        ),
    ] {
        let error = Config::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn permissions_are_shown_as_people_write_them() {
    let loaded = |mode: &str| {
        let listener = format!("listener=[{{ bind = \"unix:///a\", unix_mode = {mode} }}]");
        let sources = Sources {
            overrides: vec![Override::Set(listener)],
            ..Sources::default()
        };
        sources.load()
    };
    for mode in ["0o600", "384", "0x180"] {
        let changed = loaded(mode).unwrap().changed;
        assert!(
            changed[0].value == "[{ bind = \"unix:///a\", unix_mode = 0o600 }]",
            "{mode}: {changed:?}"
        );
    }
    for mode in ["0o1000", "-1", "\"0o600\""] {
        let error = loaded(mode).unwrap_err().to_string();
        assert!(
            error.contains("expected permissions such as 0o660"),
            "{error}"
        );
    }
}

#[test]
fn stored_users_need_a_store() {
    let error = Config::from_toml("auth.stored_users = true\nstore.ephemeral = true").unwrap_err();
    assert!(
        error.to_string().starts_with("<text>:1: auth.stored_users"),
        "{error}"
    );
    let config = Config::from_toml("auth.stored_users = true").unwrap();
    assert!(!config.listeners[0].allow_anonymous);
}

#[test]
fn urls_that_are_not() {
    let not_an_address = |text: &str| {
        format!(
            "{text:?} is not an IP address; write an IPv4 address such as 0.0.0.0, an IPv6 address \
             in brackets such as [::1], or localhost"
        )
    };
    let no_scheme = |scheme: &str, nearest: &str| {
        format!(
            "the scheme {scheme:?} is not known; the nearest known one is {nearest}, of mqtt, mqtts, \
             ws, wss, quic, unix"
        )
    };
    let unix_path = |path: &str| {
        format!("{path:?} is not the whole path of a file; write unix:///run/dunlin.sock")
    };
    let no_address =
        "it has no address; 0.0.0.0 stands for every IPv4 address, [::] for every address";
    let table = [
        ("", "it has no scheme; write mqtt://".to_owned()),
        (
            "0.0.0.0:1883",
            "it has no scheme; write mqtt://0.0.0.0:1883".to_owned(),
        ),
        ("1883", "it has no scheme; write mqtt://1883".to_owned()),
        ("mqqts://0.0.0.0", no_scheme("mqqts", "mqtts")),
        ("MQTT://0.0.0.0", no_scheme("MQTT", "mqtt")),
        ("tcp://0.0.0.0", no_scheme("tcp", "mqtt")),
        ("ssl://0.0.0.0", no_scheme("ssl", "mqtts")),
        ("https://0.0.0.0", no_scheme("https", "wss")),
        ("quick://0.0.0.0", no_scheme("quick", "quic")),
        ("unx:///run/a", no_scheme("unx", "unix")),
        ("mqtt://", no_address.to_owned()),
        ("mqtt://:1883", no_address.to_owned()),
        ("mqtt://*:1883", not_an_address("*")),
        ("mqtt://example.org:1883", not_an_address("example.org")),
        ("mqtt://1.2.3:1883", not_an_address("1.2.3")),
        ("mqtt://::1:1883", not_an_address("::1:1883")),
        ("mqtt://[::1", not_an_address("[::1")),
        ("mqtt://[]:1883", no_address.to_owned()),
        ("mqtt://[127.0.0.1]:1883", not_an_address("[127.0.0.1]")),
        (
            "mqtt://[::1]1883",
            "nothing may follow the port, and there is \"1883\"".to_owned(),
        ),
        (
            "mqtt://127.0.0.1:",
            "the port \"\" is not a number from 0 to 65535".to_owned(),
        ),
        (
            "mqtt://127.0.0.1:65536",
            "the port \"65536\" is not a number from 0 to 65535".to_owned(),
        ),
        (
            "mqtt://127.0.0.1:+1",
            "the port \"+1\" is not a number from 0 to 65535".to_owned(),
        ),
        (
            "mqtt://127.0.0.1:http",
            "the port \"http\" is not a number from 0 to 65535".to_owned(),
        ),
        (
            "mqtt://127.0.0.1/mqtt",
            "nothing may follow the port, and there is \"/mqtt\"".to_owned(),
        ),
        (
            "mqtt://127.0.0.1?a=b",
            "nothing may follow the port, and there is \"?a=b\"".to_owned(),
        ),
        (
            "ws://127.0.0.1/mqtt?token=1",
            "\"/mqtt?token=1\" is not a path such as /mqtt, without ? and #".to_owned(),
        ),
        ("unix://run/a", unix_path("run/a")),
        ("unix:///run/", unix_path("/run/")),
        ("unix://", unix_path("")),
        (
            "mqtt://me:secret@127.0.0.1",
            "a listener's URL holds no user name or password".to_owned(),
        ),
    ];
    for (url, message) in table {
        let error = Bind::parse(url).expect_err(url);
        assert_eq!(error.to_string(), message, "{url}");
    }
}

#[test]
fn what_is_behind_the_address() {
    for (url, whole) in [
        ("ws://127.0.0.1:1", "ws://127.0.0.1:1/mqtt"),
        ("ws://127.0.0.1:1/", "ws://127.0.0.1:1/"),
        ("wss://[::1]/a/b", "wss://[::1]:8084/a/b"),
        ("unix:///run/dunlin.sock", "unix:///run/dunlin.sock"),
    ] {
        let bind = Bind::parse(url).unwrap();
        assert_eq!(bind.to_string(), whole);
        assert!(bind.is_loopback());
    }
}

#[test]
fn only_loopback_is_anonymous_by_default() {
    let config = Config::default();
    let [listener] = config.listeners.as_slice() else {
        panic!("{:?}", config.listeners)
    };
    assert_eq!(listener.bind.to_string(), "mqtt://127.0.0.1:1883");
    assert!(listener.allow_anonymous);
    assert!(!config.auth.allow_anonymous);
}

#[test]
fn an_open_listener_is_refused_until_someone_says_so() {
    for url in ["mqtt://0.0.0.0", "mqtt://[::]:1884", "mqtt://192.0.2.7:1"] {
        let bind = Bind::parse(url).unwrap();
        let listener = format!("listener={url}");
        assert_eq!(
            lines(&set(&[&listener]).unwrap_err()),
            [format!(
                "--set {listener}: listener.bind = \"{bind}\": other machines can reach this address \
                 and no authentication is configured; name a file of users with --password-file \
                 (`dunlin passwd` makes one), bind to 127.0.0.1 or [::1], or let everyone in with \
                 --allow-anonymous (auth.allow_anonymous = true)"
            )]
        );
        let config = set(&[&listener, "auth.allow_anonymous=true"]).unwrap();
        assert_eq!(config.listeners[0].bind, bind);
        assert!(config.listeners[0].allow_anonymous);
    }
}

#[test]
fn each_open_listener_is_named_with_its_line() {
    let error = Config::from_toml(
        "listener = [\n \"mqtt://127.0.0.1\",\n \"mqtt://0.0.0.0\",\n {bind = \"mqtt://[::]\"},\n]",
    )
    .unwrap_err();
    let lines = lines(&error);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("<text>:3: listener.bind = \"mqtt://0.0.0.0:1883\": other machines")
    );
    assert!(lines[1].starts_with("<text>:4: listener.bind = \"mqtt://[::]:1883\": other machines"));
}

#[test]
fn one_address_is_listened_on_once() {
    let twice = "listener=[\"mqtt://127.0.0.1\", \"mqtt://localhost:1883\"]";
    assert_eq!(
        lines(&set(&[twice]).unwrap_err()),
        [format!(
            "--set {twice}: listener.bind = \"mqtt://127.0.0.1:1883\" is given twice"
        )]
    );
    // Port 0 is another port each time.
    let config = set(&["listener=[\"mqtt://127.0.0.1:0\", \"mqtt://127.0.0.1:0\"]"]).unwrap();
    assert_eq!(config.listeners.len(), 2);
}
