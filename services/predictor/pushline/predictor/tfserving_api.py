"""The gRPC door for clients of TensorFlow Serving, under the method names that they call."""

from collections.abc import Sequence

import grpc

from pushline.predictor import errors, tfserving
from pushline.predictor.grpc_api import Doors, abort, trailing_metadata
from pushline.predictor.predictions import Description
from pushline.tfserving.v1 import tfserving_pb2 as pb

PACKAGE = "tensorflow.serving"
PREDICTION, MODEL = f"{PACKAGE}.PredictionService", f"{PACKAGE}.ModelService"
SERVICES = (PREDICTION, MODEL)


class TensorFlowServing:
    def __init__(self, doors: Doors, most_bytes: int) -> None:
        self._doors, self._most_bytes = doors, most_bytes

    def predict(self, request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictResponse:
        filling = tfserving.Filling(self._doors.predictions.limits.max_rows, self._most_bytes)
        try:
            return tfserving.response(self._doors.answer(tfserving.question(request, filling), context))
        except errors.RequestError as error:
            abort(context, error)

    def get_model_metadata(self, request: pb.GetModelMetadataRequest, context: grpc.ServicerContext) -> pb.GetModelMetadataResponse:
        try:
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
        description = self._doors.predictions.describe(model, version)
        context.set_trailing_metadata(trailing_metadata(description.identity, description.stale))
        return description


def handlers(doors: Doors, most_bytes: int) -> Sequence[grpc.GenericRpcHandler]:
    """`most_bytes` bounds what one request may have filled in beyond what it sends."""
    served = TensorFlowServing(doors, most_bytes)
    predict = grpc.unary_unary_rpc_method_handler(
        served.predict, pb.PredictRequest.FromString, pb.PredictResponse.SerializeToString
    )
    metadata = grpc.unary_unary_rpc_method_handler(
        served.get_model_metadata, pb.GetModelMetadataRequest.FromString, pb.GetModelMetadataResponse.SerializeToString
    )
    status = grpc.unary_unary_rpc_method_handler(
        served.get_model_status, pb.GetModelStatusRequest.FromString, pb.GetModelStatusResponse.SerializeToString
    )
    return [
        grpc.method_handlers_generic_handler(PREDICTION, {"Predict": predict, "GetModelMetadata": metadata}),
        grpc.method_handlers_generic_handler(MODEL, {"GetModelStatus": status}),
    ]
