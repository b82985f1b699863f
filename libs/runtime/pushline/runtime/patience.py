"""uvicorn waits for ever for a connection's first request, and for the end of a request's headers; this protocol does not."""

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADER_SECONDS = 10.0


class PatientProtocol(H11Protocol):
    """Closes a connection on which HEADER_SECONDS pass between requests; bodies and answers have limits of their own."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    @property
    def _newest(self) -> RequestResponseCycle | None:
        return cast("RequestResponseCycle | None", self.cycle)  # None before the first request, whatever uvicorn declares

    def _wait_for_headers(self) -> None:
        if self._deadline is None and (self._newest is None or self._newest.response_complete):
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up, self._newest)

    def _give_up(self, before: RequestResponseCycle | None) -> None:
        self._deadline = None
        if self._newest is before:
            self.transport.close()
        else:
            self._wait_for_headers()
