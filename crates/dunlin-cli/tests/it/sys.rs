//! What the broker says of itself below `$SYS/broker`.

use super::broker::Broker;
use super::{alone, text};

#[test]
fn clients_are_told_how_the_broker_is_doing() {
    let broker = Broker::start(&["--set", "mqtt.sys_interval_s=1"]);
    let other = broker.client("conn", &[]).ready("Connected");
    broker.run("pub", &["-t", "t", "-m", "1"]);
    let mut told = broker.client("sub", &["-t", "$SYS/#", "--template", "%t=%p."]);
    // All of it is said anew each second, so the order in which it is waited for does not matter.
    for (topic, value) in [
        (
            "version",
            concat!("dunlin version ", env!("CARGO_PKG_VERSION")),
        ),
        ("clients/connected", "2"),
        ("clients/disconnected", "0"),
        ("clients/total", "2"),
        ("publish/messages/received", "1"),
        ("publish/messages/dropped", "0"),
        ("subscriptions/count", "1"),
        ("shared_subscriptions/count", "0"),
        ("retained messages/count", "12"),
    ] {
        told.wait_for(&format!("$SYS/broker/{topic}={value}."));
    }
    told.wait_for("$SYS/broker/uptime=");
    told.wait_for(" seconds.");
    let top = broker.run("top", &["--once", "0.5"]);
    assert!(top.contains(" clients"), "{top}");
    assert_eq!(told.stop().0, Some(0));
    assert_eq!(other.stop().0, Some(0));
}

#[test]
fn it_is_retained_and_the_store_never_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").display().to_string();
    let start = |interval: &str| {
        let interval = format!("mqtt.sys_interval_s={interval}");
        Broker::start_kept(&["--data-dir", &data, "--set", &interval])
    };
    let broker = start("86400");
    let words = ["-t", "$SYS/broker/version", "--count", "1", "-rap"];
    let printed = broker.run(
        "sub",
        &[words.as_slice(), &["--template", "%r %p"]].concat(),
    );
    assert!(printed.starts_with("1 dunlin version"), "{printed}");
    broker.run("pub", &["-t", "other", "-m", "kept", "-r", "-q", "1"]);
    assert!(broker.terminate().success());

    let dump = alone(&["store", "dump", "--data-dir", &data])
        .output()
        .unwrap();
    let dump = text(&dump.stdout);
    assert!(dump.contains("other") && !dump.contains("$SYS"), "{dump}");
    let broker = start("0");
    let words = ["-t", "$SYS/#", "other", "--count", "1", "--template", "%t"];
    assert_eq!(broker.run("sub", &words), "other");
}
