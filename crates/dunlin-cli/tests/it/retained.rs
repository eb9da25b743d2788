//! `dunlin retained`.

use std::process::Command;

use super::broker::Broker;

fn retained(broker: &Broker, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command.arg("retained").args(words).env("NO_COLOR", "1");
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

#[test]
fn retained_messages_are_listed_printed_and_removed() {
    let broker = Broker::start(&[]);
    for (topic, payload) in [("a/1", "one"), ("a/2", "two"), ("b", "three")] {
        broker.run("pub", &["-t", topic, "-m", payload, "-r", "-q", "1"]);
    }
    let (code, printed) = retained(&broker, &["ls", "a/#"]);
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(printed, "a/1         3 B  QoS 1\na/2         3 B  QoS 1\n");
    let (_, printed) = retained(&broker, &["ls", "b", "--json"]);
    let expected = "{\"topic\":\"b\",\"qos\":1,\"size\":5,\"payload\":\"three\"}\n";
    assert_eq!(printed, expected);
    assert_eq!(
        retained(&broker, &["get", "a/2"]),
        (Some(0), "two".to_owned())
    );
    let removed = (Some(0), "a/1\na/2\n".to_owned());
    assert_eq!(retained(&broker, &["rm", "a/#", "--dry-run"]), removed);
    assert_eq!(retained(&broker, &["rm", "a/#"]), removed);
    let left = (Some(0), "b         5 B  QoS 1\n".to_owned());
    assert_eq!(retained(&broker, &["ls"]), left);
    let (code, printed) = retained(&broker, &["get", "a/1"]);
    assert_eq!(code, Some(1));
    assert_eq!(printed, "error: \"a/1\" has no retained message\n");
}
