"""Candidate and live model on the same rows: how far apart each metric is, within which bounds, and what such a set can see.

A share of rows (accuracy, the recall of a class) has Tango's score interval, ROC-AUC DeLong's, every other metric that of a paired
Poisson bootstrap: both models' sums under the same weights, percentiles widened as by Student's t for small sets (Hesterberg 2015,
"What teachers should know about the bootstrap", section 4.4). Answers that are the same to the bit differ by nothing.

A bootstrap sees no row that is not there. So the bounds of what is decided row by row (precision, F1, …) are never nearer than
those of a share without one discordant row, which are quantile² / (rows + quantile²) away.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import Difference
from pushline.evaluator.known_metrics import CLASSIFICATION, MULTILABEL
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.areas import Area
from pushline.evaluator.measures.measure import Measured
from pushline.evaluator.measures.summed import Summed, summed
from pushline.evaluator.proportions import Discordance, rows_to_see, visible_drop
from pushline.evaluator.sums import Floats, resampled

DECIDED = ("precision", "recall", "f1", "balanced_accuracy", "hamming_loss", "top_", "coverage")  # row by row: right or wrong
MOST_UNDEFINED = 0.05  # of the resamples; above, nothing is said of the metric's spread


class Pair(Protocol):
    """One metric of both models: candidate minus live model."""

    method: str

    @property
    def value(self) -> float: ...

    def bound(self, confidence: float) -> float:
        """Give the one-sided lower bound; at 1 - confidence it is the upper one at `confidence`."""
        ...

    def p_below(self, difference: float) -> float:
        """One-sided p-value against a true difference of at least this."""
        ...

    def visible(self, confidence: float, power: float) -> float:
        """Give the least max_drop that equally good models pass with the probability `power`."""
        ...

    def growth(self, drop: float, confidence: float, power: float) -> float:
        """Give how many times as many rows they need to pass this one."""
        ...


@dataclass(frozen=True, slots=True)
class SameAnswers:
    method = "same_answers"
    value = 0.0

    def bound(self, confidence: float) -> float:
        del confidence
        return 0.0

    def p_below(self, difference: float) -> float:
        return float(difference <= 0)

    def visible(self, confidence: float, power: float) -> float:
        del confidence, power
        return 0.0

    def growth(self, drop: float, confidence: float, power: float) -> float:
        del drop, confidence, power
        return 1.0


@dataclass(frozen=True, slots=True)
class Shares:
    found: Discordance
    method = "score"

    @property
    def value(self) -> float:
        return self.found.value

    def bound(self, confidence: float) -> float:
        return self.found.bound(confidence)

    def p_below(self, difference: float) -> float:
        return self.found.p_below(difference)

    def visible(self, confidence: float, power: float) -> float:
        discordant = self.found.only_candidate + self.found.only_champion
        return visible_drop(self.found.rows, discordant / self.found.rows, confidence, power)

    def growth(self, drop: float, confidence: float, power: float) -> float:
        discordant = self.found.only_candidate + self.found.only_champion
        return rows_to_see(drop, discordant / self.found.rows, confidence, power) / self.found.rows


@dataclass(frozen=True, slots=True)
class AreaPair:
    """`least` is how many rows the rarer side of a curve has."""

    candidate: Area
    champion: Area
    method = "delong"

    @property
    def value(self) -> float:
        return self.candidate.value - self.champion.value

    def _error(self) -> float:
        apart = self.candidate.influence - self.champion.influence
        return math.sqrt(float(apart @ apart))

    def bound(self, confidence: float) -> float:
        quantile, error = float(ndtri(confidence)), self._error()
        return self.value - (quantile * error if error > 0 else _unseen(quantile, self.candidate.least))

    def p_below(self, difference: float) -> float:
        return float(ndtr(_limited((self.value - difference), self._error(), self.candidate.least)))

    def visible(self, confidence: float, power: float) -> float:
        error = self._error()
        quantile = float(ndtri(confidence))
        return (quantile + float(ndtri(power))) * error if error > 0 else _unseen(quantile, self.candidate.least)

    def growth(self, drop: float, confidence: float, power: float) -> float:
        return (self.visible(confidence, power) / drop) ** 2


@dataclass(frozen=True)
class Resampled:
    """`drawn` are differences under random weights of the rows; `rows` is how many the metric looks at."""

    value: float
    drawn: Floats
    rows: int
    decided: bool
    method = "bootstrap"

    @cached_property
    def error(self) -> float:
        return float(self.drawn.std(ddof=1))

    def bound(self, confidence: float) -> float:
        share = float(ndtr(math.sqrt(self.rows / max(self.rows - 1, 1)) * stdtrit(max(self.rows - 1, 1), confidence)))
        found = float(np.quantile(self.drawn, 1 - share))
        if not self.decided:
            return found
        nearest = self.value - _unseen(float(ndtri(confidence)), self.rows)
        return min(found, nearest) if confidence > 0.5 else max(found, nearest)  # noqa: PLR2004 - a lower bound, an upper one

    def p_below(self, difference: float) -> float:
        if self.rows < 2:  # noqa: PLR2004 - one row shows no spread
            return 0.5
        return float(stdtr(self.rows - 1, _limited(self.value - difference, self.error, self.rows)))

    def visible(self, confidence: float, power: float) -> float:
        quantile = float(ndtri(confidence))
        width = max(quantile * self.error, _unseen(quantile, self.rows) if self.decided else 0.0)
        return width + float(ndtri(power)) * self.error

    def growth(self, drop: float, confidence: float, power: float) -> float:
        return (self.visible(confidence, power) / drop) ** 2


def _unseen(quantile: float, rows: int) -> float:
    """How far a share of so many rows may be from what they show, where no row shows a difference."""
    square = quantile * quantile
    return math.copysign(square / (rows + square), quantile)


def _limited(apart: float, error: float, rows: int) -> float:
    """How many errors it is apart; rows that all say the same are no surer than as many tosses of a coin."""
    most = math.sqrt(rows)
    if error > 0:
        return max(-most, min(most, apart / error))
    return math.copysign(most, apart) if apart else 0.0


@dataclass(frozen=True, slots=True)
class Side:
    """One model's answers, and their sums."""

    rows: Answered
    summed: Summed


def side(rows: Answered) -> Side:
    return Side(rows, summed(rows))


def side_of(measured: Measured) -> Side:
    return Side(measured.answered, Summed(measured.sums, measured.areas))


def same_answers(candidate: Answered, champion: Answered) -> bool:
    return bool(candidate.scores.shape == champion.scores.shape and np.array_equal(candidate.scores, champion.scores))


def pairs(candidate: Side, champion: Side, names: Collection[str]) -> dict[str, Pair]:
    """Give those of the named metrics that are defined for both models, which answered the same rows."""
    now, before = candidate.summed.sums.point(), champion.summed.sums.point()
    defined = [name for name in names if np.isfinite(now.get(name, np.nan)) and np.isfinite(before.get(name, np.nan))]
    if same_answers(candidate.rows, champion.rows):
        return dict.fromkeys(defined, SameAnswers())
    direct = dict(_direct(candidate, champion))
    found: dict[str, Pair] = {name: direct[name] for name in defined if name in direct}
    rest = [name for name in defined if name not in direct]
    return found | dict(_resampled(candidate, champion, rest, {name: now[name] - before[name] for name in rest}))


def p_worse(pair: Pair, drop: float, *, error: bool) -> float:
    """One-sided p-value against being worse by at most `drop`; an error is worse where it is higher."""
    if isinstance(pair, SameAnswers):
        return float(drop >= 0)
    return 1 - pair.p_below(drop) if error else pair.p_below(-drop)


def difference(pair: Pair, confidence: float) -> Difference:
    return Difference(pair.value, pair.bound(confidence), pair.bound(1 - confidence), pair.method)


def discordance(candidate: Answered, champion: Answered) -> Discordance | None:
    """Give the rows that one of two classifiers alone has right."""
    if candidate.task not in (CLASSIFICATION, MULTILABEL):
        return None
    return _discordance(candidate.correct, champion.correct)


def _direct(candidate: Side, champion: Side) -> Iterator[tuple[str, Pair]]:
    """What has a formula of its own."""
    for (name, now), (_, before) in zip(_shares(candidate.rows), _shares(champion.rows), strict=True):
        yield name, Shares(_discordance(now, before))
    area, other = candidate.summed.areas.roc, champion.summed.areas.roc
    if area is not None and other is not None:
        yield "roc_auc", AreaPair(area, other)


def _shares(rows: Answered) -> Iterator[tuple[str, Array]]:
    """Give name, and which rows count as right, of each metric that is a share of rows; a class's own are of its rows alone."""
    if rows.task not in (CLASSIFICATION, MULTILABEL):
        return
    correct = rows.correct
    yield "accuracy", correct
    if rows.task == CLASSIFICATION:
        yield from _recalls(rows, correct)


def _recalls(rows: Answered, correct: Array) -> Iterator[tuple[str, Array]]:
    order = np.argsort(rows.truth, kind="stable")
    starts = np.searchsorted(rows.truth[order], np.arange(len(rows.labels) + 1))
    for label, start, stop in zip(rows.labels, starts[:-1], starts[1:], strict=True):
        if stop > start:
            yield f"recall.{label}", correct[order[start:stop]]


def _discordance(now: Array, before: Array) -> Discordance:
    return Discordance(int(np.count_nonzero(now & ~before)), int(np.count_nonzero(~now & before)), len(now))


def _resampled(candidate: Side, champion: Side, names: Collection[str], values: Mapping[str, float]) -> Iterator[tuple[str, Pair]]:
    if not names:
        return
    now = resampled(candidate.summed.sums, names=names)
    before = resampled(champion.summed.sums, names=names)
    for name in names:
        drawn = now[name] - before[name]
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) >= (1 - MOST_UNDEFINED) * len(now[name]):
            decided = name.startswith(DECIDED)
            yield name, Resampled(values[name], drawn, _looked_at(candidate.rows, champion.rows, name), decided)


def _looked_at(candidate: Answered, champion: Answered, name: str) -> int:
    """How many rows a metric is of: all, or those that are or are said to be of the class that it names."""
    label = name.partition(".")[2]
    if candidate.task != CLASSIFICATION or label not in candidate.labels:
        return candidate.rows
    at = candidate.labels.index(label)
    return max(1, int(np.count_nonzero((candidate.truth == at) | (candidate.said == at) | (champion.said == at))))
