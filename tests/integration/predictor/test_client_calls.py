"""The client against a server: what it tries again, and how it says what went wrong."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from pushline.client import BadRequest, Client, DeadlineExceeded, ModelNotFound, Overloaded, PredictionFailed, Unavailable
from pushline.serving.v1 import serving_pb2, serving_pb2_grpc


class Scripted(serving_pb2_grpc.PredictorServicer):
    """Answers with these codes, one a call, then well."""

    def __init__(self, *codes: grpc.StatusCode) -> None:
        self.codes, self.calls = list(codes), 0
        self.hold = threading.Event()
        self.hold.set()

    def Predict(self, request: serving_pb2.PredictRequest, context: grpc.ServicerContext) -> serving_pb2.PredictResponse:  # noqa: N802 - gRPC's name
        self.calls += 1
        self.hold.wait(5)
        if self.codes:
            context.abort(self.codes.pop(0), "as the script says")
        return serving_pb2.PredictResponse(y=request.x)


@contextmanager
def serving(script: Scripted) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    serving_pb2_grpc.add_PredictorServicer_to_server(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        script.hold.set()
        server.stop(None).wait()


def test_unavailable_is_tried_again() -> None:
    script = Scripted(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE)
    with serving(script) as address, Client(address) as client:
        assert client.predict([[1.0]]).y.tolist() == [[1.0]]

    assert script.calls == 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, BadRequest),
        (grpc.StatusCode.NOT_FOUND, ModelNotFound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.INTERNAL, PredictionFailed),
    ],
)
def test_nothing_else_is(code: grpc.StatusCode, kind: type[PredictionFailed]) -> None:
    script = Scripted(code)
    with serving(script) as address, Client(address) as client, pytest.raises(kind, match="as the script says") as caught:
        client.predict([[1.0]])

    assert script.calls == 1
    assert caught.value.code == code.name


def test_a_call_ends_at_its_deadline() -> None:
    script = Scripted()
    script.hold.clear()
    with serving(script) as address, Client(address, timeout_seconds=0.2) as client, pytest.raises(DeadlineExceeded):
        client.predict([[1.0]])


def test_nobody_there_is_unavailable() -> None:
    with Client("127.0.0.1:1", timeout_seconds=5) as client, pytest.raises(Unavailable):
        client.predict([[1.0]])
