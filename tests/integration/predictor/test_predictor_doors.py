"""The gRPC doors over a real channel: right answers, and every bad request told what is wrong with it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from open_inference import open_inference_grpc_pb2 as pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.predictor.grpc_server import SERVICES
from pushline.predictor.service import Service
from pushline.serving.v1 import serving_pb2, serving_pb2_grpc
from tests.fixtures.predictor.deploying import DOUBLE, MIXED, Line
from tests.fixtures.predictor.running import a_line, channel_to, running, wait_until_sure

LABELS = ("low", "middle", "high")
MAX_ROWS, MAX_MESSAGE = 100, 16 * 1024
Input = pb.ModelInferRequest.InferInputTensor
Code = grpc.StatusCode


@dataclass(frozen=True)
class Deployed:
    service: Service
    line: Line
    channel: grpc.Channel
    oip: oip_grpc.GRPCInferenceServiceStub
    typed: serving_pb2_grpc.PredictorStub


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    line, log, store = a_line()
    line.deploy(DOUBLE, labels=LABELS)
    line.deploy(MIXED, model="mixed", task="regression")
    limits = {"models": "numbers,mixed,later", "max_rows": str(MAX_ROWS), "max_message": f"{MAX_MESSAGE // 1024}KiB"}
    with running(tmp_path_factory.mktemp("cache"), log, store, **limits) as service, channel_to(service) as channel:
        for model in ("numbers", "mixed"):
            wait_until_sure(service, 1, model)
        yield Deployed(service, line, channel, oip_grpc.GRPCInferenceServiceStub(channel), serving_pb2_grpc.PredictorStub(channel))


def floats(*values: float) -> pb.InferTensorContents:
    return pb.InferTensorContents(fp32_contents=values)


def an_input(**changes: object) -> Input:
    fields: dict[str, object] = {"name": "x", "datatype": "FP32", "shape": (1, 4), "contents": floats(1, 2, 3, 4)}
    return Input(**(fields | changes))  # type: ignore[arg-type]  # the table's own fields


def a_request(*inputs: Input, **changes: object) -> pb.ModelInferRequest:
    fields: dict[str, object] = {"model_name": "numbers", "inputs": inputs or (an_input(),)}
    return pb.ModelInferRequest(**(fields | changes))  # type: ignore[arg-type]  # likewise


def test_typed_contents_are_answered_in_typed_contents(deployed: Deployed) -> None:
    answer = deployed.oip.ModelInfer(a_request(id="one"))

    assert answer.id == "one"
    assert list(answer.outputs[0].contents.fp32_contents) == [2, 4, 6]
    assert (answer.outputs[0].datatype, list(answer.outputs[0].shape)) == ("FP32", [1, 3])
    assert not answer.raw_output_contents


def test_raw_contents_are_answered_in_raw_contents(deployed: Deployed) -> None:
    raw = struct.pack("<8f", *range(8))
    request = a_request(an_input(shape=(2, 4), contents=None), raw_input_contents=[raw])

    answer = deployed.oip.ModelInfer(request)

    assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == [0, 2, 4, 8, 10, 12]
    assert not answer.outputs[0].HasField("contents")


def test_two_inputs_of_different_types_are_taken_in_any_order(deployed: Deployed) -> None:
    scale = Input(name="scale", datatype="FP32", shape=(1, 1), contents=floats(0.5))
    tokens = Input(name="tokens", datatype="INT32", shape=(1, 2), contents=pb.InferTensorContents(int_contents=[3, 4]))

    answers = [deployed.oip.ModelInfer(a_request(*both, model_name="mixed")) for both in ((scale, tokens), (tokens, scale))]

    assert [list(answer.outputs[0].contents.fp32_contents) for answer in answers] == [[3.5], [3.5]]


def test_every_answer_says_who_gave_it(deployed: Deployed) -> None:
    event = deployed.line.newest["numbers"]

    answer, call = deployed.oip.ModelInfer.with_call(a_request())

    said = dict(call.trailing_metadata())
    assert said["x-pushline-model"] == "numbers"
    assert said["x-pushline-digest"] == event.digest == answer.parameters["digest"].string_param
    assert said["x-pushline-commit"] == event.commit.sha == answer.parameters["commit"].string_param
    assert said["x-pushline-deploy-seq"] == "1" == answer.model_version
    assert answer.parameters["deploy_seq"].int64_param == 1
    assert said["x-pushline-stale"] == "false"
    assert not answer.parameters["stale"].bool_param


def test_the_typed_door_gives_label_and_identity(deployed: Deployed) -> None:
    x = serving_pb2.Tensor(shape=(2, 4), values=(9, 1, 1, 0, 0, 0, 5, 0))

    answer = deployed.typed.Predict(serving_pb2.PredictRequest(model="numbers", x=x))

    assert list(answer.labels) == ["low", "high"]
    assert list(answer.y.values) == [18, 2, 2, 0, 0, 10]
    assert answer.probabilities == answer.y  # the model says that these are some
    assert answer.answered_by.commit == deployed.line.newest["numbers"].commit.sha
    assert answer.answered_by.run_id == deployed.line.newest["numbers"].run_id


def test_the_typed_door_takes_several_inputs_by_name(deployed: Deployed) -> None:
    inputs = {"tokens": serving_pb2.Tensor(shape=(1, 2), values=(3, 4)), "scale": serving_pb2.Tensor(shape=(1, 1), values=(2,))}

    answer = deployed.typed.Predict(serving_pb2.PredictRequest(model="mixed", inputs=inputs))

    assert list(answer.y.values) == [14]
    assert not answer.labels
    assert not answer.HasField("probabilities")


BAD_INPUT = [
    pytest.param(a_request(an_input(name="z")), Code.INVALID_ARGUMENT, "inputs.z", id="wrong name"),
    pytest.param(a_request(an_input(name="")), Code.INVALID_ARGUMENT, "inputs.", id="no name"),
    pytest.param(a_request(an_input(datatype="FP64")), Code.INVALID_ARGUMENT, "inputs.x.contents", id="contents of another type"),
    pytest.param(
        a_request(an_input(datatype="INT64", contents=pb.InferTensorContents(int64_contents=[1, 2, 3, 4]))),
        Code.INVALID_ARGUMENT,
        "inputs.x.datatype",
        id="wrong dtype",
    ),
    pytest.param(a_request(an_input(datatype="BYTES")), Code.INVALID_ARGUMENT, "inputs.x.contents", id="no such dtype"),
    pytest.param(a_request(an_input(shape=(4,))), Code.INVALID_ARGUMENT, "inputs.x.shape", id="wrong rank"),
    pytest.param(a_request(an_input(shape=(1, 5))), Code.INVALID_ARGUMENT, "inputs.x.shape", id="wrong size"),
    pytest.param(a_request(an_input(shape=(0, 4), contents=floats())), Code.INVALID_ARGUMENT, "inputs.x.shape", id="no rows"),
    pytest.param(a_request(an_input(shape=(-1, 4))), Code.INVALID_ARGUMENT, "inputs.x.shape", id="negative size"),
    pytest.param(a_request(an_input(shape=(2**62, 4))), Code.INVALID_ARGUMENT, "inputs.x.contents", id="overflowing product"),
    pytest.param(a_request(an_input(contents=floats(1, 2))), Code.INVALID_ARGUMENT, "inputs.x.contents", id="too few values"),
    pytest.param(
        a_request(an_input(contents=None), raw_input_contents=[b"\0" * 15]),
        Code.INVALID_ARGUMENT,
        "inputs.x.contents",
        id="bytes that do not fit",
    ),
    pytest.param(
        a_request(an_input(contents=None), raw_input_contents=[b"\0" * 16] * 2),
        Code.INVALID_ARGUMENT,
        "raw_input_contents",
        id="more raw entries than inputs",
    ),
    pytest.param(
        a_request(raw_input_contents=[b"\0" * 16]), Code.INVALID_ARGUMENT, "inputs.x.contents", id="raw and typed at once"
    ),
    pytest.param(a_request(an_input(contents=floats(1, 2, 3, float("nan")))), Code.INVALID_ARGUMENT, "inputs.x.contents", id="NaN"),
    pytest.param(a_request(an_input(), an_input()), Code.INVALID_ARGUMENT, "inputs.x", id="an input twice"),
    pytest.param(a_request(an_input(), an_input(name="y")), Code.INVALID_ARGUMENT, "inputs.y", id="an unknown input beside"),
    pytest.param(
        pb.ModelInferRequest(model_name="numbers"),
        Code.INVALID_ARGUMENT,
        "inputs.x",
        id="no input",
    ),
    pytest.param(
        a_request(outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="z")]),
        Code.INVALID_ARGUMENT,
        "outputs.z",
        id="an unknown output",
    ),
    pytest.param(
        a_request(an_input(shape=(101, 4), contents=floats(*range(404)))),
        Code.RESOURCE_EXHAUSTED,
        "inputs.x.shape",
        id="too many rows",
    ),
]


@pytest.mark.parametrize(("message", "code", "field"), BAD_INPUT)
def test_bad_input_is_refused_naming_the_field(deployed: Deployed, message: pb.ModelInferRequest, code: Code, field: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        deployed.oip.ModelInfer(message)

    status = rpc_status.from_call(caught.value)
    details = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(details)
    assert details.field_violations[0].field == field
    assert caught.value.code() is code
    assert field in (caught.value.details() or "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"model_name": "other"}, Code.NOT_FOUND, id="unknown model"),
        pytest.param({"model_name": "later"}, Code.UNAVAILABLE, id="nothing deployed yet"),
        pytest.param({"model_version": "2"}, Code.NOT_FOUND, id="unknown version"),
        pytest.param({"model_version": "latest"}, Code.NOT_FOUND, id="no version"),
        pytest.param({"inputs": [an_input(contents=floats(*[3e38] * 4))]}, Code.OUT_OF_RANGE, id="an answer that is no number"),
        pytest.param({"id": "i" * MAX_MESSAGE}, Code.RESOURCE_EXHAUSTED, id="too large"),
    ],
)
def test_what_cannot_be_answered_has_a_code_of_its_own(deployed: Deployed, changes: dict[str, object], code: Code) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        deployed.oip.ModelInfer(a_request(**changes))

    assert caught.value.code() is code


def test_bytes_that_are_no_message_are_the_callers_fault(deployed: Deployed) -> None:
    infer: grpc.UnaryUnaryMultiCallable[bytes, bytes] = deployed.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    with pytest.raises(grpc.RpcError) as caught:
        infer(b"\xff\xff\xff")

    assert caught.value.code() is Code.INVALID_ARGUMENT


def test_the_version_that_is_live_may_be_named(deployed: Deployed) -> None:
    assert deployed.oip.ModelInfer(a_request(model_version="1")).model_version == "1"


def test_the_model_describes_itself(deployed: Deployed) -> None:
    metadata = deployed.oip.ModelMetadata(pb.ModelMetadataRequest(name="mixed"))

    inputs = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs}
    assert inputs == {"tokens": ("INT32", [-1, 2]), "scale": ("FP32", [-1, 1])}
    assert list(metadata.versions) == ["1"]
    assert metadata.properties["commit"] == deployed.line.newest["mixed"].commit.sha


def test_the_server_tells_what_is_ready(deployed: Deployed) -> None:
    ready = {
        name: deployed.oip.ModelReady(pb.ModelReadyRequest(name=name)).ready for name in ("numbers", "mixed", "later", "other")
    }

    assert ready == {"numbers": True, "mixed": True, "later": False, "other": False}
    assert deployed.oip.ServerLive(pb.ServerLiveRequest()).live
    assert not deployed.oip.ServerReady(pb.ServerReadyRequest()).ready  # one of the three named is not there yet
    assert deployed.oip.ServerMetadata(pb.ServerMetadataRequest()).name == "pushline-predictor"


def test_health_knows_every_service_and_waits_for_every_named_model(deployed: Deployed) -> None:
    stub = health_pb2_grpc.HealthStub(deployed.channel)

    answers = {stub.Check(health_pb2.HealthCheckRequest(service=name)).status for name in ("", *SERVICES)}

    assert answers == {health_pb2.HealthCheckResponse.NOT_SERVING}


def test_reflection_describes_every_service_it_lists(deployed: Deployed) -> None:
    database = ProtoReflectionDescriptorDatabase(deployed.channel)
    pool = DescriptorPool(database)

    listed = set(database.get_services())

    assert {*SERVICES, "grpc.health.v1.Health"} <= listed
    assert all(pool.FindServiceByName(name).methods for name in listed)


def test_calls_are_counted_by_method_and_code(deployed: Deployed) -> None:
    def count(code: str) -> float:
        labels = {"method": "ModelInfer", "code": code}
        return deployed.service.registry.get_sample_value("pushline_predictor_requests_total", labels) or 0.0

    before = count("OK"), count("NOT_FOUND")
    deployed.oip.ModelInfer(a_request())
    with pytest.raises(grpc.RpcError):
        deployed.oip.ModelInfer(a_request(model_name="other"))

    assert (count("OK"), count("NOT_FOUND")) == (before[0] + 1, before[1] + 1)
