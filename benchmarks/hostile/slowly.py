"""A client that sends as little as it can as late as it can, and comes back when it is sent away."""

import socket
from collections import Counter

from tests.fixtures.predictor.http2 import HOST


class Slow:
    def __init__(self, port: int, at_once: bytes, bit_by_bit: bytes, counts: Counter[str]) -> None:
        self._port, self._at_once, self._rest, self._counts = port, at_once, bit_by_bit, counts
        self.connect()

    def go_on(self) -> None:
        """Send the next byte, if there is one; connect again where the server has closed."""
        try:
            if self.was_closed():
                self.connect()
            if self._sent < len(self._rest):
                self._socket.send(self._rest[self._sent : self._sent + 1])
                self._sent += 1
        except OSError:
            self.connect()

    def was_closed(self) -> bool:
        try:
            return self._socket.recv(4096) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def connect(self) -> None:
        self._sent = 0
        try:
            self._socket = socket.create_connection((HOST, self._port), timeout=5)
            self._socket.sendall(self._at_once)
            self._socket.setblocking(False)
            self._counts["connections"] += 1
        except OSError:
            self._counts["connections refused"] += 1
