"""Two reports side by side, and where two of the same work differ."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

from pushline.reports import words
from pushline.reports.findings import Estimate
from pushline.reports.report import Drawing, Report, Series

MOST_DIFFERENCES = 100
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        return self.first != self.second


@dataclass(frozen=True, slots=True)
class MetricPair:
    """`change` is the second minus the first; `better` is None where it is equal or one is missing."""

    name: str
    first: Estimate | None
    second: Estimate | None
    change: float | None
    better: bool | None


@dataclass(frozen=True, slots=True)
class GatePair:
    metric: str
    rule: str
    first: str  # what became of it
    second: str


@dataclass(frozen=True, slots=True)
class SlicePair:
    name: str
    metric: str
    first: Estimate | None
    second: Estimate | None


@dataclass(frozen=True, slots=True)
class Compared:
    first: Report
    second: Report
    same_set: bool  # only then their numbers are of the same rows
    facts: tuple[Fact, ...]
    metrics: tuple[MetricPair, ...]
    gates: tuple[GatePair, ...]
    slices: tuple[SlicePair, ...]
    drawings: tuple[Drawing, ...]  # of both, over each other


def compare(first: Report, second: Report) -> Compared:
    same = first.dataset is not None and second.dataset is not None and first.dataset.sha256 == second.dataset.sha256
    return Compared(
        first,
        second,
        same,
        tuple(Fact(name, a, b) for (name, a), (_, b) in zip(_facts(first), _facts(second), strict=True)),
        tuple(_metrics(first, second)),
        tuple(_gates(first, second)),
        tuple(_slices(first, second)),
        tuple(_drawings(first, second)),
    )


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "verdict", report.verdict
    yield "reason", report.reason
    yield "commit", words.short(report.commit.sha)
    yield "message", words.first_line(report.commit.message)
    yield "author", words.first_line(report.commit.author)
    yield "attempt", str(report.attempt)
    yield "model.h5", words.short(report.digest)
    yield "compared with", words.short(report.baseline_digest)
    yield "evaluation set", words.short(report.dataset.sha256) if report.dataset else ""
    yield "rows", str(report.dataset.rows) if report.dataset else ""
    yield "loss", report.loss
    yield "epochs", str(max((len(values) for values in report.history.values()), default=0))
    yield "seeds", ", ".join(f"{name} {seed}" for name, seed in sorted(report.seeds.items()))
    yield "versions", ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items()))
    yield "size of what serves", words.size(sum(file.size for file in report.files if file.name != "model.h5"))


def _metrics(first: Report, second: Report) -> Iterator[MetricPair]:
    for name in dict.fromkeys([*first.metrics, *second.metrics]):
        if "." not in name:
            yield _metric(name, first.metrics.get(name), second.metrics.get(name), error=second.is_error(name))


def _metric(name: str, a: Estimate | None, b: Estimate | None, *, error: bool) -> MetricPair:
    if a is None or b is None or a.value is None or b.value is None:
        return MetricPair(name, a, b, None, None)
    change = b.value - a.value
    return MetricPair(name, a, b, change, None if change == 0 or not math.isfinite(change) else (change < 0) == error)


def _gates(first: Report, second: Report) -> Iterator[GatePair]:
    said = [{(gate.metric, words.rule(gate, report)): words.result(gate) for gate in report.gates} for report in (first, second)]
    for metric, rule in dict.fromkeys([*said[0], *said[1]]):
        yield GatePair(metric, rule, said[0].get((metric, rule), ""), said[1].get((metric, rule), ""))


def _slices(first: Report, second: Report) -> Iterator[SlicePair]:
    metric = second.first_metric or first.first_metric
    found = [{words.slice_name(each): each.metrics.get(metric) for each in report.slices} for report in (first, second)]
    for name in dict.fromkeys([*found[0], *found[1]]):
        yield SlicePair(name, metric, found[0].get(name), found[1].get(name))


def _drawings(first: Report, second: Report) -> Iterator[Drawing]:
    """Lay the first curve of each chart that both have over the other's."""
    others = {(drawing.heading, drawing.title): drawing for drawing in second.drawings if drawing.kind == "lines"}
    for drawing in first.drawings:
        other = others.get((drawing.heading, drawing.title))
        if other is None or not drawing.series or not other.series:
            continue
        series = (_named("first", drawing.series[0]), _named("second", other.series[0]))
        says = f"First: {drawing.says} Second: {other.says}"
        yield Drawing(drawing.heading, drawing.title, "lines", says, drawing.x, drawing.y, series, drawing.guide)


def _named(which: str, series: Series) -> Series:
    return Series(f"{which}: {series.name}" if series.name else which, series.points)


def differences(first: Any, second: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401 - any JSON value
    """Say where two documents differ: field, what is in the first, what in the second; at most MOST_DIFFERENCES."""
    return list(islice(_apart(first, second, ""), MOST_DIFFERENCES))


def _apart(first: Any, second: Any, where: str) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401 - see above
    if isinstance(first, dict) and isinstance(second, dict):
        for name in sorted(first.keys() | second.keys()):
            yield from _apart(first.get(name, MISSING), second.get(name, MISSING), f"{where}.{name}" if where else str(name))
    elif isinstance(first, list) and isinstance(second, list):
        for at, (one, other) in enumerate(_pairs(first, second)):
            yield from _apart(one, other, f"{where}[{at}]")
    elif type(first) is not type(second) or first != second:
        yield where, _written(first), _written(second)


def _pairs(first: Sequence[Any], second: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip_longest(first, second, fillvalue=MISSING)


def _written(value: Any) -> str:  # noqa: ANN401 - see above
    return words.first_line(str(value), 200)
