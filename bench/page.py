"""The page docs/benchmarks/peers.md and its plots, from the figures of all rounds."""

import json
import statistics
from html import escape
from pathlib import Path

import rows as table

# Below this, two figures are the same.
NOISE = 0.15


def reference(directory):
    data = json.loads((directory / "reference.json").read_text())
    return {
        name: {"bound": row["bound"], **dict(zip(data["brokers"], row["values"]))}
        for name, row in data["rows"].items()
    }


class Figure:
    """One row of one broker."""

    def __init__(self, row, results):
        read = [row.read(result) for result in results if "error" not in result]
        self.values = [value for value in read if value is not None]
        self.notes = sorted({note for result in results for note in troubles(result)})
        self.value = None
        if self.values:
            best = max if row.is_more_better else min
            self.value = best(self.values) if row.is_best_of_rounds else statistics.median(self.values)

    def spread(self):
        """Half the distance from least to most, as a share of the middle."""
        if self.value is None or len(self.values) < 2 or self.value == 0:
            return ""
        return f"±{(max(self.values) - min(self.values)) / 2 / abs(self.value):.0%}"


def troubles(result):
    if "error" in result:
        return [result["error"]]
    found = []
    for key in ("lost", "duplicates", "reordered", "misrouted", "refused", "stalls", "closed"):
        if result.get(key):
            found.append(key)
    return found


def bound(row, reference_row, mosquitto):
    """What Dunlin may need here, where mosquitto needs this much."""
    if mosquitto is None:
        return None
    if row.is_bound_by_mosquitto:
        return mosquitto
    return bound_by(reference_row, "mosquitto", mosquitto)


def bound_by(reference_row, broker, value):
    """What Dunlin may need where this broker needs this much."""
    if not reference_row or not reference_row[broker]:
        return None
    return reference_row["bound"] / reference_row[broker] * value


def is_met(row, value, limit):
    return value >= limit if row.is_more_better else value <= limit


class Page:
    def __init__(self, directory: Path, data):
        self.directory = directory
        self.data = data
        self.reference = reference(directory)
        self.brokers = list(data["brokers"])
        self.runs = [run for run in table.RUNS if run.name in data["results"]]

    def rounds(self):
        """How often each broker was measured, as far as that was the same."""
        counts = [len(results) for by in self.data["results"].values() for results in by.values()]
        least, most = min(counts, default=0), max(counts, default=0)
        return f"{most} rounds" if least == most else f"{least} to {most} rounds"

    def figure(self, run, row, broker):
        return Figure(row, self.data["results"][run.name].get(broker, []))

    def bound(self, run, row):
        mosquitto = self.figure(run, row, "mosquitto").value
        return bound(row, self.reference.get(row.name), mosquitto)

    def verdicts(self):
        """Row, limit, Dunlin's figure, and whether it is met (None where nothing can be said)."""
        for run in self.runs:
            for row in run.rows:
                limit = self.bound(run, row)
                value = self.figure(run, row, "dunlin").value
                met = None if value is None or limit is None else is_met(row, value, limit)
                yield run, row, limit, value, met

    def missed(self):
        return [row.name for _, row, _, _, met in self.verdicts() if met is False]

    def write(self):
        plots = self.directory / "peers"
        plots.mkdir(parents=True, exist_ok=True)
        for run in self.runs:
            (plots / f"{run.name}.svg").write_text(self.plot(run))
        (self.directory / "peers.md").write_text(self.text())

    def text(self):
        machine = self.data["machine"]
        lines = [
            "# Dunlin beside its peers",
            "",
            "How to read it: [README.md](README.md). Written by",
            "",
            *(f"    {command}" for command in self.data["commands"]),
            "",
            f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}",
            f"- Load: `{self.data['load']}`; broker on core {machine['broker_core']}, "
            f"load on core {machine['load_core']}",
            f"- {self.rounds()}, the brokers in turns; {self.data['seconds']} s measured "
            "in each; median, and half the distance from least to most",
        ]
        for name, version in self.data["brokers"].items():
            lines.append(f"- {name}: {version}")
        if machine["load_average"] > 0.5:
            lines.append(
                f"- The machine was busy when it began (load average {machine['load_average']}): "
                "these figures are provisional"
            )
        heads = {
            "CPU time": lambda row: "CPU" in row.unit,
            "Memory": lambda row: row.unit == "bytes",
            "Latency and rate": lambda row: "CPU" not in row.unit and row.unit != "bytes",
        }
        for head, belongs in heads.items():
            chosen = [verdict for verdict in self.verdicts() if belongs(verdict[1])]
            if chosen:
                lines += ["", f"## {head}", "", *self.table(chosen)]
        notes = self.notes()
        if notes:
            lines += ["", "## Not as it should be", "", *notes]
        lines += ["", "## What the load itself costs", "", *self.load_table()]
        lines += ["", "## Plots", ""]
        lines += [f"![{run.name}](peers/{run.name}.svg)" for run in self.runs]
        return "\n".join(lines) + "\n"

    def table(self, verdicts):
        has_dunlin = "dunlin" in self.brokers
        heads = ["row", "unit", *self.brokers]
        if has_dunlin and "mosquitto" in self.brokers:
            heads += ["dunlin / mosquitto"]
        heads += ["Dunlin's bound", "met", "bound by the floor"]
        yield "| " + " | ".join(heads) + " |"
        yield "|---|---|" + "---:|" * (len(heads) - 4) + "---|---|"
        for run, row, limit, value, met in verdicts:
            cells = [f"{row.title} (`{row.name}`)", row.unit]
            for broker in self.brokers:
                figure = self.figure(run, row, broker)
                shown = number(row, figure.value)
                cells.append(f"{shown} {figure.spread()}".strip())
            if has_dunlin and "mosquitto" in self.brokers:
                mosquitto = self.figure(run, row, "mosquitto").value
                cells.append(f"{value / mosquitto:.3f}" if value and mosquitto else "-")
            cells.append(number(row, limit))
            cells.append({None: "-", True: "yes", False: self.miss(row, value, limit)}[met])
            cells.append(self.beside_floor(run, row, value))
            yield "| " + " | ".join(cells) + " |"

    @staticmethod
    def miss(row, value, limit):
        if value is None or limit is None:
            return "-"
        factor = limit / value if row.is_more_better else value / limit
        return f"no, by {factor - 1:.0%}" + (" (noise)" if factor - 1 < NOISE else "")

    def beside_floor(self, run, row, value):
        """The bound as the floor shows it, how Dunlin does by that, and how far it is above the floor: what
        is near it, the machine costs."""
        floor = self.figure(run, row, "floor").value
        if not floor or not value or row.is_more_better:
            return "-"
        limit = bound_by(self.reference.get(row.name), "floor", floor)
        above = f"{value / floor:.2f} of the floor"
        if limit is None:
            return above
        met = "yes" if is_met(row, value, limit) else self.miss(row, value, limit)
        return f"{number(row, limit)}: {met}; {above}"

    def notes(self):
        for run in self.runs:
            for broker in self.brokers:
                found = self.figure(run, run.rows[0], broker).notes
                if found:
                    yield f"- {run.name}, {broker}: {', '.join(found)}"

    def load_table(self):
        yield "| run | " + " | ".join(self.brokers) + " |"
        yield "|---|" + "---:|" * len(self.brokers)
        for run in self.runs:
            cells = [run.name]
            for broker in self.brokers:
                results = self.data["results"][run.name].get(broker, [])
                own = [result.get("own_us_each") for result in results]
                its = [result.get("watched_us_each") for result in results]
                own = [value for value in own if value]
                its = [value for value in its if value]
                if own and its:
                    own, its = statistics.median(own), statistics.median(its)
                    busy = [r["watched_cpu_seconds"] / r["seconds"] for r in results if "seconds" in r]
                    cells.append(
                        f"{own:.2f} us, {own / its:.2f} of the broker's; "
                        f"broker's core {statistics.median(busy):.0%} busy"
                    )
                else:
                    cells.append("-")
            yield "| " + " | ".join(cells) + " |"

    def plot(self, run):
        """Bars of each row's brokers, with the range of the rounds."""
        width, left, bar, gap = 720, 130, 18, 6
        top, parts = 10, []
        for row in run.rows:
            figures = [(broker, self.figure(run, row, broker)) for broker in self.brokers]
            figures = [(broker, figure) for broker, figure in figures if figure.value is not None]
            limit = self.bound(run, row)
            most = [max(figure.values) for _, figure in figures] + [limit or 0]
            scale = (width - left - 110) / (max(most, default=0) or 1)
            parts.append(f'<text x="10" y="{top + 14}" class="t">{escape(row.title)}, {row.unit}</text>')
            top += 24
            begin = top
            for broker, figure in figures:
                low, high = min(figure.values) * scale + left, max(figure.values) * scale + left
                middle = top + bar / 2
                parts.append(
                    f'<text x="{left - 8}" y="{middle + 4}" text-anchor="end">{escape(broker)}</text>'
                    f'<rect x="{left}" y="{top}" width="{max(figure.value * scale, 0):.1f}" '
                    f'height="{bar}" class="{"d" if broker == "dunlin" else "p"}"/>'
                    f'<path d="M{low:.1f} {middle}H{high:.1f}" class="w"/>'
                    f'<text x="{max(high, left + figure.value * scale) + 6:.1f}" y="{middle + 4}">'
                    f"{number(row, figure.value)}</text>"
                )
                top += bar + gap
            if limit is not None:
                at = left + limit * scale
                parts.append(f'<path d="M{at:.1f} {begin - 3}V{top}" class="b"/>')
            top += 16
        style = (
            "text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.d{fill:#1668b5}.p{fill:#a9b4bf}"
            ".w{stroke:#222;stroke-width:1.5}.b{stroke:#c33;stroke-width:1.5;stroke-dasharray:4 3}"
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" '
            f'width="{width}" height="{top}"><style>{style}</style>'
            f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
        )


def number(row, value):
    return "-" if value is None else f"{value:.{row.digits}f}"
