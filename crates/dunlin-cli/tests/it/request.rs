//! `dunlin request` and `respond`.

use super::broker::Broker;

#[test]
fn a_request_gets_its_answer() {
    let broker = Broker::start(&[]);
    let words = [
        "-t",
        "lamp/+",
        "--exec",
        "printf '%s:' \"$MQTT_TOPIC\"; tr a-z A-Z",
    ];
    let responder = broker.client("respond", &words).ready("Subscribed");
    let printed = broker.run("request", &["-t", "lamp/1", "-m", "on"]);
    assert_eq!(printed, "lamp/1:ON");
    let (code, printed) = responder.stop();
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn each_of_several_answers_is_printed() {
    let broker = Broker::start(&[]);
    let responders = ["one", "two"].map(|text| {
        let words = ["-t", "who", "-m", text, "--count", "1"];
        broker.client("respond", &words).ready("Subscribed")
    });
    let printed = broker.run("request", &["-t", "who", "-c", "2"]);
    let mut answers: Vec<_> = printed.lines().collect();
    answers.sort_unstable();
    assert_eq!(answers, ["one", "two"]);
    for responder in responders {
        assert_eq!(responder.end().0, Some(0));
    }
}

#[test]
fn without_an_answer_the_time_passes() {
    let broker = Broker::start(&[]);
    let client = broker.client("request", &["-t", "nobody", "--timeout", "0.2"]);
    assert_eq!(client.end(), (Some(27), String::new()));
}
