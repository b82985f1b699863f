"""TensorFlow Serving's doors over real sockets: the literal method names, codes, statuses, identity, limits and reflection."""

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.wrappers_pb2 import Int64Value
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from pushline.predictor.service import Service
from pushline.tfserving.v1 import tfserving_pb2 as pb
from tests.fixtures.predictor.deploying import DOUBLE, MIXED, Line
from tests.fixtures.predictor.running import a_line, channel_to, running, wait_until_sure

Code = grpc.StatusCode
MAX_MESSAGE = 16 * 1024
JSON = "application/json"


@dataclass(frozen=True)
class Told:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Deployed:
    service: Service
    line: Line
    channel: grpc.Channel

    def call(self, method: str, request: Message, answer: type[Message]) -> tuple[Any, dict[str, str | bytes]]:
        """Call by the method's literal name, as the stock stubs do."""
        stub: grpc.UnaryUnaryMultiCallable[Message, Message] = self.channel.unary_unary(
            f"/tensorflow.serving.{method}", lambda message: message.SerializeToString(), answer.FromString
        )
        came, call = stub.with_call(request, timeout=20)
        return came, dict(call.trailing_metadata() or ())

    def predict(self, request: pb.PredictRequest) -> tuple[pb.PredictResponse, dict[str, str | bytes]]:
        return self.call("PredictionService/Predict", request, pb.PredictResponse)

    def metadata(self, request: pb.GetModelMetadataRequest) -> tuple[pb.GetModelMetadataResponse, dict[str, str | bytes]]:
        return self.call("PredictionService/GetModelMetadata", request, pb.GetModelMetadataResponse)

    def status(self, spec: pb.ModelSpec) -> tuple[pb.GetModelStatusResponse, dict[str, str | bytes]]:
        return self.call("ModelService/GetModelStatus", pb.GetModelStatusRequest(model_spec=spec), pb.GetModelStatusResponse)

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Told:
        connection = http.client.HTTPConnection("127.0.0.1", self.service.rest.port, timeout=20)
        try:
            connection.request("GET" if body is None else "POST", f"/v1/models/{path}", body, headers or {})
            response = connection.getresponse()
            return Told(response.status, {name.lower(): text for name, text in response.getheaders()}, json.load(response))
        finally:
            connection.close()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    line.deploy(MIXED, model="mixed", task="regression")
    limits = {"models": "numbers,mixed,later", "max_rows": "100", "max_message": f"{MAX_MESSAGE // 1024}KiB"}
    with running(tmp_path_factory.mktemp("cache"), log, store, **limits) as service, channel_to(service) as channel:
        for model in ("numbers", "mixed"):
            wait_until_sure(service, 1, model)
        yield Deployed(service, line, channel)


def a_tensor(*sizes: int, **numbers: Any) -> pb.TensorProto:
    shape = pb.TensorShapeProto(dim=[pb.TensorShapeProto.Dim(size=size) for size in sizes])
    return pb.TensorProto(dtype=pb.DT_FLOAT, tensor_shape=shape, **numbers)


def a_request(x: pb.TensorProto | None = None, **changes: Any) -> pb.PredictRequest:
    spec = pb.ModelSpec(**({"name": "numbers"} | changes.pop("spec", {})))
    return pb.PredictRequest(model_spec=spec, inputs={"x": x or a_tensor(1, 4, float_val=[1, 2, 3, 4])}, **changes)


def test_a_prediction_says_who_gave_it(deployed: Deployed) -> None:
    event = deployed.line.newest["numbers"]

    answer, said = deployed.predict(a_request(a_tensor(2, 4, float_val=[1, 2, 3])))

    assert list(answer.outputs["output_0"].float_val) == [2, 4, 6, 6, 6, 6]
    assert [dim.size for dim in answer.outputs["output_0"].tensor_shape.dim] == [2, 3]
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("numbers", 1)
    assert (said["x-pushline-digest"], said["x-pushline-commit"]) == (event.digest, event.commit.sha)
    assert (said["x-pushline-model"], said["x-pushline-deploy-seq"], said["x-pushline-stale"]) == ("numbers", "1", "false")


def test_metadata_and_status_say_who_is_live(deployed: Deployed) -> None:
    spec = pb.ModelSpec(name="mixed", version=Int64Value(value=1))

    found, of_metadata = deployed.metadata(pb.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"]))
    status, of_status = deployed.status(spec)

    assert found.metadata["signature_def"].type_url.endswith("/tensorflow.serving.SignatureDefMap")
    signature = pb.SignatureDefMap.FromString(found.metadata["signature_def"].value).signature_def["serving_default"]
    assert (signature.inputs["tokens"].dtype, signature.inputs["scale"].dtype) == (pb.DT_INT32, pb.DT_FLOAT)
    assert [one.version for one in status.model_version_status] == [1]
    digest = deployed.line.newest["mixed"].digest
    assert of_metadata["x-pushline-digest"] == of_status["x-pushline-digest"] == digest


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        pytest.param(pb.PredictRequest(), Code.INVALID_ARGUMENT, "model_spec", id="no model_spec"),
        pytest.param(a_request(spec={"name": "other"}), Code.NOT_FOUND, "", id="unknown model"),
        pytest.param(a_request(spec={"name": "later"}), Code.UNAVAILABLE, "", id="nothing deployed yet"),
        pytest.param(a_request(spec={"version": Int64Value(value=2)}), Code.NOT_FOUND, "", id="absent version"),
        pytest.param(a_request(spec={"version_label": "new"}), Code.INVALID_ARGUMENT, "model_spec.version_label", id="label"),
        pytest.param(a_request(spec={"signature_name": "z"}), Code.INVALID_ARGUMENT, "model_spec.signature_name", id="signature"),
        pytest.param(a_request(output_filter=["z"]), Code.INVALID_ARGUMENT, "outputs.z", id="unknown output"),
        pytest.param(a_request(output_filter=["output_0"] * 2), Code.INVALID_ARGUMENT, "outputs.output_0", id="output twice"),
        pytest.param(a_request(a_tensor(1, 5, float_val=[1])), Code.INVALID_ARGUMENT, "inputs.x.shape", id="wrong size"),
        pytest.param(a_request(a_tensor(1, 4, int_val=[1])), Code.INVALID_ARGUMENT, "inputs.x.int_val", id="wrong field"),
        pytest.param(a_request(a_tensor(101, 4, float_val=[1])), Code.RESOURCE_EXHAUSTED, "inputs.x.tensor_shape", id="rows"),
        pytest.param(a_request(a_tensor(2**40, 4, float_val=[1])), Code.RESOURCE_EXHAUSTED, "inputs.x.tensor_shape", id="a claim"),
        pytest.param(a_request(a_tensor(1, 2**40, float_val=[1])), Code.INVALID_ARGUMENT, "inputs.x.shape", id="a wrong claim"),
        pytest.param(a_request(a_tensor(1, 4, float_val=[3e38])), Code.OUT_OF_RANGE, "", id="an answer that is no number"),
    ],
)
def test_what_cannot_be_answered_has_a_code_and_names_the_field(
    deployed: Deployed, request_: pb.PredictRequest, code: Code, field: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        deployed.predict(request_)

    assert caught.value.code() is code
    details = error_details_pb2.BadRequest()
    for detail in rpc_status.from_call(caught.value).details:
        assert detail.Unpack(details)
    assert [violation.field for violation in details.field_violations] == ([field] if field else [])


@pytest.mark.parametrize(
    ("call", "code"),
    [
        pytest.param(lambda line: line.status(pb.ModelSpec(name="other")), Code.NOT_FOUND, id="status of an unknown model"),
        pytest.param(lambda line: line.status(pb.ModelSpec(name="later")), Code.UNAVAILABLE, id="status of what is not there yet"),
        pytest.param(
            lambda line: line.metadata(pb.GetModelMetadataRequest(model_spec=pb.ModelSpec(name="numbers"))),
            Code.INVALID_ARGUMENT,
            id="metadata without a field",
        ),
        pytest.param(
            lambda line: line.call("PredictionService/Classify", pb.PredictRequest(), pb.PredictResponse),
            Code.UNIMPLEMENTED,
            id="classify",
        ),
    ],
)
def test_other_calls_have_codes_too(deployed: Deployed, call: Callable[[Deployed], object], code: Code) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(deployed)

    assert caught.value.code() is code


def test_bytes_that_are_no_message_are_the_callers_fault(deployed: Deployed) -> None:
    predict: grpc.UnaryUnaryMultiCallable[bytes, bytes] = deployed.channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict"
    )

    with pytest.raises(grpc.RpcError) as caught:
        predict(b"\xff\xff\xff")

    assert caught.value.code() is Code.INVALID_ARGUMENT


def test_a_tool_that_knows_reflection_alone_can_call_and_read_the_packed_signature(deployed: Deployed) -> None:
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(deployed.channel))
    method = pool.FindServiceByName("tensorflow.serving.PredictionService").FindMethodByName("GetModelMetadata")
    question, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    request: Any = question(metadata_field=["signature_def"])
    request.model_spec.name = "numbers"

    found, _ = deployed.call("PredictionService/GetModelMetadata", request, answer)

    told = MessageToDict(found, descriptor_pool=pool)["metadata"]["signature_def"]
    assert told["@type"] == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    assert told["signatureDef"]["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


def test_rows_and_columns_are_answered_by_who_says_its_name(deployed: Deployed) -> None:
    event = deployed.line.newest["numbers"]

    row = deployed.ask("numbers:predict", b'{"instances": [[1, 2, 3, 4], [5, 6, 7, 8]]}')
    column = deployed.ask("mixed/versions/1:predict", b'{"inputs": {"tokens": [[3, 4]], "scale": [[0.5]]}}')

    assert (row.status, row.body, row.headers["content-type"]) == (200, {"predictions": [[2, 4, 6], [10, 12, 14]]}, JSON)
    assert (row.headers["x-pushline-digest"], row.headers["x-pushline-deploy-seq"]) == (event.digest, "1")
    assert (column.status, column.body) == (200, {"outputs": [[3.5]]})


def test_curl_calls_json_a_form_and_is_answered(deployed: Deployed) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    assert deployed.ask("numbers:predict", b'{"instances": [[1, 2, 3, 4]]}', form).body == {"predictions": [[2, 4, 6]]}


@pytest.mark.parametrize("path", ["numbers", "numbers/versions/1"])
def test_status_and_metadata_are_told_over_rest(deployed: Deployed, path: str) -> None:
    status, metadata = deployed.ask(path), deployed.ask(f"{path}/metadata")

    assert (status.status, status.body["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    assert status.body["model_version_status"][0]["version"] == "1"
    assert (metadata.status, metadata.body["model_spec"]["version"]) == (200, "1")


BODY = b'{"instances": [[1, 2, 3, 4]]}'
ROW = b"[1, 2, 3, 4]"


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        pytest.param("other:predict", BODY, 404, "model 'other' is not served here", id="unknown model"),
        pytest.param("numbers/versions/7:predict", BODY, 404, "model 'numbers' has no version '7' here", id="absent version"),
        pytest.param("later:predict", BODY, 503, "nothing is deployed yet", id="nothing deployed yet"),
        pytest.param("numbers:predict", b"{", 400, "body: is no JSON", id="no JSON"),
        pytest.param("numbers:predict", b'{"instances": [{"b64": "AA=="}]}', 400, "inputs.x: holds an object", id="base64"),
        pytest.param(
            "numbers:predict", b'{"instances": [[1, 2, 3, NaN]]}', 400, "inputs.x.contents: holds NaN or an infinity", id="NaN"
        ),
        pytest.param(
            "numbers:predict",
            b'{"instances": [%s]}' % b",".join([ROW] * 101),
            413,
            "inputs.x.shape: has 101 rows",
            id="too many rows",
        ),
        pytest.param("numbers:predict", b" " * (MAX_MESSAGE + 1), 413, "the body is above 16384 bytes", id="too large"),
        pytest.param("numbers:classify", BODY, 501, "classify and regress take tf.Example", id="classify"),
        pytest.param("numbers/versions/1:regress", BODY, 501, "classify and regress take tf.Example", id="regress"),
        pytest.param("numbers/labels/new:predict", BODY, 400, "labels: are not supported", id="a label"),
        pytest.param("other", None, 404, "model 'other' is not served here", id="status of an unknown model"),
        pytest.param("numbers/versions/7/metadata", None, 404, "model 'numbers' has no version", id="metadata of no version"),
        pytest.param("later", None, 503, "nothing is deployed yet", id="status of what is not there yet"),
    ],
)
def test_what_rest_cannot_answer_is_an_error_with_a_sentence(
    deployed: Deployed, path: str, body: bytes | None, status: int, sentence: str
) -> None:
    told = deployed.ask(path, body)

    assert (told.status, set(told.body), told.headers["content-type"]) == (status, {"error"}, JSON)
    assert told.body["error"].startswith(sentence)
    assert ("retry-after" in told.headers) is (status == 503)


def test_both_doors_are_counted(deployed: Deployed) -> None:
    def count(method: str, code: str) -> float:
        labels = {"method": method, "code": code}
        return deployed.service.registry.get_sample_value("pushline_predictor_requests_total", labels) or 0.0

    before = [count("tensorflow/Predict", "OK"), count("rest", "200"), count("rest", "404")]
    deployed.predict(a_request())
    deployed.ask("numbers:predict", BODY)
    deployed.ask("other:predict", BODY)

    assert [count("tensorflow/Predict", "OK"), count("rest", "200"), count("rest", "404")] == [each + 1 for each in before]
