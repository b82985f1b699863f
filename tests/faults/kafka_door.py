"""A door that speaks Kafka's framing, so that one request or one answer can be caught: int32 size, then the message.

A request begins with int16 api_key, int16 version, int32 correlation id; an answer with the correlation id.
"""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.relay import CHUNK, Cut, Relay, Trap, hang_up

PRODUCE, FETCH, OFFSET_COMMIT, JOIN_GROUP, SYNC_GROUP, END_TXN = 0, 1, 8, 11, 14, 26
SIZE, HEADER, CORRELATION = struct.Struct(">i"), struct.Struct(">hhi"), struct.Struct(">i")


class Frames:
    """Cuts a stream into frames, size included, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        found = []
        while len(self._rest) >= SIZE.size:
            end = SIZE.size + SIZE.unpack_from(self._rest)[0]
            if len(self._rest) < end:
                break
            found.append(bytes(self._rest[:end]))
            del self._rest[:end]
        return found


class Asked(NamedTuple):
    api: int
    version: int
    correlation: int
    frame: bytes

    @classmethod
    def of(cls, frame: bytes) -> "Asked":
        api, version, correlation = HEADER.unpack_from(frame, SIZE.size)
        return cls(api, version, correlation, frame)


@dataclass(kw_only=True)
class KafkaTrap(Trap):
    """The first request of this kind that holds all these words, or the answer to it; not before `after` has sprung."""

    api: int
    words: tuple[bytes, ...] = ()
    answer: bool = False
    after: Trap | None = None

    def fits(self, asked: Asked) -> bool:
        ready = self.after is None or self.after.sprung.is_set()
        return ready and asked.api == self.api and all(word in asked.frame for word in self.words)


class KafkaDoor(Relay[KafkaTrap]):
    """`seen` counts the requests by their kind."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[int] = Counter()

    def talk(self, outer: socket.socket, inner: socket.socket) -> None:
        awaited: dict[int, list[KafkaTrap]] = {}
        back = threading.Thread(target=_pump, args=(inner, outer, lambda frame: _answer(frame, awaited)), daemon=True)
        back.start()
        _pump(outer, inner, lambda frame: self._ask(frame, awaited))
        back.join()

    def _ask(self, frame: bytes, awaited: dict[int, list[KafkaTrap]]) -> bytes:
        asked = Asked.of(frame)
        self.seen[asked.api] += 1
        fitting = [trap for trap in self.traps if trap.fits(asked)]
        later = [trap for trap in fitting if trap.answer]
        if later:
            awaited[asked.correlation] = later
        return _sprung([trap for trap in fitting if not trap.answer], f"request {asked.api} of {len(frame)} bytes", frame)


def _answer(frame: bytes, awaited: dict[int, list[KafkaTrap]]) -> bytes:
    (correlation,) = CORRELATION.unpack_from(frame, SIZE.size)
    return _sprung(awaited.pop(correlation, []), f"answer of {len(frame)} bytes", frame)


def _sprung(traps: list[KafkaTrap], caught: str, frame: bytes) -> bytes:
    for trap in traps:
        if trap.take(caught):
            frame = trap.spring(frame)
    return frame


def _pump(source: socket.socket, target: socket.socket, look: Callable[[bytes], bytes]) -> None:
    frames = Frames()
    with suppress(Cut, OSError):
        while data := source.recv(CHUNK):
            for frame in frames.feed(data):
                target.sendall(look(frame))
    hang_up(source, target)
