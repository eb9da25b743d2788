//! A proxy in front, which says who is behind it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::broker::Broker;
use crate::foreign::{printed, run};
use crate::suite;

/// An haproxy that passes on what comes to its port.
struct Haproxy {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Haproxy {
    /// `send` is how it says who is behind it.
    fn start(broker: u16, send: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("haproxy.cfg");
        // It is given a socket that listens already: were it given a port that is free, somebody might be
        // faster.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             listen mqtt\n  bind fd@0\n  server broker 127.0.0.1:{broker} {send}\n"
        );
        std::fs::write(&file, text).unwrap();
        Self {
            child: spawn(&file, listener),
            port,
            _directory: directory,
        }
    }

    /// Publishes from this address; whether it was acknowledged.
    fn publish_from(&self, address: &str) -> bool {
        let port = self.port.to_string();
        let arguments = ["-h", "127.0.0.1", "-p", &port, "-A", address];
        let message = ["-i", "behind", "-t", "t/1", "-q", "1", "-m", "m"];
        let output = run("mosquitto_pub", &[arguments.as_slice(), &message].concat());
        output.status.success()
    }
}

fn spawn(file: &Path, listener: TcpListener) -> Child {
    let program = match Path::new("/usr/sbin/haproxy") {
        path if path.exists() => path,
        _ => Path::new("haproxy"),
    };
    Command::new(program)
        .args(["-db", "-f"])
        .arg(file)
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("interop/setup.sh installs haproxy")
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(from: &str) -> Broker {
    let listener =
        format!("listener=[{{ bind = \"mqtt://127.0.0.1:0\", proxy_protocol_from = [{from:?}] }}]");
    Broker::listening(1, &["--set", &listener, "--log-level", "debug"])
}

#[test]
fn haproxy_says_who_is_behind_it_in_both_versions() {
    if !suite::is_wanted() {
        return;
    }
    for send in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"] {
        let mut broker = start("127.0.0.0/8");
        let haproxy = Haproxy::start(broker.port(), send);
        assert!(haproxy.publish_from("127.0.0.9"), "{send}");
        let line = broker.wait_for_log("connection closed");
        assert!(line.contains("peer=127.0.0.9:"), "{send}: {line}");
        assert!(line.contains("behind"), "{send}: {line}");
    }
}

#[test]
fn who_is_no_proxy_that_is_named_is_not_let_in() {
    if !suite::is_wanted() {
        return;
    }
    // Without a header from the right network, and with a header from another one.
    let mut broker = start("127.0.0.0/8");
    let direct = |port: u16| {
        let port = port.to_string();
        let arguments = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-t",
            "t/1",
            "-q",
            "1",
            "-m",
            "m",
        ];
        let output = run("mosquitto_pub", &arguments);
        (output.status.success(), printed(&output))
    };
    let (is_published, said) = direct(broker.port());
    assert!(!is_published, "{said}");
    broker.wait_for_log("PROXY protocol: no PROXY header");

    let mut broker = start("10.0.0.0/8");
    let haproxy = Haproxy::start(broker.port(), "send-proxy");
    assert!(!haproxy.publish_from("127.0.0.9"));
    broker.wait_for_log("proxy_protocol_from does not name the address it comes from");
}
