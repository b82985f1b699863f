"""Metrics of several processes as those of one: counters and histograms are added up, the rest is the first process' own. Pure.

NOTE: the metrics library has a way of its own for several processes: it writes numbers into files while it counts, knows no
collectors of ours, and drops the kind `Info`. Here each process counts as if it were alone, and is asked when somebody wants to
know.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

Key = tuple[str, tuple[tuple[str, str], ...]]  # name of a sample, its labels
Numbers = Mapping[Key, float]
ADDED_UP = ("counter", "histogram")
SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_created", "")
CREATED = "_created"


def numbers(families: Iterable[Metric], gauges: frozenset[str] = frozenset()) -> Numbers:
    """Give what is added up: counters, histograms, and the gauges that are named."""
    return {
        _key(sample): sample.value
        for family in families
        if family.type in ADDED_UP or family.name in gauges
        for sample in family.samples
    }


def added(several: Iterable[Numbers]) -> Numbers:
    total: dict[Key, float] = {}
    for each in several:
        for key, value in each.items():
            before = total.get(key)
            if before is None:
                total[key] = value
            else:
                total[key] = min(before, value) if key[0].endswith(CREATED) else before + value
    return total


def lasting(given: Numbers, gauges: frozenset[str]) -> Numbers:
    """Give what stays counted when the process is gone that counted it."""
    return {key: value for key, value in given.items() if key[0] not in gauges}


def merged(families: Iterable[Metric], others: Numbers) -> Iterator[Metric]:
    """Give each family with what other processes counted of it. What nobody here counted yet is appended."""
    by_name: dict[str, dict[Key, float]] = {}
    for key, value in others.items():
        by_name.setdefault(key[0], {})[key] = value
    for family in families:
        found = [by_name[family.name + suffix] for suffix in SUFFIXES if family.name + suffix in by_name]
        yield _with(family, {key: value for each in found for key, value in each.items()}) if found else family


def plain(given: Numbers) -> list[list[Any]]:
    """As JSON has it."""
    return [[name, dict(labels), value] for (name, labels), value in given.items()]


def from_plain(given: Sequence[Sequence[Any]]) -> Numbers:
    return {(name, tuple(labels.items())): float(value) for name, labels, value in given}


def _with(family: Metric, others: Numbers) -> Metric:
    own = {_key(sample): sample for sample in family.samples}
    total = added([{key: sample.value for key, sample in own.items()}, others])
    whole = Metric(family.name, family.documentation, family.type, family.unit)
    ordered = sorted(total, key=_labels_but_bound) if others.keys() - own.keys() else list(total)
    whole.samples = [
        own[key]._replace(value=total[key]) if key in own else Sample(key[0], dict(key[1]), total[key]) for key in ordered
    ]
    return whole


def _key(sample: Sample) -> Key:
    return sample.name, tuple(sample.labels.items())


def _labels_but_bound(key: Key) -> tuple[tuple[str, str], ...]:
    """What the samples of one histogram have in common: they stay beside each other, in the order that they are in."""
    return tuple(label for label in key[1] if label[0] != "le")
