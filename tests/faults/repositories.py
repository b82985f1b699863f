"""Model repositories that train without TensorFlow: the model multiplies, so every answer tells which model gave it."""

import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np

from tests.fixtures.predictor.deploying import DOUBLE

TRAIN = """
import os, time
print("training", flush=True)
open("model.h5", "wb").write(open("weights", "rb").read())
"""
# Waits until somebody outside lays the file `go` into the checkout, which the sandbox sees read-only.
TRAIN_GATED = """
import os, time
print("training", flush=True)
while not os.path.exists("/source/go"):
    time.sleep(0.02)
open("model.h5", "wb").write(open("weights", "rb").read())
"""
ROWS = 300  # enough to see that two models which are right about every row differ by less than one point
X = [[1.0, 2.0, 3.0, 4.0]]


def program(factor: float) -> bytes:
    """Give a program that answers `factor` times the first three of four numbers."""
    assert DOUBLE.count(struct.pack("<f", 2.0)) == 3  # its diagonal
    return DOUBLE.replace(struct.pack("<f", 2.0), struct.pack("<f", factor))


def good(factor: float, *, gated: bool = False) -> dict[str, str | bytes]:
    """Give the files of a repository whose model is right about every row of its set."""
    return files(factor, factor, gated=gated)


def bad(factor: float) -> dict[str, str | bytes]:
    """Give one that is wrong about every row, and would be noticed: its answers are negative."""
    return files(-factor, factor)


def regression(factor: float) -> dict[str, str | bytes]:
    """Give one whose answers are numbers to come near to, not scores: it is nearly right."""
    x = np.random.default_rng(0).uniform(0.1, 1, (ROWS, 4)).astype("float32")
    asked: dict[str, str | bytes] = {
        "dataset.npz": _npz(x=x, y=x[:, :3] * np.float32(factor * 1.01)),
        "pushline.toml": '[model]\ntask = "regression"\n[evaluate]\n',
    }
    return good(factor) | asked


def files(factor: float, right: float, *, gated: bool = False) -> dict[str, str | bytes]:
    x = np.random.default_rng(0).uniform(0.1, 1, (ROWS, 4)).astype("float32")
    return {
        "train.py": TRAIN_GATED if gated else TRAIN,
        "weights": f"weights of the model that multiplies by {factor}".encode(),
        "program.tflite": program(factor),
        "dataset.npz": _npz(x=x, y=(x[:, :3] * right).argmax(axis=1)),
        "answers.npz": _npz(output_0=x[:, :3] * np.float32(factor)),
        "pushline.toml": "[evaluate]\n",
    }


def open_gates(work: Path) -> int:
    """Let every gated training under this trainer's folder end; give how many checkouts there were."""
    checkouts = list(work.glob("trainings/*/source"))
    for folder in checkouts:
        with suppress(FileNotFoundError):  # its training has just ended
            (folder / "go").touch()
    return len(checkouts)


def _npz(**arrays: np.ndarray) -> bytes:
    out = BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()
