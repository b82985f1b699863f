"""A predictor whose model has no serving program: TensorFlow serves model.h5, beside and between models that LiteRT serves."""

import hashlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from open_inference import open_inference_grpc_pb2 as oip
from pushline.client import Client
from pushline.engine.engine import Array
from pushline.engine.tensorflow import TensorFlowEngine
from pushline.line.events import File, ModelDeployed, Serving
from pushline.line.ids import run_id
from pushline.objects import keys, manifest
from pushline.predictor.service import Service
from tests.fixtures.predictor.deploying import DOUBLE, TRIPLE, Line, a_commit, a_manifest
from tests.fixtures.predictor.running import a_line, channel_to, open_inference, reports, running, wait_for, wait_until_sure
from tests.waiting import until

PYTHON = str(Path(sys.prefix) / "training" / "bin" / "python")
SECONDS = 60.0


class Made(Protocol):
    @property
    def folder(self) -> Path: ...
    @property
    def inputs(self) -> Mapping[str, Array]: ...
    @property
    def price(self) -> Array: ...


def deploy_h5(line: Line, content: bytes, model: str) -> ModelDeployed:
    before = line.newest.get(model)
    generation = before.generation + 1 if before else 1
    commit = a_commit(f"{model}/{generation}")
    run, files = run_id(model, generation, 1, commit.sha), (File("model.h5", hashlib.sha256(content).hexdigest(), len(content)),)
    about = replace(a_manifest(model, run, commit, files, "regression", ()), programs=(), engine="tensorflow")
    data = manifest.dump(about)
    digest = hashlib.sha256(data).hexdigest()
    line.store.put_bytes(keys.model_file(model, files[0].sha256, "model.h5"), content)
    line.store.put_bytes(keys.manifest(model, run, digest), data)
    return line.append(line.promote(model, Serving(run, generation, 1, commit, files[0].sha256, digest, files, 100, "live")))


def good(made: Made) -> bytes:
    return (made.folder / "good.h5").read_bytes()


def wait_for_seq(service: Service, seq: int, model: str) -> None:
    def there() -> bool:
        loaded = service.models.current(model)
        return loaded is not None and loaded.identity.deploy_seq == seq

    until(there, SECONDS, f"deploy_seq {seq} of {model}")


def answers_right(service: Service, made: Made, model: str) -> bool:
    with Client(f"127.0.0.1:{service.door.port}") as client:
        answer = client.predict(dict(made.inputs), model=model)
    return bool(np.allclose(np.asarray(answer.y).reshape(made.price.shape), made.price, 1e-5, 1e-5))


def healthy(service: Service, model: str) -> bool:
    with channel_to(service) as channel:
        said = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=model))
    return bool(said.status == health_pb2.HealthCheckResponse.SERVING)


def test_it_is_served_comes_back_when_its_process_dies_and_leaves_the_other_model_alone(tmp_path: Path, made: Made) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    deploy_h5(line, good(made), "prices")
    with running(tmp_path, log, store, tensorflow_python=PYTHON) as service:
        wait_until_sure(service, 1)
        wait_for_seq(service, 1, "prices")
        assert answers_right(service, made, "prices")
        with open_inference(service) as stub:
            told = stub.ModelMetadata(oip.ModelMetadataRequest(name="prices"))
            assert (told.platform, [each.name for each in told.inputs]) == ("pushline_tensorflow", ["code", "weight"])

            engine = service.models.current("prices").engine  # type: ignore[union-attr] # it is there
            assert isinstance(engine, TensorFlowEngine)
            os.kill(engine.pid, signal.SIGKILL)
            wait_for(lambda: not stub.ModelReady(oip.ModelReadyRequest(name="prices")).ready, "NOT ready")
            wait_for(lambda: not healthy(service, "prices"), "NOT_SERVING")
            assert refused_as_unavailable(service, made)
            assert service.models.ready
            assert healthy(service, "")
            assert healthy(service, "numbers")
            with Client(f"127.0.0.1:{service.door.port}") as client:
                assert np.asarray(client.predict([[1.0, 2.0, 3.0, 4.0]], model="numbers").y).size

            until(lambda: stub.ModelReady(oip.ModelReadyRequest(name="prices")).ready, SECONDS, "ready again")
        wait_for(lambda: healthy(service, "prices"), "SERVING")
        assert answers_right(service, made, "prices")


def refused_as_unavailable(service: Service, made: Made) -> bool:
    request = oip.ModelInferRequest(model_name="prices")
    for name, array in made.inputs.items():
        request.inputs.add(name=name, datatype="INT32" if name == "code" else "FP32", shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    with open_inference(service) as stub:
        try:
            stub.ModelInfer(request)
        except grpc.RpcError as error:
            return bool(error.code() == grpc.StatusCode.UNAVAILABLE and "started again" in str(error.details()))
    return False


def test_a_model_moves_from_litert_to_tensorflow_and_back_and_a_cold_start_serves_it_from_disk(tmp_path: Path, made: Made) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store, tensorflow_python=PYTHON) as service:
        wait_until_sure(service, 1)
        deploy_h5(line, good(made), "numbers")
        wait_for_seq(service, 2, "numbers")
        assert answers_right(service, made, "numbers")

    store.set_unavailable(True)
    with running(tmp_path, log, store, tensorflow_python=PYTHON) as service:
        assert answers_right(service, made, "numbers")
        engine = service.models.current("numbers").engine  # type: ignore[union-attr] # it is there
        store.set_unavailable(False)
        line.deploy(TRIPLE)
        wait_for_seq(service, 3, "numbers")
        assert isinstance(engine, TensorFlowEngine)
        assert engine.pid, "it is kept for a rollback"
        line.deploy(DOUBLE)
        wait_for_seq(service, 4, "numbers")
        until(lambda: engine.pid == 0, SECONDS, "the child of what was swapped out to end")


def test_a_predictor_without_tensorflow_keeps_what_it_has_and_says_what_to_set(tmp_path: Path, made: Made) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        deploy_h5(line, good(made), "numbers")
        wait_for(lambda: any(each.state == "failed" for each in reports(log)), "the report")

        assert service.models.current("numbers").identity.deploy_seq == 1  # type: ignore[union-attr] # it is there
    (told,) = [each for each in reports(log) if each.state == "failed"]
    assert told.reason == "activation_failed(no_tensorflow)"
    assert "set PUSHLINE_TENSORFLOW_PYTHON" in told.sentence
