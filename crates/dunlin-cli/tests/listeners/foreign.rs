//! Programs that this project did not write.

use std::process::{Command, Output, Stdio};

use crate::broker::Broker;

/// Runs a program to its end, which must come within 20 seconds.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new("timeout")
        .arg("20")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Everything that a program printed.
pub(crate) fn printed(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Publishes with `mosquitto_pub` to the first listener that speaks TLS; whether it was acknowledged.
pub(crate) fn mosquitto_pub(broker: &Broker, more: &[&str]) -> bool {
    let port = broker.port_of("mqtts").to_string();
    let mut arguments = vec!["-h", "127.0.0.1", "-p", &port];
    arguments.extend(["-t", "t/1", "-q", "1"]);
    arguments.extend(more);
    run("mosquitto_pub", &arguments).status.success()
}
