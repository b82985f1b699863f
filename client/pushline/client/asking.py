"""What a client asks, in which order, whether it waits in a thread or in an event loop. Sends nothing itself.

Each function is a generator: it yields a call, gets its answer sent or its failure thrown, and returns what the caller wants.
"""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import grpc

from open_inference import open_inference_grpc_pb2 as pb
from pushline.client.answers import Answer, Model
from pushline.client.errors import BY_CODE, BadRequest, DeadlineExceeded, PredictionFailed, Unavailable
from pushline.client.messages import Input, answer_of, model_of, request_of

PUSHBACK = "grpc-retry-pushback-ms"


class Call(NamedTuple):
    method: str
    request: Any
    answer: type[Any]


Known = dict[tuple[str, str], Model]  # (name as asked, version as asked) → what was found out


def predict(known: Known, x: Input, model: str, version: str) -> Generator[Call, Any, Answer]:
    """A deployment may change what a model takes: then what is known is found out again, once, and the question put anew."""
    found = known.get((model, version))
    fresh = found is None
    if found is None:
        found = yield from describe(known, model, version)
    try:
        return (yield from _infer(found, x, model, version))
    except BadRequest:
        newer = None if fresh else (yield from describe(known, model, version))
        if newer is None or (newer.inputs, newer.name) == (found.inputs, found.name):
            raise
    return (yield from _infer(newer, x, model, version))


def describe(known: Known, model: str, version: str) -> Generator[Call, Any, Model]:
    request = pb.ModelMetadataRequest(name=model, version=version)
    found = known[model, version] = model_of((yield Call("ModelMetadata", request, pb.ModelMetadataResponse)))
    return found


def is_ready(model: str) -> Generator[Call, Any, bool]:
    try:
        if model:
            answer = yield Call("ModelReady", pb.ModelReadyRequest(name=model), pb.ModelReadyResponse)
        else:
            answer = yield Call("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)
    except (Unavailable, DeadlineExceeded):
        return False
    return bool(answer.ready)


def version_text(version: int | None) -> str:
    return "" if version is None else str(version)


def failure_of(error: grpc.RpcError) -> PredictionFailed:
    if not isinstance(error, (grpc.Call, grpc.aio.AioRpcError)):
        return PredictionFailed("UNKNOWN", str(error))
    code = error.code().name
    pushback = _pushback(dict(error.trailing_metadata() or ()))
    return BY_CODE.get(code, PredictionFailed)(code, error.details() or "", pushback)


def _pushback(trailing: Mapping[str, Any]) -> float | None:
    text = str(trailing.get(PUSHBACK, ""))
    return int(text) / 1000 if text.isascii() and text.isdigit() else None


def _infer(found: Model, x: Input, model: str, version: str) -> Generator[Call, Any, Answer]:
    return answer_of((yield Call("ModelInfer", request_of(x, found, model, version), pb.ModelInferResponse)))
