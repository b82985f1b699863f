"""The client for asyncio: the same questions, answers and errors."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc

from pushline.client import asking
from pushline.client.answers import Answer, Model
from pushline.client.asking import Call, failure_of, version_text
from pushline.client.client import TIMEOUT_SECONDS
from pushline.client.connection import SERVICE, Options, connection
from pushline.client.messages import Input

T = TypeVar("T")


class AsyncClient:
    """As Client, with the same parameters, for one event loop: made where that loop runs. What is cancelled is not waited for."""

    def __init__(self, address: str, timeout_seconds: float = TIMEOUT_SECONDS, **told: Unpack[Options]) -> None:
        asyncio.get_running_loop()  # without one grpc.aio would take a loop that nobody runs
        credentials, self._bearer, options = connection(address, told)
        self._timeout_seconds = timeout_seconds
        self._channel = (
            grpc.aio.secure_channel(address, credentials, options) if credentials else grpc.aio.insecure_channel(address, options)
        )
        self._methods: dict[str, Callable[..., Awaitable[Any]]] = {}
        self._known: asking.Known = {}

    async def predict(
        self, x: Input, model: str | None = None, timeout_seconds: float | None = None, *, version: int | None = None
    ) -> Answer:
        """As Client.predict."""
        return await self._run(asking.predict(self._known, x, model or "", version_text(version)), timeout_seconds)

    async def describe(
        self, model: str | None = None, timeout_seconds: float | None = None, *, version: int | None = None
    ) -> Model:
        """As Client.describe."""
        return await self._run(asking.describe(self._known, model or "", version_text(version)), timeout_seconds)

    async def is_ready(self, model: str | None = None, timeout_seconds: float | None = None) -> bool:
        """As Client.is_ready."""
        return await self._run(asking.is_ready(model or ""), timeout_seconds)

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _run(self, steps: Generator[Call, Any, T], timeout_seconds: float | None) -> T:
        deadline = time.monotonic() + (self._timeout_seconds if timeout_seconds is None else timeout_seconds)
        try:
            call = next(steps)
            while True:
                try:
                    answer = await self._ask(call, deadline)
                except grpc.RpcError as error:
                    call = steps.throw(failure_of(error))
                else:
                    call = steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # of the generator's own type

    async def _ask(self, call: Call, deadline: float) -> Any:  # noqa: ANN401 - any method's answer
        method = self._methods.get(call.method)
        if method is None:
            write, read = type(call.request).SerializeToString, call.answer.FromString
            method = self._methods[call.method] = self._channel.unary_unary(f"/{SERVICE}/{call.method}", write, read)
        return await method(call.request, timeout=deadline - time.monotonic(), metadata=self._bearer.metadata())
