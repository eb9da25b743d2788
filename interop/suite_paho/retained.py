"""Retained messages."""

from __future__ import annotations

from harness.cases import ALL, V5, Trial, case, expect, expect_equal, pause_until

from .client import Client, Message


def _summary(messages: list[Message]) -> list[tuple[str, str, bool]]:
    return sorted((one.topic, one.payload, one.retain) for one in messages)


# [v3 MQTT-3.3.1-5] [v3 MQTT-3.3.1-6] [v3 MQTT-3.3.1-8]
# [v5 MQTT-3.3.1-5] [v5 MQTT-3.3.1-9]
@case(*ALL)
def one_for_each_topic_and_the_last_one(trial: Trial) -> None:
    publisher = Client(trial).connect()
    for payload in ("first", "second", "third"):
        publisher.publish(trial.topic("a"), payload, 1, retain=True)
    publisher.publish(trial.topic("b"), "only", 2, retain=True)
    subscriber = Client(trial).connect()
    subscriber.subscribe_all([(trial.topic("a"), 2), (trial.topic("b"), 2)])
    wanted = [(trial.topic("a"), "third", True), (trial.topic("b"), "only", True)]
    got = subscriber.take(2)
    expect_equal(_summary(got), wanted, "retained messages")
    expect_equal(sorted(one.qos for one in got), [1, 2], "QoS of the retained messages")
    subscriber.expect_quiet()


# [v3 MQTT-3.3.1-6]
# [v5 MQTT-3.3.1-9]
@case(*ALL)
def wildcards_match_retained_messages(trial: Trial) -> None:
    publisher = Client(trial).connect()
    for name in ("x", "x/1", "x/2", "x/2/deep", "y/1"):
        publisher.publish(trial.topic(name), name, 1, retain=True)
    wanted = {
        "x/+": ["x/1", "x/2"],
        "x/#": ["x", "x/1", "x/2", "x/2/deep"],
        "+/1": ["x/1", "y/1"],
        "none/#": [],
    }
    for topic_filter, names in wanted.items():
        subscriber = Client(trial).connect()
        subscriber.subscribe(trial.topic(topic_filter), 1)
        got = sorted(one.payload for one in subscriber.take(len(names)))
        expect_equal(got, names, f"retained messages for {topic_filter}")
        subscriber.expect_quiet()


# [v3 MQTT-3.8.4-3]
# [v5 MQTT-3.3.1-9] [v5 MQTT-3.8.4-3] [v5 MQTT-3.8.4-4]
@case(*ALL)
def given_again_on_a_second_subscribe(trial: Trial) -> None:
    publisher = Client(trial).connect()
    publisher.publish(trial.topic("t"), "kept", 1, retain=True)
    subscriber = Client(trial).connect()
    for _ in range(3):
        subscriber.subscribe(trial.topic("t"), 1)
        got = subscriber.next()
        expect_equal((got.payload, got.retain), ("kept", True), "retained message")
    publisher.publish(trial.topic("t"), "live", 1)
    expect_equal(subscriber.next().payload, "live", "live message, from one subscription")
    subscriber.expect_quiet()


# [v3 MQTT-3.3.1-9]
# [v5 MQTT-3.3.1-12]
@case(*ALL)
def a_live_message_carries_retain_0(trial: Trial) -> None:
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("t"), 1)
    Client(trial).connect().publish(trial.topic("t"), "live", 1, retain=True)
    expect_equal(subscriber.next().retain, False, "RETAIN")


# [v3 MQTT-3.3.1-12]
# [v5 MQTT-3.3.1-8]
@case(*ALL)
def a_message_without_retain_changes_nothing(trial: Trial) -> None:
    publisher = Client(trial).connect()
    publisher.publish(trial.topic("t"), "kept", 1, retain=True)
    publisher.publish(trial.topic("t"), "passing", 1)
    publisher.publish(trial.topic("t"), "", 1)
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("t"), 1)
    expect_equal(subscriber.next().payload, "kept", "retained message")
    subscriber.expect_quiet()


# [v3 MQTT-3.3.1-10] [v3 MQTT-3.3.1-11]
# [v5 MQTT-3.3.1-6] [v5 MQTT-3.3.1-7]
@case(*ALL)
def an_empty_payload_deletes(trial: Trial) -> None:
    publisher = Client(trial).connect()
    present = Client(trial).connect()
    present.subscribe(trial.topic("t"), 1)
    publisher.publish(trial.topic("t"), "kept", 1, retain=True)
    publisher.publish(trial.topic("t"), "", 1, retain=True)
    # It is processed as any message for who is there.
    got = [(one.payload, one.retain) for one in present.take(2)]
    expect_equal(got, [("kept", False), ("", False)], "what the present subscriber got")
    later = Client(trial).connect()
    later.subscribe(trial.topic("t"), 1)
    later.expect_quiet()


# [v3 MQTT-3.3.1-7]
# [v5 MQTT-3.3.1-5]
@case(*ALL)
def a_qos_0_message_replaces_a_qos_1_message(trial: Trial) -> None:
    publisher = Client(trial).connect()
    publisher.publish(trial.topic("t"), "old", 1, retain=True)
    publisher.publish(trial.topic("t"), "new", 0, retain=True)
    publisher.publish(trial.topic("marker"), "marker", 1)
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("t"), 1)
    got = subscriber.next()
    expect_equal((got.payload, got.qos), ("new", 0), "retained message")


# [v3 MQTT-3.1.2.7]
@case(*ALL)
def retained_messages_outlive_the_session(trial: Trial) -> None:
    publisher = Client(trial).connect()
    publisher.publish(trial.topic("t"), "kept", 1, retain=True)
    publisher.disconnect()
    publisher.connect(clean=True)
    publisher.disconnect()
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("t"), 1)
    expect_equal(subscriber.next().payload, "kept", "retained message")


# [v5 MQTT-3.3.1-9] [v5 MQTT-3.3.1-10] [v5 MQTT-3.3.1-11]
@case(V5)
def retain_handling(trial: Trial) -> None:
    topic = trial.topic("t")
    Client(trial).connect().publish(topic, "kept", 1, retain=True)
    for handling, wanted in ((0, [1, 1]), (1, [1, 0]), (2, [0, 0])):
        subscriber = Client(trial).connect()
        for attempt, count in enumerate(wanted):
            subscriber.subscribe(topic, 1, retainHandling=handling)
            got = [one.payload for one in subscriber.take(count)]
            what = f"Retain Handling {handling}, subscribe number {attempt + 1}"
            expect_equal(got, ["kept"] * count, what)
            subscriber.expect_quiet()


# [v5 MQTT-3.3.1-10]
@case(V5)
def retain_handling_1_counts_a_resumed_subscription_as_there(trial: Trial) -> None:
    topic = trial.topic("t")
    Client(trial).connect().publish(topic, "kept", 1, retain=True)
    subscriber = Client(trial, clean=False).connect()
    subscriber.subscribe(topic, 1, retainHandling=1)
    subscriber.next()
    subscriber.disconnect()
    subscriber.connect(clean=False)
    subscriber.subscribe(topic, 1, retainHandling=1)
    subscriber.expect_quiet()
    subscriber.unsubscribe(topic)
    subscriber.subscribe(topic, 1, retainHandling=1)
    expect_equal(subscriber.next().payload, "kept", "retained message for a new subscription")


# [v5 MQTT-3.3.1-12] [v5 MQTT-3.3.1-13]
@case(V5)
def retain_as_published(trial: Trial) -> None:
    topic = trial.topic("t")
    publisher = Client(trial).connect()
    for asked in (False, True):
        subscriber = Client(trial).connect()
        subscriber.subscribe(topic, 1, retainAsPublished=asked, retainHandling=2)
        for retain in (False, True):
            publisher.publish(topic, "live", 1, retain=retain)
            expect_equal(
                subscriber.next().retain,
                asked and retain,
                f"Retain As Published {asked}, published with RETAIN {retain}",
            )
        # What a new subscription brings carries RETAIN 1 in both cases.
        subscriber.subscribe(topic, 1, retainAsPublished=asked)
        expect_equal(subscriber.next().retain, True, "RETAIN of a retained message")


# [v5 MQTT-3.3.2-5] [v5 MQTT-3.3.2-6]
@case(V5)
def retained_messages_expire(trial: Trial) -> None:
    publisher = Client(trial).connect()
    publisher.publish(trial.topic("short"), "s", 1, retain=True, MessageExpiryInterval=1)
    publisher.publish(trial.topic("long"), "l", 1, retain=True, MessageExpiryInterval=100)
    pause_until(2.2)
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("+"), 1)
    got = subscriber.next()
    expect_equal(got.payload, "l", "what is left")
    left = got.properties.get("MessageExpiryInterval")
    expect(left is not None and 90 <= left <= 98, f"Message Expiry Interval after 2 s of 100: {left}")
    subscriber.expect_quiet()


# [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-17] [v5 MQTT-3.3.2-20]
# [v5 MQTT-3.3.2-18]
@case(V5)
def a_retained_message_keeps_its_properties(trial: Trial) -> None:
    given = {
        "PayloadFormatIndicator": 1,
        "ContentType": "text/plain",
        "ResponseTopic": trial.topic("answer"),
        "CorrelationData": b"\x01\x02",
        "UserProperty": [("b", "1"), ("a", "2")],
    }
    Client(trial).connect().publish(trial.topic("t"), "kept", 1, retain=True, **given)
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("t"), 1)
    expect_equal(subscriber.next().properties, given, "properties")
