"""What hostile or broken clients do to a predictor, each a process of its own, on loopback alone and bounded in number and time.

python -m benchmarks.hostile.attacks NAME GRPC_PORT REST_PORT SECONDS MOST   begins when it has printed a line; prints counts
"""

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.hostile import bombs, requests
from benchmarks.hostile.slowly import Slow
from benchmarks.hostile.subject import HEAVY_MODEL, INFER
from tests.fixtures.predictor.http2 import (
    END_HEADERS,
    HEADERS,
    Closed,
    Connection,
    Event,
    frame,
    grpc_message,
    header_block,
)

ROUND_SECONDS = 0.05
AT_ONCE = 300  # slow clients: more than the calls that are worked on at once
IDLE = 1000  # a door
CONNECTIONS, STREAMS = 4, 100
RESETS_A_ROUND, EXPIRED_A_ROUND = 200, 40
RETURNING_A_ROUND = 10  # idle connections that the server closed
MOST_FILES = 8192


@dataclass
class Attack:
    """A generator of rounds does something hostile in each, and counts what it did and what was answered."""

    grpc: int
    rest: int
    counts: Counter[str] = field(default_factory=Counter)

    def slow_headers(self) -> Iterator[None]:
        head = f"POST {requests.rest_path()} HTTP/1.1\r\nHost: a\r\nX-Slow: {'z' * 500}\r\n".encode()
        yield from self._slow(self.rest, b"", head)

    def slow_bodies(self) -> Iterator[None]:
        size = 4096
        head = f"POST {requests.rest_path()} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
        yield from self._slow(self.rest, head, b" " * (size - 1))

    def slow_grpc_bytes(self) -> Iterator[None]:
        yield from self._slow(self.grpc, b"", Connection.beginning() + frame(HEADERS, END_HEADERS, 1, header_block(INFER)))

    def slow_grpc_messages(self) -> Iterator[None]:
        """Each call's message comes in frames of one byte."""
        wires = [self._connection() for _ in range(CONNECTIONS)]
        calls = [(wire, wire.open(header_block(INFER))) for wire in wires for _ in range(AT_ONCE // CONNECTIONS)]
        head = grpc_message(b"\0" * 4096)
        self.counts["calls"] = len(calls)
        for place in range(len(head) - 1):
            for wire, stream in calls:
                wire.send(frame(0, 0, stream, head[place : place + 1]))
            for wire in wires:
                self._note(wire.receive())
            yield

    def silent_streams(self) -> Iterator[None]:
        wires = [self._connection() for _ in range(CONNECTIONS)]
        headers = header_block(INFER)
        for wire in wires:
            for _ in range(STREAMS):
                wire.open(headers)
        self.counts["streams"] = CONNECTIONS * STREAMS
        while True:
            yield
            for wire in wires:
                for event in wire.receive():
                    self._note([event])
                    if event.stream:
                        wire.open(headers)
                        self.counts["streams"] += 1

    def idle_connections(self) -> Iterator[None]:
        idle = [Slow(port, b"", b"", self.counts) for port in (self.rest, self.grpc) for _ in range(IDLE)]
        while True:
            gone = [each for each in idle if each.was_closed()]
            for each in gone[:RETURNING_A_ROUND]:
                each.connect()
            yield

    def rapid_resets(self) -> Iterator[None]:
        wires = [self._connection() for _ in range(CONNECTIONS)]
        headers, message = header_block(INFER), grpc_message(requests.raw())
        while True:
            for place, wire in enumerate(wires):
                try:
                    for number in range(RESETS_A_ROUND):
                        wire.reset(
                            wire.call(headers, message) if number % 2 and wire.has_room(len(message)) else wire.open(headers)
                        )
                    self.counts["resets"] += RESETS_A_ROUND
                    wire.receive()
                except Closed:
                    self.counts["connections closed by the server"] += 1
                    wires[place] = self._connection()
            yield

    def expired_deadlines(self) -> Iterator[None]:
        wires = [self._connection() for _ in range(CONNECTIONS)]
        headers, message = header_block(INFER, {"grpc-timeout": "1m"}), grpc_message(requests.raw(HEAVY_MODEL))
        while True:
            for wire in wires:
                for _ in range(EXPIRED_A_ROUND // CONNECTIONS):
                    if wire.has_room(len(message)):
                        wire.call(headers, message)
                        self.counts["calls"] += 1
                self._note(wire.receive())
            yield

    def grpc_gzip_bombs(self) -> Iterator[None]:
        headers, message = header_block(INFER, {"grpc-encoding": "gzip"}), grpc_message(bombs.zeros(), compressed=True)
        while True:
            self._note(bombs.send(self._connection(), headers, message))
            self.counts["bombs"] += 1
            yield

    def rest_gzip_bombs(self) -> Iterator[None]:
        while True:
            self.counts[f"status {bombs.post(self.rest, requests.rest_path())}"] += 1
            self.counts["bombs"] += 1
            yield

    def _slow(self, port: int, at_once: bytes, bit_by_bit: bytes) -> Iterator[None]:
        slow = [Slow(port, at_once, bit_by_bit, self.counts) for _ in range(AT_ONCE)]
        while True:
            for each in slow:
                each.go_on()
            yield

    def _connection(self) -> Connection:
        self.counts["connections"] += 1
        return Connection(self.grpc)

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if event.kind == HEADERS:
                self.counts[f"status {event.code}"] += 1


ATTACKS: dict[str, Callable[[Attack], Iterator[None]]] = {
    "slow headers": Attack.slow_headers,
    "slow bodies": Attack.slow_bodies,
    "slow gRPC bytes": Attack.slow_grpc_bytes,
    "slow gRPC messages": Attack.slow_grpc_messages,
    "silent gRPC streams": Attack.silent_streams,
    "idle connections": Attack.idle_connections,
    "rapid resets": Attack.rapid_resets,
    "expired deadlines": Attack.expired_deadlines,
    "gRPC gzip bombs": Attack.grpc_gzip_bombs,
    "REST gzip bombs": Attack.rest_gzip_bombs,
}
COUNTED = ("resets", "bombs", "calls", "streams", "connections")  # the first one that it has is how often it struck


def main(words: list[str]) -> None:
    name, grpc, rest, seconds, most = words
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MOST_FILES), hard))
    attack = Attack(int(grpc), int(rest))
    rounds, deadline = ATTACKS[name](attack), time.monotonic() + float(seconds)
    next(rounds)
    print("attacking", flush=True)
    while time.monotonic() < deadline and struck(attack.counts) < int(most):
        began = time.monotonic()
        next(rounds)
        time.sleep(max(0.0, ROUND_SECONDS - (time.monotonic() - began)))
    time.sleep(max(0.0, deadline - time.monotonic()))
    print(json.dumps(attack.counts))


def struck(counts: Counter[str]) -> int:
    return next((counts[name] for name in COUNTED if name in counts), 0)


if __name__ == "__main__":
    main(sys.argv[1:])
