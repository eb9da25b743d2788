//! Clients that this project did not write, against the broker as a process of its own.
//!
//! They need packages from elsewhere (`interop/setup.sh`), so they run only if `DUNLIN_INTEROP` is
//! set, as `./test.sh` does.

mod broker;
mod suite;

use broker::Broker;

fn run_suite(name: &str) {
    if suite::is_wanted() {
        suite::run(name, Broker::start(&[]).port(), &[]);
    }
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
