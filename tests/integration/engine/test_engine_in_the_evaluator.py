"""The evaluator's limited child with model.h5 in it, which TensorFlow opens."""

import hashlib
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from pushline.engine.engine import Array
from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.adapters.predictor_process import PredictorProcess, TrialLimits
from pushline.evaluator.ports import CannotRun, ProgramFailed, ProgramFile
from pushline.objects.manifest import Manifest, ManifestFile
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.story import put_run

PYTHON = Path(sys.prefix) / "training" / "bin" / "python"


class Made(Protocol):
    @property
    def folder(self) -> Path: ...
    @property
    def inputs(self) -> Mapping[str, Array]: ...
    @property
    def price(self) -> Array: ...


def model(made: Made, name: str) -> ProgramFile:
    return ProgramFile("model.h5", made.folder / f"{name}.h5", None, "tensorflow")


@pytest.mark.parametrize("boxed", [True, False], ids=["bubblewrap", "limits alone"])
def test_it_answers_as_keras_did(made: Made, boxed: bool) -> None:
    child = LimitedChild(Limits(), working_bubblewrap() if boxed else "", tensorflow_python=PYTHON)

    answers = child.run([model(made, "good")], made.inputs, threading.Event())

    assert np.allclose(answers.together["price"], made.price, 1e-6, 1e-6)
    assert len(answers.alone) == 1


def test_a_hostile_file_is_the_programs_fault(made: Made) -> None:
    child = LimitedChild(Limits(), working_bubblewrap(), tensorflow_python=PYTHON)

    with pytest.raises(ProgramFailed, match="needs 'Lambda'") as caught:
        child.run([model(made, "lambda")], made.inputs, threading.Event())

    assert caught.value.reason == "program_refused"


def about(file: ProgramFile) -> Manifest:
    data = file.path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    files = (ManifestFile("model.h5", sha256, len(data)),)
    return replace(put_run(MemoryStore(), "diabetes").manifest, engine="tensorflow", programs=(), digest=sha256, files=files)


@pytest.mark.parametrize("boxed", [True, False], ids=["bubblewrap", "limits alone"])
def test_the_predictor_serves_it_in_a_trial(made: Made, boxed: bool) -> None:
    predictors = PredictorProcess(TrialLimits(), working_bubblewrap() if boxed else "", tensorflow_python=PYTHON)

    with predictors.serve(about(model(made, "good")), [model(made, "good")], threading.Event()) as predictor:
        reply = predictor.ask(made.inputs)
        taken = predictor.peak_memory_bytes

    assert np.allclose(reply.outputs["price"], made.price, 1e-6, 1e-6)
    assert taken > 200 * 2**20, "TensorFlow's process is counted"


def test_a_hostile_file_is_refused_by_the_predictor_too(made: Made) -> None:
    predictors = PredictorProcess(TrialLimits(), working_bubblewrap(), tensorflow_python=PYTHON)

    serving = predictors.serve(about(model(made, "lambda")), [model(made, "lambda")], threading.Event())
    with serving as predictor, pytest.raises(ProgramFailed, match="needs 'Lambda'") as caught:
        predictor.ask(made.inputs)

    assert caught.value.reason == "predictor_refused"


def test_a_trial_without_tensorflow_waits_and_says_what_to_set(made: Made) -> None:
    predictors = PredictorProcess(TrialLimits(), "")

    with pytest.raises(CannotRun, match="set PUSHLINE_TENSORFLOW_PYTHON"):
        predictors.serve(about(model(made, "good")), [model(made, "good")], threading.Event()).__enter__()


def test_an_evaluator_without_tensorflow_waits_and_says_what_to_set(made: Made) -> None:
    child = LimitedChild(Limits(), working_bubblewrap())

    with pytest.raises(CannotRun, match="set PUSHLINE_TENSORFLOW_PYTHON"):
        child.run([model(made, "good")], made.inputs, threading.Event())


def test_an_interpreter_without_tensorflow_is_no_fault_of_the_model(made: Made) -> None:
    child = LimitedChild(Limits(), "", tensorflow_python=Path(sys.executable))

    with pytest.raises(CannotRun, match="does not start: ModuleNotFoundError"):
        child.run([model(made, "good")], made.inputs, threading.Event())
