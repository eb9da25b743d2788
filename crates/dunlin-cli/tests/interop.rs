//! Clients that this project did not write, against the broker as a process of its own.
//!
//! They need packages from elsewhere (`interop/setup.sh`), so they run only if `DUNLIN_INTEROP` is
//! set, as `./test.sh` does.

mod broker;

use std::path::Path;
use std::process::{Command, Stdio};

use broker::Broker;

#[allow(clippy::print_stdout, reason = "says why nothing ran")]
fn run_suite(suite: &str) {
    if std::env::var_os("DUNLIN_INTEROP").is_none() {
        println!("skipped: ./test.sh installs the clients and sets DUNLIN_INTEROP");
        return;
    }
    let broker = Broker::start(&[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/run.sh");
    let output = Command::new(script)
        .args(["127.0.0.1", &broker.port().to_string(), suite])
        .stdin(Stdio::null())
        .output()
        .expect("the script runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let failures: Vec<_> = printed
        .lines()
        .filter(|line| !line.starts_with("ok "))
        .collect();
    assert!(
        output.status.success() && printed.contains(" passed, 0 failed"),
        "{}\n{}",
        failures.join("\n"),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn paho() {
    run_suite("paho");
}

#[test]
fn mqtt_js() {
    run_suite("mqttjs");
}

#[test]
fn mosquitto() {
    run_suite("mosquitto");
}
