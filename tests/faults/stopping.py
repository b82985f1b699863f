"""Clients of a predictor that is asked to stop. Each knows exactly, by its protocol, which of its calls were accepted.

gRPC, frame by frame: a call is answered, or refused with UNAVAILABLE, or was never accepted (its stream is above the last one that
GOAWAY names, or the connection was refused); anything else is an accepted call that was lost. A call that is sent although one
before was refused may be told CANCELLED too, or nothing before its connection ends: a grpcio server that ends does so to what comes
in at that moment. REST: a call counts as accepted from the server's `100 Continue` on. Pushline's own client knows a second replica
too, and is told of nothing.
"""

import socket
import threading
from dataclasses import dataclass, field

from benchmarks.hostile import requests
from benchmarks.hostile.subject import HEAVY_MODEL, INFER
from pushline.client import Client, PredictionFailed
from tests.fixtures.predictor.http2 import (
    HEADERS,
    HOST,
    OK,
    RESET,
    UNAVAILABLE,
    Closed,
    Connection,
    Event,
    grpc_message,
    header_block,
)

AT_ONCE, LOOK_SECONDS, ANSWER_SECONDS = 8, 0.05, 20.0
REFUSED_STREAM, CANCELLED = 7, 1
ROWS = (1, 1, 4, 16)  # 2 to 30 ms each


@dataclass
class Calls:
    answered: int = 0
    refused: int = 0  # before they were accepted
    cancelled: int = 0  # sent on a connection that had refused a call before; or it ended with them
    lost: list[str] = field(default_factory=list)  # after
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, *, answered: int = 0, refused: int = 0, cancelled: int = 0, lost: str = "") -> None:
        with self._lock:
            self.answered += answered
            self.refused += refused
            self.cancelled += cancelled
            self.lost += [lost] if lost else []


class GrpcCaller:
    """Keeps some calls in flight over one connection until the server has let it go."""

    def __init__(self, port: int, calls: Calls, finish: threading.Event) -> None:
        self._port, self._calls, self._finish = port, calls, finish
        self._open: set[int] = set()
        self._was_told: set[int] = set()  # calls that were sent after one was refused
        self._refused = False
        self._sent = 0

    def run(self) -> None:
        while not self._finish.is_set():
            try:
                wire = Connection(self._port)
            except OSError:
                self._calls.note(refused=1)  # nobody listens any more
                return
            self._use(wire)

    def _use(self, wire: Connection) -> None:
        headers = header_block(INFER)
        try:
            while self._open or not (self._finish.is_set() or wire.goaway is not None):
                while len(self._open) < AT_ONCE and wire.goaway is None and not self._finish.is_set():
                    message = grpc_message(requests.raw(HEAVY_MODEL, ROWS[self._sent % len(ROWS)]))
                    if not wire.has_room(len(message)):
                        break
                    self._sent += 1
                    stream = wire.call(headers, message)
                    self._open.add(stream)
                    self._was_told |= {stream} if self._refused else set()
                for event in wire.receive(LOOK_SECONDS):
                    self._note(event)
        except Closed as error:
            self._note_closed(wire, error)
        wire.close()

    def _note(self, event: Event) -> None:
        if event.stream not in self._open or event.kind not in (HEADERS, RESET):
            return
        self._open.discard(event.stream)
        if event.kind == HEADERS and event.code == OK:
            self._calls.note(answered=1)
        elif event in ((HEADERS, event.stream, UNAVAILABLE), (RESET, event.stream, REFUSED_STREAM)):
            self._refused = True
            self._calls.note(refused=1)
        elif event == (HEADERS, event.stream, CANCELLED) and event.stream in self._was_told:
            self._calls.note(cancelled=1)
        else:
            self._calls.note(lost=f"gRPC: {'status' if event.kind == HEADERS else 'reset with'} {event.code}")

    def _note_closed(self, wire: Connection, error: Closed) -> None:
        accepted = {stream for stream in self._open if wire.greeted and (wire.goaway is None or stream <= wire.goaway)}
        ended = accepted & self._was_told if wire.goaway is not None else set()  # the server had said that it ends
        self._calls.note(refused=len(self._open - accepted), cancelled=len(ended))
        for stream in accepted - ended:
            self._calls.note(lost=f"gRPC: stream {stream}, GOAWAY {wire.goaway}, closed: {error}")
        self._open.clear()


def call_rest(port: int, calls: Calls, finish: threading.Event) -> None:
    """One call after the other, each on a connection of its own, until nobody takes them."""
    path, number = requests.rest_path(HEAVY_MODEL), 0
    while not finish.is_set():
        number += 1
        body = requests.rest_body(ROWS[number % len(ROWS)])
        head = (
            f"POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        accepted, said = False, b""
        try:
            with socket.create_connection((HOST, port), timeout=ANSWER_SECONDS) as wire:
                wire.sendall(head.encode())
                said = wire.recv(4096)
                accepted = said.startswith(b"HTTP/1.1 100")
                if accepted:
                    said = _exchanged(wire, body)
        except OSError as error:
            said = str(error).encode()
        if said.startswith(b"HTTP/1.1 200") and requests.rest_is_right(said.partition(b"\r\n\r\n")[2]):
            calls.note(answered=1)
        elif accepted:
            calls.note(lost=f"REST: {said[:200]!r}")
        else:
            calls.note(refused=1)
            return


def _exchanged(wire: socket.socket, body: bytes) -> bytes:
    wire.sendall(body)
    parts = []
    while part := wire.recv(65536):
        parts.append(part)
    return b"".join(parts)


def call_either(addresses: str, calls: Calls, finish: threading.Event) -> None:
    """As a user does, who names two replicas and whose client tries again by itself."""
    with Client(addresses) as client:
        while not finish.is_set():
            try:
                answer = client.predict(requests.X, model=HEAVY_MODEL)
            except PredictionFailed as error:
                calls.note(lost=f"client: {error.code} {error.sentence}")
            else:
                right = answer.y.tolist() == [requests.Y]
                calls.note(answered=int(right), lost="" if right else "client: a wrong answer")
