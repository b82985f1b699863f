"""A report within its size, whatever a repository names: what grows with classes and slices goes first, and it says so."""

from collections.abc import Callable
from dataclasses import replace

from pushline.reports import words
from pushline.reports.reading import MAX_BYTES, read, to_bytes
from pushline.reports.report import Report
from pushline.reports.slices import worst_slices

MOST_SLICES = 100
MOST_GATES = 1_000
MOST_CHARACTERS = 200


def dump_within(report: Report, most: int = MAX_BYTES) -> bytes:
    """Raises BadReport for what read would not give back."""
    data = to_bytes(report)
    for name, without in _LESS:
        if len(data) <= most:
            break
        report = replace(without(report), left_out=(*report.left_out, name))
        data = to_bytes(report)
    read(data)
    return data


def _no_class_metrics(report: Report) -> Report:
    named = {gate.metric for gate in report.gates}
    kept = {name: value for name, value in report.metrics.items() if "." not in name or name in named}
    live = report.champion
    if live is not None:
        live = replace(live, metrics={name: value for name, value in live.metrics.items() if name in kept})
    comparison = report.comparison
    if comparison is not None:
        comparison = replace(comparison, differences={name: each for name, each in comparison.differences.items() if name in kept})
    return replace(report, metrics=kept, champion=live, comparison=comparison)


def _few_slices(report: Report) -> Report:
    return replace(report, slices=tuple(each for _, each in worst_slices(report)[:MOST_SLICES]))


def _no_class_counts(report: Report) -> Report:
    return report if report.data is None else replace(report, data=replace(report.data, class_counts={}))


def _few_gates(report: Report) -> Report:
    kept = words.worst_first(report)[:MOST_GATES]
    short = (replace(gate, sentence=gate.sentence[:MOST_CHARACTERS], metric=gate.metric[:MOST_CHARACTERS]) for gate in kept)
    return replace(report, gates=tuple(short))


_LESS: tuple[tuple[str, Callable[[Report], Report]], ...] = (
    ("metrics of single classes", _no_class_metrics),
    (f"all but the {MOST_SLICES} worst slices", _few_slices),
    ("confusion matrix", lambda report: replace(report, confusion=())),
    ("counts of classes", _no_class_counts),
    ("drawings", lambda report: replace(report, drawings=())),
    ("classes", lambda report: replace(report, classes=())),
    ("labels", lambda report: replace(report, labels=())),
    ("history", lambda report: replace(report, history={})),
    ("changes", lambda report: replace(report, changes=None)),
    ("slices", lambda report: replace(report, slices=())),
    (f"all but {MOST_GATES} gates", _few_gates),
)
