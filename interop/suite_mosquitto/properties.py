"""Properties of MQTT 5.0."""

from __future__ import annotations

import json
import re

from harness.cases import V5, Trial, case, expect, expect_equal

from .commands import Subscriber, property_flags, publish, publish_lines, run


# [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-17] [v5 MQTT-3.3.2-18]
# [v5 MQTT-3.3.2-20]
@case(V5)
def properties_of_a_message_go_through(trial: Trial) -> None:
    pairs = [("z", "1"), ("a", "räk"), ("z", "0"), ("z", "1")]
    given = {
        "payload-format-indicator": 1,
        "content-type": "application/json",
        "response-topic": trial.topic("answer"),
        "correlation-data": "12-34",
    }
    flags = property_flags(publish={**given, "user-property": pairs})
    subscriber = Subscriber(trial, trial.topic("t"), qos=2).subscribed()
    for qos in (0, 1, 2):
        publish(trial, trial.topic("t"), "m", qos, *flags)
        got = subscriber.next().properties
        expect_equal(got, {**given, "user-properties": pairs}, f"properties at QoS {qos}")


# [v5 MQTT-3.3.4-3]
@case(V5)
def a_subscription_identifier_comes_with_the_message(trial: Trial) -> None:
    more = property_flags(subscribe={"subscription-identifier": 268_435_455})
    subscriber = Subscriber(trial, trial.topic("t"), qos=1, more=more).subscribed()
    publish(trial, trial.topic("t"), "m", 1)
    expect_equal(subscriber.next().properties, {"subscription-identifier": 268_435_455}, "properties")


# [v5 MQTT-3.3.2-12]
@case(V5)
def topic_aliases_of_the_client(trial: Trial) -> None:
    subscriber = Subscriber(trial, trial.topic("#"), qos=1).subscribed()
    sent = [str(n) for n in range(5)]
    # From the second line on the program sends the alias alone.
    alias = property_flags(publish={"topic-alias": 1})
    publish_lines(trial, trial.topic("t"), sent, 1, *alias)
    got = subscriber.take(5)
    expect_equal([one.payload for one in got], sent, "payloads")
    expect_equal({one.topic for one in got}, {trial.topic("t")}, "topics")


# [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-2]
@case(V5)
def a_receive_maximum_of_one(trial: Trial) -> None:
    more = property_flags(connect={"receive-maximum": 1})
    subscriber = Subscriber(trial, trial.topic("t"), qos=2, more=more).subscribed()
    sent = [str(n) for n in range(50)]
    publish_lines(trial, trial.topic("t"), sent, 2)
    expect_equal([one.payload for one in subscriber.take(50)], sent, "messages")
    in_flight = 0
    for line in subscriber.lines():
        in_flight += "received PUBLISH" in line
        in_flight -= "sending PUBCOMP" in line
        expect(in_flight <= 1, "one QoS 2 message at a time until its PUBCOMP")


# [v5 MQTT-3.1.3-6] [v5 MQTT-3.1.3-7]
@case(V5)
def a_client_identifier_is_assigned(trial: Trial) -> None:
    names = set()
    for _ in range(2):
        # Without -i it sends an empty identifier, and prints what it is called afterwards.
        output = run(trial, "mosquitto_sub", "-d", "-E", "-t", trial.topic("t"))
        found = re.search(r"Client (\S+) sending SUBSCRIBE", output)
        expect(found is not None and found[1] != "(null)", f"an identifier in {output!r}")
        names.add(found[1])
    expect_equal(len(names), 2, "different names")


# [v5 MQTT-3.1.2-24] [v5 MQTT-3.1.2-25]
@case(V5)
def a_message_above_the_maximum_packet_size_counts_as_delivered(trial: Trial) -> None:
    more = property_flags(connect={"maximum-packet-size": 300})
    subscriber = Subscriber(trial, trial.topic("t"), qos=1, more=more).subscribed()
    for payload in ("before", "x" * 1000, "after"):
        publish(trial, trial.topic("t"), payload, 1)
    expect_equal([one.payload for one in subscriber.take(2)], ["before", "after"], "what fits")


@case(V5)
def puback_says_success_or_no_subscribers(trial: Trial) -> None:
    for qos, packet in ((1, "PUBACK"), (2, "PUBREC")):
        output = publish(trial, trial.topic("nobody"), "m", qos, "-d")
        expect(f"received {packet}" in output, f"{packet} in {output!r}")
        code = re.search(r"received PUBACK \(Mid: \d+, RC:(\d+)\)", output)
        expect(code is None or code[1] in ("0", "16"), f"reason code in {output!r}")


@case(V5)
def a_request_and_its_response(trial: Trial) -> None:
    responder = Subscriber(trial, trial.topic("request"), qos=1).subscribed()
    correlation = property_flags(publish={"correlation-data": "question-1"})
    more = ["-t", trial.topic("request"), "-e", trial.topic("answer"), "-m", "what?", "-q", "1"]

    def answer() -> None:
        request = responder.next()
        expect_equal(request.payload, "what?", "request")
        properties = request.properties
        back = property_flags(publish={"correlation-data": properties["correlation-data"]})
        publish(trial, properties["response-topic"], "that", 1, *back)

    output = trial.beside(answer, lambda: run(trial, "mosquitto_rr", *more, *correlation, "-F", "%j"))
    got = json.loads(output)
    expect_equal(got["payload"], "that", "response")
    expect_equal(got["properties"]["correlation-data"], "question-1", "correlation data")
