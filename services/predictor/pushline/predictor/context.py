"""What a servicer's method may ask of its call, and tell it: grpcio's ServicerContext over a Call of wire.py."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

import grpc

from pushline.predictor.wire import Call, Metadata


class Aborted(Exception):
    """A servicer's method ended its call; the context has the status."""


class Context(grpc.ServicerContext):
    """Of what none of the predictor's methods asks (callbacks, identities of the caller) it knows nothing."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.status, self.sentence = grpc.StatusCode.OK, ""
        self.trailing: Metadata = ()

    def is_active(self) -> bool:
        return self._call.is_awaited

    def time_remaining(self) -> float | None:  # type: ignore[override]  # the stubs forget calls without a deadline
        return None if math.isinf(self._call.remaining) else max(0.0, self._call.remaining - self._call.seconds)

    def cancel(self) -> NoReturn:
        self.abort(grpc.StatusCode.CANCELLED, "cancelled")

    def add_callback(self, callback: Callable[[], None]) -> bool:  # noqa: ARG002 - grpcio's shape
        return False  # nothing is told when a call ends that is answered at once

    def invocation_metadata(self) -> Metadata:  # type: ignore[override]  # the stubs name a type of their own
        return self._call.metadata

    def peer(self) -> str:
        return self._call.peer

    def peer_identities(self) -> Iterable[bytes] | None:
        return None

    def peer_identity_key(self) -> str | None:
        return None

    def auth_context(self) -> Mapping[str, bytes]:
        return {}

    def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        raise NotImplementedError("no method of the predictor sends initial metadata")

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self.trailing = trailing_metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self.status = code

    def set_details(self, details: str) -> None:
        self.sentence = details

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self.status, self.sentence = code, details
        raise Aborted

    def abort_with_status(self, status: grpc.Status) -> NoReturn:
        self.status, self.sentence = status.code, status.details
        self.trailing = status.trailing_metadata or ()
        raise Aborted
