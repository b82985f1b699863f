"""Each metric's number and interval, by the method that the table of metrics names."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pushline.evaluator.findings import Estimate
from pushline.evaluator.known_metrics import BOOTSTRAP, GAPS, INTERVALS, SCORE, SPREAD, STUDENT
from pushline.evaluator.measures import intervals, parts
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.areas import Area
from pushline.evaluator.measures.linear import present
from pushline.evaluator.measures.summed import Summed
from pushline.evaluator.sums import Floats, drawn

SAMPLED = (SPREAD, STUDENT, BOOTSTRAP, GAPS)
LEAST_ROWS = 2  # one row says nothing about how rows differ
BESIDE = "beside "  # a metric's name with this before it: its standard error


def estimates(rows: Answered, found: Summed, confidence: float, *, resample: bool = True) -> dict[str, Estimate]:
    """Give every metric; None where it is not defined or not finite. Without resampling some have no interval."""
    point = {name: value if math.isfinite(value) else None for name, value in found.sums.point().items()}
    ways = _Ways(
        rows,
        found,
        confidence,
        resample and rows.rows >= LEAST_ROWS,
        tuple(name for name, value in point.items() if value is not None),
    )
    return {name: Estimate(None) if value is None else ways.estimate(name, value) for name, value in point.items()}


def method(name: str) -> str:
    """Say how a metric's interval is made. A class's own precision, recall and F1 are proportions, unlike their means."""
    stem, _, own = name.partition(".")
    return SCORE if own and INTERVALS[stem] == SPREAD else INTERVALS[stem]


@dataclass(frozen=True)
class _Ways:
    rows: Answered
    found: Summed
    confidence: float
    resample: bool
    names: tuple[str, ...]

    def estimate(self, name: str, value: float) -> Estimate:
        way = method(name)
        if way == SCORE:
            return self._proportion(name, value)
        if name in self._areas:
            area = self._areas[name]
            return intervals.like_a_share(value, area.variance, parts.of_area(name, area), self.confidence)
        return self._sampled(way, name, value) if self.resample else Estimate(value)

    def _proportion(self, name: str, value: float) -> Estimate:
        stem, _, own = name.partition(".")
        make = intervals.f1_share if stem == "f1" else intervals.share
        rows = self._counts.own(stem)[self._places[own]] if own else self.rows.rows
        return make(value, float(rows), self.confidence)

    def _sampled(self, way: str, name: str, value: float) -> Estimate:
        found = self._drawn[name]
        if way == STUDENT:
            error, errors = float(self._errors[name][0]), self._drawn[BESIDE + name]
            return intervals.studentized(value, error, found, errors, self.confidence)
        if way == GAPS:
            return intervals.of_gaps(value, self._errors["gap"][0], self._drawn[BESIDE + "gap"], self.confidence)
        usable = intervals.defined(found)
        if way == BOOTSTRAP or usable is None:
            return intervals.percentiles(value, found, self.confidence)
        return intervals.like_a_share(value, float(usable.var(ddof=1)), self._counts.parts(name, value), self.confidence)

    @cached_property
    def _drawn(self) -> dict[str, Floats]:
        sampled = [name for name in self.names if method(name) in SAMPLED]
        sums = self.found.sums

        def figures(total: Floats) -> dict[str, Floats]:
            values = sums.metrics(total)
            return {name: values[name] for name in sampled} | self._beside(total, BESIDE)

        return drawn(sums, figures)

    @cached_property
    def _errors(self) -> dict[str, Floats]:
        return self._beside(self.found.sums.total(np.ones((1, self.found.sums.rows.shape[0]))), "")

    def _beside(self, total: Floats, before: str) -> dict[str, Floats]:
        beside = self.found.sums.beside
        return {before + name: values for name, values in beside(total).items()} if beside else {}

    @cached_property
    def _areas(self) -> dict[str, Area]:
        return dict(present(self.found.areas))

    @cached_property
    def _counts(self) -> parts.Counts:
        return parts.Counts(self.rows)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {label: at for at, label in enumerate(self.rows.labels)}
