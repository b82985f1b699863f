"""A model that takes texts, at every door, over real sockets: each answers what Keras answered, or says what is wrong."""

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from open_inference import open_inference_grpc_pb2 as oip
from pushline.client import BadRequest, Client
from pushline.engine.engine import Array
from pushline.engine.tensorflow_child.texts import pack
from pushline.predictor import texts
from pushline.predictor.service import Service
from pushline.serving.v1 import serving_pb2
from pushline.tfserving.v1 import tfserving_pb2 as tfs
from tests.fixtures.engine.kinds import PYTHON, Kind, make
from tests.fixtures.predictor.deploying_kinds import deploy
from tests.fixtures.predictor.running import a_line, channel_to, open_inference, running
from tests.fixtures.predictor.stock import seen_by
from tests.waiting import until

ROWS = 3
SECONDS = 90.0
pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Served:
    service: Service
    kind: Kind

    @property
    def rows(self) -> dict[str, Array]:
        return self.kind.rows(ROWS)

    def is_right(self, stars: Any) -> bool:
        wanted = self.kind.answers[ROWS]["stars"]
        return bool(np.allclose(np.asarray(stars, "float32").reshape(wanted.shape), wanted, 1e-6, 1e-6))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    kind = make(tmp_path_factory.mktemp("kinds"), ["texts"])["texts"]
    line, log, store = a_line()
    deploy(line, kind)
    with running(tmp_path_factory.mktemp("cache"), log, store, tensorflow_python=str(PYTHON)) as service:
        until(lambda: service.models.current("texts") is not None, SECONDS, "the model to be served")
        yield Served(service, kind)


def asked(rows: Mapping[str, Array], **contents: list[bytes]) -> oip.ModelInferRequest:
    """Typed contents; `contents` by name in the place of a row's own."""
    request = oip.ModelInferRequest(model_name="texts", id="seven")
    for name, array in rows.items():
        tensor = request.inputs.add(name=name, datatype="BYTES" if array.dtype.kind == "S" else "FP32", shape=array.shape)
        field = tensor.contents.bytes_contents if array.dtype.kind == "S" else tensor.contents.fp32_contents
        field.extend(contents.get(name, array.ravel().tolist()))
    return request


def raw(rows: Mapping[str, Array], **contents: bytes) -> oip.ModelInferRequest:
    request = asked(rows)
    for tensor, array in zip(request.inputs, rows.values(), strict=True):
        tensor.ClearField("contents")
        own = pack(array.ravel().tolist()) if array.dtype.kind == "S" else array.tobytes()
        request.raw_input_contents.append(contents.get(tensor.name, own))
    return request


def post(service: Service, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, Any, bytes]:
    """Give status, JSON of what is JSON, and the bytes behind it."""
    connection = http.client.HTTPConnection("127.0.0.1", service.rest.port, timeout=SECONDS)
    try:
        connection.request("POST", path, body, dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
        size = int(response.getheader("Inference-Header-Content-Length") or len(content))
        return response.status, json.loads(content[:size]), content[size:]
    finally:
        connection.close()


def plain(array: Array) -> list[Any]:
    return [each.decode() if isinstance(each, bytes) else each for each in array.ravel().tolist()]


def test_typed_contents_are_answered_in_typed_contents_with_the_id(served: Served) -> None:
    with open_inference(served.service) as stub:
        told = stub.ModelInfer(asked(served.rows), timeout=SECONDS)

    assert told.id == "seven"
    assert served.is_right(told.outputs[0].contents.fp32_contents)


def test_raw_contents_are_answered_in_raw_contents(served: Served) -> None:
    with open_inference(served.service) as stub:
        told = stub.ModelInfer(raw(served.rows), timeout=SECONDS)

    assert served.is_right(np.frombuffer(told.raw_output_contents[0], "<f4"))


def test_metadata_says_bytes(served: Served) -> None:
    with open_inference(served.service) as stub:
        told = stub.ModelMetadata(oip.ModelMetadataRequest(name="texts"), timeout=SECONDS)

    assert [(each.name, each.datatype, list(each.shape)) for each in told.inputs] == [
        ("review", "BYTES", [-1]),
        ("shop", "BYTES", [-1, 1]),
        ("weight", "FP32", [-1, 2]),
    ]


def test_rest_takes_texts_as_json_and_as_binary_side_by_side(served: Served) -> None:
    rows = served.rows
    shops = pack(rows["shop"].ravel().tolist())
    inputs = [
        {"name": "review", "datatype": "BYTES", "shape": [ROWS], "data": plain(rows["review"])},
        {"name": "shop", "datatype": "BYTES", "shape": [ROWS, 1], "parameters": {"binary_data_size": len(shops)}},
        {"name": "weight", "datatype": "FP32", "shape": [ROWS, 2], "data": plain(rows["weight"])},
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()

    status, _, behind = post(
        served.service, "/v2/models/texts/infer", head + shops, {"Inference-Header-Content-Length": str(len(head))}
    )

    assert status == 200
    assert served.is_right(np.frombuffer(behind, "<f4"))


def test_tensorflow_serving_takes_dt_string(served: Served) -> None:
    request = tfs.PredictRequest()
    request.model_spec.name = "texts"
    for name, array in served.rows.items():
        tensor = request.inputs[name]
        tensor.dtype = tfs.DT_STRING if array.dtype.kind == "S" else tfs.DT_FLOAT
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        (tensor.string_val if array.dtype.kind == "S" else tensor.float_val).extend(array.ravel().tolist())

    with channel_to(served.service) as channel:
        path = "/tensorflow.serving.PredictionService/Predict"
        call = channel.unary_unary(path, tfs.PredictRequest.SerializeToString, tfs.PredictResponse.FromString)
        told = call(request, timeout=SECONDS)

    assert served.is_right(told.outputs["stars"].float_val)


@pytest.mark.parametrize("coded", [False, True], ids=["texts", "base64"])
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_tensorflow_servings_json_takes_texts_and_base64(served: Served, form: str, coded: bool) -> None:
    def said(value: Any) -> Any:
        if isinstance(value, bytes):
            return {"b64": base64.b64encode(value).decode()} if coded else value.decode()
        return [said(each) for each in value] if isinstance(value, list) else value

    columns = {name: said(array.tolist()) for name, array in served.rows.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    status, told, _ = post(
        served.service, "/v1/models/texts:predict", json.dumps({form: rows if form == "instances" else columns}).encode()
    )

    assert status == 200, told
    assert served.is_right(told["predictions" if form == "instances" else "outputs"])


def test_tritons_clients_send_texts_unmodified(served: Served, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", **served.rows)  # type: ignore[arg-type]  # NumPy's stubs take a name for allow_pickle
    service = served.service
    ports = (f"127.0.0.1:{service.door.port}", f"127.0.0.1:{service.rest.port}")

    told = seen_by("", "stock_texts_client.py", *ports, str(tmp_path / "rows.npz"))

    assert {way: served.is_right(stars) for way, stars in told.items()} == {"gRPC": True, "HTTP, binary": True, "HTTP, JSON": True}


def test_the_client_takes_texts(served: Served) -> None:
    with Client(f"127.0.0.1:{served.service.door.port}") as client:
        rows = served.rows
        told = client.predict({**rows, "review": plain(rows["review"])}, model="texts")
        with pytest.raises(BadRequest, match="review: holds int64; the model takes texts"):
            client.predict({**rows, "review": [1, 2, 3]}, model="texts")

    assert served.is_right(told.y)


def refused(served: Served, request: oip.ModelInferRequest) -> str:
    with open_inference(served.service) as stub, pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request, timeout=SECONDS)
    return f"{caught.value.code().name}: {caught.value.details()}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes are too few for 3 texts"),
        (b"\xff\xff\xff\xff" + b"x" * 20, "text 0 claims 4294967295 bytes; 20 are left"),
        (pack([b"one", b"two"]) + b"\0", "15 bytes hold 2 of 3 texts and 1 bytes more"),
        (pack([b"one", b"two", b"three", b"four"]), "hold 3 of 3 texts and 8 bytes more"),
    ],
    ids=["none", "a claimed length", "cut off", "one too many"],
)
def test_bytes_that_are_no_texts_are_refused(served: Served, content: bytes, said: str) -> None:
    sentence = refused(served, raw(served.rows, review=content))

    assert sentence.startswith("INVALID_ARGUMENT: inputs.review.contents: ")
    assert said in sentence


def test_a_claimed_number_of_texts_never_allocates(served: Served) -> None:
    request = asked(served.rows)
    for tensor in request.inputs:
        tensor.shape[0] = 2**40

    assert (
        refused(served, request)
        == f"RESOURCE_EXHAUSTED: inputs.review: claims {2**40} texts; the limit is {texts.MOST} in one input"
    )


def test_numbers_for_texts_and_texts_for_numbers_are_refused_by_name(served: Served) -> None:
    numbers = asked(served.rows)
    numbers.inputs[0].datatype = "FP32"
    numbers.inputs[0].ClearField("contents")
    numbers.inputs[0].contents.fp32_contents.extend([1, 2, 3])
    words = asked(served.rows)
    words.inputs[2].datatype = "BYTES"
    words.inputs[2].ClearField("contents")
    words.inputs[2].contents.bytes_contents.extend([b"x"] * 6)

    assert refused(served, numbers) == "INVALID_ARGUMENT: inputs.review.datatype: is float32; the model takes BYTES"
    assert refused(served, words) == "INVALID_ARGUMENT: inputs.weight.datatype: is BYTES; the model takes float32"


def test_the_typed_api_has_no_texts_and_says_where_to_ask(served: Served) -> None:
    request = serving_pb2.PredictRequest(model="texts")
    for name, array in served.rows.items():
        request.inputs[name].shape.extend(array.shape)
        request.inputs[name].values.extend([0.0] * array.size)

    with channel_to(served.service) as channel:
        path = "/pushline.serving.v1.Predictor/Predict"
        call = channel.unary_unary(path, serving_pb2.PredictRequest.SerializeToString, serving_pb2.PredictResponse.FromString)
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=SECONDS)

    assert "the model takes texts (BYTES), which the typed API has no field for" in (caught.value.details() or "")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("\ud800", "inputs.review.data: holds half of a character"),
        (7, "inputs.review.data: holds something that is no text"),
        (None, "inputs.review.data: holds something that is no text"),
    ],
    ids=["a lone surrogate", "a number", "nothing"],
)
def test_json_that_is_no_text_is_refused(served: Served, value: object, said: str) -> None:
    inputs = [
        {"name": "review", "datatype": "BYTES", "shape": [1], "data": [value]},
        {"name": "shop", "datatype": "BYTES", "shape": [1, 1], "data": ["south"]},
        {"name": "weight", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]},
    ]

    status, told, _ = post(served.service, "/v2/models/texts/infer", json.dumps({"inputs": inputs}).encode())

    assert status == 400
    assert told["error"].startswith(said)


@pytest.mark.parametrize("value", [{"b64": "no base64!"}, {"b64": 7}, {"b65": "QQ=="}, 7], ids=repr)
def test_tensorflow_servings_json_that_is_no_text_is_refused(served: Served, value: object) -> None:
    body = json.dumps({"inputs": {"review": [value], "shop": [["south"]], "weight": [[1, 2]]}}).encode()

    status, told, _ = post(served.service, "/v1/models/texts:predict", body)

    assert status == 400
    assert told["error"].startswith("inputs.review: holds ")


def test_any_bytes_at_all_are_a_text(served: Served) -> None:
    """Texts are nobody's UTF-8: what is none is still answered, or refused as the caller's."""
    with open_inference(served.service) as stub:
        told = stub.ModelInfer(raw(served.rows, review=pack([b"\xff\xfe", b"\0\0", b"x" * 100_000])), timeout=SECONDS)

    assert len(told.raw_output_contents[0]) == ROWS * 4
