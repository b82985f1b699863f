"""Many models in one predictor: whatever is asked of one, the others are answered as if they were alone."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import grpc
import numpy as np
import pytest

from open_inference import open_inference_grpc_pb2 as pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.predictor.service import Service
from tests.fixtures.predictor.deploying import DOUBLE, HEAVY
from tests.fixtures.predictor.running import a_line, channel_to, running, wait_until_sure
from tests.waiting import until

SECONDS = 60.0
ASKED, SLOW_ROWS, SLOW_AT_ONCE = 200, 50, 12
HUGE = 12 << 20
LONGEST_SECONDS = (
    0.25  # for an answer of the quick model beside huge messages: reading one takes much of that where it is waited for
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    line.deploy(HEAVY, model="heavy")
    with running(tmp_path, log, store) as service:
        for model in ("numbers", "heavy"):
            wait_until_sure(service, 1, model)
        yield service


def raw(model: str, x: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=x.shape)
    return pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[x.tobytes()])


def slow(service: Service) -> pb.ModelInferRequest:
    loaded = service.models.current("heavy")
    assert loaded is not None
    return raw("heavy", np.ones((SLOW_ROWS, *loaded.engine.signature.inputs[0].shape[1:]), np.float32))


@contextmanager
def asking(service: Service, request: pb.ModelInferRequest, at_once: int) -> Iterator[list[float]]:
    """So many at once on a connection of their own, all the time; yields the seconds that those answered took."""
    took: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            try:
                oip.ModelInfer(request, timeout=SECONDS)
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)  # noqa: PT017
            took.append(time.perf_counter() - began)

    with channel_to(service) as channel:
        oip = oip_grpc.GRPCInferenceServiceStub(channel)
        threads = [threading.Thread(target=ask) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        try:
            yield took
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def by_grpc(service: Service) -> Iterator[Callable[[], None]]:
    request = raw("numbers", np.ones((1, 4), np.float32))
    with channel_to(service) as channel:
        oip = oip_grpc.GRPCInferenceServiceStub(channel)

        def ask() -> None:
            oip.ModelInfer(request, timeout=SECONDS)

        yield ask


def by_rest(service: Service) -> Iterator[Callable[[], None]]:
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}

    def ask() -> None:
        connection.request("POST", "/v2/models/numbers/infer", json.dumps(body), {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            response.read()
            assert response.status == 200

    with closing(HTTPConnection("127.0.0.1", service.rest.port, timeout=SECONDS)) as connection:
        yield ask


@pytest.fixture(params=[by_grpc, by_rest])
def quick(request: pytest.FixtureRequest, service: Service) -> Iterator[Callable[[], None]]:
    yield from request.param(service)


def latencies(ask: Callable[[], None]) -> list[float]:
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return sorted(took)


def test_a_slow_model_that_has_more_to_do_than_it_can_delays_no_other(service: Service, quick: Callable[[], None]) -> None:
    quick()
    with asking(service, slow(service), SLOW_AT_ONCE) as slow_ones:
        until(lambda: len(slow_ones) > 2, SECONDS, "the slow model answers")
        beside = latencies(quick)
        until(lambda: len(slow_ones) > SLOW_AT_ONCE, SECONDS, "all of a round")

    p99, usual_of_slow = beside[int(ASKED * 0.99)], statistics.median(slow_ones)
    assert p99 < usual_of_slow / 4


def test_huge_messages_for_one_model_delay_no_other(service: Service, quick: Callable[[], None]) -> None:
    """One is refused after it was read whole: it has more bytes than its shape says."""
    huge = raw("heavy", np.ones((1, 4), np.float32))
    huge.raw_input_contents[0] = b"\1" * HUGE
    quick()
    with asking(service, huge, 2) as huge_ones:
        until(lambda: len(huge_ones) > 2, SECONDS, "huge messages")
        before = len(huge_ones)
        beside = latencies(quick)
        until(lambda: len(huge_ones) > before, SECONDS, "more of them")

    assert beside[int(ASKED * 0.99)] < LONGEST_SECONDS
