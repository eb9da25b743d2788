"""Sessions that outlive the process of their client."""

from __future__ import annotations

from harness.cases import ALL, V5, Trial, case, expect, expect_equal, pause_until, wait_until
from harness.proxy import Proxy

from .commands import Subscriber, property_flags, publish, publish_lines


# [v3 MQTT-3.1.2-4] [v3 MQTT-3.1.2-5] [v3 MQTT-4.5.0-1] [v3 MQTT-4.6.0-6]
# [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-23] [v5 MQTT-4.5.0-1] [v5 MQTT-4.6.0-5]
@case(*ALL)
def offline_messages_are_kept_in_order(trial: Trial) -> None:
    topic = trial.topic("t")
    first = Subscriber(trial, topic, qos=2, keep=True).subscribed()
    first.kill()
    words = {qos: [f"{qos} {n}" for n in range(10)] for qos in (1, 2)}
    for qos, payloads in words.items():
        publish_lines(trial, topic, payloads, qos)
    # It subscribes to something else: the old subscription is the session's.
    other = trial.topic("other")
    again = Subscriber(trial, other, qos=2, keep=True, client_id=first.client_id)
    got = again.take(20)
    for qos, payloads in words.items():
        expect_equal([one.payload for one in got if one.qos == qos], payloads, f"kept at QoS {qos}")
    again.expect_quiet()


# [v3 MQTT-3.1.2-6] [v5 MQTT-3.1.2-4]
@case(*ALL)
def a_clean_start_drops_the_old_session(trial: Trial) -> None:
    topic = trial.topic("t")
    first = Subscriber(trial, topic, qos=1, keep=True).subscribed()
    first.kill()
    publish(trial, topic, "for the old session", 1)
    clean = Subscriber(trial, trial.topic("other"), qos=1, client_id=first.client_id).subscribed()
    publish(trial, topic, "nobody subscribes", 1)
    clean.expect_quiet()


def _broken_in_flight(trial: Trial, qos: int) -> None:
    topic = trial.topic("t")
    proxy = Proxy(trial.host, trial.port)
    trial.at_end(proxy.close)
    first = Subscriber(trial, topic, qos=qos, keep=True, port=proxy.port).subscribed()
    proxy.lose_from_client()
    publish(trial, topic, "on its way", qos)
    # The client has answered, and its answer is lost.
    proxy.wait_until_lost()
    first.kill()
    proxy.cut()
    other = trial.topic("other")
    again = Subscriber(trial, other, qos=qos, keep=True, client_id=first.client_id)
    got = again.next()
    expect_equal((got.payload, got.qos, got.dup), ("on its way", qos, True), "sent again")
    again.subscribed().kill()
    last = Subscriber(trial, other, qos=qos, keep=True, client_id=first.client_id).subscribed()
    last.expect_quiet()


# [v3 MQTT-4.4.0-1] [v3 MQTT-3.3.1-1]
# [v5 MQTT-4.4.0-1] [v5 MQTT-3.3.1-1] [v5 MQTT-4.3.2-3]
@case(*ALL)
def qos_1_in_flight_is_sent_again(trial: Trial) -> None:
    _broken_in_flight(trial, 1)


# [v3 MQTT-4.4.0-1] [v3 MQTT-3.3.1-1]
# [v5 MQTT-4.4.0-1] [v5 MQTT-3.3.1-1] [v5 MQTT-4.3.3-3]
@case(*ALL)
def qos_2_in_flight_is_sent_again(trial: Trial) -> None:
    _broken_in_flight(trial, 2)


# [v3 MQTT-3.1.4-2] [v5 MQTT-3.1.4-3]
@case(*ALL)
def takeover_ends_the_older_connection(trial: Trial) -> None:
    topic = trial.topic("t")
    first = Subscriber(trial, topic, qos=1).subscribed()
    second = Subscriber(trial, topic, qos=1, client_id=first.client_id).subscribed()
    if trial.version is V5:
        # Told so, it stays away.
        expect("142" in first.wait_for("eceived DISCONNECT"), "DISCONNECT has reason 0x8E")
        publish(trial, topic, "mine", 1)
        expect_equal(second.next().payload, "mine", "message")
        return
    # It connects again when its connection has ended.
    first.wait_for("sending CONNECT", 2)
    first.kill()
    # The fight for the identifier is over; who is left is there, or connects and subscribes again.
    def gets_one() -> bool:
        publish(trial, topic, "mine", 1)
        return second.count("mine") > 0

    wait_until(gets_one, "a message for the one who is left")


# [v5 MQTT-4.1.0-2] [v5 MQTT-3.1.2-23]
@case(V5)
def a_session_ends_when_its_expiry_has_passed(trial: Trial) -> None:
    topic, other = trial.topic("t"), trial.topic("other")
    first = Subscriber(trial, topic, qos=1, keep=True, more=["-x", "1"]).subscribed()
    first.kill()
    pause_until(2.5)
    publish(trial, topic, "too late", 1)
    again = Subscriber(trial, other, qos=1, keep=True, client_id=first.client_id).subscribed()
    again.expect_quiet()


# [v5 MQTT-3.3.2-5] [v5 MQTT-3.3.2-6]
@case(V5)
def offline_messages_expire(trial: Trial) -> None:
    topic = trial.topic("t")
    first = Subscriber(trial, topic, qos=1, keep=True).subscribed()
    first.kill()
    for payload, seconds in (("short", 1), ("long", 100)):
        expiry = property_flags(publish={"message-expiry-interval": seconds})
        publish(trial, topic, payload, 1, *expiry)
    pause_until(2.2)
    again = Subscriber(trial, topic, qos=1, keep=True, client_id=first.client_id)
    got = again.next()
    expect_equal(got.payload, "long", "what is left")
    left = got.properties.get("message-expiry-interval")
    expect(left is not None and 85 <= left <= 98, f"expiry after 2 s of 100: {left}")
    again.expect_quiet()
