"""TensorFlow Serving's REST, on the port and within the limits of the other REST door."""

from collections.abc import Callable, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pushline.predictor import tfserving_json
from pushline.predictor.grpc_api import trailing_metadata
from pushline.predictor.predictions import Description, Predictions
from pushline.predictor.rest_api import Rest, told


class TensorFlowServingRest:
    def __init__(self, rest: Rest, predictions: Predictions) -> None:
        self._rest, self._predictions = rest, predictions

    def routes(self) -> Sequence[Route]:
        model = "/v1/models/{model}"
        routes = [Route(f"{model}/labels/{{rest:path}}", _labelled, methods=["GET", "POST"])]
        for path in (model, f"{model}/versions/{{version}}"):
            routes += [
                Route(f"{path}:predict", self._predict, methods=["POST"]),
                Route(f"{path}:classify", _of_examples, methods=["POST"]),
                Route(f"{path}:regress", _of_examples, methods=["POST"]),
                Route(f"{path}/metadata", self._metadata),
                Route(path, self._status),
            ]
        return routes

    async def _status(self, request: Request) -> Response:
        return told(lambda: tfserving_json.status(self._described(request)))

    async def _metadata(self, request: Request) -> Response:
        return told(lambda: tfserving_json.metadata(self._described(request)))

    async def _predict(self, request: Request) -> Response:
        return await self._rest.counted(request, self._begin)

    def _begin(self, request: Request) -> Callable[[bytes], Response]:
        """Any content type is taken: curl calls JSON a form, and the documented examples leave it so."""
        return partial(self._work, *_named(request))

    def _work(self, model: str, version: str, body: bytes) -> Response:
        asked = tfserving_json.read(self._predictions.describe(model, version), version, body)
        answer = self._predictions.predict(asked.question)
        headers = dict(trailing_metadata(answer.identity, answer.stale)) | {"Content-Type": "application/json"}
        return Response(tfserving_json.written(asked, answer), headers=headers)

    def _described(self, request: Request) -> Description:
        return self._predictions.describe(*_named(request))


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["model"], request.path_params.get("version", "")


async def _labelled(_request: Request) -> Response:
    return JSONResponse({"error": "labels: are not supported; leave them out for what is live, or ask for versions/N"}, 400)


async def _of_examples(_request: Request) -> Response:
    return JSONResponse({"error": "classify and regress take tf.Example, which no model here does; use :predict"}, 501)
