"""The metrics of all processes of a predictor, as those of one, and how many calls each of them answered."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from pushline.predictor.metrics import PREFIX
from pushline.predictor.summed import Numbers, added, merged, numbers

REQUESTS = f"{PREFIX}requests_total"


class Everybody(Collector):
    """`own` is the first process' registry; `told` asks the others, by their number."""

    def __init__(self, own: CollectorRegistry, told: Callable[[], Mapping[int, Numbers]]) -> None:
        self._own, self._told = own, told

    def register(self, registry: CollectorRegistry) -> "Everybody":
        registry.register(self)
        return self

    def describe(self) -> Iterator[Metric]:
        """Nobody is asked for it."""
        yield _by_process({})

    def collect(self) -> Iterator[Metric]:
        told = self._told()
        families = list(self._own.collect())
        yield from merged(families, added(told.values()))
        yield _by_process({0: numbers(families), **told})


def _by_process(counted: Mapping[int, Numbers]) -> CounterMetricFamily:
    family = CounterMetricFamily(
        f"{PREFIX}process_requests",
        "Calls answered, by the number of the process, with PUSHLINE_WORKERS above 1.",
        labels=["process"],
    )
    for number, found in sorted(counted.items()):
        family.add_metric([str(number)], sum(value for (name, _), value in found.items() if name == REQUESTS))
    return family
