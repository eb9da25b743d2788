//! `dunlin check`: against Dunlin, and against one that accepts everybody and says nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use super::broker::Broker;
use super::{alone, text};

#[test]
fn dunlin_passes_every_probe() {
    let broker = Broker::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (json, junit) = (path("check.json"), path("check.xml"));
    let words = ["-v", "--json", &json, "--junit", &junit];
    let printed = broker.run("check", &words);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(
        [&report["failed"], &report["lenient"], &report["skipped"]],
        [&Value::from(0); 3],
        "{printed}"
    );
    let passed = report["passed"].as_u64().unwrap();
    assert!(passed >= 60, "{printed}");
    let junit = std::fs::read_to_string(junit).unwrap();
    let cases = junit.matches("<testcase ").count();
    assert_eq!(u64::try_from(cases).unwrap(), passed, "{junit}");
    assert!(!junit.contains("<failure"), "{junit}");
}

#[test]
fn what_is_otherwise_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // CONNECT is shorter than this, and one read brings it.
            let _ = stream.read(&mut [0; 1024]);
            // Accepted. Whoever is gone already does not hear it.
            let _ = stream.write_all(&[0x20, 3, 0, 0, 0]);
            held.push(stream);
        }
    });
    let words = ["check", "127.0.0.1", "-p", &port];
    let words = [
        &words,
        ["--only", "MQTT-3.12.4-1", "--patience", "0.2"].as_slice(),
    ]
    .concat();
    let output = alone(&words).output().unwrap();
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("FAILED  5.0   MQTT-3.12.4-1"), "{printed}");
    assert!(
        printed.contains("0 passed, 2 failed, 0 lenient"),
        "{printed}"
    );

    // What no client may send need not be noticed (section 4.13.1).
    let words = [
        &["check", "127.0.0.1", "-p", &port, "--patience", "0.2"],
        ["--only", "flags of PINGREQ"].as_slice(),
    ]
    .concat();
    let output = alone(&words).output().unwrap();
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("lenient 5.0   MQTT-2.1.3-1"), "{printed}");
    assert!(
        printed.contains("0 failed, 1 lenient, 0 skipped"),
        "{printed}"
    );
}

#[test]
fn of_one_version_only_its_probes_are_tried() {
    let listed = |words: &[&str]| {
        let output = alone(&[&["check", "--list"], words].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout).lines().count()
    };
    let [all, old, new] = [listed(&[]), listed(&["-V", "3.1.1"]), listed(&["-V", "5"])];
    assert!(
        old > 0 && new > 0 && old + new == all,
        "{all}: {old} and {new}"
    );
    let broker = Broker::start(&[]);
    let printed = broker.run("check", &["-V", "3.1.1"]);
    assert!(
        printed.contains(&format!("{old} passed, 0 failed")),
        "{printed}"
    );
}
