"""A client of Eclipse Paho that a case can drive step by step and wait for."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Callable

from paho.mqtt.client import CallbackAPIVersion, MQTTMessage, MQTTMessageInfo
from paho.mqtt.client import Client as Paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from harness.cases import DEADLINE_S, QUIET_S, V5, Failure, Trial, expect
from harness.transport import TRANSPORT

# Long enough that no session of a case ends by itself.
SESSION_S = 300


@dataclass(frozen=True)
class Message:
    """A PUBLISH as Paho gave it to its user."""

    topic: str
    payload: str
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    properties: dict


@dataclass(frozen=True)
class Will:
    """The will part of CONNECT."""

    topic: str
    payload: str = "will"
    qos: int = 0
    retain: bool = False
    properties: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a connection ended: the reason is a number, and the broker's own if `by_broker`."""

    by_broker: bool
    reason: int
    properties: dict


@dataclass(frozen=True)
class Answer:
    """CONNACK, SUBACK, UNSUBACK, PUBACK or PUBCOMP."""

    reasons: list[int]
    properties: dict
    session_present: bool = False


def _packed(packet: int, values: dict) -> Properties | None:
    if not values:
        return None
    properties = Properties(packet)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _unpacked(properties: Properties | None) -> dict:
    """The properties by the names that Paho uses, without its own attributes."""
    if properties is None:
        return {}
    names = (name.replace(" ", "") for name in properties.names)
    return {name: getattr(properties, name) for name in names if hasattr(properties, name)}


class Client:
    """One Client Identifier; `connect` may be called again after the connection has ended.

    `clean` is Clean Session in 3.x and Clean Start in 5.0, where a client that is not clean asks for
    a session that outlives the case unless `properties` says otherwise.
    """

    def __init__(
        self,
        trial: Trial,
        *,
        client_id: str | None = None,
        clean: bool = True,
        will: Will | None = None,
        properties: dict | None = None,
        keep_alive_s: int = 60,
        manual_ack: bool = False,
        port: int | None = None,
    ) -> None:
        self.trial = trial
        self.client_id = trial.client_id() if client_id is None else client_id
        self.connack = Answer([], {})
        self.log: list[str] = []
        self._at_log: tuple[str, Callable[[], None]] | None = None
        self._clean = clean
        self._keep_alive_s = keep_alive_s
        self._port = port or trial.port
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._read = 0
        self._answers: dict[tuple[str, int], Answer] = {}
        self._ended: Ended | None = None
        self._started = False
        self._properties = dict(properties or {})
        if trial.version is V5 and not clean:
            self._properties.setdefault("SessionExpiryInterval", SESSION_S)

        three = {} if trial.version is V5 else {"clean_session": clean}
        self._paho = Paho(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=MQTTProtocolVersion(trial.version.value),
            transport="websockets" if TRANSPORT.is_websocket else "tcp",
            reconnect_on_failure=False,
            manual_ack=manual_ack,
            **three,
        )
        if TRANSPORT.is_secure:
            self._paho.tls_set(TRANSPORT.ca_file, TRANSPORT.cert_file, TRANSPORT.key_file)
        self._paho.on_connect = self._on_connect
        self._paho.on_message = self._on_message
        self._paho.on_disconnect = self._on_disconnect
        self._paho.on_log = self._on_log
        for name in ("subscribe", "unsubscribe", "publish"):
            setattr(self._paho, f"on_{name}", self._keeper(name))
        if will is not None:
            self._paho.will_set(
                will.topic,
                will.payload,
                will.qos,
                will.retain,
                _packed(PacketTypes.WILLMESSAGE, will.properties),
            )
            if will.retain:
                self._forget_retained(will.topic)
        trial.at_end(self._clean_up)

    # What Paho calls, on its own thread.

    def _on_connect(self, _client, _user, flags, reason, properties) -> None:
        answer = Answer([reason.value], _unpacked(properties), flags.session_present)
        self._keep(("connect", 0), answer)

    def _on_message(self, _client, _user, message: MQTTMessage) -> None:
        got = Message(
            message.topic,
            message.payload.decode(),
            message.qos,
            bool(message.retain),
            bool(message.dup),
            message.mid,
            _unpacked(message.properties),
        )
        with self._changed:
            self._messages.append(got)
            self._changed.notify_all()

    def _on_disconnect(self, _client, _user, flags, reason, properties) -> None:
        with self._changed:
            # Paho may report the same end twice, first what the broker said.
            if self._ended is None:
                by_broker = flags.is_disconnect_packet_from_server
                self._ended = Ended(by_broker, reason.value, _unpacked(properties))
            self._changed.notify_all()

    def _on_log(self, _client, _user, _level, text: str) -> None:
        self.log.append(text)
        if self._at_log is not None and self._at_log[0] in text:
            self._at_log[1]()

    def _keeper(self, name: str) -> Callable:
        def keep(_client, _user, mid, reasons, properties) -> None:
            several = reasons if isinstance(reasons, list) else [reasons]
            codes = [reason.value for reason in several]
            self._keep((name, mid), Answer(codes, _unpacked(properties)))

        return keep

    def _keep(self, key: tuple[str, int], answer: Answer) -> None:
        with self._changed:
            self._answers[key] = answer
            self._changed.notify_all()

    # What a case calls.

    def connect(self, *, clean: bool | None = None) -> Client:
        """Connects and waits for a CONNACK that accepts; `clean` changes what the client is."""
        self.start(clean=clean)
        self.connack = self._answer("connect", 0)
        expect(self.connack.reasons == [0], f"CONNACK refuses: {self.connack.reasons}")
        return self

    def start(self, *, clean: bool | None = None) -> None:
        """Sends CONNECT and waits for nothing."""
        if clean is not None:
            self._clean = clean
        five = {}
        if self.trial.version is V5:
            properties = _packed(PacketTypes.CONNECT, self._properties)
            five = {"clean_start": self._clean, "properties": properties}
        else:
            # Paho takes Clean Session from its constructor and offers no other way.
            self._paho._clean_session = self._clean  # noqa: SLF001
        with self._changed:
            self._ended = None
            self._answers.pop(("connect", 0), None)
        self._started = True
        self._paho.connect(self.trial.host, self._port, self._keep_alive_s, **five)
        self._paho.loop_start()

    def refusal(self) -> Answer:
        """After `start`: the CONNACK that refuses."""
        answer = self._answer("connect", 0)
        expect(answer.reasons[0] >= 0x80, f"CONNACK accepts: {answer.reasons}")
        return answer

    def subscribe(self, topic_filter: str, qos: int = 0, **options) -> Answer:
        """Subscribes and waits for SUBACK; `identifier` is the Subscription Identifier and the other
        options are those of Paho's SubscribeOptions."""
        return self.subscribe_all([(topic_filter, qos)], **options)

    def subscribe_all(self, pairs: list[tuple[str, int]], **options) -> Answer:
        """As `subscribe`, several filters in one SUBSCRIBE."""
        mid = self.send_subscribe(pairs, **options)
        return self._answer("subscribe", mid)

    def send_subscribe(self, pairs: list[tuple[str, int]], identifier: int = 0, **options) -> int:
        """Sends SUBSCRIBE and gives its Packet Identifier."""
        if self.trial.version is not V5:
            return self._paho.subscribe(pairs)[1]
        listed = [(one, SubscribeOptions(qos=qos, **options)) for one, qos in pairs]
        values = {"SubscriptionIdentifier": identifier} if identifier else {}
        return self._paho.subscribe(listed, properties=_packed(PacketTypes.SUBSCRIBE, values))[1]

    def unsubscribe(self, *filters: str) -> Answer:
        """Unsubscribes and waits for UNSUBACK."""
        return self._answer("unsubscribe", self._paho.unsubscribe(list(filters))[1])

    def publish(self, topic: str, payload="", qos: int = 0, retain: bool = False, **five) -> Answer:
        """Publishes and waits until the broker has acknowledged it; `five` are 5.0 properties."""
        mid = self.send(topic, payload, qos, retain, **five)
        return self._answer("publish", mid)

    def send(self, topic: str, payload="", qos: int = 0, retain: bool = False, **five) -> int:
        """Publishes without waiting and gives the Packet Identifier."""
        if retain and payload:
            self._forget_retained(topic)
        properties = _packed(PacketTypes.PUBLISH, five)
        return self._paho.publish(topic, payload, qos, retain, properties).mid

    def send_unchecked(self, topic: str, payload: str) -> None:
        """A QoS 0 PUBLISH with a topic that Paho would refuse."""
        self._paho._send_publish(  # noqa: SLF001
            0, topic.encode(), payload.encode(), info=MQTTMessageInfo(0)
        )

    def acknowledge(self, message: Message) -> None:
        """PUBACK or PUBCOMP, for a client with manual acknowledgement."""
        self._paho.ack(message.packet_id, message.qos)

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

    def unread(self) -> int:
        """How many messages came that no `take` has given yet."""
        with self._changed:
            return len(self._messages) - self._read

    def expect_quiet(self, seconds: float = QUIET_S) -> None:
        """Fails as soon as a message comes within this time."""
        with self._changed:
            if self._changed.wait_for(lambda: len(self._messages) > self._read, seconds):
                raise Failure(f"{self.client_id} got what it must not: {self._messages[self._read :]}")

    def wait_for_log(self, text: str) -> None:
        """Waits until Paho has logged a packet, by the words it uses for it."""
        end = time.monotonic() + DEADLINE_S
        while not any(text in line for line in list(self.log)):
            if time.monotonic() > end:
                raise Failure(f"{self.client_id} has not seen {text!r}; its log: {self.log}")
            time.sleep(0.01)

    def when_logged(self, text: str, then: Callable[[], None]) -> None:
        """Calls `then` on Paho's thread as soon as it has read such a packet, before it answers."""
        self._at_log = (text, then)

    def ended(self, seconds: float = DEADLINE_S) -> Ended:
        """Waits for the end of the connection."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended is not None, seconds):
                raise Failure(f"the connection of {self.client_id} is still open")
            assert self._ended is not None
            ended = self._ended
        self._paho.loop_stop()
        return ended

    def expect_connected(self) -> None:
        """Fails if the connection has ended."""
        with self._changed:
            expect(self._ended is None, f"the connection of {self.client_id} ended: {self._ended}")

    def disconnect(self, reason: int = 0, **five) -> None:
        """Sends DISCONNECT and closes."""
        if self.trial.version is V5:
            properties = _packed(PacketTypes.DISCONNECT, five)
            self._paho.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=reason), properties)
        else:
            self._paho.disconnect()
        self.ended()

    def cut(self) -> None:
        """Closes the socket without DISCONNECT, as a network that fails."""
        open_socket = self._paho.socket()
        if open_socket is not None:
            # Paho wraps the socket of a WebSocket in an object without `shutdown`.
            getattr(open_socket, "_socket", open_socket).shutdown(socket.SHUT_RDWR)
        self.ended()

    def fall_silent(self) -> None:
        """Stops reading and writing and leaves the socket open."""
        self._paho.loop_stop()

    def speak_again(self) -> None:
        """After `fall_silent`: reads what came meanwhile."""
        self._paho.loop_start()

    # Bookkeeping.

    def _answer(self, name: str, mid: int) -> Answer:
        with self._changed:
            key = (name, mid)
            self._changed.wait_for(lambda: key in self._answers or self._ended, DEADLINE_S)
            if key in self._answers:
                return self._answers.pop(key)
            why = f"the connection ended: {self._ended}" if self._ended else "nothing came"
            raise Failure(f"{self.client_id} waited for the answer to {name}, but {why}")

    def _forget_retained(self, topic: str) -> None:
        def forget() -> None:
            cleaner = Client(self.trial).connect()
            cleaner.publish(topic, "", qos=1, retain=True)
            cleaner.disconnect()

        self.trial.at_end(forget)

    def _clean_up(self) -> None:
        if self._started and self._ended is None:
            self.cut()
        if not self._clean:
            self._properties.pop("SessionExpiryInterval", None)
            self._paho.will_clear()
            self.connect(clean=True).disconnect()
