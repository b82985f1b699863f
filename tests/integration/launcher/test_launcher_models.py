from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from pushline.engine.check import check_program
from pushline.engine.engine import DYNAMIC, Array, TensorSpec
from pushline.engine.litert import LiteRtEngine, load

KINDS: dict[str, dict[str, Any]] = {
    "digits": {
        "inputs": [("pixels", "float32", (64,))],
        "outputs": [("digit", "float32", (10,))],
        "task": "classification",
        "loss": "sparse_categorical_crossentropy",
        "dataset": ("evaluate", 360),
        "epochs": 8,
    },
    "subclassed": {
        "inputs": [("x", "float32", (64,))],
        "outputs": [("output_0", "float32", (10,))],
        "task": "classification",
        "loss": "sparse_categorical_crossentropy",
        "dataset": ("evaluate", 360),
        "epochs": 10,
    },
    "table": {
        "inputs": [("features", "float32", (5,))],
        "outputs": [("price", "float32", (1,))],
        "task": "regression",
        "loss": "mse",
        "dataset": ("validation_split", 60),
        "epochs": 2,
    },
    "several_labels": {
        "inputs": [("features", "float32", (5,))],
        "outputs": [("tags", "float32", (3,))],
        "task": "multilabel",
        "loss": "binary_crossentropy",
        "dataset": ("validation_split", 60),
        "epochs": 2,
    },
    "convolution": {
        "inputs": [("x", "float32", (8, 8, 1))],
        "outputs": [("dense", "float32", (3,))],
        "task": "classification",
        "loss": "sparse_categorical_crossentropy",
        "dataset": ("validation_data", 50),
        "epochs": 2,
    },
    "two_inputs": {
        "inputs": [("colour", "int32", (1,)), ("shape", "float32", (3,))],
        "outputs": [("kind", "float32", (1,))],
        "task": "classification",
        "loss": "binary_crossentropy",
        "dataset": ("evaluate", 120),
        "epochs": 1,
    },
    "lstm": {
        "inputs": [("sentence", "int32", (12,))],
        "outputs": [("mood", "float32", (2,))],
        "task": "classification",
        "loss": "categorical_crossentropy",
        "dataset": ("evaluate", 60),
        "epochs": 2,
    },
    "tape": {
        "inputs": [("x", "float32", (1,))],
        "outputs": [("output_0", "float32", (1,))],
        "task": "regression",
        "loss": "",
        "dataset": ("test.npz", 50),
        "epochs": 0,
    },
}


class Run(Protocol):
    status: int
    stdout: str
    stderr: str
    out: Path
    result: dict[str, Any]
    progress: list[dict[str, Any]]


class Launch(Protocol):
    def __call__(self, name: str, *words: str) -> Run: ...


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def launched(launch: Launch, name: str) -> Run:
    return launch(name, "--dataset", "test.npz") if name == "tape" else launch(name)


def opened(launched: Run) -> LiteRtEngine:
    return load([(launched.out / program["file"], program["batch"]) for program in launched.result["programs"]])


def frozen(launched: Run) -> dict[str, Array]:
    """The frozen inputs by name."""
    names = [each["name"] for each in launched.result["inputs"]]
    with np.load(launched.out / "dataset.npz") as arrays:
        return {names[0]: arrays["x"]} if len(names) == 1 else {name: arrays[f"x.{name}"] for name in names}


def specs(tensors: list[tuple[str, str, tuple[int, ...]]]) -> list[TensorSpec]:
    return [TensorSpec(name, dtype, (DYNAMIC, *shape)) for name, dtype, shape in tensors]


def test_the_script_runs_unmodified_and_its_run_succeeds(launched: Run) -> None:
    assert (launched.status, launched.result["outcome"], launched.result["sentence"]) == (0, "succeeded", ""), launched.stderr


def test_the_result_names_what_the_model_takes_and_gives(launched: Run, name: str) -> None:
    for side in ("inputs", "outputs"):
        told = [TensorSpec(each["name"], each["dtype"], tuple(each["shape"])) for each in launched.result[side]]
        assert sorted(told, key=str) == sorted(specs(KINDS[name][side]), key=str)


def test_the_programs_signature_is_that_of_the_result(launched: Run, name: str) -> None:
    signature = opened(launched).signature

    assert sorted(signature.inputs, key=str) == sorted(specs(KINDS[name]["inputs"]), key=str)
    assert sorted(signature.outputs, key=str) == sorted(specs(KINDS[name]["outputs"]), key=str)


def test_the_engine_answers_as_keras_does(launched: Run) -> None:
    inputs = frozen(launched)
    with np.load(launched.out / "answers.npz") as arrays:
        keras = dict(arrays)
    engine = opened(launched)

    for rows in (1, 7, len(next(iter(keras.values())))):
        answers = engine.run({key: array[:rows] for key, array in inputs.items()})
        assert sorted(answers) == sorted(keras)
        for key, answer in answers.items():
            assert np.all(np.abs(answer - keras[key][:rows]) <= 1e-5 * np.maximum(1, np.abs(keras[key][:rows])))


def test_the_programs_pass_the_structural_check(launched: Run) -> None:
    for program in launched.result["programs"]:
        check_program(launched.out / program["file"])


def test_the_task_and_the_loss_are_told(launched: Run, name: str) -> None:
    assert (launched.result["task"], launched.result["loss"]) == (KINDS[name]["task"], KINDS[name]["loss"])


def test_what_the_model_is_judged_by_is_frozen(launched: Run, name: str) -> None:
    taken_from, rows = KINDS[name]["dataset"]
    assert launched.result["dataset"] == {"file": "dataset.npz", "rows": rows, "taken_from": taken_from, "truncated": False}
    with np.load(launched.out / "dataset.npz") as arrays:
        assert len(arrays["y"]) == rows


def test_epochs_are_reported_as_they_end(launched: Run, name: str) -> None:
    epochs = [line for line in launched.progress if line["event"] == "epoch"]

    assert len(epochs) == KINDS[name]["epochs"]
    assert launched.result["history"].get("loss", []) == [line["metrics"]["loss"] for line in epochs]
    assert launched.progress[-1] == {"event": "export"}


def test_nothing_of_tensorflows_noise_reaches_the_log(launched: Run) -> None:
    assert not [line for line in launched.stderr.splitlines() if "Warning: " not in line and not line.startswith("  ")]


def test_only_recurrent_models_need_fixed_batches(launched: Run, name: str) -> None:
    assert [program["batch"] for program in launched.result["programs"]] == ([1, 8, 32] if name == "lstm" else [None])


def test_the_seed_and_the_versions_are_noted(launch: Launch) -> None:
    result = launch("digits").result

    assert result["seeds"] == {"keras": 1}
    assert {"python", "tensorflow", "keras", "numpy"} <= set(result["versions"])


def test_logits_are_marked(launch: Launch) -> None:
    assert launch("convolution").result["from_logits"]
    assert not launch("digits").result["from_logits"]


def test_the_same_commit_trains_to_the_same_program(launch: Launch) -> None:
    again = launch("digits", "--task", "classification")

    first = launch("digits")
    assert (again.out / "program.tflite").read_bytes() == (first.out / "program.tflite").read_bytes()


def test_a_dictionary_of_inputs_and_outputs_keeps_its_names(launch: Launch) -> None:
    launched = launch("nested")

    assert {each["name"]: each["dtype"] for each in launched.result["inputs"]} == {"left": "float32", "right": "int64"}
    assert [each["name"] for each in launched.result["outputs"]] == ["difference", "total"]
    assert launched.result["dataset"]["rows"] == 64
    with np.load(launched.out / "answers.npz") as keras:
        answers = opened(launched).run(frozen(launched))
        assert all(np.allclose(answers[name], keras[name], 1e-5, 1e-5) for name in keras.files)


def test_the_models_weights_are_those_of_the_final_file(launch: Launch) -> None:
    """The script's own program was made of them; a difference would show that the weights after more training were taken."""
    launched = launch("moved")

    assert launched.result["outcome"] == "succeeded", launched.stderr
    assert launched.result["max_difference"] < 1e-6
    assert [program["file"] for program in launched.result["programs"]] == ["program.tflite"]
    assert [each["name"] for each in launched.result["inputs"]] == ["position"]
    with np.load(launched.out / "answers.npz") as keras:
        assert np.allclose(opened(launched).run(frozen(launched))["output_0"], keras["output_0"], 1e-5, 1e-5)
