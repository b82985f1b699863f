"""One channel to a predictor, or to several behind one name, for threads."""

import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc

from pushline.client import asking
from pushline.client.answers import Answer, Model
from pushline.client.asking import Call, failure_of, version_text
from pushline.client.connection import SERVICE, Options, connection
from pushline.client.messages import Input

T = TypeVar("T")
TIMEOUT_SECONDS = 10.0


class Client:
    """Asks the predictor at `address` (host:port of gRPC). Thread-safe. Close it, or use it in a with statement.

    `timeout_seconds` bounds every call whole, retries included. May be given by name:

    * `tls`: True believes the roots that gRPC carries; `Tls(…)` names files. Without it nothing is encrypted.
    * `token`, or `token_file` (read again when it changes): the bearer token that goes with every call.
    * `metadata`: names and texts that go with every call, for a proxy for instance.
    * `retry`: a prediction changes nothing, so a call that reached no replica, or one that stops (UNAVAILABLE, CANCELLED), is tried
      up to five times within its time; False tries once.
    * `retry_overload`: True does so with a call that was refused for overload as well, and waits as long as the predictor asks for,
      if it does. Else that is for the caller to decide, who finds it in `Overloaded.retry_after_seconds`.

    Raises ValueError for what makes no sense, OSError for a file that cannot be read. Connects at the first call.
    """

    def __init__(self, address: str, timeout_seconds: float = TIMEOUT_SECONDS, **told: Unpack[Options]) -> None:
        credentials, self._bearer, options = connection(address, told)
        self._timeout_seconds = timeout_seconds
        self._channel = (
            grpc.secure_channel(address, credentials, options) if credentials else grpc.insecure_channel(address, options)
        )
        self._methods: dict[str, Callable[..., Any]] = {}
        self._known: asking.Known = {}

    def predict(
        self, x: Input, model: str | None = None, timeout_seconds: float | None = None, *, version: int | None = None
    ) -> Answer:
        """Answer the rows of x.

        `x`: an array, or lists of numbers, of shape (rows, …) as the model takes it; for several inputs a mapping by input name. It
        is sent in the model's own dtype, which is asked for once: floats are rounded to it, and any other number that it does not
        hold is refused. `model` may be left out where the predictor serves one. `version` is a `deploy_seq`; without it whatever
        is live answers.

        Raises BadRequest, ModelNotFound, Unauthenticated, Unavailable, Overloaded, DeadlineExceeded, or their root
        PredictionFailed.
        """
        return self._run(asking.predict(self._known, x, model or "", version_text(version)), timeout_seconds)

    def describe(self, model: str | None = None, timeout_seconds: float | None = None, *, version: int | None = None) -> Model:
        """Say what the model takes and gives now: names, dtypes and shapes. Raises as predict() does."""
        return self._run(asking.describe(self._known, model or "", version_text(version)), timeout_seconds)

    def is_ready(self, model: str | None = None, timeout_seconds: float | None = None) -> bool:
        """Say whether the predictor, or this model of it, can answer now; False too where nobody is there. Needs no token."""
        return self._run(asking.is_ready(model or ""), timeout_seconds)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self, steps: Generator[Call, Any, T], timeout_seconds: float | None) -> T:
        deadline = time.monotonic() + (self._timeout_seconds if timeout_seconds is None else timeout_seconds)
        try:
            call = next(steps)
            while True:
                try:
                    answer = self._ask(call, deadline)
                except grpc.RpcError as error:
                    call = steps.throw(failure_of(error))
                else:
                    call = steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # of the generator's own type

    def _ask(self, call: Call, deadline: float) -> Any:  # noqa: ANN401 - any method's answer
        method = self._methods.get(call.method)
        if method is None:
            write, read = type(call.request).SerializeToString, call.answer.FromString
            method = self._methods[call.method] = self._channel.unary_unary(f"/{SERVICE}/{call.method}", write, read)
        return method(call.request, timeout=deadline - time.monotonic(), metadata=self._bearer.metadata())
