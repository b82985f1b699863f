"""The webhook's door: limits on size, time and number come before buffering, the signature before parsing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pushline.trainer.webhook.forms import Form, Hint, Ignored, NotAllowed, WrongContentType
from pushline.trainer.webhook.intake import Answer, busy, ignored, refused, unknown, worst
from pushline.trainer.webhook.signature import Keyring
from pushline.trainer.webhook.strict_json import Malformed

MAX_BYTES = 5 * 1024**2
Report = Callable[[str, Answer], None]  # form, answer
Take = Callable[[Hint], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class ReceiveLimits:
    max_bytes: int = MAX_BYTES
    max_seconds: float = 10.0
    max_requests: int = 256
    max_buffered_bytes: int = 32 * 1024**2  # of all requests together


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Door:
    """One form's endpoint."""

    def __init__(self, name: str, form: Form, keyring: Keyring, take: Take, room: "Room", report: Report) -> None:
        self._name, self._form, self._keyring = name, form, keyring
        self._take, self._room, self._report = take, room, report

    async def __call__(self, request: Request) -> Response:
        try:
            answer = await self._room.admit(lambda: self._answer(request))
        except _Refused as error:
            answer = error.answer
        self._report(self._name, answer)
        return JSONResponse(answer.body, answer.status, answer.headers)

    async def _answer(self, request: Request) -> Answer:
        found = self._read(request, await self._room.receive(request))
        if isinstance(found, Answer):
            return found
        try:
            async with asyncio.timeout(self._form.answer_seconds):
                return worst([await self._take(hint) for hint in found])
        except TimeoutError:
            return unknown("the look did not end in time; it goes on")

    def _read(self, request: Request, body: bytes) -> tuple[Hint, ...] | Answer:
        headers = {name: request.headers.getlist(name) for name in request.headers}
        allowed = self._form.prove(headers, body, self._keyring)
        if not allowed:
            return _wrong_signature()
        try:
            found = self._form.read(headers, body, allowed)
        except NotAllowed:
            return _wrong_signature()
        except Malformed as error:
            return refused(400, str(error))
        except WrongContentType:
            return refused(415, "the content type is not application/json")
        return ignored(found.reason, found.sentence) if isinstance(found, Ignored) else found


class Room:
    """What all doors share: how many requests there are, and how much of them lies in memory. For one event loop."""

    def __init__(self, limits: ReceiveLimits) -> None:
        self._limits = limits
        self._requests = self._buffered = 0

    async def admit(self, answer: Callable[[], Awaitable[Answer]]) -> Answer:
        if self._requests >= self._limits.max_requests:
            return busy()
        self._requests += 1
        try:
            return await answer()
        finally:
            self._requests -= 1

    async def receive(self, request: Request) -> bytes:
        """Give the raw body. Raises _Refused above a limit, with what is due to the sender."""
        if any(coding != "identity" for coding in request.headers.getlist("content-encoding")):
            raise _Refused(refused(415, "the body is compressed"))
        declared = request.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise _Refused(refused(400, "content-length is no number"))
        if len(declared) > 12 or int(declared) > self._limits.max_bytes:  # noqa: PLR2004 - more digits than any body
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.max_seconds):
                return await self._buffer(request)
        except TimeoutError:
            raise _Refused(refused(408, f"the body did not come within {self._limits.max_seconds:g} seconds")) from None
        except ClientDisconnect:
            raise _Refused(refused(400, "the body ended early")) from None

    async def _buffer(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                self._buffered += len(chunk)
                if len(body) > self._limits.max_bytes:
                    raise self._too_large()
                if self._buffered > self._limits.max_buffered_bytes:
                    raise _Refused(busy())
            return bytes(body)
        finally:
            self._buffered -= len(body)

    def _too_large(self) -> _Refused:
        return _Refused(refused(413, f"the body is above {self._limits.max_bytes} bytes"))


def _wrong_signature() -> Answer:
    return refused(401, "the signature is missing or wrong")


def make_app(doors: Mapping[str, tuple[Form, Keyring]], take: Take, limits: ReceiveLimits, report: Report) -> Starlette:
    """One POST route a form: /webhooks/<name>."""
    room = Room(limits)
    routes = []
    for name, (form, keyring) in doors.items():
        door = Door(name, form, keyring, take, room, report)
        routes.append(Route(f"/webhooks/{name}", door.__call__, methods=["POST"]))
    return Starlette(routes=routes)
