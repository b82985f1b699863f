"""The truth and a model's answers, row by row, in the form that every metric takes. Every doubt refuses the run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.dataset import class_indices, label_marks, targets
from pushline.evaluator.known_metrics import CLASSIFICATION, MULTILABEL, TASKS
from pushline.evaluator.verdict import NotJudgeable

MAX_CLASSES = 10_000  # as many as pushline.toml can name
SUM_TOLERANCE = 1e-3  # rows that sum to 1 within this are probabilities


@dataclass(frozen=True, slots=True)
class Answered:
    """`truth` and `scores` by task.

    classification: indices (rows,) and probabilities (rows, classes) that sum to 1.
    multilabel: marks (rows, labels) and independent probabilities of the same shape.
    regression: targets and answers, both (rows, columns); with quantiles, targets (rows, 1) and a column for each quantile.
    """

    task: str
    truth: Array
    scores: Array
    labels: tuple[str, ...]  # of classes or labels; their numbers where pushline.toml names none
    quantiles: tuple[float, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.truth)

    @property
    def said(self) -> Array:
        """Each row's class: the likeliest, the first of equals (one half is the first of two, as in Keras). Of labels, marks."""
        return np.asarray(self.scores > 0.5 if self.task == MULTILABEL else self.scores.argmax(axis=1))  # noqa: PLR2004

    @property
    def correct(self) -> Array:
        """Which rows a classifier answers right, all labels of a row together."""
        same = self.said == self.truth
        return np.asarray(same.all(axis=1) if self.task == MULTILABEL else same)

    @property
    def counts(self) -> Array:
        """How many rows are of each class, or have each label."""
        return np.asarray(
            self.truth.sum(axis=0) if self.task == MULTILABEL else np.bincount(self.truth, minlength=len(self.labels))
        )

    @property
    def points(self) -> Array:
        """The answers of a regression; of quantiles, the median or the one nearest to it, as one column."""
        if not self.quantiles:
            return self.scores
        nearest = min(range(len(self.quantiles)), key=lambda at: abs(self.quantiles[at] - 0.5))
        return self.scores[:, nearest : nearest + 1]

    def only(self, chosen: Array | slice) -> "Answered":
        return replace(self, truth=self.truth[chosen], scores=self.scores[chosen])


def answered(
    task: str,
    truth: Array,
    answers: Array,
    labels: Sequence[str] = (),
    *,
    from_logits: bool = False,
    quantiles: Sequence[float] = (),
) -> Answered:
    """`from_logits`: the answers are scores before softmax or sigmoid, whatever they look like.

    Raises NotJudgeable: answers that are not finite, a y that does not fit them, an unknown task.
    """
    if task not in TASKS:
        raise NotJudgeable("unknown_task", f"the task {task!r} is unknown; known are {', '.join(TASKS)}")
    _check_answers(answers)
    if task == CLASSIFICATION:
        _check_width(answers, "classes")
        shares = probabilities(answers, from_logits=from_logits)
        return Answered(task, class_indices(truth, answers.shape, labels), shares, _names(labels, shares.shape[1]))
    if task == MULTILABEL:
        _check_width(answers, "labels")
        marks = label_marks(truth, answers.shape, labels)
        return Answered(task, marks, independent(answers, from_logits=from_logits), _names(labels, marks.shape[1]))
    wanted = _one_column(answers, quantiles) if quantiles else answers.shape
    numbers = answers.astype(np.float64).reshape(len(answers), -1)
    return Answered(task, targets(truth, wanted), numbers, (), tuple(quantiles))


def _check_answers(answers: Array) -> None:
    if not answers.size:
        raise NotJudgeable("no_answers", f"the model's answers have the shape {answers.shape}: there is nothing to judge")
    wrong = np.count_nonzero(~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1))
    if wrong:
        raise NotJudgeable("not_finite", f"the model answers NaN or infinity on {wrong} of {len(answers)} rows")


def _check_width(answers: Array, word: str) -> None:
    if answers.ndim > 1 and answers.shape[-1] > MAX_CLASSES:
        raise NotJudgeable(f"too_many_{word}", f"the model has {answers.shape[-1]} {word}; at most {MAX_CLASSES} are judged")


def _one_column(answers: Array, quantiles: Sequence[float]) -> tuple[int, ...]:
    columns = int(np.prod(answers.shape[1:]))
    if columns != len(quantiles):
        sentence = f"the model's answers have {columns} columns, but pushline.toml names {len(quantiles)} quantiles"
        raise NotJudgeable("quantiles", sentence)
    return (len(answers), 1)


def _names(labels: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(labels) or tuple(str(at) for at in range(count))


def probabilities(answers: Array, *, from_logits: bool = False) -> Array:
    """Give (rows, classes) that sum to 1. Logits and what is no probability go through softmax (one column: sigmoid)."""
    wide = answers.ndim > 1 and answers.shape[-1] > 1
    if not wide:
        positive = independent(answers.reshape(-1, 1), from_logits=from_logits)
        return np.hstack([1 - positive, positive])
    scores = answers.astype(np.float64).reshape(-1, answers.shape[-1])
    sums = scores.sum(axis=1, keepdims=True)
    if from_logits or scores.min() < 0 or np.abs(sums - 1).max() > SUM_TOLERANCE:
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        sums = scores.sum(axis=1, keepdims=True)
    return np.asarray(scores / sums)


def independent(answers: Array, *, from_logits: bool = False) -> Array:
    """Give (rows, labels), each a probability of its own. Logits and what is no probability go through the sigmoid."""
    scores = answers.astype(np.float64).reshape(-1, answers.shape[-1] if answers.ndim > 1 else 1)
    inside = not from_logits and scores.min() >= 0 and scores.max() <= 1
    return scores if inside else 1 / (1 + np.exp(-np.clip(scores, -700, 700)))
