"""A TCP proxy between a client and the broker that can lose what one of them says.

Who never hears an acknowledgement must send again, and the other must not take that for a new
message where QoS 2 forbids it. No client offers to lose an acknowledgement, so the proxy does.
"""

from __future__ import annotations

import socket
import threading

from .cases import wait_until


class Proxy:
    """Listens on a free port of the loopback address and connects each client to the broker."""

    def __init__(self, host: str, port: int) -> None:
        self._broker = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        # Whose bytes are lost: True is the broker, False the client.
        self._losing: bool | None = None
        self._lost = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_from_broker(self) -> None:
        """From now on nothing from the broker reaches the client."""
        with self._lock:
            self._losing, self._lost = True, 0

    def lose_from_client(self) -> None:
        """From now on nothing from the client reaches the broker."""
        with self._lock:
            self._losing, self._lost = False, 0

    def wait_until_lost(self) -> None:
        """Waits until something was lost."""
        wait_until(self.lost_bytes, "bytes that the proxy loses")

    def lost_bytes(self) -> int:
        """How many bytes were lost since."""
        with self._lock:
            return self._lost

    def cut(self) -> None:
        """Closes every connection through the proxy; later ones are passed on whole."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The other side was faster.
        # Not earlier: nothing that was to be lost may slip through at the end.
        with self._lock:
            self._losing = None

    def close(self) -> None:
        """Ends the proxy and all that goes through it."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # Wakes the thread that accepts.
        except OSError:
            pass
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                broker = socket.create_connection(self._broker)
            except OSError:
                return
            with self._lock:
                self._sockets += [client, broker]
            for source, sink, by_broker in ((client, broker, False), (broker, client, True)):
                arguments = (source, sink, by_broker)
                threading.Thread(target=self._pass, args=arguments, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, by_broker: bool) -> None:
        try:
            while data := source.recv(65536):
                with self._lock:
                    lost = self._losing is by_broker
                    self._lost += len(data) if lost else 0
                if not lost:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The connection is gone, which is what a cut is for.
        finally:
            source.close()
