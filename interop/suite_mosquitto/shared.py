"""Shared subscriptions."""

from __future__ import annotations

from harness.cases import ALL, Trial, case, expect, expect_equal, wait_until

from .commands import Subscriber, publish_lines

# Enough that a member chosen at random is left out once in 10^10 runs.
MANY = 60


def _members(trial: Trial, shared_filter: str, count: int) -> list[Subscriber]:
    members = [Subscriber(trial, shared_filter, qos=1) for _ in range(count)]
    for member in members:
        member.subscribed()
    return members


def _publish(trial: Trial) -> list[str]:
    sent = [str(n) for n in range(MANY)]
    publish_lines(trial, trial.topic("t"), sent, 1)
    return sent


def _gathered(members: list[Subscriber]) -> list[list[str]]:
    def all_there() -> bool:
        return sum(member.unread() for member in members) >= MANY

    wait_until(all_there, f"{MANY} messages at the members of the group")
    got = [[one.payload for one in member.take(member.unread())] for member in members]
    together = sorted((payload for part in got for payload in part), key=int)
    expect_equal(together, [str(n) for n in range(MANY)], "the messages of all members together")
    expect(all(got), f"each member has a part, not {[len(part) for part in got]}")
    return got


def _turns(members: list[Subscriber], sent: list[str]) -> list[int]:
    parts = enumerate(_gathered(members))
    who = {payload: index for index, part in parts for payload in part}
    return [who[payload] for payload in sent]


@case(*ALL)
def share_picks_at_random(trial: Trial) -> None:
    members = _members(trial, f"$share/g/{trial.topic('t')}", 3)
    turns = _turns(members, _publish(trial))
    repeats = sum(a == b for a, b in zip(turns, turns[1:]))
    expect(repeats > 0, f"the same member twice in a row at times, not {turns}")


@case(*ALL)
def queue_takes_turns(trial: Trial) -> None:
    members = _members(trial, f"$queue/{trial.topic('t')}", 3)
    turns = _turns(members, _publish(trial))
    expect_equal(turns, turns[:3] * (MANY // 3), "members in turns")


@case(*ALL)
def each_group_gets_everything(trial: Trial) -> None:
    topic = trial.topic("t")
    groups = [_members(trial, f"$share/{name}/{topic}", 2) for name in ("one", "two")]
    plain = Subscriber(trial, topic, qos=1).subscribed()
    sent = _publish(trial)
    for members in groups:
        _gathered(members)
    expect_equal([one.payload for one in plain.take(MANY)], sent, "plain subscription")


@case(*ALL)
def a_member_that_is_killed_gets_no_more(trial: Trial) -> None:
    killed, staying = _members(trial, f"$share/g/{trial.topic('t')}", 2)
    killed.kill()
    sent = _publish(trial)
    got = staying.take(MANY)
    # What was sent to the dead connection before its end was seen comes later than the rest.
    expect_equal(sorted((one.payload for one in got), key=int), sent, "the other member's")
