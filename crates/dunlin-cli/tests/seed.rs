//! The features that the project started from, each tried as a person would: with the program, in
//! processes of their own.

mod broker;

use broker::{Broker, Client};

fn subscriber(broker: &Broker, args: &[&str]) -> Client {
    broker.client("sub", args).ready("Subscribed")
}

// [v3 MQTT-3.1.2-8] [v5 MQTT-3.1.2-8]
#[test]
fn the_will_of_a_killed_client_is_published() {
    let broker = Broker::start(&[]);
    let conn = broker
        .client(
            "conn",
            &[
                "--will-topic",
                "t/1",
                "--will-message",
                "A will message from MQTTX CLI",
            ],
        )
        .ready("Connected");
    let mut sub = subscriber(&broker, &["-t", "t/1", "-v"]);
    conn.kill();
    assert!(sub.wait_for("topic: t/1").starts_with("topic: t/1"));
    assert_eq!(sub.wait_for("A will"), "A will message from MQTTX CLI");
}

#[test]
fn a_retained_will_is_there_for_who_comes_later() {
    let broker = Broker::start(&[]);
    let mut watcher = subscriber(&broker, &["-t", "status/#"]);
    let args = [
        "--will-topic",
        "status/a",
        "--will-message",
        "offline",
        "--will-retain",
    ];
    let conn = broker.client("conn", &args).ready("Connected");
    conn.kill();
    watcher.wait_for("offline");
    let late = broker.run("sub", &["-t", "status/+", "--count", "1"]);
    assert!(
        late.contains("topic: status/a") && late.contains("retain: true"),
        "{late}"
    );
}

#[test]
fn one_message_is_retained_for_each_topic() {
    let broker = Broker::start(&[]);
    let retain = |topic, message| broker.run("pub", &["-t", topic, "-m", message, "-r", "-q", "1"]);
    retain("room/1", "old");
    retain("room/1", "new");
    retain("room/2", "other");
    for _again in 0..2 {
        let printed = broker.run("sub", &["-t", "room/#", "--count", "2"]);
        assert!(
            printed.contains("new") && printed.contains("other"),
            "{printed}"
        );
        assert!(!printed.contains("old"), "{printed}");
        assert_eq!(printed.matches("retain: true").count(), 2, "{printed}");
    }
    retain("room/1", "");
    let printed = broker.run("sub", &["-t", "room/#", "--count", "1"]);
    assert!(
        printed.contains("other") && !printed.contains("new"),
        "{printed}"
    );
    let (code, printed) = broker
        .client("sub", &["-t", "room/1", "--count", "1", "--timeout", "1"])
        .end();
    assert_eq!(code, Some(27), "{printed}");
}

/// What a session with this client identifier gets when it comes back.
fn offline(broker: &Broker, count: &str) -> (Option<i32>, String) {
    let keep = ["-t", "jobs/#", "-i", "worker", "--no-clean", "-q", "2"];
    let sub = subscriber(broker, &keep);
    sub.kill();
    for (qos, message) in [("0", "zero"), ("1", "one"), ("2", "two")] {
        broker.run("pub", &["-t", "jobs/1", "-m", message, "-q", qos]);
    }
    let mut again = keep.to_vec();
    again.extend(["--count", count, "--timeout", "3"]);
    broker.client("sub", &again).end()
}

#[test]
fn messages_wait_for_a_client_that_is_away() {
    let broker = Broker::start(&[]);
    let (code, printed) = offline(&broker, "2");
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.contains("one") && printed.contains("two"),
        "{printed}"
    );
    assert!(!printed.contains("zero"), "{printed}");
}

#[test]
fn for_which_qos_they_wait_is_configured() {
    let broker = Broker::start(&["--set", "session.offline_qos_min=0"]);
    let (code, printed) = offline(&broker, "3");
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.contains("zero") && printed.contains("two"),
        "{printed}"
    );
}

// [v3 MQTT-4.4.0-1] [v3 MQTT-3.3.1-1] [v5 MQTT-4.4.0-1] [v5 MQTT-3.3.1-1]
#[test]
fn what_was_on_its_way_when_the_connection_broke_is_sent_again() {
    let broker = Broker::start(&[]);
    for qos in ["1", "2"] {
        let keep = ["-t", "jobs/#", "-i", "worker", "--no-clean", "-q", qos];
        let sub = subscriber(&broker, &keep);
        // It no longer reads, so what is sent to it stays unacknowledged.
        sub.signal("STOP");
        broker.run("pub", &["-t", "jobs/1", "-m", "on its way", "-q", qos]);
        sub.kill();
        let mut again = keep.to_vec();
        again.extend(["-v", "--count", "1", "--timeout", "10"]);
        let (code, printed) = broker.client("sub", &again).end();
        assert_eq!(code, Some(0), "{printed}");
        assert!(printed.contains("on its way"), "{printed}");
        assert!(printed.contains(r#""dup":true"#), "{printed}");
    }
}

#[test]
fn a_queue_is_served_in_turns() {
    let broker = Broker::start(&[]);
    let mut one = subscriber(&broker, &["-t", "$queue/up/data", "-q", "1"]);
    let mut other = subscriber(&broker, &["-t", "$queue/up/data", "-q", "1"]);
    for number in 0..4 {
        broker.run(
            "pub",
            &[
                "-t",
                "up/data",
                "-m",
                &format!("message {number}"),
                "-q",
                "1",
            ],
        );
    }
    let of = |client: &mut Client| {
        let number = |line: String| line.chars().last().and_then(|c| c.to_digit(10)).unwrap();
        let first = number(client.wait_for("message "));
        (first, number(client.wait_for("message ")))
    };
    let (mut one, mut other) = (of(&mut one), of(&mut other));
    if one > other {
        std::mem::swap(&mut one, &mut other);
    }
    assert_eq!((one, other), ((0, 2), (1, 3)));
}

// [v5 MQTT-4.8.2-3]
#[test]
fn each_group_gets_every_message_once() {
    let broker = Broker::start(&[]);
    let mut members: Vec<_> = ["a", "a", "b"]
        .map(|group| {
            subscriber(
                &broker,
                &["-t", &format!("$share/{group}/topic"), "-q", "1"],
            )
        })
        .into();
    for number in 0..6 {
        broker.run(
            "pub",
            &["-t", "topic", "-m", &format!("message {number}"), "-q", "1"],
        );
    }
    let mut alone = members.pop().unwrap();
    for number in 0..6 {
        alone.wait_for(&format!("message {number}"));
    }
    // The two members of the other group have the six messages between them.
    let mut seen = [0; 6];
    for member in members {
        let (_, printed) = member.stop();
        for (number, seen) in seen.iter_mut().enumerate() {
            *seen += printed.matches(&format!("message {number}")).count();
        }
    }
    assert_eq!(seen, [1; 6]);
}

#[test]
fn the_member_of_a_group_is_picked_at_random() {
    // In turns, or always the same: by chance once in a billion runs.
    const MESSAGES: usize = 30;
    let broker = Broker::start(&[]);
    let members = ["one", "two"].map(|id| subscriber(&broker, &["-t", "$share/g/t", "-i", id]));
    for number in 0..MESSAGES {
        broker.run("pub", &["-t", "t", "-m", &format!("<{number}>"), "-q", "1"]);
    }
    let [one, two] = members.map(|member| member.stop().1);
    let of_one: Vec<bool> = (0..MESSAGES)
        .map(|number| one.contains(&format!("<{number}>")))
        .collect();
    for (number, is_of_one) in of_one.iter().enumerate() {
        let is_of_two = two.contains(&format!("<{number}>"));
        assert!(is_of_two != *is_of_one, "<{number}>: {one}\n{two}");
    }
    let changes = of_one.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(0 < changes && changes < MESSAGES - 1, "{of_one:?}");
}

#[test]
fn sigterm_ends_the_broker_with_success() {
    let broker = Broker::start(&[]);
    let mut sub = subscriber(&broker, &["-t", "a", "-rp", "0"]);
    assert!(broker.terminate().success());
    sub.wait_for_error("shutting down");
}
