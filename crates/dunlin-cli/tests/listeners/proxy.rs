//! A proxy in front, which says who is behind it.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
        // It cannot be told to take any port that is free; somebody may be faster.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let text = format!(
                "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
                 listen mqtt\n  bind 127.0.0.1:{port}\n  server broker 127.0.0.1:{broker} {send}\n"
            );
            std::fs::write(&file, text).unwrap();
            let mut child = spawn(&file);
            if is_there_until(&mut child, port) {
                return Self {
                    child,
                    port,
                    _directory: directory,
                };
            }
        }
        panic!("haproxy does not start")
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

fn spawn(file: &Path) -> Child {
    let program = match Path::new("/usr/sbin/haproxy") {
        path if path.exists() => path,
        _ => Path::new("haproxy"),
    };
    Command::new(program)
        .args(["-db", "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("interop/setup.sh installs haproxy")
}

/// Waits until it listens; false if it ends before.
fn is_there_until(child: &mut Child, port: u16) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("haproxy neither listens nor ends")
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
        // Whoever looked whether haproxy listens closed a connection, too.
        let line = loop {
            let line = broker.wait_for_log("connection closed");
            if line.contains("peer=127.0.0.9:") {
                break line;
            }
        };
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
