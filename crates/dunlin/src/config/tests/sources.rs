//! Which source wins, and how values are written in each.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dunlin_codec::QoS;

use super::super::{
    Config, LogFormat, LogLevel, Override, QueuePolicy, RetainedPolicy, ShareStrategy, Source,
    Sources, StoreConfig, Workers,
};
use super::{environment, set};

#[test]
fn the_defaults() {
    let config = Config::default();
    assert_eq!(Sources::default().load().unwrap().config, config);
    assert_eq!(Config::from_toml(""), Ok(config.clone()));
    assert_eq!(config.workers, Workers::OnePerCore);
    assert!(config.workers.count() >= NonZeroUsize::MIN);
    assert_eq!(config.store, StoreConfig::Directory("dunlin-data".into()));
    assert_eq!(config.mqtt.packet_bytes_max, 1 << 20);
    assert_eq!(config.mqtt.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.mqtt.keep_alive_max, None);
    assert_eq!(config.mqtt.resend_interval, None);
    assert_eq!(config.mqtt.qos_max, QoS::ExactlyOnce);
    assert_eq!(
        config.session.expiry_interval_3x,
        Some(Duration::from_secs(7 * 86_400))
    );
    assert_eq!(config.session.queue.policy, QueuePolicy::DropOldest);
    assert_eq!(config.session.queue.offline_qos_min, QoS::AtLeastOnce);
    assert_eq!(config.retained.policy_at_limit, RetainedPolicy::Refuse);
    assert_eq!(config.shared.share_strategy, ShareStrategy::Random);
    assert_eq!(config.shared.queue_strategy, ShareStrategy::RoundRobin);
    assert_eq!(config.message.expiry_max, None);
    assert_eq!(
        (config.log.level, config.log.format),
        (LogLevel::Info, LogFormat::Text)
    );
}

/// The file sets three options, the environment two of them, the command line one of those.
#[test]
fn the_later_source_wins() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dunlin.toml");
    let text = "workers = 1\n[session]\nqueue_messages_max = 11\nqueue_bytes_max = 11111\n";
    std::fs::write(&file, text).unwrap();
    let loaded = Sources {
        file: Some(file.clone()),
        environment: vec![
            ("DUNLIN__SESSION__QUEUE_MESSAGES_MAX".into(), "22".into()),
            ("DUNLIN__SESSION__QUEUE_BYTES_MAX".into(), "22222".into()),
        ],
        overrides: vec![
            Override::Flag {
                flag: "--x",
                path: "session.queue_bytes_max",
                value: "33333".into(),
            },
            Override::Set("session.queue_bytes_max=44444".into()),
        ],
    }
    .load()
    .unwrap();
    assert_eq!(loaded.config.workers, Workers::Count(NonZeroUsize::MIN));
    assert_eq!(loaded.config.session.queue.messages_max, 22);
    assert_eq!(loaded.config.session.queue.bytes_max, 44_444);

    let changed: Vec<_> = loaded
        .changed
        .iter()
        .map(|changed| (changed.path, changed.value.as_str(), changed.source.clone()))
        .collect();
    let path: &Path = &file;
    assert_eq!(
        changed,
        [
            (
                "workers",
                "1",
                Source::File {
                    path: path.into(),
                    line: Some(1)
                }
            ),
            (
                "session.queue_messages_max",
                "22",
                Source::Environment("DUNLIN__SESSION__QUEUE_MESSAGES_MAX".into())
            ),
            (
                "session.queue_bytes_max",
                "44444",
                Source::CommandLine("--set session.queue_bytes_max=44444".into())
            ),
        ]
    );
}

#[test]
fn the_default_written_out_is_no_change() {
    let overrides = vec![
        Override::Set("log.level=info".into()),
        Override::Repeated {
            flag: "--listen",
            path: "listener",
            values: vec!["mqtt://localhost".into()],
        },
    ];
    assert_eq!(
        Sources {
            overrides,
            ..Sources::default()
        }
        .load()
        .unwrap()
        .changed,
        []
    );
}

#[test]
fn ways_to_write_a_value_without_a_file() {
    type Holds = fn(&Config) -> bool;
    let table: [(&str, Holds); 10] = [
        ("log.level=debug", |config| {
            config.log.level == LogLevel::Debug
        }),
        ("log.level=\"debug\"", |config| {
            config.log.level == LogLevel::Debug
        }),
        ("log.level='debug'", |config| {
            config.log.level == LogLevel::Debug
        }),
        (" log.level =debug", |config| {
            config.log.level == LogLevel::Debug
        }),
        ("workers= 3 ", |config| config.workers.count().get() == 3),
        ("session.count_max=1_000", |config| {
            config.session.count_max == 1000
        }),
        ("store.data_dir=a=b c", |config| {
            config.store == StoreConfig::Directory(PathBuf::from("a=b c"))
        }),
        ("session.keep_last=a/+", |config| {
            config.session.queue.keep_last[0].as_str() == "a/+"
        }),
        ("listener=mqtt://[::1]", |config| {
            config.listeners[0]
                .bind
                .socket_address()
                .is_some_and(|address| address.is_ipv6())
        }),
        (
            "listener=[{ bind = \"mqtt://[::1]\", max_connections = 7 }]",
            |config| config.listeners[0].max_connections == 7,
        ),
    ];
    for (assignment, holds) in table {
        assert!(holds(&set(&[assignment]).unwrap()), "{assignment}");
        let (path, value) = assignment.split_once('=').unwrap();
        let name = format!("DUNLIN__{}", path.trim().replace('.', "__").to_uppercase());
        assert!(
            holds(&environment(&[(&name, value)]).unwrap()),
            "{name}={value}"
        );
    }
}

#[test]
fn a_list_replaces_the_list_before_it() {
    let overrides = vec![
        Override::Set("listener=mqtt://127.0.0.1:1".into()),
        Override::Repeated {
            flag: "--listen",
            path: "listener",
            values: vec!["mqtt://127.0.0.1:2".into(), "mqtt://[::1]:3".into()],
        },
        // A flag that was not given changes nothing.
        Override::Repeated {
            flag: "--listen",
            path: "listener",
            values: vec![],
        },
    ];
    let config = Sources {
        overrides,
        ..Sources::default()
    }
    .load()
    .unwrap()
    .config;
    let binds: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| listener.bind.to_string())
        .collect();
    assert_eq!(binds, ["mqtt://127.0.0.1:2", "mqtt://[::1]:3"]);
}

#[test]
fn variables_of_others_are_ignored() {
    let variables = [
        ("PATH", "x"),
        ("DUNLIN_LOG", "x"),
        ("dunlin__workers", "x"),
        ("DUNLIN", "x"),
    ];
    assert_eq!(environment(&variables), Ok(Config::default()));
}

#[test]
fn sections_may_be_written_in_every_way_of_toml() {
    let expected = set(&["mqtt.qos_max=1", "log.level=warn"]).unwrap();
    for text in [
        "[mqtt]\nqos_max = 1\n[log]\nlevel = \"warn\"",
        "mqtt.qos_max = 1\nlog.level = 'warn'",
        "mqtt = { qos_max = 0x1 }\nlog = { level = \"\"\"warn\"\"\" }",
        "\"mqtt\".\"qos_max\" = 1\r\n[ log ]\r\nlevel = \"warn\"\r\n",
    ] {
        assert_eq!(Config::from_toml(text).as_ref(), Ok(&expected), "{text}");
    }
}

/// One number of some options stands for "no such thing".
#[test]
fn numbers_with_a_meaning_of_their_own() {
    let config = set(&[
        "session.expiry_interval_max_s=4294967295",
        "session.expiry_interval_3x_s=4294967295",
        "mqtt.keep_alive_max_s=60",
        "mqtt.resend_interval_s=7",
        "message.expiry_max_s=1",
    ])
    .unwrap();
    assert_eq!(config.session.expiry_interval_max, None);
    assert_eq!(config.session.expiry_interval_3x, None);
    assert_eq!(config.mqtt.keep_alive_max, Some(Duration::from_secs(60)));
    assert_eq!(config.mqtt.resend_interval, Some(Duration::from_secs(7)));
    assert_eq!(config.message.expiry_max, Some(Duration::from_secs(1)));
    let config = set(&["session.expiry_interval_max_s=0"]).unwrap();
    assert_eq!(config.session.expiry_interval_max, Some(Duration::ZERO));
}

#[test]
fn an_ephemeral_store_has_no_directory() {
    let config = set(&["store.data_dir=/var/lib/dunlin", "store.ephemeral=true"]).unwrap();
    assert_eq!(config.store, StoreConfig::Ephemeral);
    let config = set(&["store.data_dir=/var/lib/dunlin"]).unwrap();
    assert_eq!(
        config.store,
        StoreConfig::Directory("/var/lib/dunlin".into())
    );
}
