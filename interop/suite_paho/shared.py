"""Shared subscriptions: $share with a group, $queue without."""

from __future__ import annotations

from harness.cases import ALL, V5, Trial, case, expect, expect_equal, wait_until

from .client import Client

# Enough that a member chosen at random is left out once in 10^10 runs.
MANY = 60


def _share(trial: Trial, group: str, topic: str = "t") -> str:
    return f"$share/{group}/{trial.topic(topic)}"


def _members(trial: Trial, shared_filter: str, count: int = 3, qos: int = 1) -> list[Client]:
    members = [Client(trial).connect() for _ in range(count)]
    for member in members:
        expect_equal(member.subscribe(shared_filter, qos).reasons, [qos], "SUBACK")
    return members


def _publish(trial: Trial, count: int = MANY, qos: int = 1) -> list[str]:
    publisher = Client(trial).connect()
    sent = [str(n) for n in range(count)]
    for payload in sent:
        publisher.publish(trial.topic("t"), payload, qos)
    return sent


def _gathered(members: list[Client], count: int) -> list[list[str]]:
    """What each member got, when all together have `count` messages."""

    def enough() -> bool:
        return sum(member.unread() for member in members) >= count

    wait_until(enough, f"{count} messages at the members of the group")
    return [[one.payload for one in member.take(member.unread())] for member in members]


def _expect_split(got: list[list[str]], sent: list[str]) -> None:
    together = sorted((payload for part in got for payload in part), key=int)
    expect_equal(together, sent, "the messages of all members together")
    expect(all(got), f"each member has a part, not {[len(part) for part in got]}")
    for part in got:
        expect_equal(part, sorted(part, key=int), "order at one member")


@case(*ALL)
def share_gives_each_message_to_one_member(trial: Trial) -> None:
    members = _members(trial, _share(trial, "g"))
    sent = _publish(trial)
    _expect_split(_gathered(members, len(sent)), sent)
    for member in members:
        member.expect_quiet()


@case(*ALL)
def share_picks_at_random(trial: Trial) -> None:
    members = _members(trial, _share(trial, "g"))
    sent = _publish(trial)
    got = _gathered(members, len(sent))
    who = {payload: index for index, part in enumerate(got) for payload in part}
    turns = [who[payload] for payload in sent]
    repeats = sum(a == b for a, b in zip(turns, turns[1:]))
    expect(repeats > 0, f"the same member twice in a row at times, not {turns}")


@case(*ALL)
def queue_takes_turns(trial: Trial) -> None:
    members = _members(trial, f"$queue/{trial.topic('t')}")
    sent = _publish(trial)
    got = _gathered(members, len(sent))
    who = {payload: index for index, part in enumerate(got) for payload in part}
    turns = [who[payload] for payload in sent]
    expect_equal(sorted(turns[:3]), [0, 1, 2], "members of the first three messages")
    expect_equal(turns, turns[:3] * (MANY // 3), "members in turns")


@case(*ALL)
def each_group_gets_everything(trial: Trial) -> None:
    groups = [_members(trial, _share(trial, name), 2) for name in ("one", "two")]
    groups.append(_members(trial, f"$queue/{trial.topic('t')}", 2))
    plain = Client(trial).connect()
    plain.subscribe(trial.topic("t"), 1)
    sent = _publish(trial)
    for members in groups:
        _expect_split(_gathered(members, len(sent)), sent)
    expect_equal([one.payload for one in plain.take(len(sent))], sent, "plain subscription")


@case(*ALL)
def one_client_in_two_groups_gets_two_copies(trial: Trial) -> None:
    client = Client(trial).connect()
    client.subscribe_all([(_share(trial, "one"), 1), (_share(trial, "two"), 1)])
    client.subscribe(trial.topic("t"), 1)
    _publish(trial, 1)
    expect_equal([one.payload for one in client.take(3)], ["0"] * 3, "copies")
    client.expect_quiet()


@case(*ALL)
def share_with_wildcards(trial: Trial) -> None:
    client = Client(trial).connect()
    client.subscribe(f"$share/g/{trial.topic('+/b/#')}", 1)
    publisher = Client(trial).connect()
    for name in ("a/b", "a/c", "x/b/c/d"):
        publisher.publish(trial.topic(name), name, 1)
    expect_equal([one.payload for one in client.take(2)], ["a/b", "x/b/c/d"], "matching")
    client.expect_quiet()


# [v5 MQTT-4.8.2-3]
@case(*ALL)
def each_member_has_its_own_qos(trial: Trial) -> None:
    members = [Client(trial).connect() for _ in range(3)]
    for qos, member in enumerate(members):
        member.subscribe(_share(trial, "g"), qos)
    publisher = Client(trial).connect()
    for n in range(MANY):
        publisher.publish(trial.topic("t"), str(n), 2)
    wait_until(lambda: sum(member.unread() for member in members) == MANY, "all messages")
    for qos, member in enumerate(members):
        got = member.take(member.unread())
        expect(bool(got), f"the member of QoS {qos} has no message")
        expect_equal({one.qos for one in got}, {qos}, "QoS of delivery")


@case(*ALL)
def who_left_the_group_gets_nothing(trial: Trial) -> None:
    members = _members(trial, _share(trial, "g"))
    members[0].unsubscribe(_share(trial, "g"))
    members[1].disconnect()
    sent = _publish(trial)
    expect_equal([one.payload for one in members[2].take(MANY)], sent, "the last member's")
    members[0].expect_quiet()


@case(*ALL)
def a_member_that_is_connected_comes_before_one_that_is_away(trial: Trial) -> None:
    away = Client(trial, clean=False).connect()
    away.subscribe(_share(trial, "g"), 1)
    away.cut()
    there = _members(trial, _share(trial, "g"), 1)[0]
    sent = _publish(trial)
    expect_equal([one.payload for one in there.take(MANY)], sent, "the connected member's")


@case(*ALL)
def what_a_member_leaves_unacknowledged_goes_to_another(trial: Trial) -> None:
    leaving = Client(trial, manual_ack=True).connect()
    leaving.subscribe(_share(trial, "g"), 1)
    sent = _publish(trial, 5)
    expect_equal([one.payload for one in leaving.take(5)], sent, "the only member's")
    staying = _members(trial, _share(trial, "g"), 1)[0]
    # Its session ends with its connection.
    leaving.cut()
    got = sorted(one.payload for one in staying.take(5))
    expect_equal(got, sent, "what went to the other member")


@case(*ALL)
def a_shared_subscription_gets_no_retained_messages(trial: Trial) -> None:
    Client(trial).connect().publish(trial.topic("t"), "kept", 1, retain=True)
    member = _members(trial, _share(trial, "g"), 1)[0]
    member.expect_quiet()
    _publish(trial, 1)
    expect_equal(member.next().payload, "0", "live message")


# [v5 MQTT-3.8.3-4]
@case(V5)
def no_local_on_a_shared_subscription_is_a_protocol_error(trial: Trial) -> None:
    client = Client(trial).connect()
    client.send_subscribe([(_share(trial, "g"), 1)], noLocal=True)
    ended = client.ended()
    expect_equal((ended.by_broker, ended.reason), (True, 0x82), "DISCONNECT")


@case(V5)
def a_shared_subscription_has_its_identifier(trial: Trial) -> None:
    client = Client(trial).connect()
    client.subscribe(_share(trial, "g"), 1, identifier=7)
    _publish(trial, 1)
    expect_equal(client.next().properties.get("SubscriptionIdentifier"), [7], "identifier")
