"""Areas under curves (ROC-AUC, average precision) of weighted rows, and how much each row moves them.

An area is no sum over rows, but to first order it is one: its derivative by a row's weight, the row's influence (infinitesimal
jackknife, Efron 1982). Of ROC-AUC the squares of these add up to DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988, in the
O(n log n) form of Sun and Xu 2014). So one sorting of the scores gives the area, its variance and, beside another model's
influences on the same rows, the variance of their difference.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """One of the curves that an area is the mean of; `least` is how many rows its rarer side has."""

    value: float
    variance: float
    least: int


@dataclass(frozen=True, slots=True)
class Area:
    """`influence` is (rows,) and adds up to 0."""

    value: float
    influence: Floats
    curves: tuple[Curve, ...]

    @property
    def least(self) -> int:
        """Of all curves."""
        return min(curve.least for curve in self.curves)

    @property
    def variance(self) -> float:
        return float(self.influence @ self.influence)


@dataclass(frozen=True, slots=True)
class Areas:
    """Both are None where y has one side alone."""

    roc: Area | None
    precision: Area | None


@dataclass(frozen=True, slots=True)
class _Scored:
    """Weights at each distinct score, from the highest down."""

    positive: Floats
    negative: Floats
    at: npt.NDArray[np.int64]  # (rows,): which of the scores each row has


def roc_auc(positive: Marks, scores: Array, weights: Floats | None = None) -> float:
    """Give the probability that a positive row has the higher score than a negative one, equal scores counting half."""
    curve = _scored(positive, scores, weights)
    return float(curve.positive @ _beaten(curve.negative) / (curve.positive.sum() * curve.negative.sum()))


def average_precision(positive: Marks, scores: Array, weights: Floats | None = None) -> float:
    """Give the mean precision at the scores of the positive rows: the area under precision by recall, in steps."""
    curve = _scored(positive, scores, weights)
    return float(curve.positive @ _precision(curve) / curve.positive.sum())


def areas(sides: Iterable[tuple[Marks, Array]]) -> Areas:
    """Average the areas of several curves (each class, or each label, against the rest) over those that have both sides.

    Each side is which rows are positive, and every row's score.
    """
    roc, precision = _Mean(), _Mean()
    for positive, scores in sides:
        if 0 < np.count_nonzero(positive) < len(positive):
            of_roc, of_precision = _both(positive, scores)
            roc.add(of_roc)
            precision.add(of_precision)
    return Areas(roc.area(), precision.area())


class _Mean:
    """One influence at a time, as a million rows of many classes would not fit."""

    def __init__(self) -> None:
        self.curves: list[Curve] = []
        self.influence: Floats | None = None

    def add(self, area: Area) -> None:
        self.curves += area.curves
        self.influence = area.influence if self.influence is None else self.influence + area.influence

    def area(self) -> Area | None:
        if self.influence is None:
            return None
        value = float(np.mean([curve.value for curve in self.curves]))
        return Area(value, self.influence / len(self.curves), tuple(self.curves))


def _both(positive: Marks, scores: Array) -> tuple[Area, Area]:
    scored = _scored(positive, scores, None)
    positives, negatives = scored.positive.sum(), scored.negative.sum()
    least = int(min(positives, negatives))
    roc = _roc(scored, positive, positives, negatives)
    return _area(*roc, least), _area(*_average_precision(scored, positive, positives), least)


def _area(value: float, influence: Floats, least: int) -> Area:
    return Area(value, influence, (Curve(value, float(influence @ influence), least),))


def _roc(curve: _Scored, positive: Marks, positives: float, negatives: float) -> tuple[float, Floats]:
    """The influence is scaled by side to the sample variance, as DeLong has it."""
    beats, beaten = _beaten(curve.negative) / negatives, _beaten(curve.positive[::-1])[::-1] / positives
    value = float(curve.positive @ beats / positives)
    of_positive = (beats - value) * (_sample(positives) / positives)
    of_negative = (beaten - value) * (_sample(negatives) / negatives)
    return value, np.where(positive, of_positive[curve.at], of_negative[curve.at])


def _sample(count: float) -> float:
    return float(np.sqrt(count / (count - 1))) if count > 1 else 1.0


def _average_precision(curve: _Scored, positive: Marks, positives: float) -> tuple[float, Floats]:
    precision = _precision(curve)
    value = float(curve.positive @ precision / positives)
    above = np.cumsum(curve.positive + curve.negative)
    lower = _from_here(curve.positive / above)
    lost = _from_here(curve.positive * precision / above)
    of_positive = (precision - value + lower - lost) / positives
    return value, np.where(positive, of_positive[curve.at], -lost[curve.at] / positives)


def _from_here(steps: Floats) -> Floats:
    return np.cumsum(steps[::-1])[::-1]


def _beaten(others: Floats) -> Floats:
    """At each score: the weight of others below it, and half of those at it. Scores go down."""
    return np.asarray(others.sum() - np.cumsum(others) + others / 2)


def _precision(curve: _Scored) -> Floats:
    positive = np.cumsum(curve.positive)
    return np.asarray(positive / (positive + np.cumsum(curve.negative)))


def _scored(positive: Marks, scores: Array, weights: Floats | None) -> _Scored:
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    place = np.zeros(len(scores), np.int64)
    place[starts[1:]] = 1
    at = np.empty(len(scores), np.int64)
    at[order] = np.cumsum(place)
    weight = np.ones(len(scores)) if weights is None else weights
    of_positive, of_negative = (np.bincount(at, np.where(side, weight, 0.0), len(starts)) for side in (positive, ~positive))
    return _Scored(of_positive.astype(np.float64), of_negative.astype(np.float64), at)
