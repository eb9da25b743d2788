use dunlin::config::StoreConfig;

use super::*;

fn migrated(text: &str) -> Migrated {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosquitto.conf");
    std::fs::write(&path, text).unwrap();
    migrate(&path).unwrap()
}

#[test]
fn files_of_a_folder_are_read_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosquitto.conf");
    let more = folder.path().join("conf.d");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("more.conf"), "max_qos 1\n").unwrap();
    std::fs::write(more.join("other.txt"), "max_qos 0\n").unwrap();
    std::fs::write(&path, format!("include_dir {}\n", more.display())).unwrap();
    let text = migrate(&path).unwrap().to_string();
    assert!(text.contains("[mqtt]\nqos_max = 1\n"), "{text}");
    std::fs::write(&path, format!("include_dir {}\n", folder.path().display())).unwrap();
    assert!(migrate(&path).unwrap_err().contains("too deep"));
}

#[test]
fn the_configuration_is_one_that_the_broker_takes() {
    let migrated = migrated(
        "listener 1883 127.0.0.1
max_connections 50
listener 1884 ::1
max_connections -1
allow_anonymous true
password_file /etc/mosquitto/pass\"word
acl_file /etc/mosquitto/acl
max_queued_messages 200
persistent_client_expiration 2d
queue_qos0_messages true
log_type warning
log_type error
persistence true
",
    );
    assert_eq!(migrated.left, []);
    let config = Config::from_toml(&migrated.to_string()).unwrap();
    let binds: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| listener.bind.to_string())
        .collect();
    assert_eq!(binds, ["mqtt://127.0.0.1:1883", "mqtt://[::1]:1884"]);
    assert_eq!(config.listeners[0].max_connections, 50);
    assert_eq!(config.listeners[1].max_connections, 100_000);
    assert!(config.auth.allow_anonymous);
    let password_file = config.auth.password_file.unwrap();
    assert_eq!(password_file, Path::new("/etc/mosquitto/pass\"word"));
    assert_eq!(config.session.queue.messages_max, 200);
    assert_eq!(
        config.session.expiry_interval_3x.unwrap().as_secs(),
        172_800
    );
    assert_eq!(config.session.queue.offline_qos_min as u8, 0);
    assert_eq!(config.log.level.as_word(), "warn");
}

#[test]
fn without_a_listener_it_is_this_machine_and_with_one_every_address() {
    assert!(
        migrated("")
            .to_string()
            .contains("\"mqtt://127.0.0.1:1883\"")
    );
    assert!(
        migrated("listener 1883\n")
            .to_string()
            .contains("\"mqtt://[::]:1883\"")
    );
    let text = migrated("port 1884\nbind_address 192.0.2.1\n").to_string();
    assert!(text.contains("\"mqtt://192.0.2.1:1884\""), "{text}");
}

#[test]
fn names_of_certificates_are_carried_over() {
    for (word, part) in [("identity", "cn"), ("subject", "subject")] {
        let migrated = migrated(&format!(
            "listener 8883 127.0.0.1\ncertfile c\nkeyfile k\ncafile a\nrequire_certificate true\n\
             use_{word}_as_username true\n"
        ));
        assert_eq!(migrated.left, []);
        let config = Config::from_toml(&migrated.to_string()).unwrap();
        let names = config.listeners[0].certificate_names;
        assert_eq!(names.user_name.unwrap().as_word(), part);
        assert!(!config.listeners[0].allow_anonymous);
    }
}

#[test]
fn what_a_listener_says_holds_for_it() {
    let migrated = migrated(
        "allow_anonymous true
persistence false
listener 1883
socket_domain ipv4
protocol mqtt
mount_point tenant-a/
listener 8084
user mosquitto
protocol websockets
cafile a
certfile c
keyfile k
tls_version tlsv1.3
listener 0 /run/mosquitto.sock
",
    );
    let left: Vec<_> = migrated.left.iter().map(|left| &*left.line).collect();
    assert_eq!(left, ["user mosquitto", "protocol websockets"]);
    let config = Config::from_toml(&migrated.to_string()).unwrap();
    let binds: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| listener.bind.to_string())
        .collect();
    assert_eq!(
        binds,
        [
            "mqtt://0.0.0.0:1883",
            "wss://[::]:8084/mqtt",
            "unix:///run/mosquitto.sock"
        ]
    );
    assert_eq!(config.listeners[0].mount_point, "tenant-a/");
    let tls = config.listeners[1].tls.as_ref().unwrap();
    // Only require_certificate asks clients for theirs.
    assert_eq!(tls.client_certificate.as_word(), "none");
    assert_eq!(tls.version_min.as_word(), "1.3");
    assert_eq!(config.store, StoreConfig::Ephemeral);
}

#[test]
fn who_may_connect_without_a_password_is_told() {
    let said = |text: &str| {
        let left = migrated(text).left;
        left.iter()
            .any(|left| left.why.contains("anybody may connect"))
    };
    assert!(said("listener 1883 127.0.0.1\nplugin dynsec.so\n"));
    assert!(said("listener 0 /run/m.sock\nallow_anonymous false\n"));
    assert!(!said("listener 1883 127.0.0.1\nallow_anonymous true\n"));
    assert!(!said("listener 1883 127.0.0.1\npassword_file p\n"));
    assert!(!said("listener 1883 192.0.2.1\n"));
}

#[test]
fn what_is_left_is_listed_and_no_secret_is_shown() {
    let migrated = migrated(
        "connection up
remote_password hunter2
plugin /usr/lib/x.so
max_qos two
nonsense
max_queued_bytes 0
protocol http_api
topic a/# out 1 \"\" b/
",
    );
    let left: Vec<_> = migrated.left.iter().map(ToString::to_string).collect();
    for (line, expected) in [
        ":1: not carried over: connection up: this version has no bridge",
        ":2: not carried over: remote_password (not shown): this version has no bridge",
        ":3: not carried over: plugin /usr/lib/x.so: there are no plugins",
        ":4: not carried over: max_qos two: expected a number",
        ":5: not carried over: nonsense: nothing here means the same",
        ":6: not carried over: max_queued_bytes 0: there is always a bound here, session.queue_bytes_max",
        ":7: not carried over: protocol http_api: expected mqtt or websockets",
        ":8: not carried over: topic a/# out 1 \"\" b/: this version has no bridge",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(left[line].ends_with(expected), "{}", left[line]);
        assert!(migrated.to_string().contains(expected));
    }
    assert!(!migrated.to_string().contains("hunter2"));
}

#[test]
fn options_that_differ_by_listener_are_told() {
    let migrated =
        migrated("listener 1\nallow_anonymous true\nlistener 2\nallow_anonymous false\n");
    assert!(migrated.left[0].to_string().contains("all listeners"));
}
