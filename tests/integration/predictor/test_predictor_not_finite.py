"""NaN and infinities, in and out, at every door: refused and counted by default; where they are allowed, counted all the same."""

import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection

import grpc
import pytest

from open_inference import open_inference_grpc_pb2 as oip
from pushline.predictor.service import Service
from pushline.serving.v1 import serving_pb2, serving_pb2_grpc
from pushline.tfserving.v1 import tfserving_pb2 as tfs
from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.running import a_line, channel_to, open_inference, running, wait_until_sure

NAN, INF = math.nan, math.inf
TOO_MUCH = (3e38, 0.0, 0.0, 0.0)  # finite, and twice as much is not
Door = Callable[[Service, Sequence[float]], str]
FINE = (1.0, 2.0, 3.0, 4.0)
SHAPED = {"name": "x", "datatype": "FP32", "shape": [1, 4]}


def raw_grpc(service: Service, x: Sequence[float]) -> str:
    tensor = oip.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=(1, 4))
    return oip_code(service, oip.ModelInferRequest(inputs=[tensor], raw_input_contents=[struct.pack("<4f", *x)]))


def typed_grpc(service: Service, x: Sequence[float]) -> str:
    tensor = oip.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=(1, 4))
    tensor.contents.fp32_contents.extend(x)
    return oip_code(service, oip.ModelInferRequest(inputs=[tensor]))


def oip_code(service: Service, request: oip.ModelInferRequest) -> str:
    with open_inference(service) as client:
        return str(client.ModelInfer.future(request, timeout=20).code().name)


def own_api(service: Service, x: Sequence[float]) -> str:
    with channel_to(service) as channel:
        request = serving_pb2.PredictRequest(x=serving_pb2.Tensor(shape=(1, 4), values=x))
        return str(serving_pb2_grpc.PredictorStub(channel).Predict.future(request, timeout=20).code().name)


def rest_binary(service: Service, x: Sequence[float]) -> str:
    head = json.dumps({"inputs": [{**SHAPED, "parameters": {"binary_data_size": 16}}], "parameters": {"binary_data_output": True}})
    return rest(service, head.encode() + struct.pack("<4f", *x), {"Inference-Header-Content-Length": str(len(head))})


def rest_json(service: Service, x: Sequence[float]) -> str:
    return rest(service, json.dumps({"inputs": [{**SHAPED, "data": list(x)}]}).replace("Infinity", "1e999").encode(), {})


def rest(service: Service, body: bytes, headers: dict[str, str], path: str = "/v2/models/numbers/infer") -> str:
    connection = HTTPConnection("127.0.0.1", service.rest.port, timeout=20)
    try:
        connection.request("POST", path, body, headers)
        return str(connection.getresponse().status)
    finally:
        connection.close()


def tfserving_grpc(service: Service, x: Sequence[float]) -> str:
    request = tfs.PredictRequest(model_spec=tfs.ModelSpec(name="numbers"))
    request.inputs["x"].dtype = tfs.DT_FLOAT
    request.inputs["x"].float_val.extend(x)
    for size in (1, 4):
        request.inputs["x"].tensor_shape.dim.add(size=size)
    with channel_to(service) as channel:
        path = "/tensorflow.serving.PredictionService/Predict"
        predict: grpc.UnaryUnaryMultiCallable[tfs.PredictRequest, bytes] = channel.unary_unary(
            path, tfs.PredictRequest.SerializeToString
        )
        return str(predict.future(request, timeout=20).code().name)


def tfserving_rest(service: Service, x: Sequence[float]) -> str:
    """NaN and Infinity stand in its JSON, as TensorFlow Serving has it."""
    return rest(service, json.dumps({"instances": [list(x)]}).encode(), {}, "/v1/models/numbers:predict")


GRPC_DOORS, REST_DOORS = (raw_grpc, typed_grpc, own_api, tfserving_grpc), (rest_binary, rest_json, tfserving_rest)
DOORS = (*GRPC_DOORS, *REST_DOORS)
INPUTS = [
    (door, number) for door in DOORS for number in (NAN, INF, -INF) if not (door is rest_json and math.isnan(number))
]  # no JSON
ALLOWED: dict[Door, str] = {
    rest_binary: "200",
    rest_json: "400",
    tfserving_rest: "200",
}  # JSON cannot say the answer; the others give OK


@pytest.fixture(scope="module", params=["refuse", "allow"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Service]]:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path_factory.mktemp("cache"), log, store, non_finite=request.param) as started:
        wait_until_sure(started, 1)
        yield request.param, started


def counted(service: Service, where: str) -> float:
    return service.registry.get_sample_value("pushline_predictor_not_finite_total", {"model": "numbers", "where": where}) or 0.0


@pytest.mark.parametrize(("door", "number"), INPUTS)
def test_what_is_no_number_is_refused_and_counted_where_it_is_not_allowed(
    service: tuple[str, Service], door: Door, number: float
) -> None:
    mode, predictor = service
    for again in range(2):  # the second one is like a request before in all but its numbers
        assert door(predictor, FINE) in ("OK", "200")
        before = counted(predictor, "input"), counted(predictor, "output")
        told = door(predictor, (number, 0.0, 0.0, 0.0))
        after = counted(predictor, "input"), counted(predictor, "output")

        if mode == "refuse":
            assert told == ("INVALID_ARGUMENT" if door in GRPC_DOORS else "400"), again
            assert after == (before[0] + 1, before[1])
        else:
            assert told == ALLOWED.get(door, "OK"), again
            assert after == (before[0], before[1] + 1)


@pytest.mark.parametrize("door", DOORS)
def test_an_answer_that_is_no_number_is_never_silent(service: tuple[str, Service], door: Door) -> None:
    mode, predictor = service
    for _ in range(2):
        before = counted(predictor, "output")
        told = door(predictor, TOO_MUCH)

        if mode == "refuse":
            assert told == ("OUT_OF_RANGE" if door in GRPC_DOORS else "400")
        else:
            assert told == ALLOWED.get(door, "OK")
        assert counted(predictor, "output") == before + 1


def test_the_refusals_say_what_is_wrong(service: tuple[str, Service]) -> None:
    mode, predictor = service
    tensor = oip.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=(1, 4))
    with open_inference(predictor) as client:
        asked = [
            client.ModelInfer.future(
                oip.ModelInferRequest(inputs=[tensor], raw_input_contents=[struct.pack("<4f", *x)]), timeout=20
            )
            for x in ((NAN, 0, 0, 0), TOO_MUCH)
        ]
        sentences = [call.details() or "" for call in asked]

    expected = ["inputs.x.contents: holds NaN or an infinity", "the model's output output_0 is not a finite number for this input"]
    assert sentences == (expected if mode == "refuse" else ["", ""])
    assert {call.code() for call in asked} == (
        {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE} if mode == "refuse" else {grpc.StatusCode.OK}
    )
