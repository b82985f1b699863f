"""What a model's answers are worth on a set, in numbers. scikit-learn computes; here is decided what is asked of it.

A number that is not defined (recall of a class that never occurs, R² of a constant) is None, and passes no gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn import metrics as sk

from pushline.evaluator.arrays import Array
from pushline.evaluator.dataset import class_indices, targets
from pushline.evaluator.gates import FIRST_METRIC
from pushline.evaluator.measures.answered import MAX_CLASSES, probabilities
from pushline.evaluator.verdict import NotJudgeable

LARGEST_MATRIX = 500  # classes; the confusion matrix of more is left out, as it grows with their square


@dataclass(frozen=True, slots=True)
class ClassRow:
    label: str
    rows: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """`truth` and `scores` are kept for the curves: indices and (rows, classes), or targets and answers, both (rows, columns)."""

    task: str
    metrics: dict[str, float | None]
    constant: float
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...]
    truth: Array
    scores: Array

    @property
    def first(self) -> float | None:
        return self.metrics[FIRST_METRIC[self.task]]


def measure(task: str, truth: Array, answers: Array, labels: Sequence[str], *, from_logits: bool = False) -> Measured:
    """`from_logits`: the answers are scores before softmax or sigmoid, whatever they look like.

    Raises NotJudgeable: answers that are not finite, a y that does not fit them, an unknown task.
    """
    if task not in FIRST_METRIC:
        raise NotJudgeable("unknown_task", f"the task {task!r} is unknown; classification and regression are known")
    if not answers.size:
        raise NotJudgeable("no_answers", f"the model's answers have the shape {answers.shape}: there is nothing to judge")
    wrong = np.count_nonzero(~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1))
    if wrong:
        raise NotJudgeable("not_finite", f"the model answers NaN or infinity on {wrong} of {len(answers)} rows")
    if task == "classification":
        if answers.ndim > 1 and answers.shape[-1] > MAX_CLASSES:
            raise NotJudgeable("too_many_classes", f"the model has {answers.shape[-1]} classes; at most {MAX_CLASSES} are judged")
        return _classification(class_indices(truth, answers.shape, labels), probabilities(answers, from_logits=from_logits), labels)
    return _regression(targets(truth, answers.shape), answers.astype(np.float64).reshape(len(answers), -1))


def _classification(truth: Array, shares: Array, labels: Sequence[str]) -> Measured:
    count = shares.shape[1]
    said = _said(shares)
    names = list(labels) or [str(index) for index in range(count)]
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, said, average="macro", zero_division=0)
    numbers: dict[str, float | None] = {
        "accuracy": float(sk.accuracy_score(truth, said)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "log_loss": float(sk.log_loss(truth, shares, labels=range(count))),
    }
    classes = _by_class(truth, said, names)
    for row in classes:
        numbers |= {f"precision.{row.label}": row.precision, f"recall.{row.label}": row.recall, f"f1.{row.label}": row.f1}
    confusion = sk.confusion_matrix(truth, said, labels=range(count)).tolist() if count <= LARGEST_MATRIX else []
    constant = float(np.bincount(truth).max() / len(truth))
    return Measured("classification", numbers, constant, classes, tuple(map(tuple, confusion)), truth, shares)


def _said(shares: Array) -> Array:
    """Which class each row says: the likeliest, the first of equals (so one half is still the first of two, as in Keras)."""
    return np.asarray(shares.argmax(axis=1))


def _by_class(truth: Array, said: Array, names: Sequence[str]) -> tuple[ClassRow, ...]:
    found = sk.precision_recall_fscore_support(truth, said, labels=range(len(names)), zero_division=np.nan)
    precision, recall, f1, rows = (column.tolist() for column in found)
    return tuple(
        ClassRow(name, rows[at], _defined(precision[at]), _defined(recall[at]), _defined(f1[at])) for at, name in enumerate(names)
    )


def _defined(number: float) -> float | None:
    return number if np.isfinite(number) else None


@np.errstate(all="ignore")  # what overflows is not finite, and passes no gate
def _regression(truth: Array, answers: Array) -> Measured:
    numbers: dict[str, float | None] = {
        "rmse": _defined(float(np.sqrt(sk.mean_squared_error(truth, answers)))),
        "mae": _defined(float(sk.mean_absolute_error(truth, answers))),
        "r2": None if _is_constant(truth) else _defined(float(sk.r2_score(truth, answers))),
    }
    constant = float(np.sqrt(np.mean((truth - truth.mean(axis=0)) ** 2)))
    return Measured("regression", numbers, constant, (), (), truth, answers)


def _is_constant(truth: Array) -> bool:
    return bool((truth == truth[0]).all(axis=0).any())
