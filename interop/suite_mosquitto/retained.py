"""Retained messages."""

from __future__ import annotations

from harness.cases import ALL, V5, Trial, case, expect_equal

from .commands import Subscriber, publish


# [v3 MQTT-3.3.1-5] [v3 MQTT-3.3.1-6] [v3 MQTT-3.3.1-8]
# [v5 MQTT-3.3.1-5] [v5 MQTT-3.3.1-9]
@case(*ALL)
def one_for_each_topic_the_last_one_by_wildcards(trial: Trial) -> None:
    for name in ("x/1", "x/2", "y/1"):
        for payload in (f"old {name}", name):
            publish(trial, trial.topic(name), payload, 1, retain=True)
    for topic_filter, names in {
        "x/1": ["x/1"],
        "x/+": ["x/1", "x/2"],
        "#": ["x/1", "x/2", "y/1"],
        "+/1": ["x/1", "y/1"],
    }.items():
        subscriber = Subscriber(trial, trial.topic(topic_filter), qos=1).subscribed()
        got = subscriber.take(len(names))
        expect_equal(sorted(one.payload for one in got), names, f"retained for {topic_filter}")
        expect_equal({(one.retain, one.qos) for one in got}, {(True, 1)}, "RETAIN and QoS")
        subscriber.expect_quiet()


# [v3 MQTT-3.8.4-3]
# [v5 MQTT-3.3.1-9] [v5 MQTT-3.8.4-4]
@case(*ALL)
def given_again_on_a_second_subscribe(trial: Trial) -> None:
    publish(trial, trial.topic("t"), "kept", 1, retain=True)
    client_id = trial.client_id()
    for _ in range(3):
        # The session and its subscription stay; the program subscribes again each time.
        one = Subscriber(trial, trial.topic("t"), qos=1, keep=True, client_id=client_id).subscribed()
        got = one.next()
        expect_equal((got.payload, got.retain), ("kept", True), "retained message")
        one.expect_quiet()
        one.kill()


# [v3 MQTT-3.3.1-9]
# [v5 MQTT-3.3.1-12]
@case(*ALL)
def a_live_message_carries_retain_0(trial: Trial) -> None:
    subscriber = Subscriber(trial, trial.topic("t"), qos=1).subscribed()
    publish(trial, trial.topic("t"), "live", 1, retain=True)
    expect_equal(subscriber.next().retain, False, "RETAIN")


# [v3 MQTT-3.3.1-10] [v3 MQTT-3.3.1-11]
# [v5 MQTT-3.3.1-6] [v5 MQTT-3.3.1-7]
@case(*ALL)
def an_empty_payload_deletes(trial: Trial) -> None:
    publish(trial, trial.topic("t"), "kept", 1, retain=True)
    publish(trial, trial.topic("t"), "", 1, retain=True)
    Subscriber(trial, trial.topic("t"), qos=1).subscribed().expect_quiet()


@case(*ALL)
def remove_retained_deletes_them_all(trial: Trial) -> None:
    for name in ("a", "b"):
        publish(trial, trial.topic(name), "kept", 1, retain=True)
    remover = Subscriber(trial, trial.topic("#"), qos=1, more=["--remove-retained"])
    remover.wait_for("received PUBACK", 2)
    Subscriber(trial, trial.topic("#"), qos=1).subscribed().expect_quiet()


# [v5 MQTT-3.3.1-13]
@case(V5)
def retain_as_published(trial: Trial) -> None:
    more = ["--retain-as-published"]
    subscriber = Subscriber(trial, trial.topic("t"), qos=1, more=more).subscribed()
    for retain in (True, False):
        publish(trial, trial.topic("t"), "live", 1, retain=retain)
        expect_equal(subscriber.next().retain, retain, "RETAIN as it was published")
