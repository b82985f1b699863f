import json
from pathlib import Path
from typing import Any

import pytest

from pushline.objects.manifest import Program, TensorSpec
from pushline.trainer.launch_result import BadResult, FrozenSet, read_result

GOOD: dict[str, Any] = {
    "schema": 1,
    "outcome": "succeeded",
    "reason": "",
    "sentence": "",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 4]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [-1, 1]}],
    "programs": [{"file": "program.tflite", "batch": None}, {"file": "program-8.tflite", "batch": 8}],
    "task": "regression",
    "loss": "mse",
    "dataset": {"file": "dataset.npz", "rows": 7, "taken_from": "evaluate", "truncated": False},
    "history": {"loss": [0.5, None, 1]},
    "versions": {"keras": "3.15"},
    "seeds": {"numpy": 1},
    "something_newer": 1,
}


def written(folder: Path, plain: object) -> Path:
    path = folder / "result.json"
    path.write_text(plain if isinstance(plain, str) else json.dumps(plain))
    return path


def test_a_result_is_read(tmp_path: Path) -> None:
    result = read_result(written(tmp_path, GOOD))

    assert result.succeeded
    assert result.inputs == (TensorSpec("x", "float32", (-1, 4)),)
    assert result.programs == (Program("program.tflite", None), Program("program-8.tflite", 8))
    assert result.dataset == FrozenSet("dataset.npz", 7, "evaluate")
    assert result.history == {"loss": (0.5, None, 1.0)}


def test_an_unknown_reason_is_a_failed_script(tmp_path: Path) -> None:
    result = read_result(written(tmp_path, {"schema": 1, "outcome": "failed", "reason": "superseded", "sentence": "a\nb\x1b[31m"}))

    assert (result.succeeded, result.reason, result.sentence) == (False, "script_failed", "a b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "schema or outcome"),
        ({"outcome": "great"}, "schema or outcome"),
        ({"inputs": 7}, "inputs is not of type list"),
        ({"inputs": [7]}, "inputs is not a list of at most 64 objects"),
        ({"inputs": [{"name": 7}]}, r"inputs\[0\]: name is not of type str"),
        ({"inputs": [{"name": "x", "dtype": "f", "shape": ["a"]}]}, "no dimension"),
        ({"inputs": [{"name": "x", "dtype": "f", "shape": [1] * 99}]}, "more than 16 dimensions"),
        ({"programs": [{"file": "p", "batch": -1}]}, "batch is out of range"),
        ({"programs": [{}] * 99}, "at most 16"),
        ({"dataset": {"file": "d", "rows": 2**40}}, "rows is out of range"),
        ({"history": {"loss": 7}}, "history.loss"),
        ({"history": {str(n): [] for n in range(99)}}, "more than 64 fields"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadResult, match=words):
        read_result(written(tmp_path, {**GOOD, **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": NaN}', "[" * 100_000, " " * 4_000_000])
def test_what_is_no_result_at_all_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadResult):
        read_result(written(tmp_path, text))
