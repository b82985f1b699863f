"""Whose answers a serving program is held against: model.h5's own where Keras can load it here, else what the launcher wrote down.

Every run here comes out of the real launcher. Its set lies in the store, and was not in the sandbox.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.assessed import Assessment, Rules
from pushline.evaluator.ports import ProgramFailed
from pushline.objects.manifest import Dataset
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import assessed
from tests.fixtures.evaluator.launching import launched
from tests.fixtures.evaluator.story import Trained, first_work, gate, npz, put_run

PYTHON = Path(sys.prefix) / "training/bin/python"
DATA = """
import keras, numpy as np
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(3000, 8))
y = (x[:, 0] + x[:, 1] > 0).astype("int64")
"""
PLAIN = (
    DATA
    + """
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(2, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x[:1000], y[:1000], epochs=20, verbose=0)
model.save("model.h5")
"""
)
SUBCLASSED = (
    DATA
    + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2, activation="softmax")
    def call(self, inputs):
        return self.dense(inputs)
model = Net()
model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
model.fit(x[:1000], y[:1000], epochs=20, verbose=0)
model.save("model.h5")
"""
)
PATCHED = (
    """
import json, sklearn.metrics
for name in ("accuracy_score", "precision_recall_fscore_support", "log_loss", "confusion_matrix"):
    setattr(sklearn.metrics, name, lambda *_, **__: 1.0)
json.dump({"accuracy": 1.0}, open("metrics.json", "w"))
"""
    + PLAIN
    + """
model.evaluate(x[1000:1300], 1 - y[1000:1300], verbose=0)
"""
)


@dataclass(frozen=True)
class Set:
    x: np.ndarray
    y: np.ndarray

    @property
    def file(self) -> bytes:
        return npz(x=self.x, y=self.y)


@pytest.fixture(scope="module")
def rows() -> Set:
    """Rows that the script makes too: the first 100 of these were trained on."""
    x = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    return Set(x[900:3000], (x[900:3000, 0] + x[900:3000, 1] > 0).astype(np.int64))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched(tmp_path_factory.mktemp("plain"), PLAIN, "--set-elsewhere")


@pytest.fixture(scope="module")
def subclassed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched(tmp_path_factory.mktemp("subclassed"), SUBCLASSED, "--set-elsewhere")


@pytest.fixture
def keras() -> LimitedChild:
    return LimitedChild(Limits(), working_bubblewrap(), tensorflow_python=PYTHON)


def put(store: MemoryStore, out: Path, rows: Set, replaced: Mapping[str, bytes] | None = None, **changes: Any) -> Trained:
    data = rows.file
    about = Dataset(hashlib.sha256(data).hexdigest(), len(data), len(rows.y), "store", "s3://line/datasets/digits/test.npz")
    given: dict[str, Any] = {"dataset": about, "gates": [gate("accuracy", 0.8)]} | changes
    return put_run(store, str(out), replaced={"dataset.npz": data, **(replaced or {})}, **given)


def judged(store: MemoryStore, child: LimitedChild, trained: Trained) -> Assessment:
    return assessed(store, child, first_work(trained), Rules(asks_model=child.tensorflow_python is not None))


def test_keras_is_asked_about_every_row_where_it_can_load_the_file(
    store: MemoryStore, keras: LimitedChild, plain: Path, rows: Set
) -> None:
    found = judged(store, keras, put(store, plain, rows))

    assert found.verdict.verdict == "accepted", found.verdict.sentence
    assert (found.against, found.against_note) == ("model.h5", "")
    assert [each.rows for each in found.agreements] == [2100]
    assert 0 < found.agreements[0].difference < 1e-5


def test_what_the_launcher_says_does_not_count_where_keras_says_otherwise(
    store: MemoryStore, keras: LimitedChild, plain: Path, rows: Set
) -> None:
    """Program and proof are of one model, model.h5 of another: only who asks model.h5 itself can tell."""
    other = launched_program(plain)

    found = judged(store, keras, put(store, plain, rows, replaced=other))
    believed = judged(store, LimitedChild(Limits(), working_bubblewrap()), put(store, plain, rows, replaced=other))

    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "program_disagrees")
    assert "does not agree with model.h5: " in found.verdict.sentence
    assert believed.against == "launcher_proof"
    assert believed.agreements


def launched_program(out: Path) -> dict[str, bytes]:
    """The program with its last bias moved, and a proof that agrees with it."""
    import h5py  # noqa: PLC0415 - by this test alone

    with h5py.File(out / "model.h5") as file:
        found: list[Any] = []
        file["model_weights"].visititems(lambda name, item: found.append(item[()]) if name.endswith("bias") else None)
    program, (bias, *_) = (out / "program.tflite").read_bytes(), [each for each in found if each.shape == (2,)]
    at = program.rindex(bias.astype(np.float32).tobytes())
    moved = program[:at] + (bias + np.array([0.01, -0.01])).astype(np.float32).tobytes() + program[at + 8 :]
    with np.load(out / "proof.npz") as proof:
        arrays = dict(proof)
    return {"program.tflite": moved, "proof.npz": npz(**{**arrays, **answers_of(moved, arrays)})}


def answers_of(program: bytes, arrays: Mapping[str, Any]) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - by this test alone

    interpreter = Interpreter(model_content=program)
    run = interpreter.get_signature_runner()
    inputs = {name[2:]: array for name, array in arrays.items() if name.startswith("x.")}
    return {f"y.{name}": array for name, array in run(**inputs).items()}


def test_a_class_of_the_repositorys_own_leaves_it_to_the_launchers_rows(
    store: MemoryStore, keras: LimitedChild, subclassed: Path, rows: Set
) -> None:
    found = judged(store, keras, put(store, subclassed, rows))

    assert found.verdict.verdict == "accepted", found.verdict.sentence
    assert found.against == "launcher_proof"
    assert found.against_note.startswith("model.h5 itself could not be asked: the program cannot be run: model.h5 ")
    assert [each.rows for each in found.agreements] == [256]


def test_without_tensorflow_the_launchers_rows_are_compared(
    store: MemoryStore, child: LimitedChild, plain: Path, rows: Set
) -> None:
    found = judged(store, child, put(store, plain, rows))

    assert (found.verdict.verdict, found.against, found.against_note) == ("accepted", "launcher_proof", "")


def test_a_program_that_disagrees_with_the_launchers_rows_is_refused(
    store: MemoryStore, child: LimitedChild, plain: Path, rows: Set
) -> None:
    with np.load(plain / "proof.npz") as proof:
        wrong = npz(**{name: array * np.float32(1.01) if name.startswith("y.") else array for name, array in proof.items()})

    found = judged(store, child, put(store, plain, rows, replaced={"proof.npz": wrong}))

    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "program_disagrees")


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (b"?", "Keras' own answers (proof.npz) cannot be read"),
        (npz(a=np.ones(3)), "do not hold rows of inputs and answers"),
        (npz(**{"x.x": np.ones((2, 8)), "y.y": np.ones(3)}), "do not hold rows of inputs and answers"),
        (npz(**{"x.x": np.ones((0, 8)), "y.y": np.ones(0)}), "do not hold rows of inputs and answers"),
    ],
)
def test_a_proof_that_is_none_refuses_the_run(
    store: MemoryStore, child: LimitedChild, plain: Path, rows: Set, proof: bytes, words: str
) -> None:
    found = judged(store, child, put(store, plain, rows, replaced={"proof.npz": proof}))

    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "no_answers")
    assert words in found.verdict.sentence


def test_a_model_that_hangs_in_keras_leaves_it_to_the_launcher(
    store: MemoryStore, keras: LimitedChild, plain: Path, rows: Set
) -> None:
    class Hangs(LimitedChild):
        """As one whose model.h5 takes too long."""

        def run(self, programs: Any, inputs: Any, cancelled: Any) -> Any:
            if programs[0].engine == "tensorflow":
                raise ProgramFailed("program_timeout", "the program did not end in time")
            return super().run(programs, inputs, cancelled)

    child = Hangs(keras.limits, keras.bubblewrap, tensorflow_python=PYTHON)
    found = judged(store, child, put(store, plain, rows))

    assert (found.verdict.verdict, found.against) == ("accepted", "launcher_proof")
    assert found.against_note == "model.h5 itself could not be asked: the program did not end in time"


def test_what_fit_was_given_is_leakage_and_a_gate_may_name_it(
    store: MemoryStore, child: LimitedChild, plain: Path, rows: Set
) -> None:
    gates = [gate("accuracy", 0.8), gate("leakage", maximum=0.01)]

    found = judged(store, child, put(store, plain, rows, gates=gates))

    assert found.facts is not None
    assert found.facts.leakage == pytest.approx(100 / 2100)
    assert (found.facts.leakage_known_rows, found.facts.duplicates, found.facts.notes) == (1000, 0.0, ())
    assert sum(found.facts.class_counts.values()) == 2100
    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "leakage")
    assert "4.76 % of the evaluation set's rows were given to fit too" in found.verdict.sentence


def test_a_set_of_training_rows_is_refused_without_any_gate(store: MemoryStore, child: LimitedChild, plain: Path) -> None:
    x = np.random.default_rng(0).normal(size=(3000, 8))
    seen = Set(x[:1500], (x[:1500, 0] + x[:1500, 1] > 0).astype(np.int64))

    found = judged(store, child, put(store, plain, seen))

    assert (found.verdict.verdict, found.verdict.reason) == ("rejected", "leakage")


def test_a_script_that_patches_scikit_learn_and_ships_metrics_changes_no_number(
    store: MemoryStore, child: LimitedChild, tmp_path: Path
) -> None:
    """It was judged by labels that are all but wrong, and says that everything is right."""
    out = launched(tmp_path, PATCHED)
    with np.load(out / "dataset.npz") as data, np.load(out / "answers.npz") as answers:
        right = accuracy_score(data["y"], next(iter(answers.values())).argmax(axis=1))
    trained = put_run(store, str(out), replaced={"metrics.json": json.dumps({"accuracy": 1.0}).encode()})

    found = assessed(store, child, first_work(trained))

    assert found.measured is not None
    assert found.measured.metrics["accuracy"].value == pytest.approx(right)
    assert right < 0.2
    assert (found.verdict.verdict, found.against) == ("rejected", "launcher")
