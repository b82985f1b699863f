"""Calls counted and timed for a fraction of what the metrics library's own histogram costs: a call adds to two numbers."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pushline.runtime.bounded_labels import Bounded

Named = tuple[str, str]  # a metric's name and its sentence
Counts = list[float]  # by bucket, and at the end the sum of what was noted


class Shown(NamedTuple):
    """A counter and a histogram of the same calls."""

    counter: Named
    histogram: Named


class Tally(Collector):
    """Safe to use from many threads. What is known of no model (""), a health check or a request for nobody, is shown as a call
    alone.
    """

    def __init__(self, calls: Shown, of_models: Shown, bounds: Sequence[float]) -> None:
        """`bounds` are the histograms' upper bounds in seconds, ascending."""
        self._calls, self._of_models, self._bounds = calls, of_models, list(bounds)
        self._numbers: dict[tuple[str, str, str], Counts] = {}  # by method, code, model
        self._models = Bounded()
        self._lock = threading.Lock()

    def register(self, registry: CollectorRegistry) -> "Tally":
        registry.register(self)
        return self

    def note(self, method: str, code: str, seconds: float, model: str = "") -> None:
        with self._lock:
            numbers = self._numbers.get((method, code, model)) or self._begun(method, code, model)
            numbers[bisect_left(self._bounds, seconds)] += 1
            numbers[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            total = {key: list(numbers) for key, numbers in self._numbers.items()}
        yield from self._families("method", self._calls, _added(total, lambda key: (key[0], key[1])))
        of_models = {key: numbers for key, numbers in total.items() if key[2]}
        yield from self._families("model", self._of_models, _added(of_models, lambda key: (key[2], key[1])))

    def _begun(self, method: str, code: str, model: str) -> Counts:
        key = (method, code, self._models(model))
        return self._numbers.setdefault(key, [0.0] * (len(self._bounds) + 2))

    def _families(self, label: str, shown: Shown, counted: Mapping[tuple[str, str], Counts]) -> Iterator[Metric]:
        counter = CounterMetricFamily(*shown.counter, labels=[label, "code"])
        timed: dict[str, Counts] = {}
        for (value, code), numbers in sorted(counted.items()):
            counter.add_metric([value, code], sum(numbers[:-1]))
            timed[value] = _sum(timed.get(value), numbers)
        yield counter
        histogram = HistogramMetricFamily(*shown.histogram, labels=[label])
        for value, numbers in timed.items():
            histogram.add_metric([value], buckets(self._bounds, numbers), numbers[-1])
        yield histogram


class Batches(Collector):
    """How many rows a model was asked at once. Safe to use from many threads."""

    def __init__(self, named: Named, bounds: Sequence[float]) -> None:
        self._named, self._bounds = named, list(bounds)
        self._numbers: dict[str, Counts] = {}
        self._models = Bounded()
        self._lock = threading.Lock()

    def register(self, registry: CollectorRegistry) -> "Batches":
        registry.register(self)
        return self

    def note(self, model: str, rows: int) -> None:
        with self._lock:
            numbers = self._numbers.get(model)
            if numbers is None:
                numbers = self._numbers.setdefault(self._models(model), [0.0] * (len(self._bounds) + 2))
            numbers[bisect_left(self._bounds, rows)] += 1
            numbers[-1] += rows

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            total = {model: list(numbers) for model, numbers in self._numbers.items()}
        histogram = HistogramMetricFamily(*self._named, labels=["model"])
        for model, numbers in sorted(total.items()):
            histogram.add_metric([model], buckets(self._bounds, numbers), numbers[-1])
        yield histogram


def buckets(bounds: Sequence[float], numbers: Counts) -> list[tuple[str, float]]:
    """Give them as Prometheus has them: each with all that is below."""
    seen, found = 0.0, []
    for bound, count in zip([*map(str, bounds), "+Inf"], numbers[:-1], strict=True):
        seen += count
        found.append((bound, seen))
    return found


def _added(
    total: Mapping[tuple[str, str, str], Counts], key_of: Callable[[tuple[str, str, str]], tuple[str, str]]
) -> dict[tuple[str, str], Counts]:
    found: dict[tuple[str, str], Counts] = {}
    for key, numbers in total.items():
        found[key_of(key)] = _sum(found.get(key_of(key)), numbers)
    return found


def _sum(before: Counts | None, numbers: Counts) -> Counts:
    return list(numbers) if before is None else [a + b for a, b in zip(before, numbers, strict=True)]
