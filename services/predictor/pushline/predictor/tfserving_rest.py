"""TensorFlow Serving's REST, on the port and within the limits of the other REST door."""

import re
from collections.abc import Callable, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pushline.predictor import tfserving_json
from pushline.predictor.predictions import Answer, Job, Predictions
from pushline.predictor.rest_api import named
from pushline.predictor.rest_door import Head, Read
from pushline.predictor.rest_told import JSON, Told, answered_by
from pushline.predictor.telling import Telling


class TensorFlowServingRest:
    """Predict is a door; any content type is taken: curl calls JSON a form, and the documented examples leave it so."""

    paths = re.compile(r"/v1/models/(?P<model>[^/]+?)(?:/versions/(?P<version>[^/]+?))?:predict")

    def __init__(self, telling: Telling) -> None:
        self._telling, self._predictions = telling, telling.predictions

    def begin(self, head: Head) -> Read:
        return partial(_read, self._predictions, head.model, head.version)

    def again(self, head: Head) -> None:  # noqa: ARG002 - as the doors have it
        return None

    def routes(self) -> Sequence[Route]:
        model = "/v1/models/{model}"
        routes = [Route(f"{model}/labels/{{rest:path}}", _labelled, methods=["GET", "POST"])]
        for path in (model, f"{model}/versions/{{version}}"):
            routes += [
                Route(f"{path}:classify", _of_examples, methods=["POST"]),
                Route(f"{path}:regress", _of_examples, methods=["POST"]),
                Route(f"{path}/metadata", self._metadata),
                Route(path, self._status),
            ]
        return routes

    async def _status(self, request: Request) -> Response:
        return JSONResponse(tfserving_json.status(self._predictions.describe(*named(request))))

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(tfserving_json.metadata(self._telling.describe(*named(request))))


def _read(predictions: Predictions, model: str, version: str, body: bytes) -> tuple[Job, Callable[[Answer], Told]]:
    asked = tfserving_json.read(predictions.describe(model, version), version, body)
    return predictions.prepare(asked.question), partial(_reply, asked)


def _reply(asked: tfserving_json.Asked, answer: Answer) -> Told:
    return Told(200, (JSON, *answered_by(answer.identity, answer.stale)), tfserving_json.written(asked, answer))


async def _labelled(_request: Request) -> Response:
    return JSONResponse({"error": "labels: are not supported; leave them out for what is live, or ask for versions/N"}, 400)


async def _of_examples(_request: Request) -> Response:
    return JSONResponse({"error": "classify and regress take tf.Example, which no model here does; use :predict"}, 501)
