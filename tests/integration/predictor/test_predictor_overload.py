"""More than it can do, and a stop under load: what is refused is refused clearly, what was begun is answered."""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from open_inference import open_inference_grpc_pb2 as pb
from pushline.client import Client, Overloaded, PredictionFailed
from pushline.predictor.service import Service
from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.running import a_line, channel_to, open_inference, running, wait_for, wait_until_sure

X = [[1.0, 2.0, 3.0, 4.0]]


def test_calls_beyond_the_limit_are_refused_at_once_and_the_others_answered(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store, max_in_flight="4", workers="2") as service:
        wait_until_sure(service, 1)
        with channel_to(service) as channel:
            infer = channel.unary_unary(
                "/inference.GRPCInferenceService/ModelInfer",
                request_serializer=pb.ModelInferRequest.SerializeToString,
                response_deserializer=pb.ModelInferResponse.FromString,
            )
            rows = 20_000
            x = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=(rows, 4))
            request = pb.ModelInferRequest(model_name="numbers", inputs=[x], raw_input_contents=[b"\0" * 16 * rows])
            calls = [infer.future(request, timeout=20) for _ in range(200)]
            codes = [call.code() for call in calls]

        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        with Client(f"127.0.0.1:{service.door.port}") as client:
            assert client.predict(X).y.tolist() == [[2, 4, 6]]


def test_callers_who_send_no_message_do_not_hold_the_threads(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait()
        yield from ()

    with running(tmp_path, log, store, workers="2") as service, channel_to(service) as channel:
        wait_until_sure(service, 1)
        infer: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        waiting = [infer.future(nothing(), timeout=30) for _ in range(12)]
        with Client(f"127.0.0.1:{service.door.port}", timeout_seconds=5) as client:
            assert client.predict(X).y.tolist() == [[2, 4, 6]]
        assert not any(call.done() for call in waiting)
        silent.set()


def test_a_stop_answers_what_was_begun_and_says_not_serving_first(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    refused: list[str] = []
    answered: list[int] = []
    with running(tmp_path, log, store, drain="300ms") as service:
        wait_until_sure(service, 1)
        asking = [threading.Thread(target=ask_until_refused, args=(service, answered, refused)) for _ in range(3)]
        for thread in asking:
            thread.start()
        wait_for(lambda: len(answered) > 20, "answers")

    for thread in asking:
        thread.join()
    assert set(refused) == {"UNAVAILABLE"}


def ask_until_refused(service: Service, answered: list[int], refused: list[str]) -> None:
    with Client(f"127.0.0.1:{service.door.port}", timeout_seconds=5) as client:
        while True:
            try:
                answered.append(client.predict(X).deploy_seq)
            except PredictionFailed as error:
                refused.append(error.code)
                return


def test_a_message_above_the_limit_is_refused_by_its_size_unpacked(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store, max_message="64KiB") as service:
        wait_until_sure(service, 1)
        with Client(f"127.0.0.1:{service.door.port}") as client, pytest.raises(Overloaded):
            client.predict([[0.0] * 4] * 20_000)
        with open_inference(service) as oip, pytest.raises(grpc.RpcError) as caught:
            oip.ModelInfer(pb.ModelInferRequest(id="0" * (8 << 20)), compression=grpc.Compression.Gzip)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_calls_beyond_what_a_connection_may_have_at_once_wait_in_their_client_and_are_answered(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    x = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=(1, 4))
    request = pb.ModelInferRequest(model_name="numbers", inputs=[x], raw_input_contents=[b"\0" * 16])
    with running(tmp_path, log, store, max_streams="8") as service, open_inference(service) as oip:
        wait_until_sure(service, 1)
        calls = [oip.ModelInfer.future(request, timeout=20) for _ in range(2000)]
        codes = {call.code() for call in calls}

    assert codes == {grpc.StatusCode.OK}
