"""Wait for conditions, and the small honest pieces that tests of tail, writer and stage share."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pushline.line.broker import Place
from pushline.line.memory import MemoryLog, MemoryReader
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPICS

TOPIC_NAMES = tuple(topic.name for topic in TOPICS)
PATIENCE_SECONDS = 20.0


def eventually(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        pause.wait(0.002)


@contextmanager
def running(tail: Tail) -> Iterator[Tail]:
    tail.start()
    try:
        yield tail
    finally:
        tail.stop()


@contextmanager
def ready_tail(log: MemoryLog) -> Iterator[Tail]:
    with running(Tail(log, TOPIC_NAMES)) as tail:
        eventually(lambda: tail.problem == "")
        yield tail


class Gate:
    """Lets a reader read on, or not. `shut` returns once the reader stands in front of it."""

    def __init__(self, *, is_open: bool) -> None:
        self._open, self._somebody_waits = threading.Event(), threading.Event()
        if is_open:
            self.open()

    def open(self) -> None:
        self._open.set()

    def shut(self) -> None:
        self._open.clear()
        self._somebody_waits.clear()
        assert self._somebody_waits.wait(PATIENCE_SECONDS)

    def lets_pass(self) -> bool:
        if self._open.is_set():
            return True
        self._somebody_waits.set()
        return self._open.wait(0.005)


class SlowReader:
    """Reads on only while the gate is open. What lies in the log and its end are known all the same."""

    def __init__(self, reader: MemoryReader, gate: Gate) -> None:
        self._reader, self._gate = reader, gate

    def poll(self, timeout_seconds: float) -> Sequence[Record]:
        return self._reader.poll(min(timeout_seconds, 0.005)) if self._gate.lets_pass() else ()

    def position(self) -> dict[Place, int]:
        return self._reader.position()

    def end(self, timeout_seconds: float) -> dict[Place, int]:
        return self._reader.end(timeout_seconds)

    def identity(self) -> Mapping[str, str]:
        return self._reader.identity()

    def close(self) -> None:
        self._reader.close()


class SlowToRead(MemoryLog):
    """The same log, seen by somebody who lags."""

    def __init__(self, log: MemoryLog, gate: Gate) -> None:
        self._cluster, self._groups, self._fates, self._held = log._cluster, log._groups, log._fates, log._held
        self._gate = gate

    def reader(self, topics: Sequence[str], begin: Mapping[Place, int] = {}) -> SlowReader:  # type: ignore[override]  # a Reader too
        return SlowReader(super().reader(topics, begin), self._gate)
