"""One channel to a predictor, or to several behind one name."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import grpc
import numpy.typing as npt

from pushline.client.answers import Answer, answer_of, request_of
from pushline.client.errors import BY_CODE, PredictionFailed
from pushline.serving.v1 import serving_pb2_grpc

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
RETRIES = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{"service": "pushline.serving.v1.Predictor"}],
                # A replica that is not there or stops: grpcio answers CANCELLED to what comes in at that moment, and a prediction
                # may be asked twice. Every other answer would be the same again.
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ],
    }
)


class Client:
    """Thread-safe. Close it, or use it in a with statement. `credentials` makes the connection TLS.

    A call is tried up to five times while the replica is not there or stops (UNAVAILABLE, CANCELLED); `retry=False` tries once.
    """

    def __init__(
        self,
        address: str,
        timeout_seconds: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        *,
        retry: bool = True,
    ) -> None:
        options = [
            ("grpc.enable_retries", int(retry)),
            ("grpc.service_config", RETRIES),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._timeout_seconds = timeout_seconds
        self._channel = (
            grpc.secure_channel(address, credentials, options) if credentials else grpc.insecure_channel(address, options)
        )
        self._predictor = serving_pb2_grpc.PredictorStub(self._channel)

    def predict(
        self, x: npt.ArrayLike | Mapping[str, npt.ArrayLike], model: str | None = None, timeout_seconds: float | None = None
    ) -> Answer:
        """Answer rows of x (or of each input by name); `model` may be left out where the predictor serves one.

        Raises PredictionFailed. UNAVAILABLE is tried again, up to five times within the time-out.
        """
        timeout = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            return answer_of(self._predictor.Predict(request_of(x, model), timeout=timeout))
        except grpc.RpcError as error:
            raise _failure(error) from None

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _failure(error: grpc.RpcError) -> PredictionFailed:
    if not isinstance(error, grpc.Call):
        return PredictionFailed("UNKNOWN", str(error))
    code = error.code().name
    return BY_CODE.get(code, PredictionFailed)(code, error.details() or "")
