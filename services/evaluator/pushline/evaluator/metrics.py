"""What the evaluator counts beside its stage: verdicts that came to count, whoever wrote them.

Of the figures those that known_metrics.py names are shown: names of a repository's own (of classes, of its metrics) are as many as
its committers like.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from pushline.evaluator.known_metrics import METRICS
from pushline.line.events import ModelEvaluated
from pushline.line.ledger import Judgement, Run
from pushline.runtime.bounded_labels import Bounded, BoundedRows

NAMES = frozenset(metric.name for metric in METRICS)


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
            "Figures of a model's newest verdict: the task's first metric, and those that its gates name.",
            ("model", "metric"),
            registry=registry,
        )
        self._in_a_row = Gauge(
            "pushline_refused_verdicts_in_a_row",
            "Verdicts of a model since the last accepted one: rejected, inconclusive or failed.",
            ("model",),
            registry=registry,
        )
        self._models, self._rows = Bounded(), BoundedRows()
        self._shown: dict[str, set[str]] = {}  # figures of each model's newest verdict

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
        self._verdicts.labels(*self._rows(event.model, event.verdict, event.reason)).inc()
        if self._models.has_room(event.model):
            refused = self._in_a_row.labels(event.model)
            if event.verdict == "accepted":
                refused.set(0)
            else:
                refused.inc()
            self._show(event.model, {metric.name: metric.value for metric in event.metrics if metric.name in NAMES})

    def _show(self, model: str, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self._number.labels(model, name).set(value)
        for name in self._shown.get(model, set()) - figures.keys():
            self._number.remove(model, name)  # a model that changed its task has no accuracy any more
        self._shown[model] = set(figures)
