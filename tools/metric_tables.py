"""What each service shows at /metrics, asked of the same registries that its composition root fills."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from pushline.auditor.history import History
from pushline.auditor.metrics import AuditGauges, ForgeMetrics
from pushline.deployer.metrics import ServedReports
from pushline.evaluator.metrics import Verdicts
from pushline.line.memory import MemoryLog
from pushline.line.tail import Tail
from pushline.predictor.everybody import Everybody
from pushline.predictor.metrics import CrewMetrics
from pushline.predictor.metrics import Metrics as PredictorMetrics
from pushline.runtime.health import Health
from pushline.runtime.line_gauges import LineGauges
from pushline.runtime.logs import Logger
from pushline.runtime.process_gauges import ProcessGauges
from pushline.runtime.stage_report import RecordCounter, StageReporter
from pushline.trainer.metrics import Metrics as TrainerMetrics

STAGES = ("trainer", "evaluator", "deployer")
SERVICES = (*STAGES, "predictor", "auditor")
FOLDERS = {name: Path("/") for name in ("work", "environments", "snapshots", "temporary", "cache")}
# What a name says of its unit; the rest are counts.
UNITS = {"_timestamp_seconds": "seconds since 1970", "_seconds": "seconds", "_bytes": "bytes", "_rows": "rows"}


@dataclass(frozen=True, slots=True)
class Shown:
    name: str  # as Prometheus has it
    kind: str
    labels: tuple[str, ...]
    sentence: str

    @property
    def unit(self) -> str:
        if self.kind == "counter" or self.name.endswith(("_info", "_ready", "_stale", "_failing")):
            return "1"
        return next((unit for end, unit in UNITS.items() if self.name.endswith(end)), "1")


def registries(*, one_process: bool = False) -> dict[str, CollectorRegistry]:
    """Service → what it shows at /metrics, as its composition root builds it; with what a predictor of several processes adds."""
    made = {name: CollectorRegistry() for name in SERVICES}
    log = Logger(sys.stdout)
    for name in SERVICES:
        if name in STAGES:
            StageReporter(log, made[name])
        RecordCounter(made[name])
        ProcessGauges(Health(), FOLDERS, made[name])
        if name != "predictor":
            LineGauges(lambda: ((), ()), made[name])
    TrainerMetrics(made["trainer"])
    Verdicts(made["evaluator"])
    ServedReports(log, made["deployer"])
    PredictorMetrics(made["predictor"])
    if not one_process:
        CrewMetrics(made["predictor"])
        Everybody(CollectorRegistry(), dict).register(made["predictor"])
    ForgeMetrics(made["auditor"])
    AuditGauges(Tail(MemoryLog(), ["commit"]), History(lambda: 0), made["auditor"])
    return made


def exposed(registry: CollectorRegistry) -> dict[str, str]:
    """Metric as Prometheus sees it → its sentence."""
    return {shown.name: shown.sentence for shown in all_of(registry)}


def all_of(registry: CollectorRegistry) -> list[Shown]:
    return [shown for collector in list(registry._collector_to_names) for shown in _shown(collector)]  # noqa: SLF001


def every_metric() -> dict[Shown, list[str]]:
    """Give each with the services that show it."""
    found: dict[Shown, list[str]] = {}
    for service, registry in registries().items():
        for shown in all_of(registry):
            found.setdefault(shown, []).append(service)
    return found


def _shown(collector: Any) -> Iterator[Shown]:  # noqa: ANN401 - what a registry takes
    for family in collector.collect():
        # Only a metric itself, or a family that a collector made, knows its labels before anything is counted.
        of = collector if isinstance(collector, MetricWrapperBase) else family
        labels = tuple(of._labelnames)  # noqa: SLF001
        yield Shown(family.name + ("_total" if family.type == "counter" else ""), family.type, labels, family.documentation)
