//! Certificates that are replaced under a broker that runs.

use std::process::Command;

use crate::broker::{Broker, Client};
use crate::certificates::Authority;
use crate::foreign::{mosquitto_pub, printed, run};
use crate::suite;

struct Replaced {
    authority: Authority,
    broker: Broker,
}

impl Replaced {
    fn start(more: &[&str]) -> Self {
        let authority = Authority::new();
        authority.server();
        let (cert, key) = (
            authority.path("server.pem"),
            authority.path("server-key.pem"),
        );
        let listen = [
            "--listen",
            "mqtts://127.0.0.1:0",
            "--listen",
            "mqtt://127.0.0.1:0",
        ];
        let files = ["--tls-cert", &cert, "--tls-key", &key];
        let broker = Broker::listening(2, &[listen.as_slice(), files.as_slice(), more].concat());
        Self { authority, broker }
    }

    /// The serial number of the certificate that a new connection is shown.
    fn serial(&self) -> String {
        let address = format!("127.0.0.1:{}", self.broker.port_of("mqtts"));
        let shown = run("openssl", &["s_client", "-connect", &address, "-showcerts"]);
        let file = self.authority.directory().join("shown.pem");
        std::fs::write(&file, &shown.stdout).unwrap();
        let file = file.display().to_string();
        let read = run("openssl", &["x509", "-in", &file, "-noout", "-serial"]);
        assert!(read.status.success(), "{}", printed(&shown));
        printed(&read).trim().replace("serial=", "")
    }
}

#[test]
fn a_new_certificate_is_used_without_ending_a_connection() {
    if !suite::is_wanted() {
        return;
    }
    let mut replaced = Replaced::start(&[]);
    let old = replaced.serial();
    // A foreign client over TLS that stays through all of it.
    let port = replaced.broker.port_of("mqtts").to_string();
    let ca = replaced.authority.path("ca.pem");
    let mut stays = Client::spawn(
        Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &port])
            .args(["--cafile", &ca, "-t", "t/#", "-C", "1", "-d"]),
    );
    stays.wait_for("Subscribed");
    replaced.authority.server();
    replaced
        .broker
        .wait_for_log("read again, for new connections");
    assert_ne!(replaced.serial(), old);
    assert!(mosquitto_pub(
        &replaced.broker,
        &["--cafile", &ca, "-m", "still here", "-r"]
    ));
    stays.wait_for("still here");
    let (code, said) = stays.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("sending CONNECT").count(), 1, "{said}");
}

#[test]
fn a_broken_file_keeps_the_old_one_loudly() {
    if !suite::is_wanted() {
        return;
    }
    let mut replaced = Replaced::start(&[]);
    let old = replaced.serial();
    let cert = replaced.authority.path("server.pem");
    std::fs::write(
        &cert,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let line = replaced.broker.wait_for_log("what was read before stays");
    assert!(
        line.contains("WARN") && line.contains("server.pem"),
        "{line}"
    );
    assert_eq!(replaced.serial(), old);
}

#[test]
fn sighup_has_a_revocation_list_read_again() {
    if !suite::is_wanted() {
        return;
    }
    let made = Authority::new();
    made.server();
    let serial = made.client("one");
    made.revoke(&[]);
    let path = |name: &str| made.path(name);
    let (ca, crl) = (path("ca.pem"), format!("tls.crl_file={}", path("crl.pem")));
    let (cert, key) = (path("server.pem"), path("server-key.pem"));
    let mut broker = Broker::listening(
        1,
        &[
            "--listen",
            "mqtts://127.0.0.1:0",
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
            "--tls-client-ca",
            &ca,
            "--set",
            &crl,
        ],
    );
    let (cert, key) = (path("one.pem"), path("one-key.pem"));
    let client = ["--cafile", &ca, "--cert", &cert, "--key", &key, "-m", "m"];
    assert!(mosquitto_pub(&broker, &client));
    made.revoke(&[serial]);
    broker.signal("HUP");
    broker.wait_for_log("read again, for new connections");
    assert!(!mosquitto_pub(&broker, &client));
}
