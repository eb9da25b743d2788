"""mosquitto_pub, mosquitto_sub and mosquitto_rr as processes that a case can wait for."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from dataclasses import dataclass

from harness.cases import DEADLINE_S, QUIET_S, Failure, Trial, Version
from harness.transport import TRANSPORT

VERSION_NAMES = {Version.V3_1: "mqttv31", Version.V3_1_1: "mqttv311", Version.V5: "mqttv5"}
PUBLISH = re.compile(r"received PUBLISH \(d(\d), q(\d), r(\d), m(\d+),")


@dataclass(frozen=True)
class Message:
    """A message as mosquitto_sub printed it."""

    topic: str
    payload: str
    qos: int
    retain: bool
    dup: bool
    properties: dict


def property_flags(**by_command: dict) -> list[str]:
    """`publish={"user-property": [("a", "b")]}` as `-D publish user-property a b`."""
    flags = []
    for command, values in by_command.items():
        for name, value in values.items():
            for one in value if isinstance(value, list) else [value]:
                words = one if isinstance(one, tuple) else (one,)
                flags += ["-D", command, name, *map(str, words)]
    return flags


def command_line(trial: Trial, program: str, *arguments: str, port: int | None = None) -> list[str]:
    where = ["-h", trial.host, "-p", str(port or trial.port)]
    if TRANSPORT.is_websocket:
        raise Failure("mosquitto's clients of Debian speak no WebSocket")
    if TRANSPORT.is_secure:
        where += ["--cafile", TRANSPORT.ca_file or ""]
    if TRANSPORT.cert_file:
        where += ["--cert", TRANSPORT.cert_file, "--key", TRANSPORT.key_file or ""]
    return [program, *where, "-V", VERSION_NAMES[trial.version], *arguments]


def run(trial: Trial, program: str, *arguments: str, stdin: str = "", port: int | None = None) -> str:
    """Runs to the end, which must be a success, and gives what it printed."""
    command = command_line(trial, program, *arguments, port=port)
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=2 * DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{' '.join(command)} has not ended after {2 * DEADLINE_S:g} s") from error
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} exits with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def publish(
    trial: Trial, topic: str, payload: str, qos: int = 0, *more: str, retain: bool = False
) -> str:
    """mosquitto_pub with one message; it ends when the broker has acknowledged it."""
    flags = ["-t", topic, "-q", str(qos), *more]
    flags += ["-m", payload] if payload else ["-n"]
    if retain:
        flags.append("-r")
        if payload:
            forget = ("-t", topic, "-n", "-r", "-q", "1")
            trial.at_end(lambda: run(trial, "mosquitto_pub", *forget))
    return run(trial, "mosquitto_pub", *flags)


def publish_lines(trial: Trial, topic: str, payloads: list[str], qos: int = 0, *more: str) -> str:
    """mosquitto_pub with one message for each line of its standard input."""
    text = "".join(f"{payload}\n" for payload in payloads)
    return run(trial, "mosquitto_pub", "-t", topic, "-q", str(qos), "-l", *more, stdin=text)


class Subscriber:
    """A mosquitto_sub that runs until `kill`.

    It prints what it sends and receives (`-d`), and each message as JSON, so that a case can wait for
    its SUBACK and see DUP.
    """

    def __init__(
        self,
        trial: Trial,
        *filters: str,
        qos: int = 0,
        client_id: str | None = None,
        keep: bool = False,
        more: tuple[str, ...] | list[str] = (),
        port: int | None = None,
    ) -> None:
        self.client_id = client_id or trial.client_id()
        flags = ["-i", self.client_id, "-q", str(qos), "-d", "-F", "%j", *more]
        for topic_filter in filters:
            flags += ["-t", topic_filter]
        if keep:
            flags.append("-c")
            trial.at_end(self._end_session(trial))
        # Line by line, although the output is a pipe.
        command = ["stdbuf", "-oL", *command_line(trial, "mosquitto_sub", *flags, port=port)]
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._messages: list[Message] = []
        self._read = 0
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()
        trial.at_end(self.kill)

    def _end_session(self, trial: Trial):
        flags = ("-i", self.client_id, "-E", "-t", trial.topic("end"))
        return lambda: run(trial, "mosquitto_sub", *flags)

    def _collect(self) -> None:
        assert self._process.stdout is not None
        flags: list[tuple[bool, int]] = []
        for line in self._process.stdout:
            line = line.rstrip("\n")
            with self._changed:
                self._lines.append(line)
                if published := PUBLISH.search(line):
                    flags.append((published[1] == "1", int(published[4])))
                if line.startswith("{"):
                    self._messages.append(_parsed(line, flags))
                self._changed.notify_all()

    def subscribed(self) -> Subscriber:
        """Waits for SUBACK."""
        self.wait_for("Subscribed (mid:")
        return self

    def wait_for(self, text: str, times: int = 1) -> str:
        """Waits until the program has printed `text` so often, and gives the line."""

        def found() -> list[str]:
            return [line for line in self._lines if text in line]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= times, DEADLINE_S):
                raise Failure(f"{self.client_id} has not printed {text!r}, but {self._lines[-10:]}")
            return found()[times - 1]

    def count(self, text: str) -> int:
        """How many lines so far hold `text`."""
        with self._changed:
            return sum(text in line for line in self._lines)

    def lines(self) -> list[str]:
        """What it has printed so far."""
        with self._changed:
            return list(self._lines)

    def unread(self) -> int:
        """How many messages came that no `take` has given yet."""
        with self._changed:
            return len(self._messages) - self._read

    def next(self, seconds: float = DEADLINE_S) -> Message:
        """The next message."""
        return self.take(1, seconds)[0]

    def take(self, count: int, seconds: float = DEADLINE_S) -> list[Message]:
        """The next `count` messages."""
        with self._changed:
            complete = self._changed.wait_for(
                lambda: len(self._messages) >= self._read + count, seconds
            )
            unread = self._messages[self._read :]
            if not complete:
                some = [(one.payload[:40], one.qos) for one in unread[:10]]
                raise Failure(
                    f"{self.client_id} waited {seconds:g} s for {count} messages, got"
                    f" {len(unread)}, the first are {some}"
                )
            self._read += count
            return unread[:count]

    def expect_quiet(self, seconds: float = QUIET_S) -> None:
        """Fails as soon as a message comes within this time."""
        with self._changed:
            if self._changed.wait_for(lambda: len(self._messages) > self._read, seconds):
                raise Failure(f"{self.client_id} got what it must not: {self._messages[self._read :]}")

    def kill(self) -> None:
        """Ends it without DISCONNECT."""
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def silence(self) -> None:
        """Stops the process, whose socket stays open."""
        self._process.send_signal(signal.SIGSTOP)


def _parsed(line: str, flags: list[tuple[bool, int]]) -> Message:
    # Names may repeat among user properties, so every object is read as pairs.
    pairs = dict(json.loads(line, object_pairs_hook=lambda pairs: pairs))
    properties = dict(pairs.get("properties", []))
    dups = [dup for dup, mid in flags if mid == pairs.get("mid", 0)]
    return Message(
        pairs["topic"],
        # An empty payload is null.
        pairs["payload"] or "",
        pairs["qos"],
        bool(pairs["retain"]),
        bool(dups and dups[-1]),
        properties,
    )
