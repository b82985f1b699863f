"""Every metric of a model's answers on a set, with its confidence interval.

A number that is not defined (recall of a class that never occurs, R² of a constant) is None, and passes no gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import Estimate
from pushline.evaluator.known_metrics import CLASSIFICATION, FIRST_METRIC, REGRESSION
from pushline.evaluator.measures.answered import Answered, answered
from pushline.evaluator.measures.areas import Areas
from pushline.evaluator.measures.constant import constant_figure
from pushline.evaluator.measures.estimates import estimates
from pushline.evaluator.measures.summed import summed
from pushline.evaluator.sums import Sums
from pushline.reports.report import ClassRow

LARGEST_MATRIX = 500  # classes; the confusion matrix of more is left out, as it grows with their square


@dataclass(frozen=True, slots=True)
class Measured:
    """`answered` is kept for the curves, `sums` and `areas` for what compares models."""

    metrics: dict[str, Estimate]
    constant: float  # what the best constant answer has of the task's first metric
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...]
    answered: Answered
    sums: Sums
    areas: Areas

    @property
    def task(self) -> str:
        return self.answered.task

    @property
    def numbers(self) -> dict[str, float | None]:
        """Every metric without its interval."""
        return {name: estimate.value for name, estimate in self.metrics.items()}

    @property
    def first(self) -> float | None:
        return self.metrics[FIRST_METRIC[self.task]].value


def measure(
    task: str,
    truth: Array,
    answers: Array,
    labels: Sequence[str],
    *,
    from_logits: bool = False,
    quantiles: Sequence[float] = (),
    confidence: float = 0.95,
) -> Measured:
    """Raises NotJudgeable, as answered(), which says what the arguments are."""
    return measured(answered(task, truth, answers, labels, from_logits=from_logits, quantiles=quantiles), confidence)


def measured(rows: Answered, confidence: float) -> Measured:
    found = summed(rows)
    numbers = estimates(rows, found, confidence)
    return Measured(numbers, constant_figure(rows), _classes(rows, numbers), _confusion(rows), rows, found.sums, found.areas)


def _classes(rows: Answered, numbers: dict[str, Estimate]) -> tuple[ClassRow, ...]:
    if rows.task == REGRESSION:
        return ()
    counts = rows.counts.tolist()
    own = (tuple(numbers[f"{name}.{label}"].value for name in ("precision", "recall", "f1")) for label in rows.labels)
    return tuple(ClassRow(label, count, *each) for label, count, each in zip(rows.labels, counts, own, strict=True))


def _confusion(rows: Answered) -> tuple[tuple[int, ...], ...]:
    """True classes as rows; of several labels there is none."""
    classes = rows.scores.shape[1]
    if rows.task != CLASSIFICATION or classes > LARGEST_MATRIX:
        return ()
    matrix = np.bincount(rows.truth * classes + rows.said, minlength=classes**2).reshape(classes, classes)
    return tuple(map(tuple, matrix.tolist()))
