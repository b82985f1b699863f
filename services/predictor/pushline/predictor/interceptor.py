"""Around every call: how long it took, how it ended, and a clear answer to bytes that are no message."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from pushline.predictor.metrics import Metrics

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler  # generic in its stubs alone


HEALTH = "/grpc.health."


class Unreadable:
    """Stands for a request whose bytes are not the method's message."""


class Observed(grpc.ServerInterceptor):
    """NOTE: grpcio answers INTERNAL to bytes it cannot parse; it is the caller's fault, so it is said here.

    NOTE: a grpcio server that stops answers CANCELLED to calls that just came in, which no client tries elsewhere. Once `closing`
    is set, new calls get UNAVAILABLE, which clients do.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.closing = threading.Event()
        self._metrics = metrics

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None or handler.request_deserializer is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            self._around(handler_call_details.method, handler.unary_unary),
            _lenient(handler.request_deserializer),
            handler.response_serializer,
        )

    def _around(
        self, method: str, behaviour: Callable[[Any, grpc.ServicerContext], Any]
    ) -> Callable[[Any, grpc.ServicerContext], Any]:
        name = method.rpartition("/")[2]
        seconds, requests, in_flight = self._metrics.seconds.labels(name), self._metrics.requests, self._metrics.in_flight

        def observed(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - any method's messages
            began = time.perf_counter()
            in_flight.inc()
            code = grpc.StatusCode.UNKNOWN
            try:
                if self.closing.is_set() and not method.startswith(HEALTH):
                    context.abort(grpc.StatusCode.UNAVAILABLE, "this replica is stopping; another one answers")
                if isinstance(request, Unreadable):
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the bytes are no request of {name}")
                answer = behaviour(request, context)
                code = grpc.StatusCode.OK
                return answer
            finally:
                code = code if code is grpc.StatusCode.OK else _code(context)
                requests.labels(name, code.name).inc()
                seconds.observe(time.perf_counter() - began)
                in_flight.dec()

        return observed


def _lenient(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def lenient(data: bytes) -> Any:  # noqa: ANN401 - any method's message
        try:
            return deserialize(data)
        except DecodeError:
            return Unreadable()

    return lenient


def _code(context: grpc.ServicerContext) -> grpc.StatusCode:
    code = context.code()  # type: ignore[attr-defined]  # the stubs lack it
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN
