"""Each QoS end to end, order, topic filters, payloads."""

from __future__ import annotations

import subprocess

from harness.cases import ALL, DEADLINE_S, Trial, case, expect, expect_equal

from .commands import Subscriber, command_line, publish, publish_lines, run


def _round_trip(trial: Trial, qos: int) -> None:
    topic = trial.topic("räk/🐦/饼干")
    subscriber = Subscriber(trial, topic, qos=qos).subscribed()
    expect_equal(subscriber.wait_for("Subscribed (mid:"), f"Subscribed (mid: 1): {qos}", "SUBACK")
    publish(trial, topic, 'a "payload"', qos)
    got = subscriber.next()
    expect_equal((got.topic, got.payload, got.qos), (topic, 'a "payload"', qos), "message")
    expect_equal((got.dup, got.retain), (False, False), "DUP and RETAIN of a live message")
    subscriber.expect_quiet()


# [v3 MQTT-4.3.1-1] [v3 MQTT-3.3.1-2] [v3 MQTT-2.3.1-5]
# [v5 MQTT-4.3.1-1] [v5 MQTT-3.3.1-2] [v5 MQTT-2.2.1-2]
@case(*ALL)
def qos_0_end_to_end(trial: Trial) -> None:
    _round_trip(trial, 0)


# [v3 MQTT-4.3.2-2] [v3 MQTT-3.3.4-1] [v3 MQTT-2.3.1-6]
# [v5 MQTT-4.3.2-2] [v5 MQTT-4.3.2-4] [v5 MQTT-3.3.4-1] [v5 MQTT-2.2.1-5]
@case(*ALL)
def qos_1_end_to_end(trial: Trial) -> None:
    _round_trip(trial, 1)


# [v3 MQTT-4.3.3-1] [v3 MQTT-4.3.3-2] [v3 MQTT-3.3.4-1] [v3 MQTT-2.3.1-6]
# [v5 MQTT-4.3.3-2] [v5 MQTT-4.3.3-4] [v5 MQTT-4.3.3-8] [v5 MQTT-4.3.3-11] [v5 MQTT-3.3.4-1]
@case(*ALL)
def qos_2_end_to_end(trial: Trial) -> None:
    _round_trip(trial, 2)


# [v3 MQTT-3.8.4-6] [v5 MQTT-3.8.4-8]
@case(*ALL)
def the_lower_qos_of_message_and_subscription(trial: Trial) -> None:
    topic = trial.topic("t")
    subscribers = [Subscriber(trial, topic, qos=qos).subscribed() for qos in (0, 1, 2)]
    for published in (0, 1, 2):
        publish(trial, topic, f"at {published}", published)
        for granted, subscriber in enumerate(subscribers):
            got = subscriber.next()
            expect_equal(
                (got.payload, got.qos),
                (f"at {published}", min(granted, published)),
                f"published at {published}, granted {granted}",
            )


# [v3 MQTT-4.6.0-6] [v5 MQTT-4.6.0-5]
@case(*ALL)
def messages_keep_their_order(trial: Trial) -> None:
    for qos in (0, 1, 2):
        topic = trial.topic(f"order/{qos}")
        subscriber = Subscriber(trial, topic, qos=qos).subscribed()
        wanted = [str(n) for n in range(200)]
        publish_lines(trial, topic, wanted, qos)
        expect_equal([one.payload for one in subscriber.take(200)], wanted, f"order at QoS {qos}")
        subscriber.kill()


# [v3 MQTT-3.3.2-3] [v5 MQTT-3.3.2-3]
@case(*ALL)
def wildcards_match_whole_levels(trial: Trial) -> None:
    topics = ["a", "a/", "a/b", "a/b/c", "A/b", "ab"]
    wanted = {"a/#": ["a", "a/", "a/b", "a/b/c"], "a/+": ["a/", "a/b"], "+": ["a", "ab"]}
    subscribers = {
        one: Subscriber(trial, trial.topic(one), trial.topic("last/of/all/four"), qos=1).subscribed()
        for one in wanted
    }
    for topic in [*topics, "last/of/all/four"]:
        publish(trial, trial.topic(topic), topic, 1)
    for topic_filter, subscriber in subscribers.items():
        got = []
        while (message := subscriber.next()).payload != "last/of/all/four":
            got.append(message.payload)
        expect_equal(got, wanted[topic_filter], f"what {topic_filter} matches")


# [v3 MQTT-3.10.4-1] [v3 MQTT-3.10.4-2] [v3 MQTT-3.10.4-4]
# [v5 MQTT-3.10.4-1] [v5 MQTT-3.10.4-2] [v5 MQTT-3.10.4-4]
@case(*ALL)
def unsubscribe_ends_delivery(trial: Trial) -> None:
    gone, kept = trial.topic("gone/+"), trial.topic("kept")
    first = Subscriber(trial, gone, kept, qos=1, keep=True).subscribed()
    first.kill()
    client_id = first.client_id
    second = Subscriber(trial, kept, qos=1, keep=True, client_id=client_id, more=["-U", gone])
    second.subscribed().wait_for("received UNSUBACK")
    publish(trial, trial.topic("gone/1"), "gone", 1)
    publish(trial, kept, "kept", 1)
    expect_equal(second.next().payload, "kept", "first message after UNSUBACK")


def _bytes_received(trial: Trial, topic: str, sent: bytes) -> bytes:
    """Sends from standard input and gives what mosquitto_sub wrote, byte for byte."""
    ready = Subscriber(trial, topic, qos=1).subscribed()
    command = command_line(trial, "mosquitto_sub", "-t", topic, "-q", "1", "-C", "1", "-N")
    receiver = subprocess.Popen(command, stdout=subprocess.PIPE)
    trial.at_end(receiver.kill)
    # Nothing tells when the second subscription stands: the message is retained for it.
    trial.at_end(lambda: run(trial, "mosquitto_pub", "-t", topic, "-n", "-r"))
    publisher = command_line(trial, "mosquitto_pub", "-t", topic, "-q", "1", "-s", "-r")
    subprocess.run(publisher, input=sent, timeout=DEADLINE_S, check=True)
    ready.wait_for("received PUBLISH")
    return receiver.communicate(timeout=DEADLINE_S)[0]


@case(*ALL)
def a_large_payload(trial: Trial) -> None:
    sent = bytes(n % 251 for n in range(1_000_000))
    got = _bytes_received(trial, trial.topic("t"), sent)
    expect(got == sent, f"a payload of {len(sent)} bytes came changed: {len(got)} bytes")


@case(*ALL)
def every_byte_goes_through(trial: Trial) -> None:
    sent = bytes(range(256))
    expect_equal(_bytes_received(trial, trial.topic("t"), sent), sent, "payload")


@case(*ALL)
def an_empty_payload_is_a_message(trial: Trial) -> None:
    subscriber = Subscriber(trial, trial.topic("t"), qos=2).subscribed()
    for qos in (0, 1, 2):
        publish(trial, trial.topic("t"), "", qos)
        got = subscriber.next()
        expect_equal((got.payload, got.qos), ("", qos), "message")
