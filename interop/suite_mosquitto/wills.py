"""Will messages of processes that are killed."""

from __future__ import annotations

import time

from harness.cases import ALL, V5, Trial, case, expect, expect_equal

from .commands import Subscriber, property_flags, publish, run


def _watcher(trial: Trial) -> Subscriber:
    return Subscriber(trial, trial.topic("will/#"), qos=2).subscribed()


def _with_will(trial: Trial, payload: str, *more: str, qos: int = 1, **options) -> Subscriber:
    flags = ["--will-topic", trial.topic("will/t"), "--will-qos", str(qos)]
    flags += ["--will-payload", payload, *more]
    return Subscriber(trial, trial.topic("own"), more=flags, **options).subscribed()


# [v3 MQTT-3.1.2-8] [v3 MQTT-3.1.2-9] [v3 MQTT-3.1.2-16]
# [v5 MQTT-3.1.2-7] [v5 MQTT-3.1.2-8] [v5 MQTT-3.1.2-14]
@case(*ALL)
def will_of_a_killed_client(trial: Trial) -> None:
    watcher = _watcher(trial)
    for qos in (0, 1, 2):
        _with_will(trial, f"gone {qos}", qos=qos).kill()
        got = watcher.next()
        expect_equal(
            (got.payload, got.qos, got.retain), (f"gone {qos}", qos, False), "the will"
        )
    watcher.expect_quiet()


# [v3 MQTT-3.1.2-10] [v3 MQTT-3.14.4-3]
# [v5 MQTT-3.1.2-10] [v5 MQTT-3.14.4-3]
@case(*ALL)
def no_will_after_disconnect(trial: Trial) -> None:
    watcher = _watcher(trial)
    will = ("--will-topic", trial.topic("will/t"), "--will-payload", "gone")
    # Both end with DISCONNECT.
    publish(trial, trial.topic("other"), "m", 1, *will)
    run(trial, "mosquitto_sub", "-E", "-t", trial.topic("other"), *will)
    watcher.expect_quiet()


# [v3 MQTT-3.1.2-17] [v5 MQTT-3.1.2-15]
@case(*ALL)
def will_retain_for_a_later_subscriber(trial: Trial) -> None:
    topic = trial.topic("will/t")
    trial.at_end(lambda: run(trial, "mosquitto_pub", "-t", topic, "-n", "-r"))
    watcher = _watcher(trial)
    _with_will(trial, "kept", "--will-retain").kill()
    expect_equal(watcher.next().retain, False, "RETAIN of the live will")
    later = Subscriber(trial, topic, qos=1).subscribed()
    got = later.next()
    expect_equal((got.payload, got.qos, got.retain), ("kept", 1, True), "retained will")


# [v3 MQTT-3.1.2-24] [v5 MQTT-3.1.2-22]
@case(*ALL)
def will_when_the_keep_alive_passes(trial: Trial) -> None:
    watcher = _watcher(trial)
    # 5 s is the shortest that the program accepts.
    silent = _with_will(trial, "silent", "-k", "5")
    silent.silence()
    begun = time.monotonic()
    expect_equal(watcher.next().payload, "silent", "the will")
    waited = time.monotonic() - begun
    expect(5 < waited < 11, f"keep alive 5 s, the will came after {waited:.1f} s, not about 7.5")


# [v3 MQTT-3.1.4-2]
@case(*ALL)
def will_on_takeover(trial: Trial) -> None:
    watcher = _watcher(trial)
    first = _with_will(trial, "taken")
    publish(trial, trial.topic("other"), "m", 1, "-i", first.client_id)
    expect_equal(watcher.next().payload, "taken", "will of the first connection")


# [v5 MQTT-3.1.2-8]
@case(V5)
def will_delay_holds_the_will_back(trial: Trial) -> None:
    watcher = _watcher(trial)
    delay = property_flags(will={"will-delay-interval": 2})
    _with_will(trial, "late", *delay, keep=True).kill()
    begun = time.monotonic()
    watcher.expect_quiet(1.2)
    expect_equal(watcher.next().payload, "late", "will")
    waited = time.monotonic() - begun
    expect(1.8 < waited < 5, f"delay 2 s, the will came after {waited:.1f} s")


# [v5 MQTT-3.1.3-9]
@case(V5)
def a_session_that_resumes_cancels_a_delayed_will(trial: Trial) -> None:
    watcher = _watcher(trial)
    delay = property_flags(will={"will-delay-interval": 1})
    first = _with_will(trial, "late", *delay, keep=True)
    first.kill()
    again = Subscriber(trial, trial.topic("own"), client_id=first.client_id, keep=True).subscribed()
    watcher.expect_quiet(2.0)
    again.kill()
    watcher.expect_quiet()


# [v5 MQTT-3.1.3-10] [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-20]
@case(V5)
def a_will_carries_its_properties(trial: Trial) -> None:
    watcher = _watcher(trial)
    pairs = [("z", "1"), ("a", "2"), ("z", "0")]
    given = {
        "payload-format-indicator": 1,
        "content-type": "text/plain",
        "response-topic": trial.topic("answer"),
        "correlation-data": "12-34",
    }
    flags = property_flags(will={**given, "user-property": pairs})
    _with_will(trial, "gone", *flags).kill()
    got = watcher.next().properties
    expect_equal(got, {**given, "user-properties": pairs}, "properties of the will")
