from dataclasses import replace
from pathlib import Path

import pytest

from pushline.objects.manifest import Program, TensorSpec
from pushline.runtime.operator_file import Limits
from pushline.trainer.failures import MAX_SENTENCE, failure_of
from pushline.trainer.launch_result import FrozenSet, LaunchResult
from pushline.trainer.sandbox.box import Ended, Received

LIMITS = Limits(timeout_seconds=90.0, memory_bytes=1 << 30, processes=64, disk_bytes=1 << 29, output_bytes=1 << 20)
TENSOR = (TensorSpec("x", "float32", (-1, 4)),)
SUCCESS = LaunchResult(
    succeeded=True,
    reason="",
    sentence="",
    inputs=TENSOR,
    outputs=TENSOR,
    programs=(Program("program.tflite", None),),
    task="regression",
    from_logits=False,
    loss="mse",
    dataset=FrozenSet("dataset.npz", 3, "evaluate"),
    dataset_problem="",
    history={},
    versions={},
    seeds={},
)
NAMES = ("model.h5", "program.tflite", "dataset.npz")
ENDED = Ended("", 0, False, False, "the last line", {name: Received(name, Path(name), "0" * 64, 1) for name in NAMES})
FAILED = replace(SUCCESS, succeeded=False, reason="script_failed", sentence="train.py raised ValueError: x")
EMPTY = Received("model.h5", Path("model.h5"), "0" * 64, 0)
NOTHING = replace(ENDED, exit_code=1, files={})


def test_everything_there_is_no_failure() -> None:
    assert failure_of(ENDED, SUCCESS, LIMITS, "train.py") is None


@pytest.mark.parametrize(
    ("ended", "result", "reason", "words"),
    [
        (replace(NOTHING, stopped="timeout"), None, "timeout", "did not end within 90 s"),
        (replace(NOTHING, stopped="memory"), FAILED, "memory", "more than 1 GiB of memory together"),
        (replace(NOTHING, stopped="processes"), None, "processes", "more than 64 processes and threads"),
        (replace(NOTHING, disk_full=True), FAILED, "disk_full", "filled the 512 MiB"),
        (
            replace(NOTHING, memory_refused=True),
            None,
            "memory",
            "Last lines of its output: the last line",
        ),
        (replace(NOTHING, tail="terminate called after throwing 'std::bad_alloc'"), None, "memory", "1 GiB"),
        (NOTHING, FAILED, "script_failed", "train.py raised ValueError: x. Last lines of its output: the last line"),
        (NOTHING, replace(FAILED, reason="no_model", sentence="No model."), "no_model", "No model."),
        (replace(NOTHING, exit_code=3), None, "script_failed", "train.py ended with exit code 3 and without a result."),
        (replace(NOTHING, exit_code=-11), None, "script_failed", "train.py was ended by signal 11."),
        (replace(NOTHING, exit_code=None), None, "script_failed", "ended the process that watches over it"),
        (replace(ENDED, refused={"model.h5": "is a symbolic link"}), SUCCESS, "output_invalid", "model.h5 is a symbolic link."),
        (replace(ENDED, refused={"model.h5": "has 9 bytes; the limit is 8"}), SUCCESS, "output_too_large", "the limit is 8."),
        (replace(ENDED, files={}), SUCCESS, "output_invalid", "it made model.h5, but there is no such file"),
        (ENDED, replace(SUCCESS, programs=(Program("other.tflite", 8),)), "output_invalid", "it made other.tflite"),
        (ENDED, replace(SUCCESS, programs=()), "output_invalid", "no serving program"),
        (
            replace(ENDED, files={**ENDED.files, "model.h5": EMPTY}),
            SUCCESS,
            "not_a_model",
            "empty",
        ),
        (replace(ENDED, exit_code=1), SUCCESS, "script_failed", "ended with exit code 1"),
    ],
)
def test_a_failure_has_one_reason_and_one_sentence(ended: Ended, result: LaunchResult | None, reason: str, words: str) -> None:
    failure = failure_of(ended, result, LIMITS, "train.py")

    assert failure is not None
    assert failure.reason == reason
    assert words in failure.sentence


def test_a_sentence_is_bounded() -> None:
    failure = failure_of(replace(NOTHING, tail="x" * 100_000), replace(FAILED, sentence="y" * 100_000), LIMITS, "train.py")

    assert failure is not None
    assert len(failure.sentence) == MAX_SENTENCE
