//! The suites of `interop/`, which drive clients that this project did not write.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether the programs that `interop/setup.sh` installs are to be used.
#[allow(clippy::print_stdout, reason = "says why nothing ran")]
pub(crate) fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("DUNLIN_INTEROP").is_some();
    if !is_wanted {
        println!("skipped: ./test.sh installs the clients and sets DUNLIN_INTEROP");
    }
    is_wanted
}

/// Runs a suite with this environment against a broker on this port; all of it must pass.
pub(crate) fn run(name: &str, port: u16, environment: &[(&str, &str)]) {
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
