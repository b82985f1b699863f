"""What the page shows of a report, in the order in which it is read. Everything is bounded; the whole stands in report.json."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pushline.reports import words
from pushline.reports.findings import Difference, Estimate, SliceFound
from pushline.reports.measured import MeasuredCosts
from pushline.reports.report import ClassRow, Report
from pushline.reports.slices import worst_slices

LARGEST_MATRIX = 20  # classes; above it the page lists what is confused most
MOST_CONFUSED = 15
MOST_ROWS = 20  # of other lists
OF_THE_PAGE = ("Answers", "Calibration", "Worst rows", "Training")  # headings that have a place of their own


class Headed(Protocol):
    @property
    def heading(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the few numbers that are read first."""

    title: str
    number: str
    beside: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    name: str
    found: Estimate
    live: float | None
    difference: Difference | None
    better: bool | None  # None: the two cannot be told apart, or nothing is known of it


@dataclass(frozen=True, slots=True)
class SliceRow:
    metric: str
    found: SliceFound
    here: Estimate
    live: float | None
    difference: Difference | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    count: int
    shade: float
    right: bool


@dataclass(frozen=True, slots=True)
class MatrixRow:
    about: ClassRow
    cells: tuple[Cell, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Confused:
    true: str
    said: str
    count: int


@dataclass(frozen=True, slots=True)
class CostRow:
    name: str
    here: str
    live: str


def tiles(report: Report) -> list[Tile]:
    found = [_first(report), _gates(report), _set(report), _power(report)]
    return [tile for tile in found if tile is not None]


def _first(report: Report) -> Tile | None:
    found = report.metrics.get(report.first_metric)
    if found is None:
        return None
    live = report.champion.metrics.get(report.first_metric) if report.champion else None
    beside = f"live model {words.brief(live)}" if live is not None else f"best constant {words.brief(report.constant)}"
    return Tile(report.first_metric, words.brief(found.value), beside)


def _gates(report: Report) -> Tile | None:
    if not report.gates:
        return None
    passed = sum(gate.passed for gate in report.gates)
    return Tile("gates passed", f"{passed} of {len(report.gates)}", "" if passed == len(report.gates) else "see the table")


def _set(report: Report) -> Tile | None:
    if report.dataset is None:
        return None
    return Tile("evaluation rows", str(report.dataset.rows), "from the repository" if report.dataset.origin == "repository" else "")


def _power(report: Report) -> Tile | None:
    power = report.comparison.power[0] if report.comparison and report.comparison.power else None
    if power is None or power.visible_drop is None:
        return None
    way = "rise" if report.is_error(power.metric) else "drop"
    return Tile(f"can see a {way} of", words.brief(power.visible_drop), f"{power.metric}, with {words.level(power.power)}")


def metrics(report: Report) -> list[MetricRow]:
    """Give the metrics that are not of one class beside the live model's, the task's first one in front."""
    live = report.champion.metrics if report.champion else {}
    differences = report.comparison.differences if report.comparison else {}
    rows = []
    names = [name for name in report.metrics if "." not in name]
    for name in sorted(names, key=lambda name: name != report.first_metric):
        found = report.metrics[name]
        apart = differences.get(name) or _plain(found.value, live.get(name))
        rows.append(MetricRow(name, found, live.get(name), apart, better(apart, error=report.is_error(name))))
    return rows


def _plain(value: float | None, live: float | None) -> Difference | None:
    return None if value is None or live is None else Difference(value - live, None, None, "")


def better(apart: Difference | None, *, error: bool) -> bool | None:
    """Say whether the candidate is shown to be better, or worse: both bounds lie on one side of 0."""
    if apart is None or apart.low is None or apart.high is None:
        return None
    if apart.low > 0:
        return not error
    return error if apart.high < 0 else None


def slices(report: Report) -> list[SliceRow]:
    return [_slice(metric, found) for metric, found in worst_slices(report)[:MOST_ROWS]]


def _slice(metric: str, found: SliceFound) -> SliceRow:
    return SliceRow(
        metric,
        found,
        found.metrics.get(metric, Estimate(None)),
        (found.champion or {}).get(metric),
        (found.differences or {}).get(metric),
        (found.p_values or {}).get(metric),
    )


def matrix(report: Report) -> list[MatrixRow]:
    if not 0 < len(report.confusion) <= LARGEST_MATRIX or len(report.classes) != len(report.confusion):
        return []
    rows = []
    for at, (about, counts) in enumerate(zip(report.classes, report.confusion, strict=True)):
        total = sum(counts)
        cells = tuple(Cell(count, math.sqrt(count / total) if total else 0.0, at == said) for said, count in enumerate(counts))
        rows.append(MatrixRow(about, cells, total))
    return rows


def confused(report: Report) -> list[Confused]:
    if len(report.confusion) <= LARGEST_MATRIX or len(report.classes) != len(report.confusion):
        return []
    labels = [row.label for row in report.classes]
    pairs = [
        Confused(labels[at], labels[said], count)
        for at, counts in enumerate(report.confusion)
        for said, count in enumerate(counts)
        if at != said and count
    ]
    return sorted(pairs, key=lambda pair: -pair.count)[:MOST_CONFUSED]


def worst_classes(report: Report) -> list[ClassRow]:
    """Give the classes by F1 where the matrix does not show them all."""
    if matrix(report):
        return []
    return sorted(report.classes, key=lambda row: (row.f1 is None, row.f1 or 0.0))[:MOST_ROWS]


def headings(*seen: Sequence[Headed]) -> list[str]:
    """Give the headings of drawings and pictures that the page has no place of its own for."""
    return [name for name in dict.fromkeys(each.heading for group in seen for each in group) if name not in OF_THE_PAGE]


def costs(measured: MeasuredCosts | None) -> list[CostRow]:
    if measured is None or not measured.costs:
        return []
    return [CostRow(_named(name), _cost(name, cost.value), _cost(name, cost.champion)) for name, cost in measured.costs.items()]


def _named(name: str) -> str:
    return name.removesuffix("_ms").removesuffix("_bytes").replace("_", " ")


def _cost(name: str, value: float | None) -> str:
    if value is None:
        return words.NOTHING
    if name.endswith("_ms"):
        return words.seconds(value / 1e3)
    return words.size(value) if name.endswith("_bytes") else words.brief(value)
