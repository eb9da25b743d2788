//! MQTT over TLS.

use crate::broker::Broker;
use crate::certificates::Authority;
use crate::foreign::{mosquitto_pub, printed, run};
use crate::suite;

/// A broker with one listener for TLS.
fn start(authority: &Authority, more: &[&str]) -> Broker {
    authority.server();
    let (cert, key) = (
        authority.path("server.pem"),
        authority.path("server-key.pem"),
    );
    let mut arguments = vec!["--listen", "mqtts://127.0.0.1:0"];
    arguments.extend(["--tls-cert", &cert, "--tls-key", &key]);
    arguments.extend(more);
    let count = arguments.iter().filter(|word| **word == "--listen").count();
    Broker::listening(count, &arguments)
}

/// What `openssl s_client` says of a connection, and whether the handshake was done.
fn s_client(broker: &Broker, authority: &Authority, more: &[&str]) -> (bool, String) {
    let address = format!("127.0.0.1:{}", broker.port_of("mqtts"));
    let ca = authority.path("ca.pem");
    let mut arguments = vec!["s_client", "-connect", &address, "-CAfile", &ca, "-brief"];
    arguments.extend(["-verify_return_error", "-verify_ip", "127.0.0.1"]);
    arguments.extend(more);
    let output = run("openssl", &arguments);
    (output.status.success(), printed(&output))
}

#[test]
fn openssl_agrees_on_1_2_and_1_3_and_on_nothing_older() {
    if !suite::is_wanted() {
        return;
    }
    let authority = Authority::new();
    let broker = start(&authority, &[]);
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (is_done, said) = s_client(&broker, &authority, &[flag]);
        assert!(is_done, "{said}");
        assert!(
            said.contains(&format!("Protocol version: {version}")),
            "{said}"
        );
        assert!(said.contains("Verification: OK"), "{said}");
    }
    let old = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    let (is_done, said) = s_client(&broker, &authority, &old);
    assert!(!is_done, "{said}");
}

#[test]
fn a_newer_version_can_be_demanded() {
    if !suite::is_wanted() {
        return;
    }
    let authority = Authority::new();
    let broker = start(&authority, &["--set", "tls.version_min=1.3"]);
    assert!(s_client(&broker, &authority, &["-tls1_3"]).0);
    let (is_done, said) = s_client(&broker, &authority, &["-tls1_2"]);
    assert!(!is_done && said.contains("protocol version"), "{said}");
}

/// A suite over TLS, whose client knows the authority.
fn does_all_over_tls(name: &str) {
    if !suite::is_wanted() {
        return;
    }
    let authority = Authority::new();
    let broker = start(&authority, &[]);
    let ca = authority.path("ca.pem");
    let environment = [("TRANSPORT", "tls"), ("CA_FILE", &ca)];
    suite::run(name, broker.port_of("mqtts"), &environment);
}

#[test]
fn paho_does_all_over_tls() {
    does_all_over_tls("paho");
}

/// A suite over mutual TLS, whose client has a certificate of its own.
fn does_all_over_mutual_tls(name: &str) {
    if !suite::is_wanted() {
        return;
    }
    let authority = Authority::new();
    authority.client("one");
    let ca = authority.path("ca.pem");
    let broker = start(&authority, &["--tls-client-ca", &ca]);
    let (cert, key) = (authority.path("one.pem"), authority.path("one-key.pem"));
    let environment = [
        ("TRANSPORT", "tls"),
        ("CA_FILE", &ca),
        ("CERT_FILE", &cert),
        ("KEY_FILE", &key),
    ];
    suite::run(name, broker.port_of("mqtts"), &environment);
}

#[test]
fn paho_does_all_with_a_certificate_of_its_own() {
    does_all_over_mutual_tls("paho");
}

#[test]
fn mosquitto_does_all_with_a_certificate_of_its_own() {
    does_all_over_mutual_tls("mosquitto");
}

#[test]
fn mqtt_js_does_all_over_tls() {
    does_all_over_tls("mqttjs");
}

#[test]
fn a_client_without_a_certificate_that_is_good_is_refused_where_one_is_required() {
    if !suite::is_wanted() {
        return;
    }
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.client("good");
    let revoked = authority.client("revoked");
    stranger.client("strange");
    authority.revoke(&[revoked]);
    let (ca, crl) = (authority.path("ca.pem"), authority.path("crl.pem"));
    let crl = format!("tls.crl_file={crl}");
    let broker = start(&authority, &["--tls-client-ca", &ca, "--set", &crl]);
    let with = |authority: &Authority, name: &str| {
        let cert = authority.path(&format!("{name}.pem"));
        let key = authority.path(&format!("{name}-key.pem"));
        mosquitto_pub(
            &broker,
            &["--cafile", &ca, "--cert", &cert, "--key", &key, "-m", "m"],
        )
    };
    assert!(with(&authority, "good"));
    assert!(!with(&authority, "revoked"));
    assert!(!with(&stranger, "strange"));
    // The broker's certificate is not one for clients.
    assert!(!with(&authority, "server"));
    assert!(!mosquitto_pub(&broker, &["--cafile", &ca, "-m", "m"]));
}

#[test]
fn where_a_certificate_is_optional_none_will_do_and_a_strange_one_will_not() {
    if !suite::is_wanted() {
        return;
    }
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.client("good");
    stranger.client("strange");
    let ca = authority.path("ca.pem");
    let optional = "tls.client_certificate=optional";
    let broker = start(&authority, &["--tls-client-ca", &ca, "--set", optional]);
    assert!(mosquitto_pub(&broker, &["--cafile", &ca, "-m", "m"]));
    let (cert, key) = (authority.path("good.pem"), authority.path("good-key.pem"));
    assert!(mosquitto_pub(
        &broker,
        &["--cafile", &ca, "--cert", &cert, "--key", &key, "-m", "m"]
    ));
    let (cert, key) = (
        stranger.path("strange.pem"),
        stranger.path("strange-key.pem"),
    );
    assert!(!mosquitto_pub(
        &broker,
        &["--cafile", &ca, "--cert", &cert, "--key", &key, "-m", "m"]
    ));
}

#[test]
fn a_self_signed_certificate_is_enough_for_a_first_try() {
    if !suite::is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let program = env!("CARGO_BIN_EXE_dunlin");
    let made = run(
        program,
        &["cert", "self-signed", "--cert", &cert, "--key", &key],
    );
    assert!(made.status.success(), "{}", printed(&made));
    let arguments = [
        "--listen",
        "mqtts://127.0.0.1:0",
        "--listen",
        "mqtt://127.0.0.1:0",
    ];
    let files = ["--tls-cert", &cert, "--tls-key", &key];
    let broker = Broker::listening(2, &[arguments.as_slice(), files.as_slice()].concat());
    let mut subscriber = broker.client("sub", &["-t", "t/#"]).ready("Subscribed");
    assert!(mosquitto_pub(
        &broker,
        &["--cafile", &cert, "-m", "over TLS"]
    ));
    subscriber.wait_for("over TLS");
}

#[test]
fn a_listener_without_a_certificate_that_can_be_used_does_not_start() {
    let authority = Authority::new();
    authority.server();
    authority.client("other");
    let (cert, key) = (
        authority.path("server.pem"),
        authority.path("server-key.pem"),
    );
    let (other, missing) = (
        authority.path("other-key.pem"),
        authority.path("missing.pem"),
    );
    for (files, code, told) in [
        (
            [].as_slice(),
            2,
            "needs a certificate and its key: give --tls-cert FILE",
        ),
        (
            &["--tls-cert", &cert],
            2,
            "needs the key of its certificate",
        ),
        (
            &["--tls-cert", &missing, "--tls-key", &key],
            1,
            "missing.pem cannot be read",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &other],
            1,
            "cannot be used together",
        ),
        (
            &["--tls-cert", &key, "--tls-key", &key],
            1,
            "holds no certificate as PEM",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &cert],
            1,
            "holds no private key",
        ),
    ] {
        let start = ["serve", "--ephemeral", "--listen", "mqtts://127.0.0.1:0"];
        let output = run(
            env!("CARGO_BIN_EXE_dunlin"),
            &[start.as_slice(), files].concat(),
        );
        let said = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{files:?}: {said}");
        assert!(said.contains(told), "{files:?}: {said}");
    }
}

#[test]
fn a_key_that_everyone_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::new();
    authority.server();
    let (cert, key) = (
        authority.path("server.pem"),
        authority.path("server-key.pem"),
    );
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    // It is said before the broker listens, so it is among the lines that were read until then.
    let mut broker = Broker::listening(
        0,
        &[
            "--listen",
            "mqtts://127.0.0.1:0",
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
        ],
    );
    let line = broker.wait_for_log("holds secrets");
    assert!(
        line.contains("WARN") && line.contains(&format!("chmod o= {key}")),
        "{line}"
    );
}
