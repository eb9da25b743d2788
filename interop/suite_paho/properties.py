"""The properties of MQTT 5.0, and the subscription options that are no retained messages' matter."""

from __future__ import annotations

from harness.cases import V5, SINCE_3_1_1, Trial, case, expect, expect_equal

from .client import Client


# [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-17] [v5 MQTT-3.3.2-18]
# [v5 MQTT-3.3.2-20]
@case(V5)
def properties_of_a_message_go_through(trial: Trial) -> None:
    given = {
        "PayloadFormatIndicator": 1,
        "ContentType": "application/json; charset=utf-8",
        "ResponseTopic": trial.topic("answer/räk"),
        "CorrelationData": bytes(range(256)),
        "UserProperty": [("z", "1"), ("a", ""), ("", "b"), ("z", "0"), ("z", "1")],
    }
    client = Client(trial).connect()
    client.subscribe(trial.topic("t"), 2)
    for qos in (0, 1, 2):
        client.publish(trial.topic("t"), "{}", qos, **given)
        expect_equal(client.next().properties, given, f"properties at QoS {qos}")
    client.publish(trial.topic("t"), "plain", 1)
    expect_equal(client.next().properties, {}, "properties of a message that had none")


@case(V5)
def request_and_response(trial: Trial) -> None:
    requester, responder = Client(trial).connect(), Client(trial).connect()
    responder.subscribe(trial.topic("request"), 1)
    requester.subscribe(trial.topic("answer"), 1)
    for n in range(3):
        correlation = {"CorrelationData": bytes([0, n, 0xFF])}
        answer_to = {"ResponseTopic": trial.topic("answer"), **correlation}
        requester.publish(trial.topic("request"), f"question {n}", 1, **answer_to)
        request = responder.next()
        responder.publish(
            request.properties["ResponseTopic"],
            request.payload.replace("question", "answer"),
            1,
            CorrelationData=request.properties["CorrelationData"],
        )
        got = requester.next()
        expect_equal((got.payload, got.properties), (f"answer {n}", correlation), "answer")


@case(V5)
def a_message_that_waits_for_nobody_keeps_its_expiry(trial: Trial) -> None:
    client = Client(trial).connect()
    client.subscribe(trial.topic("t"), 1)
    client.publish(trial.topic("t"), "soon", 1, MessageExpiryInterval=100)
    left = client.next().properties.get("MessageExpiryInterval")
    expect(left is not None and 95 <= left <= 100, f"Message Expiry Interval: {left} of 100")


# [v5 MQTT-3.3.4-3] [v5 MQTT-3.3.4-4] [v5 MQTT-3.3.4-5]
@case(V5)
def subscription_identifiers_of_all_that_match(trial: Trial) -> None:
    client = Client(trial).connect()
    client.subscribe(trial.topic("a/+"), 1, identifier=1)
    client.subscribe(trial.topic("a/b"), 1, identifier=268_435_455)
    client.subscribe(trial.topic("a/#"), 1)
    client.subscribe(trial.topic("c"), 1, identifier=3)
    client.publish(trial.topic("a/b"), "three match", 1)
    client.publish(trial.topic("c"), "one matches", 1)
    # One copy with both identifiers, or one copy for each subscription.
    identifiers = []
    while (got := client.next()).payload == "three match":
        identifiers += got.properties.get("SubscriptionIdentifier", [])
    expect_equal(sorted(identifiers), [1, 268_435_455], "identifiers of the copies")
    expect_equal(got.properties["SubscriptionIdentifier"], [3], "identifier of one match")


# [v5 MQTT-3.3.4-3] [v5 MQTT-3.8.4-3]
@case(V5)
def subscribing_again_changes_the_identifier(trial: Trial) -> None:
    client = Client(trial, clean=False).connect()
    for identifier, wanted in ((1, [1]), (2, [2]), (0, None)):
        client.subscribe(trial.topic("t"), 1, identifier=identifier)
        client.publish(trial.topic("t"), "live", 1)
        got = client.next().properties.get("SubscriptionIdentifier")
        expect_equal(got, wanted, f"subscribed with {identifier}")
    client.subscribe(trial.topic("t"), 1, identifier=3)
    client.cut()
    Client(trial).connect().publish(trial.topic("t"), "offline", 1)
    client.connect(clean=False)
    got = client.next().properties.get("SubscriptionIdentifier")
    expect_equal(got, [3], "identifier of a message that waited")


# [v5 MQTT-3.3.4-3]
@case(V5)
def retained_messages_carry_the_identifier(trial: Trial) -> None:
    Client(trial).connect().publish(trial.topic("t"), "kept", 1, retain=True)
    client = Client(trial).connect()
    client.subscribe(trial.topic("#"), 1, identifier=9)
    expect_equal(client.next().properties.get("SubscriptionIdentifier"), [9], "identifier")


# [v5 MQTT-3.3.2-12]
@case(V5)
def topic_aliases_of_the_client(trial: Trial) -> None:
    client = Client(trial).connect()
    maximum = client.connack.properties.get("TopicAliasMaximum", 0)
    expect(maximum >= 2, f"Topic Alias Maximum in CONNACK: {maximum}")
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("#"), 1)
    one, two = trial.topic("one"), trial.topic("two")
    for topic, alias, wanted in (
        (one, 1, one),
        ("", 1, one),
        (two, maximum, two),
        ("", maximum, two),
        ("", 1, one),
        (two, 1, two),
        ("", 1, two),
    ):
        client.publish(topic, "aliased", 1, TopicAlias=alias)
        got = subscriber.next()
        expect_equal(got.topic, wanted, f"topic {topic!r} with alias {alias}")
        expect_equal(got.properties, {}, "properties: the alias of the publisher stays with it")


# [v5 MQTT-3.3.2-7]
@case(V5)
def topic_aliases_end_with_the_connection(trial: Trial) -> None:
    client = Client(trial, clean=False).connect()
    client.publish(trial.topic("t"), "sets it", 1, TopicAlias=1)
    client.cut()
    client.connect(clean=False)
    client.send("", "uses it", 0, TopicAlias=1)
    ended = client.ended()
    expect(ended.by_broker, f"the broker refuses an alias of the last connection: {ended}")
    expect(ended.reason in (0x82, 0x94), f"reason {ended.reason:#x}: 0x82 or 0x94")


# [v5 MQTT-3.1.2-26] [v5 MQTT-3.3.2-11]
@case(V5)
def topic_aliases_to_the_client_stay_within_its_maximum(trial: Trial) -> None:
    subscriber = Client(trial, properties={"TopicAliasMaximum": 2}).connect()
    subscriber.subscribe(trial.topic("#"), 1)
    publisher = Client(trial).connect()
    topics = [trial.topic(f"t{n % 4}") for n in range(20)]
    for topic in topics:
        publisher.publish(topic, "m", 1)
    known: dict[int, str] = {}
    got = []
    for message in subscriber.take(len(topics)):
        alias = message.properties.get("TopicAlias")
        if alias is not None:
            expect(1 <= alias <= 2, f"Topic Alias {alias} of at most 2")
            known[alias] = message.topic or known[alias]
        got.append(message.topic or known[alias])
    expect_equal(got, topics, "topics, with their aliases looked up")


# [v5 MQTT-3.1.2-27]
@case(V5)
def no_topic_alias_to_a_client_that_allows_none(trial: Trial) -> None:
    subscriber = Client(trial).connect()
    subscriber.subscribe(trial.topic("t"), 1)
    publisher = Client(trial).connect()
    for _ in range(5):
        publisher.publish(trial.topic("t"), "m", 1, TopicAlias=1)
    for message in subscriber.take(5):
        expect_equal((message.topic, message.properties), (trial.topic("t"), {}), "message")


def _expect_windows(trial: Trial, qos: int) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, manual_ack=True, properties={"ReceiveMaximum": 3}).connect()
    subscriber.subscribe(topic, qos)
    publisher = Client(trial).connect()
    for n in range(9):
        publisher.publish(topic, str(n), qos)
    got = []
    for _ in range(3):
        window = subscriber.take(3)
        subscriber.expect_quiet()
        got += [one.payload for one in window]
        for one in window:
            subscriber.acknowledge(one)
    expect_equal(got, [str(n) for n in range(9)], "all messages, three at a time")


# [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-1] [v5 MQTT-4.9.0-2]
@case(V5)
def receive_maximum_bounds_qos_1_in_flight(trial: Trial) -> None:
    _expect_windows(trial, 1)


# [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-2]
@case(V5)
def receive_maximum_counts_qos_2_until_pubcomp(trial: Trial) -> None:
    # With manual acknowledgement Paho leaves PUBCOMP to the case.
    _expect_windows(trial, 2)


# [v5 MQTT-3.3.4-10] [v5 MQTT-4.9.0-3]
@case(V5)
def a_full_window_delays_only_qos_1_and_2(trial: Trial) -> None:
    topic = trial.topic("t")
    subscriber = Client(trial, manual_ack=True, properties={"ReceiveMaximum": 1}).connect()
    subscriber.subscribe(topic, 1)
    publisher = Client(trial).connect()
    publisher.publish(topic, "first", 1)
    first = subscriber.next()
    publisher.publish(topic, "second", 1)
    # It can still subscribe, publish and unsubscribe.
    subscriber.subscribe(trial.topic("other"), 1)
    subscriber.publish(trial.topic("elsewhere"), "mine", 2)
    subscriber.unsubscribe(trial.topic("other"))
    subscriber.expect_quiet()
    subscriber.acknowledge(first)
    expect_equal(subscriber.next().payload, "second", "after the acknowledgement")


# [v5 MQTT-3.1.3-6] [v5 MQTT-3.1.3-7] [v5 MQTT-3.2.2-16]
@case(V5)
def an_empty_client_identifier_is_assigned_one(trial: Trial) -> None:
    names = set()
    for _ in range(3):
        client = Client(trial, client_id="").connect()
        name = client.connack.properties.get("AssignedClientIdentifier")
        expect(bool(name), "CONNACK has an Assigned Client Identifier")
        names.add(name)
    expect_equal(len(names), 3, "different names")
    expect(
        "AssignedClientIdentifier" not in Client(trial).connect().connack.properties,
        "no Assigned Client Identifier for a client that has one",
    )


# [v3 MQTT-3.1.3-6]
@case(*SINCE_3_1_1)
def clients_with_an_empty_identifier_are_not_one(trial: Trial) -> None:
    clients = [Client(trial, client_id="").connect() for _ in range(3)]
    for n, client in enumerate(clients):
        client.subscribe(trial.topic(f"t/{n}"))
        client.publish(trial.topic(f"t/{n}"), str(n))
        expect_equal(client.next().payload, str(n), "each its own")
        client.expect_connected()


@case(V5)
def an_assigned_identifier_resumes_its_session(trial: Trial) -> None:
    nameless = Client(trial, client_id="", properties={"SessionExpiryInterval": 60}).connect()
    name = nameless.connack.properties["AssignedClientIdentifier"]
    nameless.subscribe(trial.topic("t"), 1)
    nameless.cut()
    Client(trial).connect().publish(trial.topic("t"), "kept", 1)
    named = Client(trial, client_id=name, clean=False).connect()
    expect_equal(named.connack.session_present, True, "Session Present")
    expect_equal(named.next().payload, "kept", "message")


# [v5 MQTT-3.8.3-3]
@case(V5)
def no_local_keeps_own_messages_away(trial: Trial) -> None:
    topic = trial.topic("t")
    client, other = Client(trial).connect(), Client(trial).connect()
    client.subscribe(topic, 1, noLocal=True)
    other.subscribe(topic, 1, noLocal=True)
    client.publish(topic, "mine", 1)
    expect_equal(other.next().payload, "mine", "message at the other client")
    other.publish(topic, "yours", 1)
    expect_equal(client.next().payload, "yours", "first message")
    client.subscribe(topic, 1, noLocal=False)
    client.publish(topic, "mine as well", 1)
    expect_equal(client.next().payload, "mine as well", "after the option was changed")


# [v5 MQTT-3.1.2-24] [v5 MQTT-3.1.2-25]
@case(V5)
def a_message_above_the_maximum_packet_size_counts_as_delivered(trial: Trial) -> None:
    topic = trial.topic("t")
    small = Client(trial, properties={"MaximumPacketSize": 300}).connect()
    large = Client(trial).connect()
    for one in (small, large):
        one.subscribe(topic, 1)
    publisher = Client(trial).connect()
    for payload in ("before", "x" * 1000, "after"):
        publisher.publish(topic, payload, 1)
    expect_equal([m.payload for m in small.take(2)], ["before", "after"], "what fits")
    expect_equal([len(m.payload) for m in large.take(3)], [6, 1000, 5], "without a maximum")
    small.expect_connected()


@case(V5)
def puback_says_success_or_no_subscribers(trial: Trial) -> None:
    client = Client(trial).connect()
    for qos in (1, 2):
        reasons = client.publish(trial.topic("nobody"), "m", qos).reasons
        expect(reasons[0] in (0x00, 0x10), f"reason at QoS {qos} without subscribers: {reasons}")
    client.subscribe(trial.topic("t"))
    for qos in (1, 2):
        expect_equal(client.publish(trial.topic("t"), "m", qos).reasons, [0], "with a subscriber")


@case(V5)
def connack_announces_no_less_than_the_whole_protocol(trial: Trial) -> None:
    properties = Client(trial).connect().connack.properties
    for name in (
        "RetainAvailable",
        "WildcardSubscriptionAvailable",
        "SubscriptionIdentifierAvailable",
        "SharedSubscriptionAvailable",
    ):
        expect_equal(properties.get(name, 1), 1, name)
    expect("MaximumQoS" not in properties, "no Maximum QoS: 2 is served")
    expect(properties.get("ReceiveMaximum", 65535) > 0, "Receive Maximum is not 0")


# [v5 MQTT-3.1.2-28]
@case(V5)
def no_response_information_unless_asked_for(trial: Trial) -> None:
    properties = Client(trial).connect().connack.properties
    expect("ResponseInformation" not in properties, f"CONNACK has {properties}")
