//! What a human is told about a mistake.

use std::ffi::OsString;

use super::super::{Config, Override, Sources};
use super::{environment, lines, set};

#[test]
fn unknown_keys_at_every_depth_in_a_file() {
    let table = [
        ("worker = 1", "1", "worker", "workers"),
        ("\n\nlisten = 1", "3", "listen", "listener"),
        ("[mqt]\nqos_max = 1", "1", "mqt", "mqtt"),
        (
            "[mqtt]\n# a comment\npacket_byte_max = 1",
            "3",
            "mqtt.packet_byte_max",
            "mqtt.packet_bytes_max",
        ),
        (
            "mqtt.max_packet_bytes = 1",
            "1",
            "mqtt.max_packet_bytes",
            "mqtt.packet_bytes_max",
        ),
        ("mqtt = { qos_mx = 1 }", "1", "mqtt.qos_mx", "mqtt.qos_max"),
        (
            "[session]\nqos_max = 1",
            "2",
            "session.qos_max",
            "mqtt.qos_max",
        ),
        (
            "queue_policy = \"refuse\"",
            "1",
            "queue_policy",
            "session.queue_policy",
        ),
        ("[mqtt.qos]\nmax = 1", "1", "mqtt.qos", "mqtt.qos_max"),
        (
            "[[listener]]\nbind = \"mqtt://127.0.0.1\"\nmax_conections = 3",
            "3",
            "listener.max_conections",
            "listener.max_connections",
        ),
        (
            "[[listener]]\nbnd = \"mqtt://127.0.0.1\"",
            "2",
            "listener.bnd",
            "listener.bind",
        ),
        (
            "[session]\npriorities = [\n  { filtr = \"a\", priority = 1 },\n]",
            "3",
            "session.priorities.filtr",
            "session.priorities.filter",
        ),
    ];
    for (text, line, unknown, known) in table {
        assert_eq!(
            lines(&Config::from_toml(text).expect_err(text)),
            [format!(
                "<text>:{line}: unknown key {unknown:?}; the nearest known one is {known}"
            )],
            "{text}"
        );
    }
}

#[test]
fn bad_values_in_a_file() {
    let table = [
        (
            "[mqtt]\nqos_max = 3",
            "2: mqtt.qos_max = 3: expected an integer from 0 to 2",
        ),
        (
            "mqtt.qos_max = -1",
            "1: mqtt.qos_max = -1: expected an integer from 0 to 2",
        ),
        (
            "mqtt.qos_max = \"1\"",
            "1: mqtt.qos_max = \"1\": expected an integer from 0 to 2",
        ),
        (
            "mqtt.qos_max = 1.0",
            "1: mqtt.qos_max = 1.0: expected an integer from 0 to 2",
        ),
        (
            "mqtt.qos_max = [\n]",
            "1: mqtt.qos_max is a list: expected an integer from 0 to 2",
        ),
        (
            "mqtt.qos_max = 99999999999999999999",
            "1: mqtt.qos_max = 99999999999999999999: expected an integer from 0 to 2",
        ),
        (
            "mqtt.retain_available = 1",
            "1: mqtt.retain_available = 1: expected true or false",
        ),
        (
            "mqtt.retain_available = 2001-02-03",
            "1: mqtt.retain_available = 2001-02-03: expected true or false",
        ),
        (
            "mqtt = 5",
            "1: mqtt is a section: write [mqtt] and its keys below",
        ),
        (
            "[workers]\nx = 1",
            "1: workers is a table: expected an integer from 0 to 1024",
        ),
        (
            "log.level = \"verbose\"",
            "1: log.level = \"verbose\": expected one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
        (
            "log.level = \"a\\nb\"",
            "1: log.level = \"a\\nb\": expected one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
        (
            "store.data_dir = \"a\\u0000b\"",
            "1: store.data_dir = \"a\\0b\": a path holds no U+0000",
        ),
        (
            "session.keep_last = \"a\"",
            "1: session.keep_last = \"a\": expected a list of at most 256, such as [\"sensors/+/state\"]",
        ),
        (
            "session.keep_last = [\"a\",\n 5]",
            "2: session.keep_last = 5: expected a topic filter such as \"sensors/+/state\"",
        ),
        (
            "listener = []",
            "1: listener is empty: the broker must listen on one address at least",
        ),
        (
            "[listener]\nbind = \"mqtt://127.0.0.1\"",
            "1: listener is one table: expected a list of them; write [[listener]], with two brackets, before each",
        ),
        (
            "[[listener]]\nbind = \"ftp://127.0.0.1\"",
            "2: listener.bind = \"ftp://127.0.0.1\": the scheme \"ftp\" is not known; the nearest known one is mqtt, of mqtt, mqtts, ws, wss, quic, unix",
        ),
        (
            "\n[[listener]]\nmax_connections = 5",
            "2: missing listener.bind: expected a URL such as \"mqtt://0.0.0.0:1883\"",
        ),
        (
            "[[listener]]\nbind = \"mqtt://127.0.0.1\"\nmax_connections = 0",
            "3: listener.max_connections = 0: expected an integer from 1 to 10000000",
        ),
        (
            "session.priorities = [{}]",
            "1: missing session.priorities.filter: expected a topic filter such as \"sensors/+/state\"; missing session.priorities.priority: expected an integer from 0 to 255",
        ),
    ];
    for (text, message) in table {
        let error = Config::from_toml(text).expect_err(text);
        assert_eq!(lines(&error), [format!("<text>:{message}")], "{text}");
    }
}

#[test]
fn a_list_has_a_bound() {
    let text = format!("session.keep_last = [{}]", "\"a\",".repeat(257));
    assert_eq!(
        lines(&Config::from_toml(&text).unwrap_err()),
        ["<text>:1: session.keep_last has 257 items: at most 256"]
    );
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let text = format!("log.level = \"{}\"", "é".repeat(5000));
    let error = Config::from_toml(&text).unwrap_err().to_string();
    assert!(error.contains("éé\"…: expected one of"), "{error}");
    assert!(error.chars().count() < 200, "{error}");
}

#[test]
fn text_that_is_not_toml_is_told_by_line() {
    let error = Config::from_toml("[mqtt]\nqos_max 1\n").unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    assert!(
        error.to_string().starts_with("<text>:2: not TOML: "),
        "{error}"
    );

    let error = Config::from_toml("workers = 1\nworkers = 2").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("<text>:2: not TOML: duplicate key"),
        "{error}"
    );

    // As deep as a document likes: the parser has a bound of its own.
    let error = Config::from_toml(&format!("workers = {}", "[".repeat(100_000))).unwrap_err();
    assert!(
        error.to_string().starts_with("<text>:1: not TOML: "),
        "{error}"
    );
}

#[test]
fn bad_values_in_the_environment() {
    let table = [
        (
            "DUNLIN__MQTT__QOS_MAX",
            "three",
            "mqtt.qos_max = \"three\": expected an integer from 0 to 2",
        ),
        (
            "DUNLIN__MQTT__QOS_MAX",
            "",
            "mqtt.qos_max = \"\": expected an integer from 0 to 2",
        ),
        (
            "DUNLIN__MQTT__QOS_MAX",
            "1 2",
            "mqtt.qos_max = \"1 2\": expected an integer from 0 to 2",
        ),
        (
            "DUNLIN__AUTH__ALLOW_ANONYMOUS",
            "yes",
            "auth.allow_anonymous = \"yes\": expected true or false",
        ),
        (
            "DUNLIN__LOG__FORMAT",
            "xml",
            "log.format = \"xml\": expected one of \"text\", \"json\"",
        ),
        (
            "DUNLIN__LISTENER",
            "1883",
            "listener.bind = \"1883\": it has no scheme; write mqtt://1883",
        ),
        (
            "DUNLIN__LISTENER",
            "mqtt://ada:secret@127.0.0.1",
            "listener.bind = \"mqtt://…@127.0.0.1\": a listener's URL holds no user name or password",
        ),
        (
            "DUNLIN__AUTH__HTTP",
            "https://ada:se/cret@auth.example/mqtt",
            "auth.http.url = \"https://…@auth.example/mqtt\": expected a URL such as \"https://auth.example/mqtt\"",
        ),
        (
            "DUNLIN__AUTH__HTTP",
            "https://ada:secret@auth.example/mqtt",
            "auth.http.url = \"https://…@auth.example/mqtt\": the URL holds no user name or password",
        ),
        (
            "DUNLIN__MQTT__QOS_MX",
            "1",
            "unknown variable; the nearest known one is DUNLIN__MQTT__QOS_MAX",
        ),
        (
            "DUNLIN__mqtt__qos_max",
            "1",
            "unknown variable; the nearest known one is DUNLIN__MQTT__QOS_MAX",
        ),
        (
            "DUNLIN__WORKER",
            "1",
            "unknown variable; the nearest known one is DUNLIN__WORKERS",
        ),
        (
            "DUNLIN__SESSION",
            "1",
            "unknown variable; session is a section, not an option",
        ),
        (
            "DUNLIN__LISTENER__BIND",
            "mqtt://127.0.0.1",
            "unknown variable; listener.bind is a key of a list, which is set whole, by DUNLIN__LISTENER='[{ bind = \"mqtt://127.0.0.1:1883\" }]'",
        ),
    ];
    for (name, value, message) in table {
        let error = environment(&[(name, value)]).expect_err(name);
        assert_eq!(lines(&error), [format!("{name}: {message}")]);
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = OsString::from_vec(vec![0xff]);
    let environment = vec![("DUNLIN__STORE__DATA_DIR".into(), value)];
    let error = Sources {
        environment,
        ..Sources::default()
    }
    .load()
    .unwrap_err();
    assert_eq!(
        lines(&error),
        ["DUNLIN__STORE__DATA_DIR: store.data_dir is not UTF-8"]
    );
}

#[test]
fn bad_values_on_the_command_line() {
    let table = [
        (
            "mqtt.qos_max=3",
            "mqtt.qos_max = 3: expected an integer from 0 to 2",
        ),
        (
            "mqtt.qos_max=",
            "mqtt.qos_max = \"\": expected an integer from 0 to 2",
        ),
        (
            "mqtt.qos_max",
            "expected PATH=VALUE, such as mqtt.qos_max=1",
        ),
        ("", "expected PATH=VALUE, such as mqtt.qos_max=1"),
        (
            "mqtt.qosmax=1",
            "unknown option \"mqtt.qosmax\"; the nearest known one is mqtt.qos_max",
        ),
        (
            "mqtt=1",
            "mqtt is a section, not an option; `dunlin config explain mqtt` lists its options",
        ),
        (
            "listener.max_connections=1",
            "listener.max_connections is a key of a list, which is set whole: listener=[{ bind = \"mqtt://127.0.0.1:1883\" }]",
        ),
        (
            "session.keep_last=[1",
            "session.keep_last = \"[1\": expected a list of at most 256, such as [\"sensors/+/state\"]",
        ),
        (
            "session.priorities=a",
            "session.priorities = \"a\": expected a table with the keys filter, priority",
        ),
        (
            "log.level=\"info",
            "log.level = \"\\\"info\": expected one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
    ];
    for (assignment, message) in table {
        let error = set(&[assignment]).expect_err(assignment);
        assert_eq!(lines(&error), [format!("--set {assignment}: {message}")]);
    }
}

#[test]
fn bad_values_of_flags() {
    let flag = |flag, path, value: &str| Override::Flag {
        flag,
        path,
        value: value.to_owned(),
    };
    let repeated = |values: &[&str]| Override::Repeated {
        flag: "--listen",
        path: "listener",
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let overrides = vec![
        flag("--workers", "workers", "many"),
        repeated(&["mqtt://127.0.0.1", "mqqts://127.0.0.1", "127.0.0.1"]),
        flag("--log-level", "log.level", "loud"),
    ];
    let error = Sources {
        overrides,
        ..Sources::default()
    }
    .load()
    .unwrap_err();
    assert_eq!(
        lines(&error),
        [
            "--workers many: workers = \"many\": expected an integer from 0 to 1024",
            "--listen mqqts://127.0.0.1: listener.bind = \"mqqts://127.0.0.1\": the scheme \"mqqts\" \
             is not known; the nearest known one is mqtts, of mqtt, mqtts, ws, wss, quic, unix",
            "--listen 127.0.0.1: listener.bind = \"127.0.0.1\": it has no scheme; write \
             mqtt://127.0.0.1",
            "--log-level loud: log.level = \"loud\": expected one of \"error\", \"warn\", \"info\", \
             \"debug\", \"trace\"",
        ]
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dunlin.toml");
    std::fs::write(
        &file,
        "[session]\nqueue_polcy = 1\ncount_max = 0\n[mqtt]\nqos_max = 9\n",
    )
    .unwrap();
    let sources = Sources {
        file: Some(file.clone()),
        environment: vec![
            ("DUNLIN__NO".into(), "1".into()),
            ("DUNLIN__LOG__LEVEL".into(), "x".into()),
            ("PATH".into(), "/bin".into()),
        ],
        overrides: vec![Override::Set("a.b=c".to_owned())],
    };
    let error = sources.load().unwrap_err();
    let sources: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.source.to_string())
        .collect();
    let file = file.display();
    assert_eq!(
        sources,
        [
            format!("{file}:2"),
            format!("{file}:3"),
            format!("{file}:5"),
            "DUNLIN__LOG__LEVEL".to_owned(),
            "DUNLIN__NO".to_owned(),
            "--set a.b=c".to_owned(),
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let load = |path: &std::path::Path| {
        let sources = Sources {
            file: Some(path.to_owned()),
            ..Sources::default()
        };
        lines(&sources.load().unwrap_err())
    };
    let missing = directory.path().join("missing.toml");
    let told = load(&missing);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(&format!("{}: cannot be read: ", missing.display())),
        "{told:?}"
    );

    let binary = directory.path().join("binary.toml");
    std::fs::write(&binary, b"ab\xff").unwrap();
    assert_eq!(
        load(&binary),
        [format!("{}: is not UTF-8 after 2 bytes", binary.display())]
    );

    let huge = directory.path().join("huge.toml");
    std::fs::write(&huge, "#".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(
        load(&huge),
        [format!("{}: is longer than 1048576 bytes", huge.display())]
    );
}
