"""What one prediction costs over REST, JSON in and out: the predictor with everything on against a bare ASGI echo.

The servers are processes pinned to one core, the load comes from the other; rounds are interleaved. The echo is a minimal
application on uvicorn which gives back the body that was posted: with httptools, which the predictor has as well, and with h11,
which uvicorn has where nothing else is installed. The handler is the least that an application can do: JSON and LiteRT, no checks.
"""

import json
import os
import selectors
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks.goals import Goal, at_least
from benchmarks.goals import table as goals_table
from benchmarks.serving import ROUND_SECONDS, ROUNDS, ROW, TRAINING, Server, server, table

IN_FLIGHT = 32
TEXTS = 500  # with numbers of their own, of about a hundred sizes
READ_BYTES = 1 << 18
SUBJECTS = ("rest", "asgi-handler", "asgi-h11", "asgi")
ECHOES = {"asgi-h11": "on uvicorn alone", "asgi": "on uvicorn with httptools"}


def request(rows: int, shape: Sequence[int], seed: int = 1) -> bytes:
    numbers = np.random.default_rng(seed).random((rows, *shape), np.float32)
    tensor = {"name": "x", "datatype": "FP32", "shape": numbers.shape, "data": numbers.ravel().tolist()}
    body = json.dumps({"inputs": [tensor]}).encode()
    path, kind = "/v2/models/numbers/infer", "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection:
    """One request at a time, of other numbers each time."""

    def __init__(self, port: int, texts: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._texts, self._heard, self._sent = texts, b"", 0.0

    def send(self) -> None:
        self._heard, self._sent = b"", time.perf_counter()
        self.socket.sendall(next(self._texts))

    def receive(self) -> float | None:
        """Give the seconds that the answer took, once it is whole."""
        self._heard += self.socket.recv(READ_BYTES)
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not found:
            return None
        assert head.startswith(b"HTTP/1.1 200"), self._heard[:500]
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return time.perf_counter() - self._sent if len(body) == size else None


def load(subject: Server, texts: Sequence[bytes], in_flight: int) -> None:
    """Ask for one round, one request a connection; note CPU a request, requests a second, latencies."""
    latencies: list[float] = []
    turns = cycle(texts)
    with selectors.DefaultSelector() as waiting, ExitStack() as stack:
        for _ in range(in_flight):
            connection = Connection(subject.port, turns)
            stack.enter_context(connection.socket)
            waiting.register(connection.socket, selectors.EVENT_READ, connection)
        began, cpu = time.perf_counter(), subject.cpu_seconds()
        for key in list(waiting.get_map().values()):
            key.data.send()
        while waiting.get_map():
            for key, _ in waiting.select():
                took = key.data.receive()
                if took is None:
                    continue
                latencies.append(took)
                if time.perf_counter() - began < ROUND_SECONDS:
                    key.data.send()
                else:
                    waiting.unregister(key.fileobj)
    subject.cpu_us.append((subject.cpu_seconds() - cpu) / len(latencies) * 1e6)
    subject.per_second.append(len(latencies) / (time.perf_counter() - began))
    subject.latencies.extend(latencies)


def measured(folder: Path, texts: Sequence[bytes], in_flight: int) -> list[Server]:
    with ExitStack() as stack:
        servers = [stack.enter_context(server(name, folder)) for name in SUBJECTS]
        for each in servers:
            load(each, texts, in_flight)
            del each.cpu_us[:], each.per_second[:], each.latencies[:]  # the first round warms up
        for _ in range(ROUNDS):
            for each in servers:
                load(each, texts, in_flight)
        return servers


def goals_of(servers: Sequence[Server], in_flight: int) -> list[Goal]:
    """A bare echo is what uvicorn alone makes of it, or with the parser that the predictor has: beside both."""
    cpu = {each.name: statistics.median(each.cpu_us) for each in servers}
    what = f"REST, JSON, one row, {in_flight} in flight: CPU a request of an ASGI echo"
    return [at_least(f"{what} {how} ÷ the predictor's", 0.5, cpu[name] / cpu["rest"]) for name, how in ECHOES.items()]


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([TRAINING, "benchmarks/programs.py", name], check=True, capture_output=True)
        rows, rounds = [request(1, ROW, seed) for seed in range(TEXTS)], f"{ROUNDS} interleaved rounds of {ROUND_SECONDS:g} s"
        for in_flight in (IN_FLIGHT, 1):
            servers = measured(folder, rows, in_flight)
            print(table(f"REST, JSON, MLP 784-128-64-10, one row, {in_flight} in flight, {rounds}", servers))
            goals += goals_of(servers, in_flight)
    print(f"load now {os.getloadavg()[0]:.1f}\n\n{goals_table(goals)}")


if __name__ == "__main__":
    main()
