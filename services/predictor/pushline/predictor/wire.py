"""The gRPC server's loop for unary calls: on grpcio's own core, without a thread for each call.

grpcio's server hands each call to a thread, which waits for the message, which another thread reads: more than half of what a small
prediction costs. Here one thread takes what has come, call after call, and hands over all that came at once, so that it can be
answered together. A caller who sends no message holds no thread. Reflection, which streams both
ways, goes grpcio's.

NOTE: this uses names of grpcio that are not public (`grpc._server`, `grpc._cython.cygrpc`), which have stood for years; the
requirements pin grpcio, and tests/integration/predictor hold every behaviour over real sockets.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Protocol

import grpc
from grpc import _server as inner
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no stubs

MOST_AT_ONCE = 64  # calls that are taken before those that came are answered
MOST_BYTES_AT_ONCE = 4 << 20  # likewise, of their messages
SWEEP_SECONDS = 1.0
MOST_SILENT = 8192  # calls whose message has not come
NO_FLAGS = 0
OK = 0

Metadata = Sequence[tuple[str, str | bytes]]


class Call:
    """A call with one message. It is finished once; again, or after the caller left, does nothing. Safe from any thread."""

    __slots__ = (
        "_begun",
        "_call",
        "_finished",
        "_gone",
        "_left",
        "_watched",
        "began",
        "data",
        "metadata",
        "method",
        "model",
        "remaining",
    )

    def __init__(self, event: Any, method: str, began: float) -> None:  # noqa: ANN401 - cygrpc has no types
        self._call, self._begun, self._finished, self._gone, self._watched = event.call, False, False, False, False
        self._left: Callable[[Call], None] | None = None
        self.method, self.began, self.model = method, began, ""  # the model is known once the message was read
        self.remaining: float = event.call_details.deadline - time.time()  # seconds from then on; infinite without a deadline
        self.metadata: Sequence[tuple[str, str | bytes]] = event.invocation_metadata
        self.data = b""  # until it has come

    @property
    def seconds(self) -> float:
        """Since it came."""
        return time.perf_counter() - self.began

    @property
    def peer(self) -> str:
        return str(self._call.peer())

    @property
    def is_cancelled(self) -> bool:
        """Known of watched calls alone."""
        return self._gone

    @property
    def is_awaited(self) -> bool:
        return not self._gone and self.seconds < self.remaining

    def watch(self, left: "Callable[[Call], None] | None" = None) -> None:
        """From now on it is known when the caller leaves; `left` is told so, on the loop's thread."""
        if not self._watched and not self._finished:
            self._watched, self._left = True, left
            self._call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS),), self._closed)

    def send(self, data: bytes, sent: Callable[[], None]) -> None:
        """Send one of several messages; the next one only after `sent` was called, on the loop's thread."""

        def done(_event: Any) -> tuple[None, tuple[()]]:  # noqa: ANN401
            sent()
            return None, ()

        self._call.start_server_batch((*self._beginning(), cygrpc.SendMessageOperation(data, NO_FLAGS)), done)

    def finish(self, data: bytes | None, trailing: Metadata = (), code: int = OK, details: str = "") -> None:
        if self._finished:
            return
        self._finished = True
        operations = self._beginning()
        if data is not None:
            operations.append(cygrpc.SendMessageOperation(data, NO_FLAGS))
        operations.append(cygrpc.SendStatusFromServerOperation(trailing, code, details.encode(), NO_FLAGS))
        if not self._watched:
            operations.append(cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS))
        self._call.start_server_batch(operations, _nothing_more)

    def _beginning(self) -> list[Any]:
        """What comes before the first message or the status, once."""
        if self._begun:
            return []
        self._begun = True
        return [cygrpc.SendInitialMetadataOperation((), NO_FLAGS)]

    def _closed(self, event: Any) -> tuple[None, tuple[()]]:  # noqa: ANN401
        self._gone = bool(event.batch_operations[0].cancelled())
        if self._gone and self._left is not None:
            self._left(self)
        return None, ()


class Guard(Protocol):
    """Who may call."""

    def admits(self, method: str, metadata: Metadata) -> bool: ...

    def send_away(self, call: Call) -> None: ...


class Wire(grpc.Server):
    """A grpc.Server whose unary methods are answered by `take`; in the shape in which generated code adds services.

    `take` gets calls that came, each with its message, on the loop's thread: it must neither wait nor raise. `refuse` ends a call
    whose message is no message or does not come.
    """

    def __init__(
        self,
        server: grpc.Server,
        take: Callable[[list[Call]], None],
        refuse: Callable[[Call, grpc.StatusCode, str], None],
        guard: Guard | None,
        body_seconds: float,
    ) -> None:
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._server, self._state = server, server._state  # type: ignore[attr-defined]  # noqa: SLF001
        self._take, self._refuse, self._guard, self._body_seconds = take, refuse, guard, body_seconds
        self._paths: dict[bytes, str] = {}
        self._arrived: list[Call] = []
        self._bytes = 0  # of them
        self._silent: dict[Call, None] = {}  # in the order in which they came
        self._swept = 0.0

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """What streams is looked up there; a unary method is found here before."""
        self._server.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        for name, handler in method_handlers.items():
            if not handler.request_streaming and not handler.response_streaming:
                path = f"/{service_name}/{name}"
                self.handlers[path] = handler
                self._paths[path.encode()] = path

    def add_path(self, path: str) -> None:
        """Take the calls of a method that takes one message."""
        self._paths[path.encode()] = path

    def add_insecure_port(self, address: str) -> int:
        return self._server.add_insecure_port(address)

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        return self._server.add_secure_port(address, server_credentials)

    def stop(self, grace: float | None) -> threading.Event:
        return self._server.stop(grace)

    def wait_for_termination(self, timeout: float | None = None) -> bool:
        return self._server.wait_for_termination(timeout)

    def start(self) -> None:
        with self._state.lock:
            self._state.server.start()
            self._state.stage = inner._ServerStage.STARTED  # noqa: SLF001
            inner._request_call(self._state)  # noqa: SLF001
        threading.Thread(target=self._serve, name="grpc", daemon=True).start()

    def _serve(self) -> None:
        queue = self._state.completion_queue
        while True:
            event = queue.poll(0 if self._arrived else time.time() + SWEEP_SECONDS)
            if event.completion_type == cygrpc.CompletionType.queue_timeout:
                self._hand_over()
                self._sweep(time.perf_counter())
            elif event.tag is inner._REQUEST_CALL_TAG and event.success and event.call_details.method in self._paths:  # noqa: SLF001
                if not self._begin(event):
                    return
            elif not inner._process_event_and_continue(self._state, event):  # noqa: SLF001
                return
            del event  # it may hold the last reference to a call that has ended, which polling would wait for
            if len(self._arrived) >= MOST_AT_ONCE or self._bytes >= MOST_BYTES_AT_ONCE:
                self._hand_over()

    def _begin(self, event: Any) -> bool:  # noqa: ANN401
        """Ask for the call's message and for the next call. Gives False where the server has stopped."""
        now = time.perf_counter()
        call = Call(event, self._paths[event.call_details.method], now)
        if self._guard is not None and not self._guard.admits(call.method, call.metadata):
            self._guard.send_away(call)
        elif len(self._silent) >= MOST_SILENT:
            self._refuse(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls are open whose message has not come")
        else:
            self._silent[call] = None
            event.call.start_server_batch((cygrpc.ReceiveMessageOperation(NO_FLAGS),), _Arrival(self, call))
        self._sweep(now)
        with self._state.lock:
            self._state.due.remove(inner._REQUEST_CALL_TAG)  # noqa: SLF001
            if self._state.stage is inner._ServerStage.STARTED:  # noqa: SLF001
                inner._request_call(self._state)  # noqa: SLF001
                return True
            return not inner._stop_serving(self._state)  # noqa: SLF001

    def arrive(self, call: Call, data: bytes | None) -> None:
        if call not in self._silent:
            return  # it was refused meanwhile
        del self._silent[call]
        if data is None:
            self._refuse(call, grpc.StatusCode.INVALID_ARGUMENT, "the call ended before its message, or the message is too large")
            return
        call.data = data
        self._arrived.append(call)
        self._bytes += len(data)

    def _hand_over(self) -> None:
        calls, self._arrived, self._bytes = self._arrived, [], 0
        self._take(calls)

    def _sweep(self, now: float) -> None:
        """End the calls whose message does not come; they stand in the order in which they began."""
        if now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        before = now - self._body_seconds
        for call in list(takewhile(lambda call: call.began < before, self._silent)):
            del self._silent[call]
            self._refuse(call, grpc.StatusCode.DEADLINE_EXCEEDED, f"no message came within {self._body_seconds:g} seconds")


class _Arrival:
    """What grpcio's loop calls when a message has come."""

    __slots__ = ("_call", "_wire")

    def __init__(self, wire: Wire, call: Call) -> None:
        self._wire, self._call = wire, call

    def __call__(self, event: Any) -> tuple[None, tuple[()]]:  # noqa: ANN401
        self._wire.arrive(self._call, event.batch_operations[0].message())
        return None, ()


def _nothing_more(_event: Any) -> tuple[None, tuple[()]]:  # noqa: ANN401
    return None, ()
