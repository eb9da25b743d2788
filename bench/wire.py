"""Packets of MQTT 3.1.1, for what the load of `dunlin bench` does not do."""

import struct


def text(value):
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def packet(head, body):
    length, encoded = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        encoded += bytes([digit | (128 if length else 0)])
        if not length:
            return bytes([head]) + encoded + body


def connect(client_id, clean=False):
    return packet(0x10, text("MQTT") + bytes([4, 2 if clean else 0]) + b"\0\0" + text(client_id))


def subscribe(topic_filter, qos=0):
    return packet(0x82, b"\0\1" + text(topic_filter) + bytes([qos]))


def take(peer, size):
    """Reads so many bytes from a socket, and gives the last of them, at most a mebibyte."""
    piece = b""
    while size > 0:
        piece = peer.recv(min(size, 1 << 20))
        if not piece:
            raise RuntimeError("the broker closed the connection")
        size -= len(piece)
    return piece
