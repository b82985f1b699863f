"""What every service that folds the whole log shows of it: open work and its age, and which deployment each model is to serve.

Each of them shows all of it: a stage that has ended cannot say that its work is left undone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pushline.runtime.bounded_labels import Bounded


class OpenWork(Protocol):
    """What is read of the open runs of one stage."""

    @property
    def stage(self) -> str: ...
    @property
    def runs(self) -> int: ...
    @property
    def oldest_ms(self) -> int | None: ...


Look = Callable[[], tuple[Iterable[OpenWork], Iterable[tuple[str, int]]]]
"""Gives the open work of each stage, and by model the deploy_seq that is to serve. It must not block for long."""


class LineGauges(Collector):
    """Read when Prometheus asks."""

    def __init__(self, look: Look, registry: CollectorRegistry) -> None:
        self._look, self._models = look, Bounded()
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nobody is asked for it."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        runs, oldest, numbers = _families()
        work, to_serve = self._look()
        for each in work:
            runs.add_metric([each.stage], each.runs)
            if each.oldest_ms is not None:
                oldest.add_metric([each.stage], each.oldest_ms / 1000)
        for model, deploy_seq in to_serve:
            if self._models.has_room(model):
                numbers.add_metric([model], deploy_seq)
        yield from (runs, oldest, numbers)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(
            "pushline_open_runs",
            "Runs without an outcome in the whole line, by what they wait for: training, evaluating, deciding; held by a person.",
            labels=["stage"],
        ),
        GaugeMetricFamily(
            "pushline_oldest_open_timestamp_seconds",
            "When the record came by the broker's clock for which a run has waited longest; none where nothing waits.",
            labels=["stage"],
        ),
        GaugeMetricFamily("pushline_deploy_seq", "Number of the deployment that the log says is to be served.", labels=["model"]),
    )
