"""What is measured: each run with its flags, and the rows that are read from it."""

from dataclasses import dataclass, field
from typing import Callable, Optional

Result = dict


@dataclass(frozen=True)
class Row:
    """One figure of a run."""

    name: str
    title: str
    unit: str
    read: Callable[[Result], Optional[float]]
    # Whether more is better; the bound is then a lower one.
    is_more_better: bool = False
    # Which of the rounds counts: latency on a shared machine is best read from the best round.
    is_best_of_rounds: bool = False
    # The bound is what mosquitto shows in the same run, not a share of it.
    is_bound_by_mosquitto: bool = False
    digits: int = 2


@dataclass(frozen=True)
class Run:
    """One call of `dunlin bench run`."""

    name: str
    flags: list
    rows: list
    # Flags that --quick puts in the place of those of the same name.
    quick: list = field(default_factory=list)
    # The broker keeps what it must on disk.
    is_durable: bool = False
    # Its length is given by the scenario, not by --duration.
    has_duration: bool = True


def cpu(result):
    return result["watched_us_each"]


def rate(result):
    return result["rate"]


def latency(name):
    return lambda result: result["latency_ns"].get(name, 0) / 1e6


def memory(count):
    """Bytes for each of what the parameters count."""

    def read(result):
        used = result["memory"]
        return (used["ready"] - used["before"]) / count(result["parameters"])

    return read


def connect_cpu(result):
    return result["connect_cpu_seconds"] * 1e6 / result["connected"]


def cost(name, title, unit="us of CPU for each delivery"):
    return Row(name, title, unit, cpu)


def held(name, title, count):
    return Row(name, title, "bytes", memory(count), digits=0)


def routing(name, subscriptions, rows=(), subscribers=50):
    flags = ["routing", "--publishers", "100", "--subscribers", str(subscribers), "-S", "64"]
    flags += ["--subscriptions", str(subscriptions)]
    title = f"routing, {subscriptions} subscriptions (60 % exact, 30 % +, 10 % #)"
    return Run(name, flags, [cost(name, title), *rows])


RUNS = [
    Run(
        "fan-out",
        ["fan-out", "--subscribers", "1000", "-S", "64"],
        [cost("fan-out", "fan-out: 1 publisher, 1000 subscribers, QoS 0, 64 B")],
    ),
    Run(
        "fan-in",
        ["fan-in", "--publishers", "1000", "-S", "64"],
        [cost("fan-in", "fan-in: 1000 publishers, 1 subscriber, QoS 0, 64 B")],
    ),
    Run(
        "fan-in-50",
        ["fan-in", "--publishers", "1000", "--subscribers", "50", "-q", "1", "-S", "64"],
        [cost("fan-in-50", "fan-in: 1000 publishers to 50 subscribers, QoS 1, 64 B")],
    ),
    *(
        Run(
            f"p2p-{qos}",
            ["p2p", "--pairs", "500", "-q", str(qos), "-S", "256"],
            [cost(f"p2p-{qos}", f"p2p: 500 pairs, QoS {qos}, 256 B, window 16")],
        )
        for qos in (0, 1, 2)
    ),
    Run(
        "p2p-window-1",
        ["p2p", "--pairs", "500", "-S", "256", "--window", "1"],
        [cost("p2p-window-1", "p2p: 500 pairs, QoS 0, 256 B, window 1")],
    ),
    Run(
        "p2p-20k",
        ["p2p", "--pairs", "500", "-q", "1", "-S", "256", "--rate", "20000"],
        [
            cost("p2p-20k", "p2p: 500 pairs at 20 000 a second, QoS 1, 256 B"),
            Row(
                "latency-20k",
                "p99 latency at 20 000 a second, 500 pairs, QoS 1",
                "ms",
                latency("p99"),
                is_best_of_rounds=True,
                is_bound_by_mosquitto=True,
            ),
        ],
    ),
    Run(
        "latency-5k",
        ["p2p", "--pairs", "50", "-S", "256", "--rate", "5000"],
        [
            Row(
                "latency-5k",
                "p99 latency at 5 000 a second, 50 pairs, QoS 0",
                "ms",
                latency("p99"),
                is_best_of_rounds=True,
                is_bound_by_mosquitto=True,
            ),
            Row(
                "latency-5k-p50",
                "p50 latency at 5 000 a second, 50 pairs, QoS 0",
                "ms",
                latency("p50"),
                is_best_of_rounds=True,
                is_bound_by_mosquitto=True,
                digits=3,
            ),
        ],
    ),
    Run(
        "shared",
        ["shared", "--publishers", "100", "--subscribers", "10", "-q", "1", "-S", "64"]
        + ["--window", "64"],
        [cost("shared", "shared: 100 publishers, a group of 10, QoS 1, 64 B")],
    ),
    *(
        Run(
            f"pair-{qos}",
            ["p2p", "--pairs", "1", "-q", str(qos), "-S", "64", "--window", "512"],
            [cost(f"pair-{qos}", f"one pair, QoS {qos}, 64 B, window 512")],
        )
        for qos in (0, 1)
    ),
    routing("routing-1e3", 1000),
    routing("routing-1e5", 100_000),
    routing(
        "routing-1e6",
        1_000_000,
        [
            held(
                "memory-subscription",
                "a subscription (10^6 of them, filters of about 30 bytes)",
                lambda parameters: parameters["subscriptions"],
            )
        ],
        # Brokers bound how many one session may have.
        subscribers=200,
    ),
    Run(
        "connect",
        ["connect", "--publishers", "50"],
        [cost("connect", "connect and disconnect", "us of CPU for each cycle")],
    ),
    Run(
        "takeover",
        ["takeover", "--publishers", "50"],
        [cost("takeover", "takeover", "us of CPU for each cycle")],
    ),
    Run(
        "idle",
        ["idle", "--idle", "19500", "--warmup", "0s"],
        [
            held(
                "memory-idle",
                "an idle connection (19 500 of them)",
                lambda parameters: parameters["idle"],
            ),
            Row(
                "connections",
                "connecting, one after the other until 19 500 are there",
                "us of CPU for each connection",
                connect_cpu,
            ),
        ],
        quick=["--idle", "5000"],
    ),
    Run(
        "idle-subscribed",
        ["idle", "--idle", "19500", "--idle-subscribe", "--warmup", "0s"],
        [
            held(
                "memory-idle-subscribed",
                "an idle connection with one subscription",
                lambda parameters: parameters["idle"],
            )
        ],
        quick=["--idle", "5000"],
    ),
    Run(
        "retained",
        ["retained", "--messages", "100000", "-S", "64", "--window", "100"],
        [
            held(
                "memory-retained",
                "a retained message of 64 bytes (10^5)",
                lambda parameters: parameters["messages"],
            ),
            cost("retained-read", "a wildcard subscriber reads 100 000 retained messages"),
        ],
        has_duration=False,
    ),
    Run(
        "resume",
        ["resume", "--subscribers", "1000", "--messages", "100", "-q", "1", "-S", "64"],
        [
            held(
                "memory-queued",
                "a queued QoS 1 message (1000 sessions, 100 each)",
                lambda parameters: parameters["messages"] * parameters["subscribers"],
            ),
            cost("resume", "1000 sessions come back to 100 messages each"),
        ],
        has_duration=False,
    ),
    Run(
        "durable",
        ["p2p", "--pairs", "100", "-q", "1", "-S", "256", "--no-clean"],
        [
            Row(
                "durable",
                "durable: 100 pairs, persistent sessions, QoS 1, 256 B",
                "messages a second",
                rate,
                is_more_better=True,
                digits=0,
            )
        ],
        is_durable=True,
    ),
]


def rows():
    return [row for run in RUNS for row in run.rows]


def select(names):
    """The runs of these names, of runs or of rows; all if there are none."""
    if not names:
        return RUNS
    known = {run.name for run in RUNS} | {row.name for row in rows()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such row: {', '.join(unknown)}; see bench/run --list")
    return [
        run
        for run in RUNS
        if run.name in names or any(row.name in names for row in run.rows)
    ]
