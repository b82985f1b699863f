from pathlib import Path
from typing import Any, Protocol

import pytest


class Run(Protocol):
    status: int
    stdout: str
    stderr: str
    out: Path
    result: dict[str, Any]
    progress: list[dict[str, Any]]


class Launch(Protocol):
    def __call__(self, name: str, *words: str) -> Run: ...


FAILURES = {
    "raises": ("script_failed", "train.py raised KeyError: 'dog'"),
    "leaves": ("script_failed", "train.py ended with sys.exit('the data is not there')"),
    "saves_nothing": ("no_model", "train.py ended without saving model.h5 in the folder that it runs in"),
    "saves_junk": ("not_a_model", "model.h5 is no HDF5 file; Keras writes one by model.save('model.h5')"),
    "saves_link": ("not_a_model", "model.h5 is no regular file: Too many levels of symbolic links"),
    "saves_table": ("not_a_model", "model.h5 is an HDF5 file, but no whole Keras model"),
    "saves_nan": ("non_finite_weights", "model.h5 holds NaN or infinite values in runaway/sequential/runaway/kernel"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_script_that_leaves_no_model_fails_with_one_sentence(launch: Launch, name: str) -> None:
    launched = launch(name)

    assert launched.status == 1
    assert launched.result["outcome"] == "failed"
    assert (launched.result["reason"], launched.result["sentence"]) == FAILURES[name]


def test_the_traceback_begins_in_the_script(launch: Launch) -> None:
    launched = launch("raises")

    assert launched.stdout == "reading the data\n"
    assert launched.stderr.startswith('Traceback (most recent call last):\n  File "train.py", line 7, in <module>\n')
    assert "launcher" not in launched.stderr


def test_a_failed_script_gives_no_program(launch: Launch) -> None:
    assert [path.name for path in launch("raises").out.iterdir()] == ["result.json"]


def test_an_evaluation_set_that_is_not_there_is_named(launch: Launch) -> None:
    launched = launch("table", "--dataset", "data/test.npz")

    assert launched.result["reason"] == "bad_dataset"
    assert launched.result["sentence"].startswith("the evaluation set data/test.npz cannot be used: FileNotFoundError")
