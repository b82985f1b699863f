"""Three times as many requests as it can answer: it answers about as many in time as at its best, and refuses the rest.

The load comes frame by frame from one thread that costs little, so that it is the predictor that is measured. The best is the most
answers a second of several numbers in flight (closed loop); then requests come at three times that, whether or not answers do (open
loop), each with a deadline of a second.
"""

import os
import selectors
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.hostile import requests
from benchmarks.hostile.subject import HEAVY_MODEL, INFER, LIGHT_MODEL, Subject
from tests.fixtures.predictor.http2 import HEADERS, OK, Connection, grpc_message, header_block

CONNECTIONS = 8
IN_FLIGHT = (8, 16, 32, 64)
FACTOR, GOAL, DEADLINE_SECONDS = 3.0, 0.8, 1.0
CHUNK = 64


class Served(Protocol):
    @property
    def grpc(self) -> int:
        """Its port."""
        ...

    @property
    def processes(self) -> list[int]: ...


@dataclass
class Load:
    """Calls on several connections at once."""

    port: int
    headers: bytes
    message: bytes
    answered: int = 0  # in time
    late: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    held_back: int = 0  # the server allows a connection no more streams or bytes at once

    def __post_init__(self) -> None:
        self._wires = [Connection(self.port) for _ in range(CONNECTIONS)]
        self._open: list[dict[int, float]] = [{} for _ in self._wires]
        self._selector = selectors.DefaultSelector()
        for place, wire in enumerate(self._wires):
            self._selector.register(wire.socket, selectors.EVENT_READ, place)
        self._next = 0

    @property
    def in_flight(self) -> int:
        return sum(map(len, self._open))

    def send(self, count: int) -> None:
        while count > 0:
            part = min(count, CHUNK)
            self._send(self._next, part)
            self._next = (self._next + 1) % CONNECTIONS
            count -= part

    def receive(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            open_calls = self._open[key.data]
            now = time.perf_counter()
            for event in self._wires[key.data].receive():
                began = open_calls.pop(event.stream, None)
                if began is not None:
                    self._note(event.code if event.kind == HEADERS else -1, now - began)

    def close(self) -> None:
        self._selector.close()
        for wire in self._wires:
            wire.close()

    def _send(self, place: int, count: int) -> None:
        wire, open_calls = self._wires[place], self._open[place]
        out, now = [], time.perf_counter()
        for _ in range(count):
            if len(open_calls) >= wire.most_streams or not wire.has_room(len(self.message)):
                self.held_back += 1
                continue
            stream, data = wire.call_bytes(self.headers, self.message)
            open_calls[stream] = now
            out.append(data)
        wire.send(b"".join(out))

    def _note(self, code: int, seconds: float) -> None:
        if code != OK:
            self.refused[code] += 1
        elif seconds <= DEADLINE_SECONDS:
            self.answered += 1
            self.seconds.append(seconds)
        else:
            self.late += 1


@dataclass(frozen=True)
class Overloaded:
    model: str
    peak: float  # answers a second
    offered: float  # requests a second
    held_back: float  # by the client, as the server allows no more at once
    goodput: float  # answers a second within the deadline
    refused: float
    other: float  # late, cut off by the deadline, without an answer
    p99_ms: float
    n: int

    @property
    def ratio(self) -> float:
        return self.goodput / self.peak

    @property
    def problems(self) -> list[str]:
        if self.ratio >= GOAL:
            return []
        times = self.offered / self.peak
        return [f"overload, {self.model}: {self.ratio:.2f} of the peak at {times:.1f} times as much; the goal is {GOAL}"]


def overload(subject: Served, model: str, seconds: float, request: bytes = b"") -> Overloaded:
    """The server has one core to itself, the load the others, where there are more. `request` is in place of the usual one."""
    message = grpc_message(request or requests.raw(model))
    with kept_apart(subject):
        best = max(_closed_loop(subject, message, in_flight, seconds / 2) for in_flight in IN_FLIGHT)
        return _open_loop(subject, model, message, best, seconds)


def _load(subject: Served, message: bytes) -> Load:
    return Load(subject.grpc, header_block(INFER, {"grpc-timeout": f"{DEADLINE_SECONDS:.0f}S"}), message)


def _closed_loop(subject: Served, message: bytes, in_flight: int, seconds: float) -> float:
    load, began = _load(subject, message), time.perf_counter()
    while time.perf_counter() - began < seconds:
        load.send(in_flight - load.in_flight)
        load.receive(0.1)
    took = time.perf_counter() - began
    load.close()
    return load.answered / took


def _open_loop(subject: Served, model: str, message: bytes, best: float, seconds: float) -> Overloaded:
    load, rate = _load(subject, message), best * FACTOR
    began = time.perf_counter()
    offered = 0
    while (past := time.perf_counter() - began) < seconds:
        due = int(past * rate) - offered
        load.send(due)
        offered += due
        load.receive(0.002)
    answered, end = load.answered, time.perf_counter() + DEADLINE_SECONDS
    while load.in_flight and time.perf_counter() < end:
        load.receive(0.05)
    load.close()
    refused, ordered = sum(load.refused.values()), sorted(load.seconds) or [0.0]
    return Overloaded(
        model=model,
        peak=best,
        offered=offered / seconds,
        held_back=load.held_back / seconds,
        goodput=answered / seconds,
        refused=refused / seconds,
        other=(offered - load.answered - refused - load.held_back) / seconds,
        p99_ms=ordered[int(len(ordered) * 0.99)] * 1e3,
        n=offered,
    )


@contextmanager
def kept_apart(subject: Served) -> Iterator[None]:
    ours = os.sched_getaffinity(0)
    first = min(ours)
    others = ours - {first} or ours
    tasks = [int(task.name) for pid in subject.processes for task in Path(f"/proc/{pid}/task").iterdir()]
    _pin([*tasks], {first})
    os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)
        _pin([int(task.name) for pid in subject.processes for task in Path(f"/proc/{pid}/task").iterdir()], ours)


def _pin(tasks: Sequence[int], cores: set[int]) -> None:
    for task in tasks:
        os.sched_setaffinity(task, cores)


def both(subject: Subject, seconds: float) -> list[Overloaded]:
    return [overload(subject, model, seconds) for model in (HEAVY_MODEL, LIGHT_MODEL)]


def table(rows: Sequence[Overloaded]) -> str:
    lines = [
        f"### Overload: {FACTOR:g} times the peak, deadlines of {DEADLINE_SECONDS:g} s (goal: {GOAL} of the peak in time)",
        "",
        "| model | n | peak/s | offered/s | held back/s | in time/s | refused/s | others/s | p99 ms | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.model} | {row.n} | {row.peak:.0f} | {row.offered:.0f} | {row.held_back:.0f} | {row.goodput:.0f} "
        f"| {row.refused:.0f} | {row.other:.0f} | {row.p99_ms:.0f} | {row.ratio:.2f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
