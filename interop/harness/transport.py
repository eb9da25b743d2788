"""How the clients reach the broker: by the environment, so that every case runs over every transport.

    TRANSPORT   tcp (the default), tls, ws or wss
    CA_FILE     the authority of the broker's certificate, for tls and wss
    CERT_FILE   the client's own certificate, and
    KEY_FILE    its key, for a broker that asks for one
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Transport:
    """What the environment says."""

    name: str
    ca_file: str | None
    cert_file: str | None
    key_file: str | None

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.name in ("tls", "wss")

    @property
    def is_websocket(self) -> bool:
        """Whether MQTT is in WebSocket frames."""
        return self.name in ("ws", "wss")


def _from_environment() -> Transport:
    name = os.environ.get("TRANSPORT", "tcp")
    if name not in ("tcp", "tls", "ws", "wss"):
        raise SystemExit(f"TRANSPORT={name}: tcp, tls, ws or wss")
    files = (os.environ.get(key) or None for key in ("CA_FILE", "CERT_FILE", "KEY_FILE"))
    return Transport(name, *files)


TRANSPORT = _from_environment()
