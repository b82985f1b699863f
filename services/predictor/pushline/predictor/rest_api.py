"""The REST door: the Open Inference Protocol over HTTP. Limits on size, time and number come before parsing."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pushline.predictor import errors, rest_json
from pushline.predictor.grpc_api import SERVER_NAME, trailing_metadata
from pushline.predictor.metrics import Metrics
from pushline.predictor.predictions import Predictions
from pushline.predictor.settings import DoorSettings

STATUSES: dict[type[errors.RequestError], int] = {
    errors.BadRequest: 400,
    errors.NotFiniteInput: 400,
    errors.UnknownModel: 404,
    errors.UnknownVersion: 404,
    errors.NothingDeployed: 503,
    errors.ModelUnavailable: 503,
    errors.TooLarge: 413,
    errors.NotFinite: 400,
    errors.Overloaded: 429,
    errors.ModelFailed: 500,
}
BODY_SECONDS = 10.0
ANSWER_SECONDS = 30.0
BUFFERED_BODIES = 8  # of the largest size; all requests together
SMALL_BODY = 64 << 10  # not refused on account of what others send
RETRY = {"Retry-After": "1"}
JSON_SIZE = "Inference-Header-Content-Length"
REST_THREADS = 4
MOST_DIGITS = 12  # of a size in a header
Begin = Callable[[Request], Callable[[bytes], Response]]  # reads the head, may raise; gives what a thread makes of the body


class Refused(Exception):
    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


@dataclass
class Room:
    """How many requests there are, and how much of them lies in memory. For one event loop."""

    settings: DoorSettings
    requests: int = 0
    buffered: int = 0

    def enter(self, body: bytes) -> None:
        """Raises Refused; then the body counts no more."""
        if self.requests >= self.settings.max_in_flight:
            self.buffered -= len(body)
            raise Refused(429, f"{self.requests} requests are being answered; more are refused", RETRY)
        self.requests += 1

    def leave(self, body: bytes) -> None:
        self.requests -= 1
        self.buffered -= len(body)

    async def receive(self, request: Request) -> bytes:
        """Give the body, which counts from now on. Raises Refused."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "the body is compressed; send it as it is")
        if _size(request, "content-length", 0) > self.settings.max_message_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._buffer(request)
        except TimeoutError:
            raise Refused(408, f"the body did not come within {BODY_SECONDS:g} seconds", {"Connection": "close"}) from None
        except ClientDisconnect:
            raise Refused(400, "the body ended early") from None

    async def _buffer(self, request: Request) -> bytes:
        body, whole = bytearray(), False
        try:
            async for chunk in request.stream():
                body += chunk
                self.buffered += len(chunk)
                if len(body) > self.settings.max_message_bytes:
                    raise self._too_large()
                if len(body) > SMALL_BODY and self.buffered > BUFFERED_BODIES * self.settings.max_message_bytes:
                    raise Refused(429, "too many bytes are being received", RETRY)
            whole = True
            return bytes(body)
        finally:
            if not whole:
                self.buffered -= len(body)

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is above {self.settings.max_message_bytes} bytes", {"Connection": "close"})


class Rest:
    def __init__(self, predictions: Predictions, settings: DoorSettings, metrics: Metrics) -> None:
        self.stopping = False  # then it is not ready, and answers on
        self._predictions, self._metrics, self._room = predictions, metrics, Room(settings)
        self._pool = ThreadPoolExecutor(REST_THREADS, thread_name_prefix="rest")

    def app(self, others: Sequence[Route]) -> Starlette:
        model = "/v2/models/{model}"
        routes = [
            Route("/v2", self._server),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
        ]
        for path in (model, f"{model}/versions/{{version}}"):
            routes += [
                Route(path, self._model),
                Route(f"{path}/ready", self._model_ready),
                Route(f"{path}/infer", self._infer, methods=["POST"]),
            ]
        return Starlette(routes=[*routes, *others], exception_handlers={HTTPException: _not_here, Exception: _broken})

    async def _server(self, _request: Request) -> Response:
        return _json(200, {"name": SERVER_NAME, "version": version(SERVER_NAME), "extensions": ["binary_tensor_data"]})

    async def _live(self, _request: Request) -> Response:
        return _json(200, {"live": True})

    async def _ready(self, _request: Request) -> Response:
        ready = self._predictions.models.ready and not self.stopping
        return _json(200 if ready else 503, {"ready": ready})

    async def _model(self, request: Request) -> Response:
        return told(lambda: rest_json.described(self._predictions.describe(*_named(request))))

    async def _model_ready(self, request: Request) -> Response:
        model, number = _named(request)
        try:
            problem = self._predictions.describe(model, number).problem
        except errors.RequestError as error:
            return _json(STATUSES[type(error)], {"name": model, "ready": False, "error": str(error)})
        if problem:
            return _json(503, {"name": model, "ready": False, "error": problem})
        return _json(200, {"name": model, "ready": True})

    async def _infer(self, request: Request) -> Response:
        return await self.counted(request, self._begin)

    async def counted(self, request: Request, begin: Begin) -> Response:
        """Answer within the limits, in a thread, whatever the protocol."""
        began = time.perf_counter()
        try:
            response = await self._answered(request, begin)
        except Refused as error:
            response = _json(error.status, {"error": error.sentence}, error.headers)
        except errors.RequestError as error:
            response = _refusal(error)
        self._metrics.calls.note("rest", str(response.status_code), time.perf_counter() - began)
        return response

    async def _answered(self, request: Request, begin: Begin) -> Response:
        """Raises Refused, RequestError. What a thread has begun counts until it ends, whoever waits for it; a client who is slow to
        send takes no place of others.
        """
        work = begin(request)
        body = await self._room.receive(request)
        self._room.enter(body)
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, body)
        future.add_done_callback(lambda _: self._room.leave(body))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(future)
        except TimeoutError:
            future.add_done_callback(lambda done: done.exception())
            raise Refused(504, f"there was no answer within {ANSWER_SECONDS:g} seconds") from None

    def _begin(self, request: Request) -> Callable[[bytes], Response]:
        return partial(self._work, *_named(request), _json_size(request))

    def _work(self, model: str, number: str, json_size: int | None, body: bytes) -> Response:
        asked = rest_json.read(model, number, body, json_size)
        answer = self._predictions.predict(asked.question)
        written = rest_json.written(asked, answer)
        headers = dict(trailing_metadata(answer.identity, answer.stale))
        if written.json_size is None:
            return Response(written.content, headers=headers | {"Content-Type": "application/json"})
        sizes = {JSON_SIZE: str(written.json_size), "Content-Type": "application/octet-stream"}
        return Response(written.content, headers=headers | sizes)


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["model"], request.path_params.get("version", "")


def _json_size(request: Request) -> int | None:
    """Clients in use send JSON without a content type; bytes that are no JSON come with the size of the JSON in front of them."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if JSON_SIZE in request.headers and kind in ("", "application/octet-stream", "application/json"):
        return _size(request, JSON_SIZE, 0)
    if kind not in ("", "application/json"):
        raise Refused(415, f"Content-Type: is {kind[:80]}; send application/json, or {JSON_SIZE} with binary tensors")
    return None


def _size(request: Request, name: str, default: int) -> int:
    text = request.headers.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise Refused(400, f"{name}: is no size in bytes")
    return int(text)


def told(describe: Callable[[], Mapping[str, Any]]) -> Response:
    try:
        return _json(200, describe())
    except errors.RequestError as error:
        return _refusal(error)


def _refusal(error: errors.RequestError) -> Response:
    status = STATUSES[type(error)]
    return _json(status, {"error": str(error)}, RETRY if status in (429, 503) else None)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(body).encode(), status, {"Content-Type": "application/json", **(headers or {})})


async def _not_here(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _json(status, {"error": f"{request.method[:20]} {request.url.path[:120]} is not here ({status})"})


async def _broken(_request: Request, _error: Exception) -> Response:
    return _json(500, {"error": "the request could not be answered; the log has the reason"})
