"""Will messages: when they are published, when not, and what they carry."""

from __future__ import annotations

import time

from harness.cases import ALL, QUIET_S, V5, Trial, case, expect, expect_equal

from .client import Client, Will


def _watcher(trial: Trial) -> Client:
    """A subscriber of every will of this trial."""
    watcher = Client(trial).connect()
    watcher.subscribe(trial.topic("will/#"), 2)
    return watcher


# [v3 MQTT-3.1.2-8] [v3 MQTT-3.1.2-9] [v3 MQTT-3.1.2-16]
# [v5 MQTT-3.1.2-7] [v5 MQTT-3.1.2-8] [v5 MQTT-3.1.2-14]
@case(*ALL)
def will_after_a_connection_that_breaks(trial: Trial) -> None:
    watcher = _watcher(trial)
    for qos in (0, 1, 2):
        topic = trial.topic(f"will/{qos}")
        Client(trial, will=Will(topic, f"gone {qos}", qos)).connect().cut()
        got = watcher.next()
        expect_equal(
            (got.topic, got.payload, got.qos, got.retain),
            (topic, f"gone {qos}", qos, False),
            "the will",
        )
    watcher.expect_quiet()


# [v3 MQTT-3.1.2-10] [v3 MQTT-3.14.4-3]
# [v5 MQTT-3.1.2-10] [v5 MQTT-3.14.4-3]
@case(*ALL)
def no_will_after_a_normal_disconnect(trial: Trial) -> None:
    watcher = _watcher(trial)
    Client(trial, will=Will(trial.topic("will/t"))).connect().disconnect()
    watcher.expect_quiet()


# [v3 MQTT-3.1.2-12]
# [v5 MQTT-3.1.2-10]
@case(*ALL)
def a_will_is_published_once(trial: Trial) -> None:
    watcher = _watcher(trial)
    client_id = trial.client_id()
    with_will = Client(trial, client_id=client_id, clean=False, will=Will(trial.topic("will/t")))
    with_will.connect().cut()
    watcher.next()
    # The same client, now without a will: nothing of the old one is left.
    Client(trial, client_id=client_id, clean=False).connect().cut()
    watcher.expect_quiet()


# [v3 MQTT-3.1.2-17]
# [v5 MQTT-3.1.2-15]
@case(*ALL)
def will_retain_for_a_later_subscriber(trial: Trial) -> None:
    topic = trial.topic("will/t")
    watcher = _watcher(trial)
    Client(trial, will=Will(topic, "kept", 1, retain=True)).connect().cut()
    expect_equal(watcher.next().retain, False, "RETAIN of the live will")
    later = Client(trial).connect()
    later.subscribe(topic, 1)
    got = later.next()
    expect_equal((got.payload, got.qos, got.retain), ("kept", 1, True), "retained will")


# [v3 MQTT-3.1.2-16]
# [v5 MQTT-3.1.2-14]
@case(*ALL)
def a_will_without_retain_is_not_kept(trial: Trial) -> None:
    topic = trial.topic("will/t")
    watcher = _watcher(trial)
    Client(trial, will=Will(topic, qos=1)).connect().cut()
    watcher.next()
    later = Client(trial).connect()
    later.subscribe(topic, 1)
    later.expect_quiet()


# [v3 MQTT-3.1.2-24] [v3 MQTT-3.1.2-8]
# [v5 MQTT-3.1.2-22] [v5 MQTT-3.1.2-8]
@case(*ALL)
def will_when_the_keep_alive_passes(trial: Trial) -> None:
    watcher = _watcher(trial)
    silent = Client(trial, will=Will(trial.topic("will/t")), keep_alive_s=2).connect()
    # From here, because the client takes a while to fall silent.
    begun = time.monotonic()
    silent.fall_silent()
    watcher.next()
    waited = time.monotonic() - begun
    expect(2.5 < waited < 6, f"keep alive 2 s, the will came after {waited:.1f} s, not about 3")
    silent.speak_again()
    ended = silent.ended()
    if ended.by_broker:
        expect_equal(ended.reason, 0x8D, "reason of the DISCONNECT")


# [v3 MQTT-3.1.4-2] [v3 MQTT-3.1.2-8]
# [v5 MQTT-3.1.2-8]
@case(*ALL)
def will_on_takeover(trial: Trial) -> None:
    watcher = _watcher(trial)
    client_id = trial.client_id()
    first = Client(trial, client_id=client_id, will=Will(trial.topic("will/t"), "taken")).connect()
    second = Client(trial, client_id=client_id).connect()
    expect_equal(watcher.next().payload, "taken", "will of the first connection")
    first.ended()
    second.expect_connected()


# [v5 MQTT-3.1.2-8]
@case(V5)
def will_after_disconnect_with_will(trial: Trial) -> None:
    watcher = _watcher(trial)
    Client(trial, will=Will(trial.topic("will/t"), "asked for")).connect().disconnect(reason=0x04)
    expect_equal(watcher.next().payload, "asked for", "will after DISCONNECT 0x04")


# [v5 MQTT-3.1.2-8]
@case(V5)
def will_delay_holds_the_will_back(trial: Trial) -> None:
    watcher = _watcher(trial)
    will = Will(trial.topic("will/t"), "late", properties={"WillDelayInterval": 2})
    Client(trial, clean=False, will=will).connect().cut()
    begun = time.monotonic()
    watcher.expect_quiet(1.2)
    expect_equal(watcher.next().payload, "late", "will")
    waited = time.monotonic() - begun
    expect(1.8 < waited < 5, f"delay 2 s, the will came after {waited:.1f} s")


# [v5 MQTT-3.1.3-9]
@case(V5)
def a_session_that_resumes_cancels_a_delayed_will(trial: Trial) -> None:
    watcher = _watcher(trial)
    will = Will(trial.topic("will/t"), properties={"WillDelayInterval": 1})
    client = Client(trial, clean=False, will=will).connect()
    client.cut()
    client.connect(clean=False)
    watcher.expect_quiet(2.0)
    client.disconnect()
    watcher.expect_quiet()


# [v5 MQTT-3.1.2-8]
@case(V5)
def the_end_of_the_session_publishes_a_delayed_will(trial: Trial) -> None:
    watcher = _watcher(trial)
    will = Will(trial.topic("will/t"), "ended", properties={"WillDelayInterval": 60})
    Client(trial, will=will, properties={"SessionExpiryInterval": 1}).connect().cut()
    expect_equal(watcher.next(seconds=8).payload, "ended", "will at the end of the session")
    # Clean Start ends the session as well.
    client = Client(trial, clean=False, will=will).connect()
    client.cut()
    watcher.expect_quiet(QUIET_S)
    client.connect(clean=True)
    expect_equal(watcher.next(seconds=8).payload, "ended", "will of the session that was discarded")


# [v5 MQTT-3.1.2-8]
@case(V5)
def takeover_by_clean_start_publishes_a_delayed_will(trial: Trial) -> None:
    watcher = _watcher(trial)
    client_id = trial.client_id()
    will = Will(trial.topic("will/t"), "discarded", properties={"WillDelayInterval": 60})
    Client(trial, client_id=client_id, clean=False, will=will).connect()
    Client(trial, client_id=client_id, clean=True).connect()
    expect_equal(watcher.next().payload, "discarded", "will of the session that was discarded")


# [v5 MQTT-3.1.3-10] [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-20]
@case(V5)
def a_will_carries_its_properties(trial: Trial) -> None:
    watcher = _watcher(trial)
    pairs = [("z", "1"), ("a", "2"), ("z", "0")]
    given = {
        "PayloadFormatIndicator": 1,
        "ContentType": "text/plain",
        "ResponseTopic": trial.topic("answer"),
        "CorrelationData": b"\x00\xff",
        "UserProperty": pairs,
    }
    will = Will(trial.topic("will/t"), properties={**given, "MessageExpiryInterval": 100})
    Client(trial, will=will).connect().cut()
    got = dict(watcher.next().properties)
    expiry = got.pop("MessageExpiryInterval", None)
    expect_equal(got, given, "properties of the will")
    expect(expiry is not None and 95 <= expiry <= 100, f"Message Expiry Interval is {expiry}")
