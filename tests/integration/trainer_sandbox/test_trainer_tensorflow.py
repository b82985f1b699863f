"""TensorFlow itself runs under every rung's filter: it imports, trains and saves there, with threads and processes of its own."""

from pathlib import Path
from typing import Any

import pytest

from pushline.runtime.operator_file import Limits
from tests.fixtures.trainer_sandbox.scripts import RUNGS, Bench, MiB
from tests.fixtures.trainer_sandbox.trainings import TRAINING_PYTHON

LIMITS = Limits(timeout_seconds=100.0, memory_bytes=2048 * MiB, processes=512, disk_bytes=256 * MiB, output_bytes=64 * MiB)
TRAINS = """
import keras, multiprocessing, numpy
def double(number):
    return 2 * number
if __name__ == "__main__":
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    model.fit(numpy.ones((64, 4)), numpy.ones(64), epochs=1, verbose=0)
    model.save("model.h5")
    os.rename("model.h5", OUT + "/model.h5")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print("pool", pool.map(double, [1, 2]))
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_keras_trains_and_saves(rung: Any, tmp_path: Path) -> None:
    ended = Bench(rung(TRAINING_PYTHON, tmp_path / "work"), tmp_path).run(TRAINS, LIMITS)

    assert (ended.stopped, ended.exit_code) == ("", 0), ended.tail
    assert ended.files["model.h5"].size > 1000
    assert ended.tail.endswith("pool [2, 4]")
