"""How many requests over HTTP there are, and how much of them lies in memory. Bodies come in here, counted."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pushline.predictor.refused import Refused
from pushline.predictor.settings import DoorSettings

BUFFERED_BODIES = 8  # of the largest size; all requests together
SMALL_BODY = 64 << 10  # not refused on account of what others send
RETRY = {"Retry-After": "1"}
CLOSE = {"Connection": "close"}
MOST_DIGITS = 12  # of a size in a header
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Room:
    """Bodies are received in the event loop and unpacked in threads."""

    def __init__(self, settings: DoorSettings) -> None:
        self.requests = self.buffered = 0
        self._most, self._max_bytes, self._body_seconds = settings.max_in_flight, settings.max_message_bytes, settings.body_seconds
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        return self.requests >= self._most

    def enter(self, held: "Held") -> None:
        """Raises Refused. Each request that entered leaves once."""
        with self._lock:
            if self.requests >= self._most:
                raise Refused(429, f"{self.requests} requests are being answered; more are refused", RETRY)
            self.requests += 1
            held.entered = True

    async def receive(self, receive: Receive, headers: Mapping[bytes, bytes], held: "Held") -> bytes:
        """Give the body as it came. Raises Refused."""
        if size(headers, "Content-Length", 0) > self._max_bytes:
            raise self.too_large()
        try:
            async with asyncio.timeout(self._body_seconds):
                return await self._buffer(receive, held)
        except TimeoutError:
            raise Refused(408, f"the body did not come within {self._body_seconds:g} seconds", CLOSE) from None

    async def _buffer(self, receive: Receive, held: "Held") -> bytes:
        whole = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Refused(400, "the body ended early")
            body: bytes = message["body"]
            held.count(len(body))
            if not message["more_body"] and not whole:
                return body
            whole += body
            if not message["more_body"]:
                return bytes(whole)

    def count(self, held: "Held", more: int) -> None:
        """Raises Refused."""
        with self._lock:
            self.buffered += more
            held.bytes += more
            held.newest += more
            if held.newest > self._max_bytes:
                raise self.too_large()
            if held.newest > SMALL_BODY and self.buffered > BUFFERED_BODIES * self._max_bytes:
                raise Refused(429, "too many bytes are being received", RETRY)

    def hold(self, held: "Held", more: int) -> None:
        """Raises Refused."""
        with self._lock:
            self.buffered += more
            held.bytes += more
            if held.bytes > SMALL_BODY and self.buffered > BUFFERED_BODIES * self._max_bytes:
                raise Refused(429, "too many bytes are being received", RETRY)

    def leave(self, held: "Held") -> None:
        with self._lock:
            self.buffered -= held.bytes
            self.requests -= held.entered
            held.bytes, held.entered = 0, False

    def too_large(self) -> Refused:
        return Refused(413, f"the body is above {self._max_bytes} bytes", CLOSE)


class Held:
    """What one request takes of the room. Safe from any thread; leaving twice does nothing."""

    __slots__ = ("_room", "bytes", "entered", "newest")

    def __init__(self, room: Room) -> None:
        self._room, self.bytes, self.newest, self.entered = room, 0, 0, False

    def count(self, more: int) -> None:
        """Raises Refused."""
        self._room.count(self, more)

    def hold(self, more: int) -> None:
        """Count bytes that are no part of the body. Raises Refused."""
        self._room.hold(self, more)

    def count_unpacked(self) -> Callable[[int], None]:
        """From now on another form of the body is counted, which is as large as a body may be. Raises Refused when it is called."""
        self.newest = 0
        return self.count

    def leave(self) -> None:
        self._room.leave(self)


def size(headers: Mapping[bytes, bytes], name: str, default: int) -> int:
    """Raises Refused."""
    text = headers.get(name.lower().encode())
    if text is None:
        return default
    if not text.isdigit() or len(text) > MOST_DIGITS:
        raise Refused(400, f"{name}: is no size in bytes")
    return int(text)
