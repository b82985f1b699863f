"""The gRPC doors: each method translates in, asks the core, translates out. The one table of codes is here."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import NoReturn

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from open_inference import open_inference_grpc_pb2 as oip_pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.predictor import errors, oip, typed
from pushline.predictor.predictions import Answer, Predictions, Question
from pushline.predictor.repeats import Repeats
from pushline.predictor.serving import Identity
from pushline.serving.v1 import serving_pb2, serving_pb2_grpc

CODES: dict[type[errors.RequestError], grpc.StatusCode] = {
    errors.BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFiniteInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownModel: grpc.StatusCode.NOT_FOUND,
    errors.UnknownVersion: grpc.StatusCode.NOT_FOUND,
    errors.NothingDeployed: grpc.StatusCode.UNAVAILABLE,
    errors.ModelUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NotFinite: grpc.StatusCode.OUT_OF_RANGE,
    errors.ModelFailed: grpc.StatusCode.INTERNAL,
}
SERVER_NAME = "pushline-predictor"
KEPT = 512  # identities


@dataclass(frozen=True, slots=True)
class Doors:
    """What both services do alike."""

    predictions: Predictions

    def answer(self, question: Question, context: grpc.ServicerContext) -> Answer:
        """Raises RequestError. Work whose caller is gone, or whose deadline passed while it waited, is not begun."""
        if not is_awaited(context):
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the work began")
        answer = self.predictions.predict(question)
        tell(context, answer)
        return answer


class OpenInference(oip_grpc.GRPCInferenceServiceServicer):
    def __init__(self, doors: Doors) -> None:
        self._doors, self._predictions = doors, doors.predictions
        self._repeats = Repeats(doors.predictions)

    def ServerLive(self, request: oip_pb.ServerLiveRequest, context: grpc.ServicerContext) -> oip_pb.ServerLiveResponse:  # noqa: ARG002, N802
        return oip_pb.ServerLiveResponse(live=True)

    def ServerReady(self, request: oip_pb.ServerReadyRequest, context: grpc.ServicerContext) -> oip_pb.ServerReadyResponse:  # noqa: ARG002, N802
        return oip_pb.ServerReadyResponse(ready=self._predictions.models.ready)

    def ModelReady(self, request: oip_pb.ModelReadyRequest, context: grpc.ServicerContext) -> oip_pb.ModelReadyResponse:  # noqa: ARG002, N802
        try:
            description = self._predictions.describe(request.name, request.version)
        except errors.RequestError:
            return oip_pb.ModelReadyResponse(ready=False)
        return oip_pb.ModelReadyResponse(ready=not description.problem)

    def ServerMetadata(self, request: oip_pb.ServerMetadataRequest, context: grpc.ServicerContext) -> oip_pb.ServerMetadataResponse:  # noqa: ARG002, N802
        return oip_pb.ServerMetadataResponse(name=SERVER_NAME, version=version(SERVER_NAME), extensions=[])

    def ModelMetadata(self, request: oip_pb.ModelMetadataRequest, context: grpc.ServicerContext) -> oip_pb.ModelMetadataResponse:  # noqa: N802
        try:
            return oip.metadata(self._predictions.describe(request.name, request.version))
        except errors.RequestError as error:
            abort(context, error)

    def ModelInfer(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # type: ignore[override]  # noqa: N802 - registered for bytes
        """On the bytes of both messages."""
        try:
            repeated = self._repeats.answer(data) if is_awaited(context) else None
            if repeated is not None:
                tell(context, repeated[0])
                return repeated[1]
            return self._infer(data, context)
        except errors.RequestError as error:
            abort(context, error)

    def _infer(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            request = oip_pb.ModelInferRequest.FromString(data)
        except DecodeError:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the bytes are no request of ModelInfer")
        question = oip.question(request)
        answer = self._doors.answer(question, context)
        self._repeats.note(data, request, question)
        return oip.serialized(request, answer)


class Typed(serving_pb2_grpc.PredictorServicer):
    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def Predict(self, request: serving_pb2.PredictRequest, context: grpc.ServicerContext) -> serving_pb2.PredictResponse:  # noqa: N802
        try:
            return typed.response(self._doors.answer(typed.question(request), context))
        except errors.RequestError as error:
            abort(context, error)


def is_awaited(context: grpc.ServicerContext) -> bool:
    return context.is_active() and context.time_remaining() > 0


def tell(context: grpc.ServicerContext, answer: Answer) -> None:
    context.set_trailing_metadata(trailing_metadata(answer.identity, answer.stale))


def abort(context: grpc.ServicerContext, error: errors.RequestError) -> NoReturn:
    status = status_pb2.Status(code=CODES[type(error)].value[0], message=str(error))
    if isinstance(error, (errors.BadRequest, errors.TooLarge)):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.problem)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    context.abort_with_status(rpc_status.to_status(status))


@lru_cache(maxsize=KEPT)
def trailing_metadata(identity: Identity, stale: bool) -> tuple[tuple[str, str], ...]:
    return (
        ("x-pushline-model", identity.model),
        ("x-pushline-digest", identity.digest),
        ("x-pushline-commit", identity.commit),
        ("x-pushline-deploy-seq", str(identity.deploy_seq)),
        ("x-pushline-stale", str(stale).lower()),
    )
