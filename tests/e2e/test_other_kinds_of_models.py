"""Repositories of a kind that the examples are not: each is trained, exported and served, and answers as Keras did."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pushline.client import Client
from pushline.objects import keys
from tests.e2e.running_line import RunningLine, running_line

SCRIPTS = Path(__file__).parents[1] / "fixtures" / "scripts"
# What each promises of itself: they are trained for a moment, and are here for their form.
CLASSIFIER = "[gates]\naccuracy = { min = 0.01 }\n"
REGRESSOR = "[gates]\nrmse = { max = 1000.0 }\n"
SEEN = "leakage = { max = 1.0 }\n"  # these evaluate on what they were trained with
KINDS = {
    "table": REGRESSOR,
    "convolution": CLASSIFIER,
    "two-inputs": CLASSIFIER + SEEN,
    "lstm": CLASSIFIER,
    "hashing": REGRESSOR,  # has no serving program: TensorFlow serves its model.h5
    "texts": REGRESSOR + SEEN,  # likewise
    "tape": REGRESSOR + '[evaluate]\ndataset = "data/test.npz"\n',
}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLine]:
    with running_line(tmp_path_factory.mktemp("line"), dict.fromkeys(KINDS, "")) as running:
        yield running


@pytest.fixture(scope="module")
def runs(line: RunningLine) -> dict[str, str]:
    """Push all at once; models do not wait for each other's commits."""
    return {kind: line.push(kind, repository_of(kind)) for kind in KINDS}


def repository_of(kind: str) -> dict[str, str | bytes]:
    script = (SCRIPTS / f"{kind.replace('-', '_')}.py").read_bytes()
    if kind != "tape":
        return {"train.py": script, "pushline.toml": KINDS[kind]}
    x = np.linspace(-1, 1, 50, dtype="float32")[:, None]
    data = io.BytesIO()
    np.savez(data, x=x, y=x**2)
    return {"train.py": script, "pushline.toml": KINDS[kind], "data/test.npz": data.getvalue()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(300)
def test_it_is_served_and_equals_keras(line: RunningLine, runs: dict[str, str], kind: str) -> None:
    run = line.ended(runs[kind], 240)
    assert run.outcome == "deployed", run.sentence
    line.served(runs[kind])
    inputs, wanted = keras_answers(line, runs[kind])

    with Client(line.grpc) as client:
        answer = client.predict(inputs, model=kind)

    got = np.asarray(answer.y, dtype="float64").reshape(wanted.shape)
    assert np.all(np.abs(got - wanted) <= 1e-5 * np.maximum(1, np.abs(wanted)))


def keras_answers(line: RunningLine, run_id: str) -> tuple[dict[str, np.ndarray] | np.ndarray, np.ndarray]:
    """Give rows of the frozen set and what Keras answered to them in the sandbox."""
    with line.tail.read() as ledger:
        run = ledger.runs[run_id]
        assert run.trained is not None
        trained = run.trained.event
    manifest_key = keys.manifest(run.model, run_id, trained.manifest_sha256)
    manifest = json.loads(line.store.read_bytes(manifest_key))
    (answers,) = [file for file in trained.files if file.name == "answers.npz"]
    with (
        line.store.fetch(keys.model_file(run.model, answers.sha256, answers.name), answers.sha256) as path,
        np.load(path) as arrays,
    ):
        wanted = arrays[manifest["outputs"][0]["name"]][:64]
    dataset = manifest["dataset"]["sha256"]
    with line.store.fetch(keys.dataset(run.model, dataset), dataset) as path, np.load(path) as arrays:
        names = [name for name in arrays.files if name.startswith("x")]
        rows = {name.removeprefix("x."): arrays[name][: len(wanted)] for name in names}
    return (rows["x"] if set(rows) == {"x"} else rows), wanted
