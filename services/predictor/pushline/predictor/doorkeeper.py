"""No token, no answer: before every call of gRPC and every request of REST. Health checks are open, since probes have no token."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from pushline.predictor.metrics import Metrics
from pushline.predictor.wire import Call, Metadata
from pushline.runtime.tokens import CHALLENGE, Tokens

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler  # generic in its stubs alone

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = "/grpc.health.v1.Health/"
OPEN_CALLS = frozenset(
    (
        f"{HEALTH}Check",
        f"{HEALTH}Watch",
        *(f"/inference.GRPCInferenceService/{name}" for name in ("ServerLive", "ServerReady", "ModelReady")),
    )
)
OPEN_PATHS = re.compile(r"/v2/health/(live|ready)|/v2/models/[^/]+(/versions/[^/]+)?/ready")
MOST_BYTES, MOST_SECONDS = 16 << 20, 10.0  # of a body that is not wanted
SENTENCE = "a token is needed: send `Authorization: Bearer …` with one that is known here"


class Doorkeeper(grpc.ServerInterceptor):
    """Stands before every other interceptor, so that what they remember of a method opens nothing."""

    def __init__(self, tokens: Tokens, metrics: Metrics) -> None:
        self._tokens, self._metrics = tokens, metrics

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler, method = continuation(handler_call_details), handler_call_details.method
        if self.admits(method, handler_call_details.invocation_metadata or ()):
            return handler
        return self._refusal(method.rpartition("/")[2] if handler else "unknown")

    def admits(self, method: str, metadata: Metadata) -> bool:
        return method in OPEN_CALLS or self._tokens.allows(_authorization(metadata))

    def send_away(self, call: Call) -> None:
        code = grpc.StatusCode.UNAUTHENTICATED
        self._metrics.calls.note(call.method.rpartition("/")[2], code.name, call.seconds)
        call.finish(None, (("www-authenticate", CHALLENGE),), code.value[0], SENTENCE)

    def _refusal(self, name: str) -> Handler:
        """NOTE: a handler for streams is begun before the caller sends its message, so nobody is waited for."""
        calls = self._metrics.calls

        def refuse(_requests: Iterator[object], context: grpc.ServicerContext) -> NoReturn:
            code = grpc.StatusCode.UNAUTHENTICATED
            calls.note(name, code.name, 0.0)
            context.set_trailing_metadata((("www-authenticate", CHALLENGE),))
            context.abort(code, SENTENCE)

        return grpc.stream_stream_rpc_method_handler(refuse)


def guarded(app: App, tokens: Tokens, metrics: Metrics) -> App:
    """Put the same before an ASGI application."""
    body = json.dumps({"error": SENTENCE}, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", CHALLENGE.encode()),
    ]

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if _is_open(scope) or tokens.allows(_header(scope["headers"], b"authorization")):
            await app(scope, receive, send)
            return
        metrics.calls.note("rest", "401", 0.0)
        await _let_it_be_sent(scope["headers"], receive)
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return guard


def _authorization(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    return next((str(value) for name, value in metadata if name == "authorization"), "")


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), "")


async def _let_it_be_sent(headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> None:
    """Most clients read no answer before they have sent their body: take it, keep nothing, within bounds."""
    left = MOST_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(MOST_SECONDS):
            more = not _header(headers, b"expect")  # that client waits to be asked for it
            while more and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)


def _is_open(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and OPEN_PATHS.fullmatch(scope["path"]) is not None
