"""grpcurl against a live predictor: what reflection lists and describes, a prediction with contents in JSON, health."""

import json
from collections.abc import Iterator

import pytest

from tests.fixtures.predictor.grpcurl import grpcurl, run
from tests.fixtures.predictor.stock import Live, live

OIP = "inference.GRPCInferenceService"
SERVICES = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    OIP,
    "pushline.serving.v1.Predictor",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
}
REQUEST = {"model_name": "numbers", "id": "six"}
X = {"name": "x", "datatype": "FP32", "shape": [1, 4], "contents": {"fp32_contents": [1, 2, 3, 4]}}

pytestmark = pytest.mark.timeout(900)  # the first time ever it is built


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    grpcurl()
    with live(tmp_path_factory.mktemp("cache")) as predictor:
        yield predictor


def answer(address: str, method: str, request: object) -> object:
    done = run("-d", json.dumps(request), address, method)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_service_is_listed_and_every_listed_method_described(predictor: Live) -> None:
    listed = set(run(predictor.grpc, "list").stdout.split())
    assert listed == SERVICES

    for service in listed:
        methods = run(predictor.grpc, "list", service).stdout.split()
        assert methods
        for method in methods:
            described = run(predictor.grpc, "describe", method)
            assert described.returncode == 0, described.stderr
            assert f"rpc {method.rpartition('.')[2]} (" in described.stdout


def test_messages_are_described_with_their_fields(predictor: Live) -> None:
    described = run(predictor.grpc, "describe", "inference.RepositoryIndexResponse.ModelIndex").stdout

    assert all(field in described for field in ("name = 1", "version = 2", "state = 3", "reason = 4"))


def test_a_prediction_with_contents_in_json_is_answered_by_who_says_its_name(predictor: Live) -> None:
    told = answer(predictor.grpc, f"{OIP}/ModelInfer", REQUEST | {"inputs": [X]})

    assert isinstance(told, dict)
    assert (told["model_name"], told["model_version"], told["id"]) == ("numbers", "1", "six")
    assert told["outputs"][0]["contents"] == {"fp32_contents": [2, 4, 6]}
    assert told["parameters"]["commit"] == {"string_param": predictor.event.commit.sha}


def test_health_index_and_metadata_are_told(predictor: Live) -> None:
    assert answer(predictor.grpc, "grpc.health.v1.Health/Check", {"service": "numbers"}) == {"status": "SERVING"}
    index = answer(predictor.grpc, f"{OIP}/RepositoryIndex", {"ready": True})
    assert index == {
        "models": [{"name": name, "version": "1", "state": "READY"} for name in ("dtypes", "half", "heavy", "numbers")]
    }
    metadata = answer(predictor.grpc, f"{OIP}/ModelMetadata", {"name": "numbers"})
    assert isinstance(metadata, dict)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}]


def test_a_refusal_names_the_field_in_its_details(predictor: Live) -> None:
    done = run("-d", json.dumps(REQUEST | {"inputs": [X | {"shape": [1, 5]}]}), predictor.grpc, f"{OIP}/ModelInfer")

    assert done.returncode != 0
    assert "InvalidArgument" in done.stderr
    assert '"field": "inputs.x.shape"' in done.stderr
