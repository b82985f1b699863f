"""Nobody but the operator chooses how many series there are: 10,000 names of anything make no more than a bounded number."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from pushline.deployer.metrics import ServedReports
from pushline.evaluator.metrics import NAMES, Verdicts
from pushline.line.codec import Entry
from pushline.line.events import Event, Metric, ModelServed
from pushline.line.ledger import Judgement
from pushline.predictor.metrics import Metrics as PredictorMetrics
from pushline.predictor.serving import Identity
from pushline.runtime.bounded_labels import MOST_MODELS, MOST_ROWS, OTHERS
from pushline.runtime.line_gauges import LineGauges
from pushline.runtime.logs import Logger
from pushline.runtime.stage_report import StageReporter
from pushline.trainer.metrics import Metrics as TrainerMetrics
from pushline.trainer.reports import WebhookLog
from pushline.trainer.webhook.forms import GitHubForm, Ignored
from pushline.trainer.webhook.intake import ignored
from tests.fixtures.trainer_intake.forge import a_model
from tests.fixtures.trainer_intake.webhooks import a_github_push
from tests.unit.line.model import making

MANY = 10_000
FEW = MOST_MODELS + 1  # models that are shown, and all others


@dataclass(frozen=True)
class Published:
    id: str = "an id"
    counted: bool = True
    sentence: str = ""


def quiet() -> Logger:
    return Logger(io.StringIO())


def names() -> Iterator[str]:
    return (f"name-{number}" for number in range(MANY))


def series(registry: CollectorRegistry) -> dict[str, int]:
    """Give how many series each metric has; of a histogram, its counts."""
    return {
        family.name: sum(not sample.name.endswith(("_bucket", "_sum", "_created")) for sample in family.samples)
        for family in registry.collect()
    }


def judged(event: Event) -> tuple[Judgement, ...]:
    entry = Entry("id", event, "topic", 0, 0, b"", "", "", b"", 0, "")
    return (Judgement(("topic", 0, 0), entry, "valid", "", ""),)


def test_branches_of_webhooks_make_no_series() -> None:
    registry = CollectorRegistry()
    form, report = GitHubForm((a_model(),)), WebhookLog(quiet(), TrainerMetrics(registry))
    headers = {"x-github-event": ["push"], "content-type": ["application/json"]}

    for name in names():
        found = form.read(headers, json.dumps(a_github_push(ref=f"refs/heads/{name}")).encode(), frozenset({"digits"}))
        assert isinstance(found, Ignored)
        report("github", ignored(found.reason, found.sentence))

    assert series(registry)["pushline_webhooks"] == 1
    labels = {"form": "github", "status": "200", "reason": "other_branch"}
    assert registry.get_sample_value("pushline_webhooks_total", labels) == MANY


def test_models_reasons_and_figures_in_records_make_a_bounded_number() -> None:
    registries = {name: CollectorRegistry() for name in ("stage", "evaluator", "deployer", "line")}
    stage, verdicts = StageReporter(quiet(), registries["stage"]), Verdicts(registries["evaluator"])
    served = ServedReports(quiet(), registries["deployer"])
    LineGauges(lambda: ((), ((name, 1) for name in names())), registries["line"])
    known = tuple(Metric(name, 0.5) for name in sorted(NAMES))
    pushed = making.push("a", 1, previous=0)
    verdict = replace(making.evaluated(making.trained(pushed), "none"), metrics=known)
    says = ("run", 1, 1, pushed.commit, "cause", 1, "digest", "replica", "start")

    for name in names():
        event = replace(verdict, model=name, reason=name, metrics=(*known, Metric(f"recall.{name}", 1.0), Metric(name, 1.0)))
        stage.answered("key", event, Published(), 1.0)
        verdicts.note(judged(event))
        served.note(judged(ModelServed(name, *says, name, "", "")))

    found = {name: count for registry in registries.values() for name, count in series(registry).items()}
    assert found["pushline_evaluated_metric"] == MOST_MODELS * len(NAMES)
    assert found["pushline_refused_verdicts_in_a_row"] == found["pushline_deploy_seq"] == MOST_MODELS
    assert {found[f"pushline_{name}"] for name in ("verdicts", "stage_outcomes", "replica_reports")} == {MOST_ROWS + 1}
    labels = dict.fromkeys(("model", "outcome", "reason"), OTHERS)
    assert registries["stage"].get_sample_value("pushline_stage_outcomes_total", labels) == MANY - MOST_ROWS


def test_models_of_a_predictor_make_a_bounded_number() -> None:
    registry = CollectorRegistry()
    metrics = PredictorMetrics(registry)
    metrics.queues.watch(lambda: dict.fromkeys(names(), (2, 1)))

    for name in names():
        metrics.note_swap(Identity(name, "d" * 64, "c" * 40, 1, "run", "event"), 0.1, 0.0001)
        metrics.note_failure(name, name)
        metrics.note_stale(name, stale=True)
        metrics.note_not_finite(name, "input")
        metrics.note_batch(name, 1)
        metrics.calls.note("ModelInfer", "OK", 0.001, name)

    found = series(registry)
    assert found.pop("pushline_predictor_reloads") == MOST_ROWS + 1
    assert {name: count for name, count in found.items() if count > FEW} == {}
    assert found["pushline_predictor_model_requests"] == found["pushline_predictor_batch_rows"] == FEW
    assert found["pushline_predictor_model_info"] == found["pushline_predictor_model_queue"] == MOST_MODELS
    assert (
        registry.get_sample_value("pushline_predictor_model_requests_total", {"model": OTHERS, "code": "OK"}) == MANY - MOST_MODELS
    )
