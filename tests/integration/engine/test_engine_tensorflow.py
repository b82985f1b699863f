"""The TensorFlow engine: right answers from a child process, which comes back when it dies and never outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from pushline.engine.engine import DYNAMIC, Array, BadInput, BadProgram, EngineUnavailable, TensorSpec
from pushline.engine.tensorflow import TensorFlow, TensorFlowEngine
from pushline.engine.tensorflow_process import ENVIRONMENT
from tests.waiting import until

PYTHON = Path(sys.prefix) / "training" / "bin" / "python"
SECONDS = 60.0


class Made(Protocol):
    @property
    def folder(self) -> Path: ...
    @property
    def inputs(self) -> Mapping[str, Array]: ...
    @property
    def price(self) -> Array: ...


def right(engine: TensorFlowEngine, made: Made) -> bool:
    return bool(np.allclose(engine.run(made.inputs)["price"], made.price, 1e-6, 1e-6))


def test_it_answers_as_keras_did_from_many_threads_at_once(engine: TensorFlowEngine, made: Made) -> None:
    assert (engine.kind, engine.problem) == ("tensorflow", "")
    assert engine.signature.inputs == (TensorSpec("code", "int32", (DYNAMIC, 1)), TensorSpec("weight", "float32", (DYNAMIC, 2)))
    assert engine.signature.outputs == (TensorSpec("price", "float32", (DYNAMIC, 1)),)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: right(engine, made), range(64)))


def test_a_batch_larger_than_what_is_given_at_once_comes_back_whole(engine: TensorFlowEngine, made: Made) -> None:
    many = {name: np.concatenate([array] * 20) for name, array in made.inputs.items()}

    assert np.allclose(engine.run(many)["price"], np.concatenate([made.price] * 20), 1e-6, 1e-6)


def test_tensors_that_do_not_fit_are_the_callers_fault(engine: TensorFlowEngine, made: Made) -> None:
    with pytest.raises(BadInput, match="weight"):
        engine.run({"code": made.inputs["code"]})


def test_the_child_has_nothing_of_its_parents_environment(engine: TensorFlowEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHLINE_S3_SECRET_KEY", "a secret")
    entries = Path(f"/proc/{engine.pid}/environ").read_bytes().split(b"\0")

    names = {entry.split(b"=")[0].decode() for entry in entries if entry}
    assert {name for name in names if "PUSHLINE" in name or "AWS" in name} == set()
    assert set(ENVIRONMENT) <= names


def test_a_child_that_dies_is_told_and_comes_back_with_the_same_answers(engine: TensorFlowEngine, made: Made) -> None:
    before = engine.pid
    os.kill(before, signal.SIGKILL)
    until(lambda: engine.problem != "", SECONDS, "the engine to notice")

    with pytest.raises(EngineUnavailable, match="it is started again"):
        engine.run(made.inputs)
    until(lambda: engine.problem == "", SECONDS, "the engine to come back")

    assert engine.pid != before
    assert right(engine, made)


def test_a_hostile_file_is_refused_and_leaves_no_process(made: Made) -> None:
    with pytest.raises(BadProgram, match="needs 'Lambda'"):
        TensorFlow(PYTHON).open(made.folder / "lambda.h5")


def test_an_interpreter_without_tensorflow_is_told() -> None:
    with pytest.raises(EngineUnavailable, match="TensorFlow does not start with"):
        TensorFlow(Path(sys.executable)).open(Path(__file__))


def test_the_child_ends_with_a_parent_that_is_killed(made: Made) -> None:
    code = (
        "import sys, threading; from pathlib import Path; from pushline.engine.tensorflow import TensorFlow\n"
        "print(TensorFlow(Path(sys.argv[1])).open(Path(sys.argv[2])).pid, flush=True); threading.Event().wait()"
    )
    words = [sys.executable, "-c", code, str(PYTHON), str(made.folder / "good.h5")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()

    until(lambda: not is_alive(child), SECONDS, "the child to end")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
