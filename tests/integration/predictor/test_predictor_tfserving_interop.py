"""TensorFlow Serving's stock stubs, in an environment of their own, against a live predictor."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pushline.line.events import ModelDeployed
from pushline.tfserving.v1 import tfserving_pb2
from tests.fixtures.predictor.deploying import DOUBLE, MIXED
from tests.fixtures.predictor.running import a_line, running, wait_until_sure

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "predictor"
Y = [[2, 4, 6], [10, 12, 14]]


def seen_by(script: str, *arguments: str | Path) -> Any:
    subprocess.run([ROOT / "tools" / "interop-env", "tfs"], check=True, timeout=110)
    command = [ROOT / ".venv" / "interop-tfs" / "bin" / "python", "-I", FIXTURES / script, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=100, text=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelDeployed, dict[str, Any]]]:
    """What was deployed, and what the stock client saw of it."""
    line, log, store = a_line()
    event = line.deploy(DOUBLE)
    line.deploy(MIXED, model="mixed", task="regression")
    with running(tmp_path_factory.mktemp("cache"), log, store) as service:
        for model in ("numbers", "mixed"):
            wait_until_sure(service, 1, model)
        addresses = f"127.0.0.1:{service.door.port}", f"127.0.0.1:{service.rest.port}"
        yield event, seen_by("stock_tfserving_client.py", *addresses)


def test_the_stock_stubs_get_right_answers_that_name_commit_and_digest(deployed: tuple[ModelDeployed, dict[str, Any]]) -> None:
    event, seen = deployed
    answers = seen["answers"]

    assert [answers[form]["outputs"] for form in ("content", "filtered", "live")] == [{"output_0": Y}] * 3
    assert answers["content"]["float_val"] == {"output_0": [2, 4, 6, 10, 12, 14]}
    assert answers["typed"]["outputs"] == {"output_0": [[2, 4, 4]]}
    assert list(answers["mixed"]["outputs"].values()) == [[[3.5]]]
    assert {(each["version"], each["signature"]) for each in answers.values()} == {(1, "serving_default")}
    assert (answers["content"]["commit"], answers["content"]["digest"]) == (event.commit.sha, event.digest)


def test_the_stock_stubs_are_refused_with_the_codes_they_know(deployed: tuple[ModelDeployed, dict[str, Any]]) -> None:
    refusals = deployed[1]["refusals"]

    assert {name: code for name, (code, _) in refusals.items()} == {
        "model": "NOT_FOUND",
        "version": "NOT_FOUND",
        "label": "INVALID_ARGUMENT",
        "signature": "INVALID_ARGUMENT",
        "output": "INVALID_ARGUMENT",
        "shape": "INVALID_ARGUMENT",
        "dtype": "INVALID_ARGUMENT",
    }
    assert refusals["label"][1].startswith("model_spec.version_label")
    assert refusals["shape"][1].startswith("inputs.x.shape")


def test_metadata_and_status_are_unpacked_by_the_stock_stubs(deployed: tuple[ModelDeployed, dict[str, Any]]) -> None:
    seen = deployed[1]

    assert seen["metadata"]["unpacked"]
    assert (seen["metadata"]["version"], seen["metadata"]["method"]) == (1, "tensorflow/serving/predict")
    assert seen["metadata"]["inputs"] == {"tokens": ["int32", [None, 2]], "scale": ["float32", [None, 1]]}
    assert list(seen["metadata"]["outputs"].values()) == [["float32", [None, 1]]]
    assert seen["status"] == [[1, "AVAILABLE", 0]]
    assert seen["unknown"][0] == "NOT_FOUND"


def test_rest_is_answered_as_documented(deployed: tuple[ModelDeployed, dict[str, Any]]) -> None:
    rest = deployed[1]["rest"]

    assert rest["row"] == [200, {"predictions": Y}]
    assert rest["column"] == [200, {"outputs": Y}]
    assert rest["status"][1]["model_version_status"][0]["state"] == "AVAILABLE"
    assert "x" in rest["metadata"][1]["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    assert (rest["unknown"][0], set(rest["unknown"][1])) == (404, {"error"})


def test_our_messages_are_the_published_ones_field_by_field(tmp_path: Path) -> None:
    definition = tmp_path / "ours.pb"
    definition.write_bytes(tfserving_pb2.DESCRIPTOR.serialized_pb)

    told = seen_by("stock_tfserving_definition.py", definition)

    assert told["other"] == []
    assert {"TensorProto.half_val", "ModelSpec.version", "DataType.DT_UINT64", "PredictRequest.output_filter"} <= set(told["same"])
