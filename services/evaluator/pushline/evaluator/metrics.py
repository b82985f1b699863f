"""What the evaluator counts beside its stage: verdicts that came to count, whoever wrote them."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from pushline.evaluator.known_metrics import FIRST_METRIC
from pushline.line.events import ModelEvaluated
from pushline.line.ledger import Judgement, Run


class Verdicts:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._verdicts = Counter(
            "pushline_verdicts",
            "Verdicts in the line, by model, verdict and reason.",
            ("model", "verdict", "reason"),
            registry=registry,
        )
        self._number = Gauge(
            "pushline_evaluated_metric",
            "The task's first metric in a model's newest verdict.",
            ("model", "metric"),
            registry=registry,
        )

    def begin(self, runs: Iterable[Run]) -> None:
        """Count what stood in front of a snapshot, oldest first."""
        for entry in sorted((entry for run in runs for entry in run.evaluated.values()), key=lambda each: each.offset):
            self._one(entry.event)

    def note(self, judgements: tuple[Judgement, ...]) -> None:
        for judgement in judgements:
            event = judgement.entry.event if judgement.entry is not None and judgement.verdict == "valid" else None
            if isinstance(event, ModelEvaluated):
                self._one(event)

    def _one(self, event: ModelEvaluated) -> None:
        self._verdicts.labels(event.model, event.verdict, event.reason).inc()
        for metric in event.metrics:
            if metric.name in FIRST_METRIC.values():
                self._number.labels(event.model, metric.name).set(metric.value)
