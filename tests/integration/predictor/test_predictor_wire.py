"""The loop that takes gRPC calls: what never comes, what was given up, and what is too much of it."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from open_inference import open_inference_grpc_pb2 as pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.predictor.service import Service
from tests.fixtures.predictor.deploying import DOUBLE, HEAVY
from tests.fixtures.predictor.running import a_line, channel_to, running, wait_until_sure
from tests.waiting import until

SECONDS = 20.0
INFER = "/inference.GRPCInferenceService/ModelInfer"
Code = grpc.StatusCode


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    line.deploy(HEAVY, model="heavy")
    limits = {"body_timeout": "300ms", "threads": "1", "max_message": "1MiB"}
    with running(tmp_path, log, store, **limits) as service:
        for model in ("numbers", "heavy"):
            wait_until_sure(service, 1, model)
        yield service


@pytest.fixture
def channel(service: Service) -> Iterator[grpc.Channel]:
    with channel_to(service) as channel:
        yield channel


def counted(service: Service, code: Code) -> float:
    labels = {"method": "ModelInfer", "code": code.name}
    return service.registry.get_sample_value("pushline_predictor_requests_total", labels) or 0.0


def a_request(service: Service, model: str, rows: int) -> pb.ModelInferRequest:
    loaded = service.models.current(model)
    assert loaded is not None
    spec = loaded.engine.signature.inputs[0]
    x = np.ones((rows, *spec.shape[1:]), spec.dtype)
    tensor = pb.ModelInferRequest.InferInputTensor(name=spec.name, datatype="FP32", shape=x.shape)
    return pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[x.tobytes()])


def test_a_call_whose_message_does_not_come_is_ended_in_time_while_others_go_on(service: Service, channel: grpc.Channel) -> None:
    finish = threading.Event()

    def nothing() -> Iterator[bytes]:
        finish.wait(SECONDS)
        yield from ()

    infer: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(INFER)
    silent = infer.future(nothing(), timeout=SECONDS)
    oip, answered = oip_grpc.GRPCInferenceServiceStub(channel), 0
    while not silent.done():
        oip.ModelInfer(a_request(service, "numbers", 1), timeout=SECONDS)
        answered += 1
    finish.set()

    assert (silent.code(), silent.details()) == (Code.DEADLINE_EXCEEDED, "no message came within 0.3 seconds")
    assert answered > 1


def test_a_call_that_ends_without_a_message_is_the_callers_fault(channel: grpc.Channel) -> None:
    infer: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(INFER)

    with pytest.raises(grpc.RpcError) as caught:
        infer(iter(()), timeout=SECONDS)

    assert caught.value.code() is Code.INVALID_ARGUMENT


def test_calls_that_were_given_up_leave_the_queue(service: Service, channel: grpc.Channel) -> None:
    oip = oip_grpc.GRPCInferenceServiceStub(channel)
    long = oip.ModelInfer.future(a_request(service, "heavy", 400), timeout=SECONDS)
    until(lambda: service.registry.get_sample_value("pushline_predictor_requests_in_flight") == 1, SECONDS, "the long one")
    cancelled = [oip.ModelInfer.future(a_request(service, "heavy", 2), timeout=SECONDS) for _ in range(3)]
    expired = [oip.ModelInfer.future(a_request(service, "heavy", 3), timeout=0.2) for _ in range(2)]
    until(lambda: service.registry.get_sample_value("pushline_predictor_requests_in_flight") == 6, SECONDS, "all waiting")
    for call in cancelled:
        call.cancel()

    assert long.result().outputs[0].shape[0] == 400
    assert {call.code() for call in expired} == {Code.DEADLINE_EXCEEDED}
    until(lambda: counted(service, Code.CANCELLED) + counted(service, Code.DEADLINE_EXCEEDED) == 5, SECONDS, "all told")
    assert counted(service, Code.OK) == 1


def test_large_messages_that_wait_are_bounded_by_their_bytes(service: Service, channel: grpc.Channel) -> None:
    oip = oip_grpc.GRPCInferenceServiceStub(channel)
    request = a_request(service, "numbers", 1)
    request.raw_input_contents[0] = b"\0" * (1 << 19)
    long = oip.ModelInfer.future(a_request(service, "heavy", 400), timeout=SECONDS)
    calls = [oip.ModelInfer.future(request, timeout=SECONDS) for _ in range(40)]

    assert {call.code() for call in calls} <= {Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED}
    assert long.result().outputs[0].shape[0] == 400
    assert oip.ModelInfer(a_request(service, "numbers", 1), timeout=SECONDS).model_name == "numbers"


def test_a_loop_that_stands_still_for_a_while_refuses_no_call(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, grpcio cancels some of the calls that wait for it from 1000 on."""
    many, connections = 2400, 3
    go_on, stands = threading.Event(), threading.Event()
    take = service.door._wire._take

    def stand_still(calls: list[Any]) -> None:
        if calls:
            stands.set()
            go_on.wait(SECONDS)
        take(calls)

    monkeypatch.setattr(service.door._wire, "_take", stand_still)
    request = a_request(service, "numbers", 1)
    with ExitStack() as stack:
        stubs = [oip_grpc.GRPCInferenceServiceStub(stack.enter_context(channel_to(service))) for _ in range(connections)]
        first = stubs[0].ModelInfer.future(request, timeout=SECONDS)
        assert stands.wait(SECONDS)
        asked = [stubs[number % connections].ModelInfer.future(request, timeout=SECONDS) for number in range(many)]
        refused = [call for call in asked if call.done()]
        go_on.set()
        answers = [call.result() for call in (first, *asked)]

    assert refused == []
    assert all(answer.model_version == "1" for answer in answers)
