"""How each broker is started: fresh, on a free loopback port, pinned to one core."""

import os
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS = 15


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def confine(core):
    """What a child does before it becomes the program: its core, and all the files it may open."""

    def prepare():
        if core is not None:
            os.sched_setaffinity(0, {core})
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return prepare


def first_line(command):
    """The first line with a digit that a program prints about its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "?"
    lines = (done.stdout + done.stderr).splitlines()
    found = next((line for line in lines if re.search(r"\d", line)), "?")
    return found.strip()


class Broker:
    """A broker that can be started again and again."""

    name = ""

    def command(self, port, directory, is_durable):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def can(self, run):
        """Whether it is made for this run."""
        return True

    def start(self, core, is_durable):
        return Running(self, core, is_durable)


class Dunlin(Broker):
    """Its defaults, but for the bound of its queues, as with mosquitto."""

    name = "dunlin"
    QUEUE = "session.queue_messages_max=100000"

    def __init__(self, program):
        self.program = str(program)

    def command(self, port, directory, is_durable):
        where = ["--data-dir", str(directory / "data")] if is_durable else ["--ephemeral"]
        listen = ["--listen", f"mqtt://127.0.0.1:{port}", "--allow-anonymous"]
        return [self.program, "serve", *where, *listen, "--set", self.QUEUE]

    def version(self):
        return first_line([self.program, "--version"])


class Mosquitto(Broker):
    """Its defaults, but for the bound of its queues: a message dropped is no message served."""

    name = "mosquitto"

    def __init__(self, program):
        self.program = program

    def command(self, port, directory, is_durable):
        lines = [
            f"listener {port} 127.0.0.1",
            "allow_anonymous true",
            "max_queued_messages 0",
            "log_dest none",
        ]
        if is_durable:
            # It has no other durability: the whole state is written from time to time.
            lines += ["persistence true", f"persistence_location {directory}/"]
            lines += ["autosave_interval 1"]
        else:
            lines += ["persistence false"]
        if os.geteuid() == 0:
            lines += ["user root"]
        path = directory / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        return [self.program, "-c", str(path)]

    def version(self):
        return first_line([self.program, "-h"])


class Nats(Broker):
    """nats-server with its MQTT listener, which needs JetStream, and JetStream a directory."""

    name = "nats"

    def __init__(self, program):
        self.program = program

    def command(self, port, directory, is_durable):
        lines = [
            "server_name: bench",
            'listen: "127.0.0.1:-1"',
            "max_connections: 100000",
            f'jetstream {{ store_dir: "{directory}/jetstream" }}',
            f'mqtt {{ listen: "127.0.0.1:{port}", max_ack_pending: 65535 }}',
        ]
        path = directory / "nats.conf"
        path.write_text("\n".join(lines) + "\n")
        return [self.program, "-c", str(path)]

    def version(self):
        return first_line([self.program, "--version"])

    def can(self, run):
        # It has no shared subscriptions, and a limit of its own for what one row needs.
        return not run.is_durable and run.name not in ("shared", "routing-1e6")


class Rumqttd(Broker):
    """rumqttd of crates.io, for the scenarios of one QoS at a time that it is made for."""

    name = "rumqttd"

    def __init__(self, program):
        self.program = program

    def command(self, port, directory, is_durable):
        lines = [
            "id = 0",
            "[router]",
            "id = 0",
            "max_connections = 30000",
            "max_outgoing_packet_count = 200",
            "max_segment_size = 104857600",
            "max_segment_count = 10",
            "[v4.1]",
            'name = "v4-1"',
            f'listen = "127.0.0.1:{port}"',
            "next_connection_delay_ms = 0",
            "[v4.1.connections]",
            "connection_timeout_ms = 60000",
            "max_payload_size = 1048576",
            "max_inflight_count = 1000",
            "dynamic_filters = true",
        ]
        path = directory / "rumqttd.toml"
        path.write_text("\n".join(lines) + "\n")
        return [self.program, "-c", str(path), "-q"]

    def version(self):
        return first_line([self.program, "--version"])

    def can(self, run):
        return not run.is_durable and run.name not in ("routing-1e5", "routing-1e6")


class Rmqttd(Broker):
    """rmqttd of crates.io, without plugins."""

    name = "rmqttd"

    def __init__(self, program):
        self.program = program

    def command(self, port, directory, is_durable):
        lines = [
            f'plugins.dir = "{directory}"',
            "[log]",
            'to = "off"',
            "[listener.tcp.external]",
            f'addr = "127.0.0.1:{port}"',
            "allow_anonymous = true",
            "max_connections = 1024000",
            "max_mqueue_len = 100000",
        ]
        path = directory / "rmqtt.toml"
        path.write_text("\n".join(lines) + "\n")
        return [self.program, "-f", str(path)]

    def version(self):
        return first_line([self.program, "--version"])

    def can(self, run):
        return not run.is_durable and run.name != "routing-1e6"


# What is found on this machine is measured, in this order.
INSTALLED = {
    "mosquitto": Mosquitto,
    "nats-server": Nats,
    "rumqttd": Rumqttd,
    "rmqttd": Rmqttd,
}
# Where programs are that are not on everybody's path.
PLACES = ["/usr/sbin", os.path.expanduser("~/.cargo/bin")]


def installed():
    """The peers whose programs are there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    found = ((made, shutil.which(name, path=path)) for name, made in INSTALLED.items())
    return [made(program) for made, program in found if program]


class Floor(Broker):
    """The relay of crates/dunlin/examples/floor.rs: what the operating system costs."""

    name = "floor"
    RUNS = ("fan-out", "fan-in", "fan-in-50", "p2p-0", "p2p-1", "p2p-2", "p2p-window-1", "p2p-20k")
    RUNS += ("latency-5k", "shared", "pair-0", "pair-1", "connect", "takeover", "idle")

    def __init__(self, program):
        self.program = str(program)

    def command(self, port, directory, is_durable):
        return [self.program, f"127.0.0.1:{port}"]

    def version(self):
        return "keeps nothing and checks nothing"

    def can(self, run):
        return run.name in self.RUNS


class Peer(Broker):
    """Any other broker: a command with {port} and {dir} in it."""

    def __init__(self, name, command):
        self.name = name
        self.words = shlex.split(command)

    def command(self, port, directory, is_durable):
        fill = {"{port}": str(port), "{dir}": str(directory)}
        words = []
        for word in self.words:
            for placeholder, value in fill.items():
                word = word.replace(placeholder, value)
            words.append(word)
        return words

    def version(self):
        return first_line([self.words[0], "--version"])

    def can(self, run):
        return not run.is_durable


class Running:
    """A started broker; as a context it ends with its block."""

    def __init__(self, broker, core, is_durable):
        self.broker = broker
        self.directory = Path(tempfile.mkdtemp(prefix="dunlin-bench-"))
        self.port = free_port()
        self.log = open(self.directory / "log", "w+")
        self.process = subprocess.Popen(
            broker.command(self.port, self.directory, is_durable),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            cwd=self.directory,
            preexec_fn=confine(core),
        )

    def __enter__(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        said = self.said()
        self.__exit__()
        raise RuntimeError(f"{self.broker.name} does not start: {said}")

    def said(self):
        self.log.seek(0)
        lines = self.log.read().splitlines()
        return lines[-1] if lines else "no output"

    def written_bytes(self):
        """What it has given to disks so far; 0 where nobody counts that, or not for us."""
        try:
            lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        except OSError:
            return 0
        counts = dict(line.split(": ") for line in lines)
        return int(counts.get("write_bytes", 0))

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
