"""The gRPC doors: each method translates in, asks the core, translates out. The one table of codes is here."""

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from typing import NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2

from open_inference import open_inference_grpc_pb2 as oip_pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.predictor import errors, oip, typed
from pushline.predictor.predictions import Answer, Job, Predictions
from pushline.predictor.repeats import Repeats
from pushline.predictor.serving import Identity
from pushline.predictor.telling import Telling
from pushline.serving.v1 import serving_pb2

CODES: dict[type[errors.RequestError], grpc.StatusCode] = {
    errors.BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFiniteInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownModel: grpc.StatusCode.NOT_FOUND,
    errors.UnknownVersion: grpc.StatusCode.NOT_FOUND,
    errors.NothingDeployed: grpc.StatusCode.UNAVAILABLE,
    errors.ModelUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NotFinite: grpc.StatusCode.OUT_OF_RANGE,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.MetadataOff: grpc.StatusCode.PERMISSION_DENIED,
    errors.ModelFailed: grpc.StatusCode.INTERNAL,
}
SERVER_NAME = "pushline-predictor"
KEPT = 512  # identities
Reply = Callable[[Answer], bytes]


class OpenInference(oip_grpc.GRPCInferenceServiceServicer):
    """Its ModelInfer is a door of its own, OipDoor, on bytes."""

    def __init__(self, telling: Telling) -> None:
        self._telling, self._predictions = telling, telling.predictions

    def ModelInfer(self, request: oip_pb.ModelInferRequest, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        raise NotImplementedError("OipDoor answers it")

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
        try:
            self._telling.check()
        except errors.RequestError as error:
            abort(context, error)
        return oip_pb.ServerMetadataResponse(name=SERVER_NAME, version=version(SERVER_NAME), extensions=["model_repository"])

    def ModelMetadata(self, request: oip_pb.ModelMetadataRequest, context: grpc.ServicerContext) -> oip_pb.ModelMetadataResponse:  # noqa: N802
        try:
            return oip.metadata(self._telling.describe(request.name, request.version))
        except errors.RequestError as error:
            abort(context, error)

    def RepositoryIndex(  # noqa: N802
        self, request: oip_pb.RepositoryIndexRequest, context: grpc.ServicerContext
    ) -> oip_pb.RepositoryIndexResponse:
        try:
            return oip.index(self._telling.index(ready_only=request.ready))
        except errors.RequestError as error:
            abort(context, error)


class OipDoor:
    """ModelInfer, on the bytes of both messages."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions, self._repeats = predictions, Repeats(predictions)

    def prepare(self, data: bytes) -> tuple[Job, Reply]:
        return self._repeats.prepare(data) or self._prepare(data)

    def again(self, data: bytes) -> tuple[Job, Reply] | None:
        return self._repeats.prepare(data)

    def _prepare(self, data: bytes) -> tuple[Job, Reply]:
        request = oip_pb.ModelInferRequest.FromString(data)
        question = oip.question(request)

        def reply(answer: Answer) -> bytes:
            self._repeats.note(data, request, question)
            return oip.serialized(request, answer)

        return self._predictions.prepare(question), reply


class TypedDoor:
    """The Predictor's Predict."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions

    def prepare(self, data: bytes) -> tuple[Job, Reply]:
        question = typed.question(serving_pb2.PredictRequest.FromString(data))
        return self._predictions.prepare(question), _typed_reply

    def again(self, data: bytes) -> None:
        """Its numbers are read one by one."""


def _typed_reply(answer: Answer) -> bytes:
    return typed.response(answer).SerializeToString()


def status_of(error: errors.RequestError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Code, sentence and trailing metadata, which names the field."""
    code = CODES[type(error)]
    status = status_pb2.Status(code=code.value[0], message=str(error))
    if isinstance(error, (errors.BadRequest, errors.TooLarge)):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.problem)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return code, str(error), (("grpc-status-details-bin", status.SerializeToString()),)


def abort(context: grpc.ServicerContext, error: errors.RequestError) -> NoReturn:
    code, sentence, trailing = status_of(error)
    context.set_trailing_metadata(trailing)
    context.abort(code, sentence)


@lru_cache(maxsize=KEPT)
def trailing_metadata(identity: Identity, stale: bool) -> tuple[tuple[str, str], ...]:
    return (
        ("x-pushline-model", identity.model),
        ("x-pushline-digest", identity.digest),
        ("x-pushline-commit", identity.commit),
        ("x-pushline-deploy-seq", str(identity.deploy_seq)),
        ("x-pushline-stale", str(stale).lower()),
    )
