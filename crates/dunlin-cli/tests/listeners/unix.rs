//! MQTT over Unix sockets.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::broker::Broker;
use crate::foreign::{printed, run};
use crate::suite;

fn start(path: &Path) -> Broker {
    let url = format!("unix://{}", path.display());
    Broker::listening(2, &["--listen", &url, "--listen", "mqtt://127.0.0.1:0"])
}

#[test]
fn mosquitto_publishes_through_the_file_of_a_socket() {
    if !suite::is_wanted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dunlin.sock");
    let broker = start(&path);
    let mut subscriber = broker.client("sub", &["-t", "t/#"]).ready("Subscribed");
    let path = path.display().to_string();
    let arguments = [
        "--unix",
        &path,
        "-t",
        "t/1",
        "-q",
        "2",
        "-m",
        "through a file",
    ];
    let published = run("mosquitto_pub", &arguments);
    assert!(published.status.success(), "{}", printed(&published));
    subscriber.wait_for("through a file");
}

#[test]
fn the_file_has_its_permissions_and_goes_with_the_broker() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dunlin.sock");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let broker = start(&path);
    assert_eq!(mode(), 0o660);
    assert!(broker.terminate().success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    let bind = format!("unix://{}", path.display());
    let listener = format!("listener=[{{ bind = {bind:?}, unix_mode = 0o600 }}]");
    let broker = Broker::listening(1, &["--set", &listener]);
    assert_eq!(mode(), 0o600);
    assert_eq!(broker.address(0), bind);
}

#[test]
fn a_file_that_nobody_listens_on_is_replaced_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dunlin.sock");
    let url = format!("unix://{}", path.display());
    let refused = |what: &str| {
        let output = run(
            env!("CARGO_BIN_EXE_dunlin"),
            &["serve", "--ephemeral", "--listen", &url],
        );
        assert_eq!(output.status.code(), Some(1));
        assert!(printed(&output).contains(what), "{}", printed(&output));
    };
    let other = UnixListener::bind(&path).unwrap();
    refused("another program listens on this socket");
    UnixStream::connect(&path).unwrap();
    drop(other);
    // The file of a program that is gone.
    assert!(path.exists());
    let broker = start(&path);
    UnixStream::connect(&path).unwrap();
    refused("another program listens on this socket");
    drop(broker);

    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "somebody's text").unwrap();
    refused("a file that is no socket has this path");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's text");
}
