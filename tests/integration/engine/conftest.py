"""Models made by Keras itself, good and hostile, once a session; and what came of opening each."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pushline.engine.engine import Array
from pushline.engine.tensorflow import TensorFlow, TensorFlowEngine
from pushline.engine.tensorflow_child import FOLDER

PYTHON = Path(sys.prefix) / "training" / "bin" / "python"
MAKE = Path(__file__).parents[2] / "fixtures" / "engine" / "make_models.py"


@dataclass(frozen=True)
class Made:
    folder: Path
    said: Mapping[str, str]
    inputs: Mapping[str, Array]
    price: Array  # Keras' own answers


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("models")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TF_CPP_MIN_LOG_LEVEL": "2"}
    words = [str(PYTHON), "-I", str(MAKE), str(folder), str(FOLDER)]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=110)
    assert ended.returncode == 0, ended.stderr[-2000:]
    with np.load(folder / "answers.npz") as arrays:
        inputs = {name: arrays[name] for name in ("code", "weight")}
        return Made(folder, json.loads((folder / "said.json").read_text()), inputs, arrays["price"])


@pytest.fixture(scope="module")
def engine(made: Made) -> Iterator[TensorFlowEngine]:
    opened = TensorFlow(PYTHON).open(made.folder / "good.h5")
    yield opened
    opened.close()
