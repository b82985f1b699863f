"""Around every call: how long it took, how it ended, and a clear answer to bytes that are no message."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.message import DecodeError

from pushline.predictor.metrics import Metrics

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler  # generic in its stubs alone


Behaviour = Callable[[Any, grpc.ServicerContext], Any]
HEALTH = "/grpc.health."


class Unreadable:
    """Stands for a request whose bytes are not the method's message."""


class Observed(grpc.ServerInterceptor):
    """NOTE: grpcio answers INTERNAL to bytes it cannot parse; it is the caller's fault, so it is said here.

    NOTE: a grpcio server that stops answers CANCELLED to calls that just came in, which no client tries elsewhere. Once `closing`
    is set, new calls get UNAVAILABLE, which clients do.
    """

    def __init__(self, metrics: Metrics, computing: set[int], on_bytes: Mapping[str, Behaviour]) -> None:
        """`computing` holds the idents of the threads that answer now; `on_bytes` the methods that take and give bytes."""
        self.closing = threading.Event()
        self._metrics, self._computing, self._on_bytes = metrics, computing, on_bytes
        self._known: dict[str, Handler] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        known = self._known.get(handler_call_details.method)
        if known is not None:
            return known
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None or handler.request_deserializer is None:
            return handler
        known = self._known[handler_call_details.method] = self._wrapped(handler_call_details.method, handler)
        return known

    def _wrapped(self, method: str, handler: Handler) -> Handler:
        if method in self._on_bytes:
            return grpc.unary_unary_rpc_method_handler(self._around(method, self._on_bytes[method]))
        return grpc.unary_unary_rpc_method_handler(
            self._around(method, cast("Behaviour", handler.unary_unary)),
            _lenient(cast("Callable[[bytes], Any]", handler.request_deserializer)),
            handler.response_serializer,
        )

    def _around(self, method: str, behaviour: Behaviour) -> Behaviour:
        name, may_close = method.rpartition("/")[2], not method.startswith(HEALTH)
        seconds, requests, computing = self._metrics.seconds.labels(name), self._metrics.requests, self._computing
        well = requests.labels(name, grpc.StatusCode.OK.name)

        def observed(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - any method's messages
            began, thread, answered = time.perf_counter(), threading.get_ident(), False
            computing.add(thread)
            try:
                if may_close and self.closing.is_set():
                    context.abort(grpc.StatusCode.UNAVAILABLE, "this replica is stopping; another one answers")
                if isinstance(request, Unreadable):
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the bytes are no request of {name}")
                answer = behaviour(request, context)
                answered = True
                return answer
            finally:
                (well if answered else requests.labels(name, _code(context).name)).inc()
                seconds.observe(time.perf_counter() - began)
                computing.discard(thread)

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
