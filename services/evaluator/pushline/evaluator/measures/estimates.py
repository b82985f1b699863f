"""Each metric's number and interval, by the method that the table of metrics names."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import Estimate
from pushline.evaluator.known_metrics import BOOTSTRAP, INTERVALS, MULTILABEL, REFLECTED, REGRESSION, SCORE, SPREAD
from pushline.evaluator.measures import intervals
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.areas import Area
from pushline.evaluator.measures.linear import present
from pushline.evaluator.measures.summed import Summed
from pushline.evaluator.sums import Floats, resampled

SAMPLED = (SPREAD, BOOTSTRAP, REFLECTED)
LEAST_ROWS = 2  # one row says nothing about how rows differ


def estimates(rows: Answered, found: Summed, confidence: float) -> dict[str, Estimate]:
    """Give every metric; None where it is not defined or not finite."""
    point = {name: value if math.isfinite(value) else None for name, value in found.sums.point().items()}
    sampled = [name for name, value in point.items() if value is not None and method(name) in SAMPLED]
    drawn = resampled(found.sums, names=sampled) if sampled and rows.rows >= LEAST_ROWS else {}
    ways = _Ways(confidence, dict(present(found.areas)), drawn, dict(_own_rows(rows)), _least(rows))
    return {name: Estimate(None) if value is None else ways.estimate(name, value, rows.rows) for name, value in point.items()}


def method(name: str) -> str:
    """Say how a metric's interval is made. A class's own precision, recall and F1 are proportions, unlike their means."""
    stem, _, own = name.partition(".")
    return SCORE if own and INTERVALS[stem] == SPREAD else INTERVALS[stem]


@dataclass(frozen=True, slots=True)
class _Ways:
    confidence: float
    areas: dict[str, Area]
    drawn: dict[str, Floats]
    own_rows: dict[str, int]
    least: int  # rows that a mean over classes rests on

    def estimate(self, name: str, value: float, rows: int) -> Estimate:
        way = method(name)
        if way == SCORE:
            make = intervals.f1_share if name.startswith("f1.") else intervals.share
            return make(value, self.own_rows.get(name, rows), self.confidence)
        if name in self.areas:
            area = self.areas[name]
            return intervals.like_a_share(value, area.variance, area.least, self.confidence)
        if name not in self.drawn:
            return Estimate(value)
        return self._sampled(way, name, value, rows)

    def _sampled(self, way: str, name: str, value: float, rows: int) -> Estimate:
        if way == BOOTSTRAP:
            return intervals.percentiles(value, self.drawn[name], self.confidence)
        if way == REFLECTED:
            return intervals.reflected(value, self.drawn[name], self.confidence)
        usable = intervals.defined(self.drawn[name])
        if usable is None:
            return Estimate(value)
        least = rows if name.endswith(("_weighted", "_micro", "_loss")) else self.least
        return intervals.like_a_share(value, float(usable.var(ddof=1)), least, self.confidence)


def _least(rows: Answered) -> int:
    """Give the rows of the rarest class that occurs, for each that does: a mean over classes is known no better."""
    if rows.task == REGRESSION:
        return rows.rows
    occurring = rows.counts[rows.counts > 0]
    return int(occurring.min() * len(occurring))


def _own_rows(rows: Answered) -> Iterator[tuple[str, int]]:
    """Of how many rows each class's own figures are proportions."""
    if rows.task == REGRESSION:
        return
    true, said, hit = rows.counts, *_said_and_hit(rows)
    for name, counts in (("precision", said), ("recall", true), ("f1", true + said - hit)):
        yield from ((f"{name}.{label}", int(count)) for label, count in zip(rows.labels, counts, strict=True))


def _said_and_hit(rows: Answered) -> tuple[Array, Array]:
    said = rows.said
    if rows.task == MULTILABEL:
        return said.sum(axis=0), (said & rows.truth).sum(axis=0)
    width = len(rows.labels)
    return np.bincount(said, minlength=width), np.bincount(rows.truth[rows.correct], minlength=width)
