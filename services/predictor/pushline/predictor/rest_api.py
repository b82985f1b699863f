"""The REST door: the Open Inference Protocol over HTTP. What it tells of server and models, and its predictions."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pushline.predictor import errors, rest_json
from pushline.predictor.grpc_api import SERVER_NAME
from pushline.predictor.lanes import Lanes
from pushline.predictor.metrics import Metrics
from pushline.predictor.predictions import Answer, Job, Predictions
from pushline.predictor.refused import Refused
from pushline.predictor.rest_door import BROKEN, Again, App, Head, Read, RestDoor, RestDoors
from pushline.predictor.rest_repeats import Repeats
from pushline.predictor.rest_room import RETRY, Held, Receive, Room, size
from pushline.predictor.rest_told import JSON, STATUSES, Reply, Told, answered_by
from pushline.predictor.settings import DoorSettings
from pushline.predictor.telling import Telling

JSON_SIZE = "Inference-Header-Content-Length"
JSON_SIZE_BYTES = JSON_SIZE.lower().encode()
PLAIN = b"application/json"
BINARY = (b"content-type", b"application/octet-stream")
EXTENSIONS = ["binary_tensor_data", "model_repository"]


class OipRest:
    """Infer."""

    paths = re.compile(r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer")

    def __init__(self, predictions: Predictions) -> None:
        self._predictions, self._repeats = predictions, Repeats(predictions)

    def begin(self, head: Head) -> Read:
        return partial(self._read, head.model, head.version, _json_size(head.headers))

    def again(self, head: Head) -> Again | None:
        if JSON_SIZE_BYTES in head.headers or head.headers.get(b"content-type", PLAIN) != PLAIN:
            return None
        return partial(self._again, head.model, head.version)

    def _again(self, model: str, version: str, body: bytes) -> tuple[Job, Reply] | None:
        found = self._repeats.prepare(model, version, body)
        return None if found is None else (found[0], partial(_reply, found[1]))

    def _read(self, model: str, number: str, json_size: int | None, body: bytes) -> tuple[Job, Reply]:
        asked = rest_json.read(model, number, body, json_size)

        def written(answer: Answer) -> rest_json.Body:
            if json_size is None:
                self._repeats.note(model, number, body, asked)
            return rest_json.written(asked, answer)

        return self._predictions.prepare(asked.question), partial(_reply, written)


class Rest:
    """All of REST: the doors for predictions, and what is told of server and models."""

    def __init__(self, lanes: Lanes, settings: DoorSettings, metrics: Metrics) -> None:
        self.stopping = False  # then it is not ready, and answers on
        self.telling = Telling(lanes.predictions, settings.metadata)
        self._lanes, self._settings, self._metrics = lanes, settings, metrics
        self._predictions, self._room = lanes.predictions, Room(settings)

    def app(self, doors: Sequence[RestDoor], routes: Sequence[Route]) -> RestDoors:
        others = Starlette(
            routes=[*self._routes(), *routes],
            exception_handlers={HTTPException: _not_here, errors.RequestError: _refused, Refused: _refused, Exception: _broken},
        )
        own = OipRest(self._predictions)
        return RestDoors([own, *doors], cast("App", others), self._lanes, self._settings, self._metrics.calls)

    def _routes(self) -> list[Route]:
        model = "/v2/models/{model}"
        routes = [
            Route("/v2", self._server),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/v2/repository/index", self._index, methods=["POST"]),
        ]
        for path in (model, f"{model}/versions/{{version}}"):
            routes += [Route(path, self._model), Route(f"{path}/ready", self._model_ready)]
        return routes

    async def _server(self, _request: Request) -> Response:
        self.telling.check()
        return JSONResponse({"name": SERVER_NAME, "version": version(SERVER_NAME), "extensions": EXTENSIONS})

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _request: Request) -> Response:
        ready = self._predictions.models.ready and not self.stopping
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def _index(self, request: Request) -> Response:
        held = Held(self._room)
        try:
            body = await self._room.receive(cast("Receive", request.receive), dict(request.scope["headers"]), held)
            return JSONResponse(rest_json.listed(self.telling.index(ready_only=rest_json.ready_only(body))))
        finally:
            held.leave()

    async def _model(self, request: Request) -> Response:
        return JSONResponse(rest_json.described(self.telling.describe(*named(request))))

    async def _model_ready(self, request: Request) -> Response:
        model, number = named(request)
        try:
            problem = self._predictions.describe(model, number).problem
        except errors.RequestError as error:
            return JSONResponse({"name": model, "ready": False, "error": str(error)}, STATUSES[type(error)])
        if problem:
            return JSONResponse({"name": model, "ready": False, "error": problem}, 503)
        return JSONResponse({"name": model, "ready": True})


def named(request: Request) -> tuple[str, str]:
    return request.path_params["model"], request.path_params.get("version", "")


def _reply(write: Callable[[Answer], rest_json.Body], answer: Answer) -> Told:
    written = write(answer)
    who = answered_by(answer.identity, answer.stale)
    if written.json_size is None:
        return Told(200, (JSON, *who), written.content)
    return Told(200, (BINARY, (JSON_SIZE_BYTES, b"%d" % written.json_size), *who), written.content)


def _json_size(headers: Mapping[bytes, bytes]) -> int | None:
    """Clients in use send JSON without a content type; bytes that are no JSON come with the size of the JSON in front of them."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    binary = JSON_SIZE_BYTES in headers
    if binary and kind in (b"", b"application/octet-stream", b"application/json"):
        return size(headers, JSON_SIZE, 0)
    if kind not in (b"", b"application/json"):
        said = kind.decode("latin-1")[:80]
        raise Refused(415, f"Content-Type: is {said}; send application/json, or {JSON_SIZE} with binary tensors")
    return None


async def _refused(_request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return JSONResponse({"error": error.sentence}, error.status, error.headers)
    status = STATUSES[type(error)] if isinstance(error, errors.RequestError) else 500
    return JSONResponse({"error": str(error)}, status, RETRY if status in (429, 503) else None)


async def _not_here(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": f"{request.method[:20]} {request.url.path[:120]} is not here ({status})"}, status)


async def _broken(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": BROKEN}, 500)
