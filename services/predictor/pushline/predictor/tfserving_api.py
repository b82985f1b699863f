"""The gRPC door for clients of TensorFlow Serving, under the method names that they call."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import grpc

from pushline.predictor import errors, tfserving
from pushline.predictor.grpc_api import Reply, abort, trailing_metadata
from pushline.predictor.predictions import Answer, Description, Job, Predictions
from pushline.predictor.telling import Telling
from pushline.predictor.tensors import has_form
from pushline.tfserving.v1 import tfserving_pb2 as pb

PACKAGE = "tensorflow.serving"
PREDICTION, MODEL = f"{PACKAGE}.PredictionService", f"{PACKAGE}.ModelService"
SERVICES = (PREDICTION, MODEL)
PREDICT = f"/{PREDICTION}/Predict"


class PredictDoor:
    """Predict. `most_bytes` bounds what one request may have filled in beyond what it sends."""

    def __init__(self, predictions: Predictions, most_bytes: int) -> None:
        self._predictions, self._most_bytes = predictions, most_bytes

    def prepare(self, data: bytes) -> tuple[Job, Reply]:
        request = pb.PredictRequest.FromString(data)
        takes = partial(self._takes, request.model_spec)
        limits = self._predictions.own_limits.get(request.model_spec.name, self._predictions.limits)
        question = tfserving.question(request, tfserving.Filling(limits.max_rows, self._most_bytes, takes))
        return self._predictions.prepare(question), _reply

    def _takes(self, spec: pb.ModelSpec, name: str, shape: Sequence[int]) -> bool:
        """Raises RequestError."""
        inputs = self._predictions.describe(*tfserving.asked(spec, named=True)).signature.inputs
        return any(name == each.name and has_form(shape, each) for each in inputs)

    def again(self, data: bytes) -> None:
        """Every request is read."""


def _reply(answer: Answer) -> bytes:
    return tfserving.response(answer).SerializeToString()


class Models:
    """What models say of themselves."""

    def __init__(self, telling: Telling) -> None:
        self._telling, self._predictions = telling, telling.predictions

    def get_model_metadata(self, request: pb.GetModelMetadataRequest, context: grpc.ServicerContext) -> pb.GetModelMetadataResponse:
        try:
            self._telling.check()
            tfserving.check_metadata_fields(request.metadata_field)
            return tfserving.metadata(self._described(request, context))
        except errors.RequestError as error:
            abort(context, error)

    def get_model_status(self, request: pb.GetModelStatusRequest, context: grpc.ServicerContext) -> pb.GetModelStatusResponse:
        try:
            return tfserving.status(self._described(request, context))
        except errors.RequestError as error:
            abort(context, error)

    def _described(
        self, request: pb.GetModelMetadataRequest | pb.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> Description:
        model, version = tfserving.asked(request.model_spec, named=request.HasField("model_spec"))
        description = self._predictions.describe(model, version)
        context.set_trailing_metadata(trailing_metadata(description.identity, description.stale))
        return description


def handlers(telling: Telling) -> Mapping[str, Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]]:
    """By service and method; those that are no prediction."""
    models = Models(telling)
    metadata = grpc.unary_unary_rpc_method_handler(
        models.get_model_metadata, pb.GetModelMetadataRequest.FromString, pb.GetModelMetadataResponse.SerializeToString
    )
    status = grpc.unary_unary_rpc_method_handler(
        models.get_model_status, pb.GetModelStatusRequest.FromString, pb.GetModelStatusResponse.SerializeToString
    )
    return {PREDICTION: {"GetModelMetadata": metadata}, MODEL: {"GetModelStatus": status}}
