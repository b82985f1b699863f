"""uvicorn waits for ever for a connection's first request, and for the end of a request's headers; this protocol does not."""

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADER_SECONDS = 10.0
MAX_CONNECTIONS = 512


class PatientProtocol(H11Protocol):
    """Closes a connection on which HEADER_SECONDS pass between requests; bodies and answers have limits of their own.

    Where there are as many connections as there may be, a new one takes the place of one that waits for its client: of one that has
    asked nothing yet, else of one between two requests, else of one whose body is on its way, each time of the one that has waited
    longest. So idle and slow clients, however many, keep nobody out.
    """

    _deadline: asyncio.TimerHandle | None = None
    waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self.waiting_since = self.loop.time()
        self._make_room()
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_headers()

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
        if self._newest is None:
            return 0
        if self._newest.response_complete:
            return 1
        return 2 if self._newest.more_body else None

    def _make_room(self) -> None:
        if len(self.connections) <= MAX_CONNECTIONS:
            return
        held = [each for each in self.connections if isinstance(each, PatientProtocol) and not each.transport.is_closing()]
        waiting = [(stage, each.waiting_since, id(each), each) for each in held if (stage := each.stage) is not None]
        if waiting and len(held) > MAX_CONNECTIONS:
            min(waiting)[-1].transport.close()

    def _wait_for_headers(self) -> None:
        if self._deadline is None and (self._newest is None or self._newest.response_complete):
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up, self._newest)

    def _give_up(self, before: RequestResponseCycle | None) -> None:
        self._deadline = None
        if self._newest is before:
            self.transport.close()
        else:
            self._wait_for_headers()
