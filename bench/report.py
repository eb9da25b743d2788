"""What the benchmarks of one question each share: their flags, how a figure is shown, and what is said of
the machine."""

import argparse
import os
import shlex
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parser(doc, rounds):
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--rounds", type=int, default=rounds, help=f"rounds of everything [{rounds}]")
    made.add_argument("--seconds", type=float, default=5, help="measured seconds of each run [5]")
    made.add_argument("--dunlin", type=Path, help="the broker and load [target/release/dunlin, built]")
    made.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    return made


def parsed(made):
    """The flags as `bench/run` knows them: the broker has a core, and the load another one."""
    args = made.parse_args()
    has_cores = os.cpu_count() > 1
    args.broker_core, args.load_core = (1, 0) if has_cores else (None, None)
    args.mqtt_version, args.quick = "3.1.1", False
    return args


def in_turn(brokers, turn):
    """Another broker begins in each round, so that none always follows the same one."""
    shift = turn % len(brokers)
    return brokers[shift:] + brokers[:shift]


def cell(rounds, key, digits=2, unit=""):
    """The median of the rounds that have the figure, and half the distance from the least to the most."""
    values = [found[key] for found in rounds if key in found]
    if not values:
        return "-"
    middle = statistics.median(values)
    spread = (max(values) - min(values)) / 2 / middle if middle else 0
    return f"{middle:,.{digits}f}{unit} ±{spread:.0%}".replace(",", " ")


def rows(measured, columns):
    """Lines of a table: what was measured by what it is called, whose parts are cells of their own."""
    lines = []
    for name, rounds in measured.items():
        names = " | ".join(name) if isinstance(name, tuple) else name
        lost = sum(found.get("lost", 0) for found in rounds)
        wrong = {found["error"] for found in rounds if "error" in found} | ({f"{lost} lost"} if lost else set())
        note = f" ({', '.join(sorted(wrong))})" if wrong else ""
        lines.append(f"| {names}{note} | {' | '.join(cell(rounds, *column) for column in columns)} |")
    return "\n".join(lines)


def said(figures):
    return ", ".join(f"{key} {value:.2f}" for key, value in figures.items() if key != "error") or figures["error"]


def command(name):
    """As anyone may type it: without the paths of this machine."""
    words = [Path(word).name if word.startswith("/") else word for word in sys.argv[1:]]
    return shlex.join([f"bench/{name}", *words])


def about(machine, versions):
    load = machine["load_average"]
    busy = f"**Provisional**: the machine was busy (load average {load}).\n\n" if load > 0.5 else ""
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, load average {load}"
    return f"{busy}{where}; {'; '.join(versions)}."


def write(args, name, page):
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / name).write_text(page)
    print(f"{args.out / name} is written")
