"""uvicorn waits for ever for a connection's first request, and for the end of a request's headers; this protocol does not."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pushline.runtime.http_limits import HttpLimits
from pushline.runtime.known_heads import AtOnce, KnownHeads


class TooMuchHead(Exception):
    """uvicorn takes it for bytes that are no HTTP: 400, and the connection ends."""


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection on which `header_seconds` pass between requests; bodies and answers have limits of their own.

    Where there are as many connections as there may be, a new one takes the place of one that waits for its client: of one that has
    asked nothing yet, else of one between two requests, else of one whose body is on its way, each time of the one that has waited
    longest. So idle and slow clients, however many, keep nobody out.

    An application may have `at_once(scope)`. It gives None or what answers the bodies of such requests without waiting: that is
    called where a whole request came in one piece, and gives head (status line and headers, without the empty line) and body of the
    answer, or None: then the application is called as usual. This spares a task, an event and half of the writing for each request.
    A further request with the same head, byte for byte, is not parsed: its body goes straight to who answered the first one's, on
    whatever connection it comes; so that must look at nothing but headers and body.

    NOTE: the parser keeps what it was given of a header, a trailer or a chunk's head until that is whole. Bytes of which nothing
    came out are counted, and above `header_bytes` the connection ends; so do headers that are larger together.
    """

    waiting_since = 0.0

    def __init__(self, *args: Any, limits: HttpLimits, heads: KnownHeads, **more: Any) -> None:  # noqa: ANN401 - as uvicorn calls it
        super().__init__(*args, **more)
        self.timeout_keep_alive = limits.idle_seconds  # type: ignore[assignment]  # the loop takes parts of a second
        self._limits, self._heads = limits, heads
        self._deadline: asyncio.TimerHandle | None = None
        self._silent = self._head = 0  # bytes: of which nothing came out yet; of headers
        self._at_once: AtOnce | None = getattr(self.app, "at_once", None)
        self._held_back: tuple[RequestResponseCycle, Any] | None = None  # while its body may be in the same piece
        self._in_head = self._in_request = self._asked = False
        self._whole: bytes | None = None  # what is parsed just now, where its beginning is that of the request in work
        self._begun = 0  # requests

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self.waiting_since = self.loop.time()
        self._make_room()
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        if self._at_once is not None and not self._in_request and self._is_answered_unparsed(data):
            return
        self._silent += len(data)
        self._whole = None if self._in_request else data
        super().data_received(data)
        self._whole = None
        self._begin_held_back()
        if self._silent > self._limits.header_bytes and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")
        self._wait_for_headers()

    def on_message_begin(self) -> None:
        self._head, self._in_request = 0, True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        if self._head > self._limits.header_bytes:
            raise TooMuchHead
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._silent, self._in_head = 0, True
        self._begun += 1
        super().on_headers_complete()
        self._in_head = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - as uvicorn declares it
        if self._at_once is None or app is not self.app or not self._in_head or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
        else:
            self._held_back = cycle, app

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent, self._in_request = 0, False
        super().on_message_complete()
        if self._held_back is not None and not self._asked and not self.flow.write_paused:
            self._ask(self._held_back[0])
        self._whole, self._asked = None, False
        self._begin_held_back()

    def _ask(self, cycle: RequestResponseCycle) -> None:
        ask = cast("AtOnce", self._at_once)(cycle.scope)
        told = None if ask is None else ask(bytes(cycle.body))
        if ask is not None and told is not None:
            self._held_back = None
            if self._whole is not None and cycle.keep_alive:
                self._heads.note(self._whole, self.headers, ask)
            self._answer(cycle, *told)

    def _begin_held_back(self) -> None:
        if self._held_back is not None:
            held_back, self._held_back = self._held_back, None
            super()._start_asgi_task(*held_back)

    def _answer(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> None:
        cycle.response_started = cycle.response_complete = True
        self._write(head, b"" if cycle.keep_alive else b"connection: close\r\n", body)
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _is_free(self) -> bool:
        """Say whether a request that comes now would be this connection's next to be answered, and by the application."""
        if self._newest is not None and not self._newest.response_complete:
            return False
        most = self.limit_concurrency
        is_full = most is not None and (len(self.connections) >= most or len(self.tasks) >= most)
        return not is_full and not self.flow.write_paused and not self.transport.is_closing()

    def _is_answered_unparsed(self, data: bytes) -> bool:
        known = self._heads.find(data) if self._is_free() else None
        if known is None:
            return False
        ask, begins = known
        told = ask(data[begins:])
        if told is None:
            self._asked = True  # once is enough
            return False
        self._note_unparsed()
        self._write(told[0], b"", told[1])
        return True

    def _note_unparsed(self) -> None:
        self._begun += 1
        self.server_state.total_requests += 1
        self.waiting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self._wait_for_headers()

    def _write(self, head: bytes, more: bytes, body: bytes) -> None:
        lines = self._heads.lines(self.server_state.default_headers)
        self.transport.write(b"%s\r\n%s%scontent-length: %d\r\n\r\n%s" % (head, lines, more, len(body), body))

    def timeout_keep_alive_handler(self) -> None:
        """Requests that are not parsed leave the timer as it is: one for many of them. So it may be early."""
        early = self.waiting_since + self.timeout_keep_alive - self.loop.time()
        if early > 0:
            self.timeout_keep_alive_task = self.loop.call_later(early, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    @property
    def _newest(self) -> RequestResponseCycle | None:
        return cast("RequestResponseCycle | None", self.cycle)  # None before the first request, whatever uvicorn declares

    @property
    def stage(self) -> int | None:
        """Say what it waits for its client to do, what one misses least first; None where it works for the client."""
        if not self._begun:
            return 0
        if self._newest is None or self._newest.response_complete:
            return 1
        return 2 if self._newest.more_body else None

    def _make_room(self) -> None:
        most = self._limits.max_connections
        if len(self.connections) <= most:
            return
        held = [each for each in self.connections if isinstance(each, PatientProtocol) and not each.transport.is_closing()]
        waiting = [(stage, each.waiting_since, id(each), each) for each in held if (stage := each.stage) is not None]
        if waiting and len(held) > most:
            min(waiting)[-1].transport.close()

    def _wait_for_headers(self) -> None:
        if self._deadline is None and (self._newest is None or self._newest.response_complete):
            self._deadline = self.loop.call_later(self._limits.header_seconds, self._give_up, self._begun)

    def _give_up(self, before: int) -> None:
        self._deadline = None
        if self._begun == before:
            self.transport.close()
        else:
            self._wait_for_headers()
