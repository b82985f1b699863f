"""A door that speaks HTTP/1.1, to catch an exchange at a byte of its request or of its answer. For S3 and webhooks."""

import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import h11

from tests.faults.relay import CHUNK, Cut, Relay, Trap

BEFORE, BEHIND = -1.0, 1.0  # the head; the last byte
Side = Literal["request", "answer"]


@dataclass(kw_only=True)
class HttpTrap(Trap):
    """A place in an exchange: in front of the head, at a share of the body, or behind its last byte.

    Of answers only good ones count. The first `skip` exchanges that fit are let pass.
    """

    method: str
    path: str  # a pattern to be found in the target
    side: Side
    at_share: float
    skip: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def fits(self, request: h11.Request) -> bool:
        """Count it, where it fits."""
        if request.method.decode() != self.method or not re.search(self.path, request.target.decode()):
            return False
        with self._counting:
            self.skip -= 1
            return self.skip < 0


class HttpDoor(Relay[HttpTrap]):
    def talk(self, outer: socket.socket, inner: socket.socket) -> None:
        """One exchange after the other: who sends more before the answer came waits for it."""
        theirs, ours = _Wire(outer, h11.Connection(h11.SERVER)), _Wire(inner, h11.Connection(h11.CLIENT))
        while isinstance(request := theirs.next(), h11.Request):
            traps = [trap for trap in self.traps if not trap.sprung.is_set() and trap.fits(request)]
            _Passing(request, [trap for trap in traps if trap.side == "request"]).carry(request, theirs, ours)
            answer = ours.next()
            while isinstance(answer, h11.InformationalResponse):
                theirs.send(answer)
                answer = ours.next()
            if not isinstance(answer, h11.Response):
                return
            good = 200 <= answer.status_code < 300
            _Passing(request, [trap for trap in traps if good and trap.side == "answer"]).carry(answer, ours, theirs)
            if not (theirs.again() and ours.again()):
                return


class _Wire:
    """A socket and what h11 knows of it."""

    def __init__(self, wire: socket.socket, state: h11.Connection) -> None:
        self._wire, self._state = wire, state

    def next(self) -> h11.Event | type[h11.PAUSED]:
        """Wait for what comes. Raises Cut where the other one ended in the middle of something."""
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                self._state.receive_data(self._wire.recv(CHUNK))
        except h11.RemoteProtocolError:
            raise Cut from None
        assert event is not h11.NEED_DATA
        return event  # type: ignore[return-value] # mypy cannot tell the two sentinels apart

    def send(self, event: h11.Event) -> None:
        data = self._state.send(event)
        if data:
            self._wire.sendall(data)

    def again(self) -> bool:
        """Begin the next exchange; False where the connection ends with this one."""
        if self._state.our_state is not h11.DONE or self._state.their_state is not h11.DONE:
            return False
        self._state.start_next_cycle()
        return True


class _Passing:
    """One message on its way past the traps that wait for it."""

    def __init__(self, request: h11.Request, traps: list[HttpTrap]) -> None:
        self._what = f"{request.method.decode()} {request.target.decode()}"
        self._traps = traps
        self._engaged: HttpTrap | None = None  # everything that follows goes through it
        self._passed = 0

    def carry(self, head: h11.Request | h11.Response, source: _Wire, target: _Wire) -> None:
        self._at(BEFORE)
        target.send(head)
        length = int(dict(head.headers).get(b"content-length", b"0"))
        while isinstance(event := source.next(), h11.Data):
            for piece in self._pieces(bytes(event.data), length):
                target.send(h11.Data(piece))
        if isinstance(event, h11.EndOfMessage):
            target.send(h11.EndOfMessage())
            self._at(BEHIND)

    def _at(self, place: float) -> None:
        for trap in self._traps:
            if trap.at_share == place and trap.take(self._what):
                trap.spring(b"")

    def _pieces(self, data: bytes, length: int) -> Iterator[bytes]:
        """Cut it at the byte where a trap lies; what comes in front of that goes on first."""
        start, self._passed = self._passed, self._passed + len(data)
        place = 0
        if self._engaged is None:
            place = self._engage(start, length)
            yield data[:place]
        if self._engaged is not None and place < len(data):
            yield self._engaged.spring(data[place:])

    def _engage(self, start: int, length: int) -> int:
        """Give how much of this piece passes freely."""
        for trap in self._traps:
            at = int(trap.at_share * length)
            if trap.at_share not in (BEFORE, BEHIND) and at < self._passed and trap.take(f"{self._what} byte {at} of {length}"):
                self._engaged = trap
                return max(0, at - start)
        return self._passed - start
