"""The REST door over a real socket: right answers, and every bad request told what is wrong with it."""

import gzip
import http.client
import json
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pushline.predictor.service import Service
from tests.fixtures.predictor.deploying import DOUBLE, HEAVY, MIXED, Line
from tests.fixtures.predictor.running import a_line, running, wait_until_sure

JSON = "application/json"
SIZE = "Inference-Header-Content-Length"
X: dict[str, object] = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
MAX_MESSAGE = 16 * 1024


@dataclass(frozen=True)
class Told:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Deployed:
    service: Service
    line: Line

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Told:
        return ask(self.service, path, body, headers)

    def infer(self, *inputs: dict[str, object], model: str = "numbers", **more: Any) -> Told:
        return self.ask(f"/v2/models/{model}/infer", json.dumps({"inputs": inputs or (X,), **more}).encode())


def ask(service: Service, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Told:
    connection = http.client.HTTPConnection("127.0.0.1", service.rest.port, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        response = connection.getresponse()
        return Told(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    line, log, store = a_line()
    line.deploy(DOUBLE, labels=("low", "middle", "high"))
    line.deploy(MIXED, model="mixed", task="regression")
    limits = {"models": "numbers,mixed,later", "max_rows": "100", "max_message": f"{MAX_MESSAGE // 1024}KiB"}
    with running(tmp_path_factory.mktemp("cache"), log, store, **limits) as service:
        for model in ("numbers", "mixed"):
            wait_until_sure(service, 1, model)
        yield Deployed(service, line)


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6, 7, 8], [[1, 2, 3, 4], [5, 6, 7, 8]]], ids=["flat", "nested"])
def test_flat_and_nested_data_are_answered_by_who_says_its_name(deployed: Deployed, data: list[object]) -> None:
    event = deployed.line.newest["numbers"]

    told = deployed.infer(X | {"shape": [2, 4], "data": data}, id="one")

    assert (told.status, told.headers["content-type"], told.headers["x-pushline-digest"]) == (200, JSON, event.digest)
    (output,) = told.body["outputs"]
    assert (output["datatype"], output["shape"], output["data"]) == ("FP32", [2, 3], [2, 4, 6, 10, 12, 14])
    assert (told.body["model_name"], told.body["model_version"], told.body["id"]) == ("numbers", "1", "one")
    said = told.body["parameters"]
    assert (said["digest"], said["commit"], said["deploy_seq"], said["stale"]) == (event.digest, event.commit.sha, 1, False)


def test_two_inputs_of_different_types_are_answered(deployed: Deployed) -> None:
    tokens: dict[str, object] = {"name": "tokens", "datatype": "INT32", "shape": [1, 2], "data": [[3, 4]]}
    scale: dict[str, object] = {"name": "scale", "datatype": "FP32", "shape": [1, 1], "data": [0.5]}

    told = deployed.infer(scale, tokens, model="mixed")

    assert told.body["outputs"][0]["data"] == [3.5]


def test_binary_tensors_go_in_and_out_behind_the_json(deployed: Deployed) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": 16}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()

    told = deployed.ask("/v2/models/numbers/versions/1/infer", head + struct.pack("<4f", 1, 2, 3, 4), {SIZE: str(len(head))})

    size = int(told.headers[SIZE.lower()])
    assert told.headers["content-type"] == "application/octet-stream"
    assert json.loads(told.content[:size])["outputs"][0]["parameters"] == {"binary_data_size": 12}
    assert struct.unpack("<3f", told.content[size:]) == (2, 4, 6)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        pytest.param("/v2/health/live", 200, {"live": True}, id="live"),
        pytest.param("/v2/health/ready", 503, {"ready": False}, id="ready: a model that was asked for is not there"),
        pytest.param("/v2/models/numbers/ready", 200, {"name": "numbers", "ready": True}, id="model"),
        pytest.param("/v2/models/numbers/versions/1/ready", 200, {"name": "numbers", "ready": True}, id="version"),
    ],
)
def test_health_is_told_in_the_words_that_clients_read(deployed: Deployed, path: str, status: int, body: object) -> None:
    told = deployed.ask(path)

    assert (told.status, told.body, told.headers["content-type"]) == (status, body, JSON)


def test_metadata_names_server_and_model(deployed: Deployed) -> None:
    assert deployed.ask("/v2").body["extensions"] == ["binary_tensor_data", "model_repository"]
    for path in ("/v2/models/numbers", "/v2/models/numbers/versions/1"):
        body = deployed.ask(path).body
        assert (body["name"], body["versions"], body["platform"]) == ("numbers", ["1"], "pushline_litert")
        assert body["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]


BAD_INPUT = [
    pytest.param([X | {"name": "z"}], {}, 400, "inputs.z", id="wrong name"),
    pytest.param([X | {"name": 3}], {}, 400, "inputs[0].name", id="name that is no text"),
    pytest.param([X | {"datatype": "INT64"}], {}, 400, "inputs.x.datatype", id="wrong datatype"),
    pytest.param([X | {"datatype": "BYTES", "data": ["a"]}], {}, 400, "inputs.x.datatype", id="no such datatype"),
    pytest.param([X | {"shape": [4]}], {}, 400, "inputs.x.shape", id="wrong rank"),
    pytest.param([X | {"shape": "4"}], {}, 400, "inputs.x.shape", id="shape that is no list"),
    pytest.param([X | {"shape": [2**62, 4]}], {}, 400, "inputs.x", id="overflowing product"),
    pytest.param([X | {"data": [1, 2]}], {}, 400, "inputs.x.contents", id="too few values"),
    pytest.param([X | {"data": [[1, 2], [3, 4]]}], {}, 400, "inputs.x.data", id="nested otherwise than its shape"),
    pytest.param([X | {"data": [1, 2, 3, "4"]}], {}, 400, "inputs.x.data", id="a text among numbers"),
    pytest.param([X | {"data": [1, 2, 3, None]}], {}, 400, "inputs.x.data", id="null among numbers"),
    pytest.param([X | {"data": [1, 2, 3, 10**400]}], {}, 400, "inputs.x.data", id="a number beyond all"),
    pytest.param([X | {"data": [1, 2, 3, 1e300]}], {}, 400, "inputs.x.contents", id="a number beyond float32"),
    pytest.param([{"name": "x", "datatype": "FP32", "shape": [1, 4]}], {}, 400, "inputs.x.data", id="no data"),
    pytest.param([X | {"parameters": {"binary_data_size": 16}}], {}, 400, "inputs.x.data", id="data and binary size"),
    pytest.param([X, X], {}, 400, "inputs.x", id="an input twice"),
    pytest.param([X], {"outputs": [{"name": "z"}]}, 400, "outputs.z", id="an unknown output"),
    pytest.param([X], {"id": 7}, 400, "id", id="an id that is no text"),
    pytest.param([X], {"parameters": {"binary_data_output": 1}}, 400, "parameters.binary_data_output", id="a flag that is none"),
    pytest.param([X | {"shape": [101, 4], "data": [0] * 404}], {}, 413, "inputs.x.shape", id="too many rows"),
]


@pytest.mark.parametrize(("inputs", "more", "status", "field"), BAD_INPUT)
def test_bad_json_input_is_refused_naming_the_field(
    deployed: Deployed, inputs: list[dict[str, object]], more: dict[str, Any], status: int, field: str
) -> None:
    told = deployed.infer(*inputs, **more)

    assert (told.status, told.headers["content-type"]) == (status, JSON)
    assert told.body["error"].startswith(field)


BODY = json.dumps({"inputs": [X]}).encode()
BAD_BODIES = [
    pytest.param(b"", {}, 400, "body", id="nothing"),
    pytest.param(b"\xff", {}, 400, "body", id="no UTF-8"),
    pytest.param(b"[]", {}, 400, "body", id="no object"),
    pytest.param(b"[" * 9000, {}, 400, "body", id="deep nesting"),
    pytest.param(BODY.replace(b"4]}", b"NaN]}"), {}, 400, "body: is no JSON (NaN", id="NaN"),
    pytest.param(b'{"id":"a","id":"b"}', {}, 400, "body: is no JSON (a key stands twice", id="a key twice"),
    pytest.param(BODY, {SIZE: "9999"}, 400, SIZE, id="a header size beyond the body"),
    pytest.param(BODY, {SIZE: "-1"}, 400, SIZE, id="a header size that is none"),
    pytest.param(BODY + b"more", {SIZE: str(len(BODY))}, 400, "body: has 4 bytes more", id="bytes that nobody names"),
    pytest.param(BODY, {"Content-Type": "application/octet-stream"}, 415, "Content-Type", id="bytes without the header"),
    pytest.param(BODY, {"Content-Type": "text/xml"}, 415, "Content-Type", id="another content type"),
    pytest.param(BODY, {"Content-Encoding": "br"}, 415, "Content-Encoding: is br", id="an unknown coding"),
    pytest.param(BODY, {"Content-Encoding": "gzip"}, 400, "Content-Encoding: the body is no gzip", id="no gzip"),
    pytest.param(BODY, {"Content-Encoding": "deflate"}, 400, "Content-Encoding: the body is no deflate", id="no deflate"),
    pytest.param(
        gzip.compress(BODY)[:-9], {"Content-Encoding": "gzip"}, 400, "Content-Encoding: the body is no whole gzip", id="half"
    ),
    pytest.param(
        gzip.compress(BODY) + b"x", {"Content-Encoding": "gzip"}, 400, "Content-Encoding: bytes stand behind", id="behind"
    ),
    pytest.param(
        gzip.compress(b" " * (MAX_MESSAGE + 1)), {"Content-Encoding": "gzip"}, 413, "the body is above 16384", id="a bomb"
    ),
    pytest.param(b" " * (MAX_MESSAGE + 1), {}, 413, "the body is above 16384 bytes", id="too large"),
]


@pytest.mark.parametrize(("body", "headers", "status", "sentence"), BAD_BODIES)
def test_a_bad_body_is_refused_with_a_sentence(
    deployed: Deployed, body: bytes, headers: dict[str, str], status: int, sentence: str
) -> None:
    told = deployed.ask("/v2/models/numbers/infer", body, headers)

    assert (told.status, told.headers["content-type"]) == (status, JSON)
    assert told.body["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/v2/models/other/infer", 404, id="unknown model"),
        pytest.param("/v2/models/numbers/versions/7/infer", 404, id="unknown version"),
        pytest.param("/v2/models/later/infer", 503, id="nothing deployed yet"),
        pytest.param("/v2/nothing", 404, id="no such path"),
    ],
)
def test_what_is_not_here_is_told_apart(deployed: Deployed, path: str, status: int) -> None:
    told = deployed.ask(path, BODY)

    assert (told.status, set(told.body), told.headers["content-type"]) == (status, {"error"}, JSON)
    assert ("retry-after" in told.headers) is (status == 503)


def test_a_body_without_a_declared_size_is_bounded_too(deployed: Deployed) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", deployed.service.rest.port, timeout=20)
    connection.request("POST", "/v2/models/numbers/infer", iter([b" " * 1024] * 17), encode_chunked=True)

    assert connection.getresponse().status == 413
    connection.close()


def test_a_slow_body_is_ended_and_takes_no_place_of_others(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store, max_in_flight="1", body_timeout="1s") as service:
        wait_until_sure(service, 1)
        with socket.create_connection(("127.0.0.1", service.rest.port), timeout=20) as slow:
            slow.sendall(b"POST /v2/models/numbers/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            beside = ask(service, "/v2/models/numbers/infer", BODY).status
            assert b"408" in slow.recv(4096).partition(b"\r\n")[0]

        assert beside == 200


def test_too_many_requests_at_once_are_refused_and_the_others_answered(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(HEAVY)
    rows = {"name": "x", "datatype": "FP32", "shape": [64, 4], "data": [0] * 256}  # they take a tenth of a second
    many = json.dumps({"inputs": [rows]}).encode()
    with running(tmp_path, log, store, max_in_flight="1") as service, ThreadPoolExecutor(4) as clients:
        wait_until_sure(service, 1)
        told = list(clients.map(lambda _: ask(service, "/v2/models/numbers/infer", many), range(16)))

    assert {each.status for each in told} == {200, 429}
    assert {each.headers["retry-after"] for each in told if each.status == 429} == {"1"}
