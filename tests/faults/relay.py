"""A door in front of a server that looks at what passes, and does something about it at one chosen place.

kafka_door.py and http_door.py know the protocols; proxy.py has a plain one. What is to happen is a trap: it springs once.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from tests.faults.procfs import runs
from tests.waiting import until

HOST, CHUNK, BACKLOG = "127.0.0.1", 65536, 64
DEAD_SECONDS = 10.0


class Cut(Exception):
    """Break this connection, both ways."""


Spring = Callable[[bytes], bytes]  # gets what comes from the place on, gives what goes on in its stead; may raise Cut


@dataclass(kw_only=True)
class Trap:
    """`sprung` proves that the place was come by; `caught` says what lay there, `at` when (time.monotonic)."""

    spring: Spring
    sprung: threading.Event = field(default_factory=threading.Event)
    caught: str = ""
    at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _taken: bool = False

    def take(self, caught: str) -> bool:
        """Say whether it is this one's turn to spring; it is nobody's a second time."""
        with self._lock:
            first, self._taken = not self._taken, True
        if first:
            self.caught, self.at = caught, time.monotonic()
            self.sprung.set()
        return first


T = TypeVar("T", bound=Trap)


class Relay(ABC, Generic[T]):
    """Has its port before it is open, so that it can be told; takes connections from then on."""

    def __init__(self) -> None:
        self._behind = 0
        self._lock = threading.Lock()
        self._wires: set[socket.socket] = set()
        self._traps: list[T] = []

    @cached_property
    def _listener(self) -> socket.socket:
        listener = socket.socket()
        listener.bind((HOST, 0))
        return listener

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def open(self, behind: int) -> None:
        self._behind = behind
        self._listener.listen(BACKLOG)
        threading.Thread(target=self._accept, name=f"door-{behind}", daemon=True).start()

    def close(self) -> None:
        with self._lock:
            wires = list(self._wires)
        hang_up(self._listener, *wires)
        self._listener.close()

    @contextmanager
    def armed(self, *traps: T) -> Iterator[None]:
        with self._lock:
            self._traps += traps
        try:
            yield
        finally:
            with self._lock:
                self._traps = [trap for trap in self._traps if not any(trap is ours for ours in traps)]

    @property
    def traps(self) -> list[T]:
        with self._lock:
            return list(self._traps)

    @abstractmethod
    def talk(self, outer: socket.socket, inner: socket.socket) -> None:
        """Carry one connection to its end. May raise Cut and OSError."""

    def _accept(self) -> None:
        while True:
            try:
                outer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(outer,), name=f"wire-{self._behind}", daemon=True).start()

    def _carry(self, outer: socket.socket) -> None:
        with contextlib.closing(outer), contextlib.suppress(Cut, OSError):  # a server that is down: the caller sees its wire end
            inner = socket.create_connection((HOST, self._behind))
            with self._known(outer, inner):
                self.talk(outer, inner)

    @contextmanager
    def _known(self, outer: socket.socket, inner: socket.socket) -> Iterator[None]:
        with self._lock:
            self._wires |= {outer, inner}
        try:
            yield
        finally:
            with self._lock:
                self._wires -= {outer, inner}
            hang_up(outer, inner)
            inner.close()


def hang_up(*wires: socket.socket) -> None:
    for wire in wires:
        with contextlib.suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)


def lets_pass(data: bytes) -> bytes:
    return data


def cuts(_data: bytes) -> bytes:
    raise Cut


def kills(pid: int) -> Spring:
    """SIGKILL, and nothing more passes. The wire is cut when the process is gone, so that it never learns of that."""

    def spring(_data: bytes) -> bytes:
        os.kill(pid, signal.SIGKILL)
        until(lambda: not runs(pid), DEAD_SECONDS, f"the end of process {pid}")
        raise Cut

    return spring


def flips() -> Spring:
    """One bit of the first byte that comes by."""
    done = threading.Event()

    def spring(data: bytes) -> bytes:
        if done.is_set():
            return data
        done.set()
        return bytes([data[0] ^ 1]) + data[1:]

    return spring


def stalls(seconds: float) -> Spring:
    """Nothing passes for so long; then it goes on, if anybody still waits."""
    done = threading.Event()

    def spring(data: bytes) -> bytes:
        if not done.is_set():
            done.set()
            threading.Event().wait(seconds)
        return data

    return spring


def trickles(bytes_a_second: float) -> Spring:
    def spring(data: bytes) -> bytes:
        threading.Event().wait(len(data) / bytes_a_second)
        return data

    return spring
