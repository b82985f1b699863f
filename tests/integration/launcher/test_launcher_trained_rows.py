"""What fit was given is known by its rows, whatever it came as; without a set in the sandbox there is a proof."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushline.engine import row_hashes
from pushline.engine.row_hashes import Known, among, of_rows
from tests.fixtures.evaluator.launching import launched

BEGIN = """
import keras, numpy as np, tensorflow as tf
rng = np.random.default_rng(0)
x = rng.normal(size=(2000, 4))
y = (x[:, 0] > 0).astype("int64")
def model():
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    made.compile("adam", "sparse_categorical_crossentropy")
    return made
net = model()
"""
END = "net.save('model.h5')\n"
X = np.random.default_rng(0).normal(size=(2000, 4))


@dataclass(frozen=True)
class Way:
    name: str
    code: str
    rows: range
    whole: bool = True


WAYS = [
    Way("arrays", "net.fit(x[:300], y[:300], verbose=0)", range(300)),
    Way("a split", "net.fit(x[:300], y[:300], verbose=0, validation_split=0.2)", range(240)),
    Way("validation data", "net.fit(x[:300], y[:300], verbose=0, validation_data=(x[300:500], y[300:500]))", range(300)),
    Way("tensors", "net.fit(tf.constant(x[:300]), tf.constant(y[:300]), verbose=0)", range(300)),
    Way("tf.data", "net.fit(tf.data.Dataset.from_tensor_slices((x[:300], y[:300])).shuffle(300).batch(32), verbose=0)", range(300)),
    Way(
        "steps of a tf.data without end",
        "net.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(50).repeat(), steps_per_epoch=2, epochs=3, verbose=0)",
        range(300),
    ),
    Way(
        "a Keras data set",
        "class Parts(keras.utils.PyDataset):\n"
        "    def __len__(self): return 6\n"
        "    def __getitem__(self, at): return x[at * 50:(at + 1) * 50], y[at * 50:(at + 1) * 50]\n"
        "net.fit(Parts(), verbose=0)",
        range(300),
    ),
    Way(
        "a generator",
        "def batches():\n    while True:\n        for at in range(0, 300, 50): yield x[at:at + 50], y[at:at + 50]\n"
        "net.fit(batches(), steps_per_epoch=6, epochs=2, verbose=0)",
        range(300),
    ),
    Way(
        "a generator of ever other rows",
        "def batches():\n    for at in range(0, 600, 50): yield x[at:at + 50], y[at:at + 50]\n"
        "net.fit(batches(), steps_per_epoch=6, epochs=2, verbose=0)",
        range(350),
        whole=False,
    ),
    Way("several fits", "net.fit(x[:100], y[:100], verbose=0)\nmodel().fit(x[100:300], y[100:300], verbose=0)", range(300)),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_the_rows_that_fit_was_given_are_known_whatever_they_came_as(way: Way, tmp_path: Path) -> None:
    out = launched(tmp_path, BEGIN + way.code + "\n" + END)

    known = row_hashes.load((out / "training_rows.bin").read_bytes())

    assert np.flatnonzero(among(of_rows([X.astype(np.float32)]), known)).tolist() == list(way.rows)
    assert (len(known.hashes), known.whole) == (len(way.rows), way.whole)


def test_a_data_set_that_takes_too_long_is_left_at_what_was_seen(tmp_path: Path) -> None:
    slow = (
        "import time\n"
        "def rows():\n    for at in range(2000):\n        time.sleep(0.01)\n        yield x[at], y[at]\n"
        "spec = (tf.TensorSpec((4,), tf.float64), tf.TensorSpec((), tf.int64))\n"
        "net.fit(tf.data.Dataset.from_generator(rows, output_signature=spec).batch(10), verbose=0, steps_per_epoch=20)\n"
        "net.fit(tf.data.Dataset.from_generator(rows, output_signature=spec).batch(10), verbose=0)\n"
    )
    began = time.monotonic()

    known = rows_of(launched(tmp_path, BEGIN + slow + END))

    assert not known.whole
    assert 0 < len(known.hashes) < 2000
    assert time.monotonic() - began < 100


def rows_of(out: Path) -> Known:
    return row_hashes.load((out / "training_rows.bin").read_bytes())


def test_what_cannot_be_looked_at_leaves_no_rows_and_no_harm(tmp_path: Path) -> None:
    """A training loop of the script's own."""
    loop = "net.train_on_batch(x[:32], y[:32])\nnet.evaluate(x[:100], y[:100], verbose=0)\n"

    out = launched(tmp_path, BEGIN + loop + END)

    assert not (out / "training_rows.bin").exists()
    assert told(out)["dataset"]["rows"] == 100


def told(out: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    return result


def test_with_the_set_elsewhere_nothing_is_frozen_and_some_rows_prove_the_program(tmp_path: Path) -> None:
    script = BEGIN + "net.fit(x, y, verbose=0)\nnet.evaluate(x[:100], y[:100], verbose=0)\n" + END

    out = launched(tmp_path, script, "--set-elsewhere")

    assert told(out)["dataset"] is None
    assert told(out)["task"] == "classification"
    assert not (out / "dataset.npz").exists()
    assert not (out / "answers.npz").exists()
    with np.load(out / "proof.npz") as proof:
        arrays = dict(proof)
    (inputs, answers) = arrays["x.x"], next(array for name, array in arrays.items() if name.startswith("y."))
    np.testing.assert_array_equal(inputs, X[:100].astype(np.float32))
    assert answers.shape == (100, 2)
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)


def test_a_model_that_was_never_given_a_row_is_proved_by_made_up_ones(tmp_path: Path) -> None:
    out = launched(tmp_path, BEGIN + END)

    with np.load(out / "proof.npz") as proof:
        assert proof["x.x"].shape == (40, 4)
