"""The evaluator's limited child with model.h5 in it, which TensorFlow opens."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from pushline.engine.engine import Array
from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.ports import CannotRun, ProgramFailed, ProgramFile

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


def test_an_evaluator_without_tensorflow_waits_and_says_what_to_set(made: Made) -> None:
    child = LimitedChild(Limits(), working_bubblewrap())

    with pytest.raises(CannotRun, match="set PUSHLINE_TENSORFLOW_PYTHON"):
        child.run([model(made, "good")], made.inputs, threading.Event())


def test_an_interpreter_without_tensorflow_is_no_fault_of_the_model(made: Made) -> None:
    child = LimitedChild(Limits(), "", tensorflow_python=Path(sys.executable))

    with pytest.raises(CannotRun, match="does not start: ModuleNotFoundError"):
        child.run([model(made, "good")], made.inputs, threading.Event())
