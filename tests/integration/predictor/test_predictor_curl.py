"""curl against a live predictor, as README writes it: JSON, gzip both ways, a binary tensor."""

import gzip
import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.predictor.stock import Live, live

X = {"name": "x", "datatype": "FP32", "shape": [2, 4], "data": [[1, 2, 3, 4], [5, 6, 7, 8]]}
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    assert shutil.which("curl"), "curl is missing (Debian, Ubuntu: apt-get install curl)"
    with live(tmp_path_factory.mktemp("cache")) as predictor:
        yield predictor


def curl(predictor: Live, path: str, *words: str | Path) -> bytes:
    command = ["curl", "-sS", "--max-time", "20", f"http://{predictor.rest}{path}", *words]
    return subprocess.run(command, check=True, capture_output=True, timeout=30).stdout


def test_json_is_answered(predictor: Live) -> None:
    told = json.loads(curl(predictor, "/v2/models/numbers/infer", "-H", JSON, "-d", json.dumps({"id": "eight", "inputs": [X]})))

    assert (told["id"], told["outputs"][0]["data"]) == ("eight", [2, 4, 6, 10, 12, 14])
    assert told["parameters"]["commit"] == predictor.event.commit.sha


def test_a_gzipped_body_is_read_and_a_large_answer_is_gzipped(predictor: Live, tmp_path: Path) -> None:
    many = {"inputs": [X | {"shape": [1000, 4], "data": [1] * 4000}]}
    (tmp_path / "body").write_bytes(gzip.compress(json.dumps(many).encode()))
    words = ("-H", JSON, "-H", "Content-Encoding: gzip", "--data-binary", f"@{tmp_path / 'body'}", "-D", tmp_path / "headers")

    told = json.loads(curl(predictor, "/v2/models/numbers/infer", "--compressed", *words))

    assert told["outputs"][0]["data"] == [2.0] * 3000
    assert "content-encoding: gzip" in (tmp_path / "headers").read_text().lower()


def test_a_binary_tensor_is_read_behind_the_json(predictor: Live, tmp_path: Path) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": 16}}
    head = json.dumps({"inputs": [tensor]}).encode()
    (tmp_path / "body").write_bytes(head + struct.pack("<4f", 1, 2, 3, 4))
    size, kind = f"Inference-Header-Content-Length: {len(head)}", "Content-Type: application/octet-stream"

    told = json.loads(curl(predictor, "/v2/models/numbers/infer", "-H", size, "-H", kind, "--data-binary", f"@{tmp_path / 'body'}"))

    assert told["outputs"][0]["data"] == [2, 4, 6]


def test_the_models_are_listed_and_health_is_told(predictor: Live) -> None:
    assert json.loads(curl(predictor, "/v2/repository/index", "-X", "POST"))[0] == {
        "name": "dtypes",
        "version": "1",
        "state": "READY",
        "reason": "",
    }
    assert json.loads(curl(predictor, "/v2/health/ready")) == {"ready": True}
