"""One gRPC call again and again over one connection, at as little cost as Python allows: frames that were made before.

grpcio's client takes a core for what its server takes one for, so it could not load a server on another core and be on time too.
"""

import select
import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.fixtures.predictor.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME,
    GOAWAY,
    HEADERS,
    HOST,
    MOST_DATA,
    OPEN_WINDOW,
    PING,
    RESET,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    frame,
    grpc_message,
    header_block,
    status_of,
)

METHOD = "/inference.GRPCInferenceService/ModelInfer"
NONE_CAME, WAS_RESET, WAS_CLOSED = 100, 101, 102  # beside gRPC's statuses, which end at 16
RECEIVED = 1 << 18
STREAM, SETTING = struct.Struct(">I"), struct.Struct(">HI")
MAX_CONCURRENT_STREAMS = 3
NUMBER_AT = 5  # where a frame has the number of its stream
PREFIX = 5  # bytes before a gRPC message


class Ended(NamedTuple):
    """What became of a call."""

    number: int
    status: int
    payload: bytes


@dataclass
class Caller:
    """Numbers of calls go in, and come out with what became of them. Not thread-safe; `socket` may be waited for."""

    port: int
    message: bytes
    is_closed: bool = False
    _open: dict[int, int] = field(default_factory=dict)  # stream → the call's number
    _said: dict[int, bytes] = field(default_factory=dict)  # stream → its answer so far
    _statuses: dict[bytes, int] = field(default_factory=dict)  # trailers, which are alike
    _stream: int = -1
    _room: int = 65535
    _taken: int = 0
    _streams: int = 100  # at once, until the server says how many
    _waiting: deque[int] = field(default_factory=deque)  # calls for which the server has no room yet

    def __post_init__(self) -> None:
        self.socket = socket.create_connection((HOST, self.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(Connection.beginning())
        self._buffer, self._unsent = bytearray(), bytearray()
        body, headers = grpc_message(self.message), header_block(METHOD)
        assert len(body) <= MOST_DATA, "a call is one frame of data"
        self._size, self._tail = len(body), body
        head, data = frame(HEADERS, END_HEADERS, 0, headers), frame(DATA, END_STREAM, 0, body)
        self._parts = (head[:NUMBER_AT], head[FRAME.size :] + data[:NUMBER_AT])
        self.socket.setblocking(False)

    @property
    def under_way(self) -> int:
        return len(self._open) + len(self._waiting)

    @property
    def _has_room(self) -> bool:
        return self._room >= self._size and len(self._open) < self._streams

    def call(self, number: int) -> None:
        if not self._has_room:
            self._waiting.append(number)
            return
        self._room -= self._size
        self._stream += 2
        stream = STREAM.pack(self._stream)
        self._open[self._stream] = number
        self._send(b"".join((self._parts[0], stream, self._parts[1], stream, self._tail)))

    def receive(self) -> list[Ended]:
        """Give what has ended; nothing where nothing has come."""
        try:
            data = self.socket.recv(RECEIVED)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            return self._lost()
        self._buffer += data
        ended = [found for found in map(self._take, self._frames()) if found is not None]
        while self._waiting and self._has_room:
            self.call(self._waiting.popleft())
        return ended

    def _lost(self) -> list[Ended]:
        self.is_closed = True
        numbers = [*self._open.values(), *self._waiting]
        self._open.clear()
        self._waiting.clear()
        return [Ended(number, WAS_CLOSED, b"") for number in numbers]

    def _send(self, data: bytes) -> None:
        """What the kernel does not take at once is sent when it does: this waits, as a client would."""
        while data:
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                select.select([], [self.socket], [], 1.0)
            except OSError:
                return  # the next receive tells

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        buffer, start = self._buffer, 0
        while len(buffer) - start >= FRAME.size:
            high, low, kind, flags, stream = FRAME.unpack_from(buffer, start)
            end = start + FRAME.size + (high << 8 | low)
            if end > len(buffer):
                break
            yield kind, flags, stream, bytes(buffer[start + FRAME.size : end])
            start = end
        del buffer[:start]

    def _take(self, found: tuple[int, int, int, bytes]) -> Ended | None:
        kind, flags, stream, payload = found
        if kind == DATA:
            self._said[stream] = self._said.get(stream, b"") + payload
            self._give_back(len(payload))
        elif kind == HEADERS and flags & END_STREAM:
            return self._end(stream, self._status(payload))
        elif kind == RESET:
            return self._end(stream, WAS_RESET)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._room += STREAM.unpack(payload)[0]
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self._streams = _most_streams(payload, self._streams) if kind == SETTINGS else self._streams
            self._send(frame(kind, ACK, 0, payload if kind == PING else b""))
        else:
            assert kind != GOAWAY or not self._open, "the server sent the connection away"
        return None

    def _end(self, stream: int, status: int) -> Ended | None:
        number = self._open.pop(stream, None)
        said = self._said.pop(stream, b"")[PREFIX:]
        return None if number is None else Ended(number, status, said)

    def _status(self, trailers: bytes) -> int:
        status = self._statuses.get(trailers)
        if status is None:
            status = self._statuses[trailers] = status_of(trailers)
        return status

    def _give_back(self, size: int) -> None:
        self._taken += size
        if self._taken > OPEN_WINDOW // 2:
            self._send(frame(WINDOW_UPDATE, 0, 0, STREAM.pack(self._taken)))
            self._taken = 0


def _most_streams(settings: bytes, before: int) -> int:
    """RFC 9113, section 6.5.2."""
    return next((value for name, value in SETTING.iter_unpack(settings) if name == MAX_CONCURRENT_STREAMS), before)
