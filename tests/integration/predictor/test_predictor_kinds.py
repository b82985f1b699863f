"""Every kind of model that the line knows, served, answers what Keras answers, whatever the batch, the door and the neighbours."""

import http.client
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from open_inference import open_inference_grpc_pb2 as oip
from pushline.engine.engine import Array
from pushline.engine.tensorflow_child.texts import pack
from pushline.predictor.oip import DATATYPES, NUMPY
from pushline.predictor.service import Service
from tests.fixtures.engine.kinds import PYTHON, Kind, make
from tests.fixtures.predictor.deploying_kinds import deploy
from tests.fixtures.predictor.running import a_line, open_inference, running
from tests.waiting import until

ENGINES = {
    "mlp": "litert",
    "two-inputs": "litert",
    "embedding": "litert",  # INT32 tokens
    "convolution": "litert",
    "lstm": "litert",  # in programs of fixed batches
    "hashing": "tensorflow",  # has no program
    "texts": "tensorflow",
}
ROWS = (1, 3, 17, 64, 100)
TOLERANCE = 1e-5
SECONDS = 90.0
Ask = Callable[[Service, str, Mapping[str, Array]], dict[str, Array]]


@dataclass
class Served:
    service: Service
    kinds: Mapping[str, Kind]
    worst: dict[str, float] = field(default_factory=dict)

    def check(self, ask: Ask, name: str, rows: int) -> None:
        kind = self.kinds[name]
        got, wanted = ask(self.service, name, kind.rows(rows)), kind.answers[rows]
        assert set(got) == set(wanted)
        for output, want in wanted.items():
            assert got[output].shape == want.shape
            allowed = np.maximum(1.0, np.abs(want.astype("float64")))
            difference = np.abs(got[output].astype("float64") - want.astype("float64")) / allowed
            self.worst[name] = max(self.worst.get(name, 0.0), float(difference.max()))
            assert np.all(difference <= TOLERANCE), f"{name}, {rows} rows, row {int(np.argmax(difference.max(axis=1)))}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    kinds = make(tmp_path_factory.mktemp("kinds"), list(ENGINES))
    line, log, store = a_line()
    for kind in kinds.values():
        deploy(line, kind)
    with running(tmp_path_factory.mktemp("cache"), log, store, tensorflow_python=str(PYTHON)) as service:
        for name in kinds:
            until(lambda name=name: service.models.current(name) is not None, SECONDS, f"{name} to be served")  # type: ignore[misc] # name is bound
        yield Served(service, kinds)


def datatype(array: Array) -> str:
    return "BYTES" if array.dtype.kind == "S" else DATATYPES[array.dtype.name]


def plain(array: Array) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]


def by_grpc(service: Service, model: str, rows: Mapping[str, Array]) -> dict[str, Array]:
    request = oip.ModelInferRequest(model_name=model)
    for name, array in rows.items():
        request.inputs.add(name=name, datatype=datatype(array), shape=array.shape)
        request.raw_input_contents.append(pack(array.ravel().tolist()) if array.dtype.kind == "S" else array.tobytes())
    with open_inference(service) as stub:
        told = stub.ModelInfer(request, timeout=SECONDS)
    return {
        output.name: np.frombuffer(raw, NUMPY[output.datatype]).reshape(output.shape)
        for output, raw in zip(told.outputs, told.raw_output_contents, strict=True)
    }


def by_rest(service: Service, model: str, rows: Mapping[str, Array]) -> dict[str, Array]:
    inputs = [
        {"name": name, "datatype": datatype(array), "shape": array.shape, "data": plain(array)} for name, array in rows.items()
    ]
    connection = http.client.HTTPConnection("127.0.0.1", service.rest.port, timeout=SECONDS)
    try:
        connection.request("POST", f"/v2/models/{model}/infer", json.dumps({"inputs": inputs}))
        response = connection.getresponse()
        told = json.loads(response.read())
    finally:
        connection.close()
    assert response.status == 200, told
    return {each["name"]: np.asarray(each["data"], NUMPY[each["datatype"]]).reshape(each["shape"]) for each in told["outputs"]}


DOORS: Mapping[str, Ask] = {"grpc": by_grpc, "rest": by_rest}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.timeout(300)
def test_it_is_run_by_the_engine_it_was_exported_for(served: Served, name: str) -> None:
    loaded = served.service.models.current(name)

    assert loaded is not None
    assert loaded.engine.kind == ENGINES[name]
    assert (len(served.kinds[name].programs) > 1) is (name == "lstm")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.timeout(300)
def test_it_equals_keras(served: Served, name: str, rows: int, door: str) -> None:
    served.check(DOORS[door], name, rows)


@pytest.mark.timeout(300)
def test_it_equals_keras_while_others_ask_for_other_models_and_batches(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [(ask, name, rows) for ask in DOORS.values() for name in ENGINES for rows in ROWS] * 3
    random.Random(7).shuffle(asked)  # noqa: S311 - an order that can be repeated

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: served.check(*each), asked))

    with capsys.disabled():
        told = "".join(f"  {name:12s} {served.worst[name]:.1e}\n" for name in ENGINES)
        sys.stdout.write(f"\nlargest difference from Keras, as part of max(1, |y|):\n{told}")


def test_the_comparison_sees_a_difference(served: Served) -> None:
    def off(service: Service, model: str, rows: Mapping[str, Array]) -> dict[str, Array]:
        answers = {name: array.copy() for name, array in by_grpc(service, model, rows).items()}
        answers["price"][2] += np.float32(1e-4) * max(1, abs(answers["price"][2, 0]))
        return answers

    with pytest.raises(AssertionError, match="hashing, 3 rows, row 2"):
        Served(served.service, served.kinds).check(off, "hashing", 3)


def test_what_is_served_was_trained(served: Served) -> None:
    """Equal answers of models that answer everything alike would say little."""
    for kind in served.kinds.values():
        for answer in kind.answers[100].values():
            assert float(np.ptp(answer, axis=0).max()) > 1e-3, kind.name
