"""What a model is taken for where pushline.toml names no task."""

from typing import Any

import numpy as np
import pytest

from pushline.trainer.launcher.task import infer

MARKS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0]])
ONE_HOT = np.eye(3)
SIGMOIDS = np.array([[0.9, 0.2, 0.8], [0.1, 0.1, 0.2], [0.7, 0.9, 0.3]], np.float32)


@pytest.mark.parametrize(
    ("loss", "answers", "y", "task"),
    [
        ("binary_crossentropy", SIGMOIDS, MARKS, "multilabel"),
        ("binary_focal_crossentropy", SIGMOIDS, MARKS.astype(np.float32), "multilabel"),
        ("binary_crossentropy", SIGMOIDS[:2], MARKS, "multilabel"),
        ("binary_crossentropy", SIGMOIDS, ONE_HOT, "classification"),
        ("binary_crossentropy", SIGMOIDS, MARKS * 0.5, "classification"),
        ("binary_crossentropy", SIGMOIDS[:, :1], MARKS[:, 0], "classification"),
        ("binary_crossentropy", SIGMOIDS[:, :1], MARKS[:, :1], "classification"),
        ("binary_crossentropy", SIGMOIDS, [MARKS, MARKS], "classification"),
        ("categorical_crossentropy", SIGMOIDS, MARKS, "classification"),
        ("mse", SIGMOIDS, MARKS, "regression"),
        ("", SIGMOIDS[:, :1], MARKS[:, 0], "classification"),
        ("", SIGMOIDS, MARKS * 0.5, "regression"),
    ],
)
def test_the_loss_the_answers_and_y_say_what_the_task_is(loss: str, answers: Any, y: Any, task: str) -> None:
    assert infer(loss, {"y": answers}, y) == task


def test_without_answers_the_loss_alone_says_it() -> None:
    assert infer("binary_crossentropy", None, None) == "classification"
    assert infer("", None, None) == "regression"
