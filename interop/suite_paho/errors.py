"""What the broker refuses, as far as Paho lets a program ask for it."""

from __future__ import annotations

from harness.cases import ALL, V5, Trial, case, expect, expect_equal

from .client import Client, Ended


def _refused(client: Client, reason: int) -> None:
    ended = client.ended()
    expect_equal(ended, Ended(True, reason, ended.properties), "DISCONNECT")


# [v5 MQTT-3.2.2-17] [v5 MQTT-3.3.2-9]
@case(V5)
def a_topic_alias_above_the_maximum(trial: Trial) -> None:
    client = Client(trial).connect()
    maximum = client.connack.properties.get("TopicAliasMaximum", 0)
    client.send(trial.topic("t"), "m", 0, TopicAlias=maximum + 1)
    _refused(client, 0x94)


@case(V5)
def a_topic_alias_that_was_never_set(trial: Trial) -> None:
    client = Client(trial).connect()
    client.send("", "m", 0, TopicAlias=1)
    ended = client.ended()
    expect(ended.by_broker, f"the broker refuses an unknown alias: {ended}")
    expect(ended.reason in (0x82, 0x94), f"reason {ended.reason:#x}: 0x82 or 0x94")


# [v5 MQTT-4.12.0-1] [v5 MQTT-3.2.2-7]
@case(V5)
def an_unknown_authentication_method(trial: Trial) -> None:
    client = Client(trial, properties={"AuthenticationMethod": "interop-unknown"})
    client.start()
    reasons = client.refusal().reasons
    expect(reasons[0] in (0x8C, 0x87), f"CONNACK {reasons[0]:#x}: 0x8C or 0x87")
    client.ended()


# [v5 MQTT-3.2.2-15]
@case(V5)
def a_packet_above_the_announced_maximum(trial: Trial) -> None:
    client = Client(trial).connect()
    maximum = client.connack.properties.get("MaximumPacketSize")
    if maximum is None or maximum > 20_000_000:
        return  # Nothing announced that a client could pass.
    client.send(trial.topic("t"), "x" * maximum, 0)
    ended = client.ended()
    # The broker may close while Paho still writes, which then sees the closed socket first.
    expect(ended.reason == 0x95 or not ended.by_broker, f"ended with {ended.reason:#x}, not 0x95")


# [v3 MQTT-4.8.0-1] [v5 MQTT-4.13.1-1]
@case(*ALL)
def a_protocol_error_ends_only_its_own_connection(trial: Trial) -> None:
    topic = trial.topic("t")
    other = Client(trial).connect()
    other.subscribe(topic, 1)
    client = Client(trial).connect()
    # Paho sends a wildcard in a topic name when it does not know that it is one.
    client.send_unchecked(trial.topic("+"), "m")
    client.ended()
    Client(trial).connect().publish(topic, "all others go on", 1)
    expect_equal(other.next().payload, "all others go on", "message")
    other.expect_connected()
