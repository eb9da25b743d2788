"""Named cases, and the runner that prints one line for each.

A case is a function that takes a `Trial` and raises when the broker does not do what it says. It
runs once for each protocol version that it names. Cases share nothing: each has topics and client
identifiers of its own, so they run side by side and in any order.
"""

from __future__ import annotations

import argparse
import enum
import fnmatch
import os
import sys
import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, Iterable, TypeVar

T = TypeVar("T")

# How long something that must happen may take, on a machine that is busy with other work.
DEADLINE_S = 15.0
# How long a case watches for something that must not happen.
QUIET_S = 0.4
CASE_THREADS = 8


class Version(enum.Enum):
    """A protocol version; the value is the Protocol Level of CONNECT."""

    V3_1 = 3
    V3_1_1 = 4
    V5 = 5

    def __str__(self) -> str:
        return {3: "3.1", 4: "3.1.1", 5: "5.0"}[self.value]


V3_1, V3_1_1, V5 = Version
ALL = (V3_1, V3_1_1, V5)
# Where an older client cannot see the difference: MQTT 3.1 has no Session Present.
SINCE_3_1_1 = (V3_1_1, V5)


class Failure(AssertionError):
    """What the broker did, against what it should have done."""


def expect_equal(got: object, wanted: object, what: str) -> None:
    """Fails with both values."""
    if got != wanted:
        raise Failure(f"{what}: expected {wanted!r}, got {got!r}")


def expect(condition: bool, what: str) -> None:
    """Fails with the sentence `what`, which says what is wrong."""
    if not condition:
        raise Failure(what)


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S):
    """Polls until `condition` gives something true and returns it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"after {seconds:g} s still waiting for {what}")
        time.sleep(0.01)


def pause_until(seconds: float) -> None:
    """Lets a time pass that is itself what the case is about: an expiry, a keep alive."""
    time.sleep(seconds)


@dataclass
class Trial:
    """One run of one case against one broker."""

    suite: str
    name: str
    version: Version
    host: str
    port: int
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    _cleanups: list[Callable[[], None]] = field(default_factory=list)
    _client_ids: int = 0

    def topic(self, rest: str) -> str:
        """A topic or filter below a root that only this trial uses."""
        return f"interop/{self.suite}/{self.nonce}/{rest}"

    def client_id(self) -> str:
        """A Client Identifier of at most 23 letters and digits, which every broker must take."""
        self._client_ids += 1
        return f"{self.suite[:4]}{self.nonce}x{self._client_ids}"

    def beside(self, other: Callable[[], None], main: Callable[[], T]) -> T:
        """Runs `other` on a thread of its own while `main` runs, and fails if either does."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            running = pool.submit(other)
            result = main()
            running.result()
        return result

    def at_end(self, cleanup: Callable[[], None]) -> None:
        """Runs after the case, whatever its outcome; the last one named runs first."""
        self._cleanups.append(cleanup)

    def clean(self) -> None:
        """What a cleanup raises does not hide the outcome of the case."""
        for cleanup in reversed(self._cleanups):
            try:
                cleanup()
            except Exception as error:  # noqa: BLE001
                print(f"note {self.suite} {self.name}: clean-up: {error}", file=sys.stderr)


@dataclass(frozen=True)
class Case:
    """A registered case."""

    name: str
    run: Callable[[Trial], None]
    versions: tuple[Version, ...]


_CASES: list[Case] = []


def case(*versions: Version) -> Callable:
    """Registers the function below as a case, for these versions or for all."""

    def register(function: Callable[[Trial], None]) -> Callable[[Trial], None]:
        _CASES.append(Case(function.__name__, function, versions or ALL))
        return function

    return register


def _run_one(suite: str, one: Case, version: Version, host: str, port: int) -> str | None:
    """Gives the line of a failure, or nothing."""
    trial = Trial(suite, f"{version}/{one.name}", version, host, port)
    try:
        one.run(trial)
    except Failure as failure:
        return f"FAIL {suite} {trial.name}: {failure}"
    except Exception as error:  # noqa: BLE001
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(where.filename)}:{where.lineno}"
        return f"FAIL {suite} {trial.name}: {type(error).__name__} at {place}: {error}"
    finally:
        trial.clean()
    return None


def _selected(pattern: str) -> Iterable[tuple[Case, Version]]:
    for one in _CASES:
        for version in one.versions:
            if fnmatch.fnmatch(f"{version}/{one.name}", pattern):
                yield one, version


def main(suite: str) -> int:
    """Runs the registered cases; the exit code is 1 if one of them failed, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog=suite, description=f"interoperability cases: {suite}")
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "1883")))
    parser.add_argument("--only", default="*", metavar="PATTERN", help="e.g. '5.0/will_*'")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    arguments = parser.parse_args()

    work = list(_selected(arguments.only))
    if not work:
        parser.error(f"no case matches {arguments.only!r}; --list names them")
    if arguments.list:
        for one, version in work:
            print(f"{version}/{one.name}")
        return 0

    failed = 0
    printing = threading.Lock()

    def run(item: tuple[Case, Version]) -> None:
        nonlocal failed
        one, version = item
        failure = _run_one(suite, one, version, arguments.host, arguments.port)
        with printing:
            failed += failure is not None
            print(failure or f"ok {suite} {version}/{one.name}", flush=True)

    with ThreadPoolExecutor(max_workers=CASE_THREADS) as pool:
        list(pool.map(run, work))
    print(f"{suite}: {len(work) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0
