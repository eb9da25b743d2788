"""Sessions that outlive their connection: what they keep, and what was on its way."""

from __future__ import annotations

from harness.cases import ALL, SINCE_3_1_1, V5, Trial, case, expect, expect_equal, pause_until, wait_until
from harness.proxy import Proxy

from .client import Client


def _payloads(client: Client, count: int) -> list[str]:
    return [one.payload for one in client.take(count)]


# [v3 MQTT-3.2.2-1] [v3 MQTT-3.2.2-2] [v3 MQTT-3.2.2-3] [v3 MQTT-3.1.2-6]
# [v5 MQTT-3.1.2-4] [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-6] [v5 MQTT-3.2.2-2] [v5 MQTT-3.2.2-3]
@case(*SINCE_3_1_1)
def session_present_tells_whether_there_is_a_session(trial: Trial) -> None:
    client = Client(trial, clean=False)
    for clean, wanted in ((False, False), (False, True), (True, False), (False, False)):
        client.connect(clean=clean)
        expect_equal(client.connack.session_present, wanted, f"Session Present, clean {clean}")
        if clean:
            # A session that began clean ends with its connection in 3.x; in 5.0 its expiry decides.
            client.disconnect(**({"SessionExpiryInterval": 0} if trial.version is V5 else {}))
        else:
            client.cut()


# [v3 MQTT-3.1.2-4] [v3 MQTT-3.1.2-5] [v3 MQTT-4.1.0-1] [v3 MQTT-4.5.0-1] [v3 MQTT-4.6.0-6]
# [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-23] [v5 MQTT-4.5.0-1] [v5 MQTT-4.6.0-5]
@case(*ALL)
def offline_messages_are_kept_in_order(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, clean=False).connect()
    subscriber.subscribe(topic, 2)
    publisher = Client(trial).connect()
    for end in (subscriber.disconnect, subscriber.cut):
        end()
        for n in range(10):
            publisher.publish(topic, f"one {n}", 1)
        for n in range(10):
            publisher.publish(topic, f"two {n}", 2)
        subscriber.connect(clean=False)
        got = subscriber.take(20)
        for qos, word in ((1, "one"), (2, "two")):
            of_qos = [one for one in got if one.qos == qos]
            expect_equal([one.payload for one in of_qos], [f"{word} {n}" for n in range(10)], "kept")
            expect_equal({one.dup for one in of_qos}, {False}, "DUP of what is sent first now")
        subscriber.expect_quiet()


# [v3 MQTT-3.1.2-4] [v3 MQTT-3.1.3-2] [v3 MQTT-4.1.0-1]
# [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-23] [v5 MQTT-3.1.3-2]
@case(*ALL)
def subscriptions_outlive_the_connection(trial: Trial) -> None:
    subscriber = Client(trial, clean=False).connect()
    subscriber.subscribe(trial.topic("a/+"), 1)
    subscriber.subscribe(trial.topic("gone"), 1)
    subscriber.unsubscribe(trial.topic("gone"))
    subscriber.cut()
    subscriber.connect(clean=False)
    publisher = Client(trial).connect()
    publisher.publish(trial.topic("gone"), "gone", 1)
    publisher.publish(trial.topic("a/b"), "there", 1)
    expect_equal(subscriber.next().payload, "there", "first message after the session resumed")


# [v3 MQTT-3.1.2-6] [v3 MQTT-3.1.4-3]
# [v5 MQTT-3.1.2-4] [v5 MQTT-3.1.4-4]
@case(*ALL)
def a_clean_start_drops_the_old_session(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, clean=False).connect()
    subscriber.subscribe(topic, 1)
    subscriber.disconnect()
    publisher = Client(trial).connect()
    publisher.publish(topic, "for the old session", 1)
    subscriber.connect(clean=True)
    publisher.publish(topic, "nobody subscribes", 1)
    subscriber.expect_quiet()


# [v3 MQTT-3.3.1-1] [v3 MQTT-4.4.0-1] [v3 MQTT-4.6.0-1] [v3 MQTT-2.3.1-4]
# [v5 MQTT-3.3.1-1] [v5 MQTT-4.4.0-1] [v5 MQTT-4.6.0-1] [v5 MQTT-4.3.2-3]
@case(*ALL)
def qos_1_in_flight_is_sent_again_when_the_session_resumes(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, clean=False, manual_ack=True).connect()
    subscriber.subscribe(topic, 1)
    publisher = Client(trial).connect()
    for n in range(5):
        publisher.publish(topic, str(n), 1)
    first = subscriber.take(5)
    subscriber.acknowledge(first[0])
    # The answer to a later packet shows that the broker has read the acknowledgement.
    subscriber.subscribe(trial.topic("other"), 0)
    subscriber.cut()
    subscriber.connect(clean=False)
    again = subscriber.take(4)
    expect_equal([one.payload for one in again], ["1", "2", "3", "4"], "sent again")
    expect_equal({one.dup for one in again}, {True}, "DUP")
    expect_equal(
        [one.packet_id for one in again],
        [one.packet_id for one in first[1:]],
        "Packet Identifiers",
    )
    for one in again:
        subscriber.acknowledge(one)
    subscriber.subscribe(trial.topic("other"), 0)
    subscriber.cut()
    subscriber.connect(clean=False)
    subscriber.expect_quiet()


# [v5 MQTT-4.4.0-1]
@case(*ALL)
def nothing_is_sent_again_on_a_live_connection(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, clean=False, manual_ack=True).connect()
    subscriber.subscribe(topic, 1)
    Client(trial).connect().publish(topic, "once", 1)
    subscriber.next()
    subscriber.expect_quiet(2.0)


# [v3 MQTT-4.4.0-1] [v3 MQTT-3.3.1-1] [v3 MQTT-4.3.3-1]
# [v5 MQTT-4.4.0-1] [v5 MQTT-3.3.1-1] [v5 MQTT-4.3.3-3]
@case(*ALL)
def qos_2_publish_is_sent_again_after_a_lost_pubrec(trial: Trial) -> None:
    topic = trial.topic("t")
    proxy = Proxy(trial.host, trial.port)
    trial.at_end(proxy.close)
    subscriber = Client(trial, clean=False, port=proxy.port).connect()
    subscriber.subscribe(topic, 2)
    proxy.lose_from_client()
    Client(trial).connect().publish(topic, "once", 2)
    wait_until(proxy.lost_bytes, "the PUBREC that is lost")
    proxy.cut()
    subscriber.ended()
    subscriber.connect(clean=False)
    expect_equal(subscriber.next().payload, "once", "message")
    subscriber.expect_quiet()
    received = [line for line in subscriber.log if line.startswith("Received PUBLISH")]
    expect_equal(["(d1," in line for line in received], [False, True], "DUP of each PUBLISH")


# [v3 MQTT-4.4.0-1] [v3 MQTT-4.3.3-1]
# [v5 MQTT-4.4.0-1] [v5 MQTT-4.3.3-5] [v5 MQTT-4.3.3-6]
@case(*ALL)
def qos_2_pubrel_is_sent_again_after_a_lost_pubcomp(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, clean=False, manual_ack=True).connect()
    subscriber.subscribe(topic, 2)
    Client(trial).connect().publish(topic, "once", 2)
    got = subscriber.next()
    subscriber.cut()
    subscriber.connect(clean=False)

    def pubrels() -> int:
        return sum(line.startswith("Received PUBREL") for line in subscriber.log)

    wait_until(lambda: pubrels() == 2, "the PUBREL that is sent again")
    subscriber.acknowledge(got)
    subscriber.subscribe(trial.topic("other"), 0)
    subscriber.cut()
    subscriber.connect(clean=False)
    subscriber.expect_quiet()
    expect_equal(pubrels(), 2, "PUBRELs: none after the PUBCOMP")
    received = [line for line in subscriber.log if line.startswith("Received PUBLISH")]
    expect_equal(len(received), 1, "PUBLISHes: none after the PUBREL")


# [v3 MQTT-3.1.4-2] [v5 MQTT-3.1.4-3]
@case(*ALL)
def takeover_ends_the_older_connection(trial: Trial) -> None:
    client_id = trial.client_id()
    first = Client(trial, client_id=client_id).connect()
    second = Client(trial, client_id=client_id).connect()
    ended = first.ended()
    if trial.version is V5:
        expect_equal((ended.by_broker, ended.reason), (True, 0x8E), "DISCONNECT")
    second.subscribe(trial.topic("t"))
    second.publish(trial.topic("t"), "mine")
    expect_equal(second.next().payload, "mine", "message of the newer connection")


# [v3 MQTT-4.4.0-1] [v3 MQTT-3.1.4-2]
# [v5 MQTT-4.4.0-1]
@case(*ALL)
def takeover_loses_no_message_and_keeps_their_order(trial: Trial) -> None:
    topic = trial.topic("t")
    client_id = trial.client_id()
    first = Client(trial, client_id=client_id, clean=False, manual_ack=True).connect()
    first.subscribe(topic, 1)
    publisher = Client(trial).connect()
    for n in range(50):
        publisher.send(topic, str(n), 1)
    first.take(5)
    second = Client(trial, client_id=client_id, clean=False).connect()
    for n in range(50, 100):
        publisher.send(topic, str(n), 1)
    expect_equal(_payloads(second, 100), [str(n) for n in range(100)], "after the takeover")
    first.ended()


# [v5 MQTT-4.1.0-2] [v5 MQTT-3.1.2-23]
@case(V5)
def a_session_ends_when_its_expiry_has_passed(trial: Trial) -> None:
    client = Client(trial, clean=False, properties={"SessionExpiryInterval": 1}).connect()
    client.subscribe(trial.topic("t"), 1)
    client.cut()
    client.connect(clean=False)
    expect_equal(client.connack.session_present, True, "Session Present within the second")
    client.cut()
    pause_until(2.5)
    client.connect(clean=False)
    expect_equal(client.connack.session_present, False, "Session Present after 2.5 s of 1 s")


@case(V5)
def an_expiry_of_zero_ends_the_session_with_its_connection(trial: Trial) -> None:
    client = Client(trial, clean=False, properties={"SessionExpiryInterval": 0}).connect()
    client.cut()
    client.connect(clean=False)
    expect_equal(client.connack.session_present, False, "Session Present")


@case(V5)
def disconnect_changes_the_expiry(trial: Trial) -> None:
    client = Client(trial, clean=False).connect()
    client.disconnect(SessionExpiryInterval=0)
    client.connect(clean=False)
    expect_equal(client.connack.session_present, False, "Session Present after 0 in DISCONNECT")
    client.disconnect(SessionExpiryInterval=100)
    client.connect(clean=False)
    expect_equal(client.connack.session_present, True, "Session Present after 100 in DISCONNECT")


# [v5 MQTT-3.3.2-5] [v5 MQTT-3.3.2-6]
@case(V5)
def offline_messages_expire(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, clean=False).connect()
    subscriber.subscribe(topic, 1)
    subscriber.disconnect()
    publisher = Client(trial).connect()
    publisher.publish(topic, "short", 1, MessageExpiryInterval=1)
    publisher.publish(topic, "long", 1, MessageExpiryInterval=100)
    pause_until(2.2)
    subscriber.connect(clean=False)
    got = subscriber.next()
    expect_equal(got.payload, "long", "what is left")
    left = got.properties.get("MessageExpiryInterval")
    expect(left is not None and 90 <= left <= 98, f"Message Expiry Interval after 2 s of 100: {left}")
    subscriber.expect_quiet()
