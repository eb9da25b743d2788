"""Each QoS end to end, order, topic filters, and acknowledgements that are lost."""

from __future__ import annotations

from harness.cases import ALL, V5, Trial, case, expect, expect_equal, pause_until, wait_until
from harness.proxy import Proxy

from .client import Client


def _round_trip(trial: Trial, qos: int) -> None:
    subscriber = Client(trial).connect()
    publisher = Client(trial).connect()
    topic = trial.topic("t")
    expect_equal(subscriber.subscribe(topic, qos).reasons, [qos], "SUBACK")
    publisher.publish(topic, "payload", qos)
    got = subscriber.next()
    expect_equal((got.topic, got.payload, got.qos), (topic, "payload", qos), "message")
    expect_equal((got.dup, got.retain), (False, False), "DUP and RETAIN of a live message")
    subscriber.expect_quiet()


# [v3 MQTT-4.3.1-1] [v3 MQTT-3.3.1-2] [v3 MQTT-2.3.1-5]
# [v5 MQTT-4.3.1-1] [v5 MQTT-3.3.1-2] [v5 MQTT-2.2.1-2]
@case(*ALL)
def qos_0_end_to_end(trial: Trial) -> None:
    _round_trip(trial, 0)


# [v3 MQTT-4.3.2-1] [v3 MQTT-4.3.2-2] [v3 MQTT-3.3.4-1] [v3 MQTT-2.3.1-6]
# [v5 MQTT-4.3.2-2] [v5 MQTT-4.3.2-4] [v5 MQTT-3.3.4-1] [v5 MQTT-2.2.1-5]
@case(*ALL)
def qos_1_end_to_end(trial: Trial) -> None:
    _round_trip(trial, 1)


# [v3 MQTT-4.3.3-1] [v3 MQTT-4.3.3-2] [v3 MQTT-3.3.4-1] [v3 MQTT-2.3.1-6]
# [v5 MQTT-4.3.3-2] [v5 MQTT-4.3.3-4] [v5 MQTT-4.3.3-8] [v5 MQTT-4.3.3-11] [v5 MQTT-3.3.4-1]
@case(*ALL)
def qos_2_end_to_end(trial: Trial) -> None:
    _round_trip(trial, 2)


# [v3 MQTT-3.8.4-6]
# [v5 MQTT-3.8.4-8]
@case(*ALL)
def the_lower_qos_of_message_and_subscription(trial: Trial) -> None:
    publisher = Client(trial).connect()
    for granted in (0, 1, 2):
        subscriber = Client(trial).connect()
        topic = trial.topic(f"granted/{granted}")
        subscriber.subscribe(topic, granted)
        for published in (0, 1, 2):
            publisher.publish(topic, f"at {published}", published)
            got = subscriber.next()
            expect_equal(
                (got.payload, got.qos),
                (f"at {published}", min(granted, published)),
                f"published at {published}, granted {granted}",
            )


# [v3 MQTT-3.8.4-1] [v3 MQTT-3.8.4-2] [v3 MQTT-3.8.4-4] [v3 MQTT-3.8.4-5] [v3 MQTT-3.9.3-1]
# [v5 MQTT-3.8.4-1] [v5 MQTT-3.8.4-2] [v5 MQTT-3.8.4-5] [v5 MQTT-3.8.4-6] [v5 MQTT-3.8.4-7]
# [v5 MQTT-3.9.3-1]
@case(*ALL)
def suback_answers_each_filter_in_order(trial: Trial) -> None:
    client = Client(trial).connect()
    filters = [(trial.topic("two"), 2), (trial.topic("zero"), 0), (trial.topic("one"), 1)]
    expect_equal(client.subscribe_all(filters).reasons, [2, 0, 1], "SUBACK")
    for topic, qos in filters:
        client.publish(topic, topic, qos)
    got = client.take(3)
    expect_equal(sorted(one.topic for one in got), sorted(t for t, _ in filters), "topics")


# [v3 MQTT-4.6.0-5] [v3 MQTT-4.6.0-6]
# [v5 MQTT-4.6.0-5] [v5 MQTT-4.6.0-6]
@case(*ALL)
def messages_keep_their_order(trial: Trial) -> None:
    subscriber = Client(trial).connect()
    publisher = Client(trial).connect()
    for qos in (0, 1, 2):
        topic = trial.topic(f"order/{qos}")
        subscriber.subscribe(topic, qos)
        wanted = [str(n) for n in range(100)]
        for payload in wanted:
            publisher.send(topic, payload, qos)
        expect_equal([one.payload for one in subscriber.take(100)], wanted, f"order at QoS {qos}")


# [v3 MQTT-3.3.5-1]
# [v5 MQTT-3.3.4-2]
@case(*ALL)
def overlapping_subscriptions_give_the_highest_qos(trial: Trial) -> None:
    subscriber = Client(trial).connect()
    topic = trial.topic("a/b")
    subscriber.subscribe(trial.topic("a/+"), 1)
    subscriber.subscribe(topic, 2)
    subscriber.subscribe(trial.topic("#"), 0)
    marker = trial.topic("a/marker")
    subscriber.subscribe(marker, 2)
    publisher = Client(trial).connect()
    publisher.publish(topic, "overlap", 2)
    publisher.publish(marker, "marker", 2)
    # The broker may send one copy, or one for each subscription; the marker at QoS 2 comes last.
    qos: list[int] = []
    while (got := subscriber.next()).topic != marker or got.qos != 2:
        if got.topic == topic:
            qos.append(got.qos)
    expect_equal(max(qos), 2, "highest QoS of the copies")


# [v3 MQTT-3.3.2-3] [v3 MQTT-4.7.3-4]
# [v5 MQTT-3.3.2-3] [v5 MQTT-4.7.3-4]
@case(*ALL)
def wildcards_match_whole_levels(trial: Trial) -> None:
    publisher = Client(trial).connect()
    topics = ["a", "a/", "a/b", "a/b/c", "A/b", "/a/b", "a//c", "ab"]
    wanted = {
        "a/#": ["a", "a/", "a/b", "a/b/c", "a//c"],
        "a/+": ["a/", "a/b"],
        "+/b": ["a/b", "A/b"],
        "a/+/c": ["a/b/c", "a//c"],
        "+": ["a", "ab"],
        "+/+/b": ["/a/b"],
        "a/b": ["a/b"],
    }
    subscribers = {}
    for topic_filter in wanted:
        subscribers[topic_filter] = Client(trial).connect()
        subscribers[topic_filter].subscribe_all(
            [(trial.topic(topic_filter), 1), (trial.topic("last/of/all/four"), 1)]
        )
    for topic in topics:
        publisher.publish(trial.topic(topic), topic, 1)
    publisher.publish(trial.topic("last/of/all/four"), "marker", 1)
    for topic_filter, subscriber in subscribers.items():
        got = []
        while (message := subscriber.next()).payload != "marker":
            got.append(message.payload)
        expect_equal(got, wanted[topic_filter], f"what {topic_filter} matches")


# [v3 MQTT-4.7.2-1]
# [v5 MQTT-4.7.2-1]
@case(*ALL)
def a_leading_wildcard_does_not_match_dollar_topics(trial: Trial) -> None:
    subscriber = Client(trial).connect()
    subscriber.subscribe_all([(f"+/{trial.nonce}", 1), (f"+/{trial.nonce}/#", 1)])
    publisher = Client(trial).connect()
    publisher.send(f"$interop/{trial.nonce}", "hidden", 0)
    publisher.publish(f"interop/{trial.nonce}", "seen", 1)
    expect_equal(subscriber.next().payload, "seen", "first message")


# [v3 MQTT-3.10.4-1] [v3 MQTT-3.10.4-2] [v3 MQTT-3.10.4-4] [v3 MQTT-3.10.4-6]
# [v5 MQTT-3.10.4-1] [v5 MQTT-3.10.4-2] [v5 MQTT-3.10.4-4] [v5 MQTT-3.10.4-6]
@case(*ALL)
def unsubscribe_ends_delivery(trial: Trial) -> None:
    client = Client(trial).connect()
    gone, also_gone, kept = trial.topic("gone/+"), trial.topic("gone/too"), trial.topic("kept")
    client.subscribe_all([(gone, 1), (also_gone, 1), (kept, 1)])
    client.unsubscribe(gone, also_gone)
    client.publish(also_gone, "after", 1)
    client.publish(kept, "kept", 1)
    expect_equal(client.next().payload, "kept", "first message after UNSUBACK")


# [v3 MQTT-3.10.4-5]
# [v5 MQTT-3.10.4-5] [v5 MQTT-3.11.3-1] [v5 MQTT-3.11.3-2]
@case(*ALL)
def unsubscribe_is_answered_where_there_was_nothing(trial: Trial) -> None:
    client = Client(trial).connect()
    there, not_there = trial.topic("there"), trial.topic("not/there")
    client.subscribe(there)
    answer = client.unsubscribe(not_there, there)
    if trial.version is V5:
        expect_equal(answer.reasons, [0x11, 0x00], "UNSUBACK")


# [v3 MQTT-3.3.2-1]
# [v5 MQTT-3.3.2-1]
@case(*ALL)
def long_payload_and_topic_beyond_ascii(trial: Trial) -> None:
    client = Client(trial).connect()
    topic = trial.topic("räksmörgås/🐦/饼干")
    client.subscribe(topic, 1)
    payload = "".join(chr(ord("a") + n % 26) for n in range(1_000_000))
    client.publish(topic, payload, 1)
    got = client.next()
    expect_equal(got.topic, topic, "topic")
    expect(got.payload == payload, f"a payload of 1 000 000 bytes came changed: {len(got.payload)}")


@case(*ALL)
def an_empty_payload_is_a_message(trial: Trial) -> None:
    client = Client(trial).connect()
    client.subscribe(trial.topic("t"), 2)
    for qos in (0, 1, 2):
        client.publish(trial.topic("t"), "", qos)
        got = client.next()
        expect_equal((got.payload, got.qos), ("", qos), "message")


def _through_proxy(trial: Trial) -> tuple[Proxy, Client]:
    proxy = Proxy(trial.host, trial.port)
    trial.at_end(proxy.close)
    publisher = Client(trial, clean=False, port=proxy.port).connect()
    return proxy, publisher


def _republish(trial: Trial, qos: int) -> list[str]:
    """Loses the answer to a PUBLISH, connects again, and gives what the subscriber got."""
    topic = trial.topic("t")
    subscriber = Client(trial).connect()
    subscriber.subscribe(topic, qos)
    proxy, publisher = _through_proxy(trial)
    proxy.lose_from_broker()
    publisher.send(topic, "sent twice", qos)
    wait_until(proxy.lost_bytes, "the answer that is lost")
    proxy.cut()
    publisher.ended()
    publisher.connect(clean=False)
    answered = "Received PUBACK" if qos == 1 else "Received PUBCOMP"
    publisher.wait_for_log(answered)
    sent = [line for line in publisher.log if line.startswith("Sending PUBLISH")]
    expect("(d1," in sent[-1], f"Paho sends again with DUP: {sent}")
    publisher.publish(topic, "last", qos)
    got = []
    while (message := subscriber.next()).payload != "last":
        expect_equal(message.dup, False, "DUP of the first delivery to a subscriber")
        got.append(message.payload)
    return got


# [v3 MQTT-3.3.1-3]
# [v5 MQTT-3.3.1-3]
@case(*ALL)
def qos_1_sent_again_after_a_lost_puback(trial: Trial) -> None:
    expect_equal(set(_republish(trial, 1)), {"sent twice"}, "delivered")


# [v3 MQTT-4.3.3-2] [v3 MQTT-3.3.1-3]
# [v5 MQTT-4.3.3-10] [v5 MQTT-3.3.1-3]
@case(*ALL)
def qos_2_sent_again_after_a_lost_pubrec_is_delivered_once(trial: Trial) -> None:
    expect_equal(_republish(trial, 2), ["sent twice"], "delivered")


# [v3 MQTT-4.3.3-2]
# [v5 MQTT-4.3.3-11]
@case(*ALL)
def qos_2_pubrel_sent_again_after_a_lost_pubcomp(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial).connect()
    subscriber.subscribe(topic, 2)
    proxy, publisher = _through_proxy(trial)
    publisher.when_logged("Received PUBREC", proxy.lose_from_broker)
    publisher.send(topic, "once", 2)
    wait_until(proxy.lost_bytes, "the PUBCOMP that is lost")
    publisher.when_logged("never", proxy.close)
    proxy.cut()
    publisher.ended()
    publisher.connect(clean=False)
    publisher.wait_for_log("Received PUBCOMP")
    publisher.publish(topic, "last", 2)
    expect_equal([one.payload for one in subscriber.take(2)], ["once", "last"], "delivered")


# [v3 MQTT-3.12.4-1]
# [v5 MQTT-3.12.4-1]
@case(*ALL)
def pings_keep_an_idle_connection(trial: Trial) -> None:
    client = Client(trial, keep_alive_s=1).connect()
    client.subscribe(trial.topic("t"))
    pause_until(3.5)
    client.expect_connected()
    client.wait_for_log("Received PINGRESP")
    client.publish(trial.topic("t"), "still here")
    expect_equal(client.next().payload, "still here", "message")
