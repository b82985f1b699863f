"""Classification, several labels a row, or regression, where nobody says."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .freeze import Array

TASKS = ("classification", "multilabel", "regression")
CLASSIFICATION = ("crossentropy", "hinge", "focal")
REGRESSION = ("squared", "absolute", "mse", "mae", "mape", "msle", "huber", "log_cosh", "logcosh", "poisson", "tweedie")


def loss_name(model: Any) -> str:  # noqa: ANN401 a Keras model
    """The name of what compile was given; several names with commas between; empty without compile."""
    loss = getattr(model, "loss", None)
    if loss is None:
        return ""
    if isinstance(loss, dict):
        return ",".join(_name(loss[key]) for key in sorted(loss))
    if isinstance(loss, list | tuple):
        return ",".join(_name(each) for each in loss)
    return _name(loss)


def from_logits(model: Any) -> bool:  # noqa: ANN401 a Keras model
    """Whether the loss takes scores that are no probabilities yet."""
    loss = getattr(model, "loss", None)
    settings = getattr(loss, "_fn_kwargs", None) or {}
    return bool(settings.get("from_logits", getattr(loss, "from_logits", False)))


def infer(loss: str, answers: Mapping[str, Array] | None, y: Any) -> str:  # noqa: ANN401 an array, or nested ones
    plain = loss.lower()
    if "binary" in plain and answers is not None and _has_many_labels(next(iter(answers.values())), y):
        return "multilabel"
    if any(word in plain for word in CLASSIFICATION):
        return "classification"
    if any(word in plain for word in REGRESSION) or answers is None or not isinstance(y, np.ndarray):
        return "regression"
    return "classification" if _looks_like_classes(next(iter(answers.values())), y) else "regression"


def _name(loss: Any) -> str:  # noqa: ANN401 a string, a function or a Loss
    return loss if isinstance(loss, str) else str(getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__))


def _has_many_labels(answer: Array, y: Any) -> bool:  # noqa: ANN401 an array, or nested ones
    """Say whether each row of y has marks for several labels. One mark in every row is a classification, whatever the loss."""
    if not isinstance(y, np.ndarray) or y.ndim != answer.ndim or y.ndim < 2 or y.shape[1:] != answer.shape[1:]:  # noqa: PLR2004
        return False
    return y.shape[-1] > 1 and bool(np.isin(y, (0, 1)).all() and (y.sum(axis=-1) != 1).any())


def _looks_like_classes(answer: Array, y: Array) -> bool:
    if y.dtype.kind == "f" and not np.array_equal(y, np.round(y)):
        return False
    width = answer.shape[-1] if answer.ndim > 1 else 1
    if width > 1:
        return y.shape == answer.shape or bool(y.min() >= 0 and y.max() < width)
    return bool(np.isin(y, (0, 1)).all() and answer.min() >= 0 and answer.max() <= 1)
