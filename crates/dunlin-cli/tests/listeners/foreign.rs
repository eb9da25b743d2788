//! Programs that this project did not write.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::broker::Broker;

/// Whether the programs that `interop/setup.sh` installs are to be used.
#[allow(clippy::print_stdout, reason = "says why nothing ran")]
pub(crate) fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("DUNLIN_INTEROP").is_some();
    if !is_wanted {
        println!("skipped: ./test.sh installs the clients and sets DUNLIN_INTEROP");
    }
    is_wanted
}

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

/// Runs a suite of `interop` with this environment.
pub(crate) fn suite(name: &str, port: u16, environment: &[(&str, &str)]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/run.sh");
    let output = Command::new(script)
        .args(["127.0.0.1", &port.to_string(), name])
        .envs(environment.iter().copied())
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
