"""From what an evaluation found out to its report and event: drawings, worst rows with their pictures, what changed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pushline.evaluator.assessed import Assessment, Rules
from pushline.evaluator.changes import changes
from pushline.evaluator.curves import drawings
from pushline.evaluator.evaluated_event import event_of, less
from pushline.evaluator.findings import Comparison, Difference, Estimate, SliceFound
from pushline.evaluator.judged import Judged
from pushline.evaluator.measures import Measured, measure, worst_rows
from pushline.evaluator.metrics import Verdicts
from pushline.evaluator.pictures import pictures
from pushline.evaluator.report import build, measured_costs
from pushline.evaluator.verdict import MOST_COMMITS, Evaluation, Verdict
from pushline.line.events import File, GateResult, Metric
from pushline.line.ledger import Judgement
from pushline.objects.manifest import Manifest
from pushline.objects.memory_store import MemoryStore
from pushline.reports import BadReport, Report, dump, read
from pushline.reports.findings import WorstRow
from pushline.reports.report import Drawing
from tests.fixtures.evaluator.story import Story, commit_of, gate, put_run

REPORTS = Path(__file__).parents[2] / "fixtures" / "reports"


def a_work() -> Evaluation:
    story = Story()
    story.trained(1)
    (work,) = story.open()
    return work


def classified(classes: int, rows: int = 0) -> Measured:
    truth = np.arange(rows or 3 * classes) % classes
    return measure("classification", truth, np.eye(classes)[(truth + (truth == 1)) % classes], ())


def a_report(found: Assessment | None = None) -> Report:
    verdict = Verdict("rejected", "below_gate", "accuracy 0.5 is too low")
    return build(a_work(), None, found or Assessment(verdict, measured=classified(3)), Rules())


def by_title(found: Sequence[Drawing], title: str) -> Drawing:
    return next(each for each in found if each.title == title)


def test_a_gate_has_its_interval_and_where_it_compares_the_difference() -> None:
    apart = Difference(-0.1, -0.2, float("nan"), "bootstrap")
    found = Assessment(
        Verdict("rejected", "worse_than_champion", "worse"),
        judged=tuple(
            Judged(GateResult(metric, rule, 0.1, 0.5, 0.6, passed=False, sentence="no"), "why")
            for metric, rule in (("accuracy", "min"), ("accuracy", "max_drop"), ("accuracy[label=a]", "slice_max_drop"))
        ),
        measured=classified(3),
        comparison=Comparison({"accuracy": apart}, same_answers=False, discordant=None),
        slices=(
            SliceFound("label", "a", 3, {"accuracy": Estimate(0.5, 0.4, 0.6)}, None, {"accuracy": replace(apart, value=-0.3)}),
        ),
    )

    least, drop, on_slice = a_report(found).gates

    assert found.measured is not None
    whole = found.measured.metrics["accuracy"]
    assert (least.low, least.high, least.difference) == (whole.low, whole.high, None)
    assert drop.difference == Difference(-0.1, -0.2, None, "bootstrap")
    assert (on_slice.low, on_slice.high) == (0.4, 0.6)
    assert on_slice.difference == Difference(-0.3, -0.2, None, "bootstrap")
    assert read(dump(a_report(found))) == a_report(found)


def test_a_gate_without_a_number_has_no_interval() -> None:
    judged = Judged(GateResult("accuracy", "known", None, None, None, passed=False, sentence="no"), "unknown_gate")

    (row,) = a_report(Assessment(judged=(judged,), measured=classified(3))).gates

    assert (row.value, row.low, row.high) == (None, None, None)


def test_metrics_of_which_less_is_better_are_named() -> None:
    judged = Judged(GateResult("latency_p99_ms", "max", 5.0, None, None, passed=True, sentence=""), "")

    assert a_report(Assessment(judged=(judged,), measured=classified(3))).lower_is_better == (
        "brier",
        "ece",
        "latency_p99_ms",
        "log_loss",
    )


def test_a_report_makes_its_event_again() -> None:
    data = dump(a_report())

    event = event_of(data, "runs/report.json")

    assert event == event_of(data, "runs/report.json")
    assert (event.verdict, event.sentence) == ("rejected", "accuracy 0.5 is too low")


@pytest.mark.parametrize(("verdict", "said"), [("accepted", "failed"), ("inconclusive", "failed"), ("rejected", "rejected")])
def test_an_event_that_is_too_large_loses_what_the_report_has_and_then_its_files(verdict: str, said: str) -> None:
    metrics, files = (Metric("accuracy", 0.5),), (File("model.h5", "d" * 64, 1),)
    event = replace(event_of(dump(a_report()), "report.json"), verdict=verdict, metrics=metrics, files=files, sentence="x" * 999)

    shorter = less(event)
    assert shorter == replace(event, gates=(), metrics=(), sentence="x" * 120)
    least = less(shorter)

    assert least is not None
    assert (least.verdict, least.files, less(least)) == (said, (), None)
    assert (least.reason == "event_too_large") == (verdict != said)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_a_report_of_version_1_still_makes_its_event(name: str) -> None:
    data = (REPORTS / f"version_1_{name}.json").read_bytes()
    said = json.loads(data)

    event = event_of(data, "runs/report.json")

    assert (event.run_id, event.verdict, event.sentence) == (said["run_id"], said["verdict"], said["sentence"])
    assert [gate.metric for gate in event.gates] == [gate["metric"] for gate in said["gates"]]
    assert event.metrics[0].value == said["metrics"][said["first_metric"]]
    assert event.dataset_sha256 == said["dataset"]["sha256"]


@pytest.mark.parametrize(
    "wrong", [b"", b"[]", b"{", b'{"schema": 2}', b'{"schema": 1}', b"null", b"[" * 100_000, b'{"schema": 1, "gates": 5}']
)
def test_bytes_that_are_no_report_make_no_event(wrong: bytes) -> None:
    with pytest.raises(BadReport, match=r"runs/report\.json cannot be read"):
        event_of(wrong, "runs/report.json")


def test_costs_stand_beside_the_report_and_not_in_it() -> None:
    found = Assessment(measured=classified(3), costs={"latency_p50_ms": (0.2, None)}, child_seconds=1.5)

    costs = measured_costs(found).costs

    assert costs is not None
    assert costs["latency_p50_ms"].value == 0.2
    assert b"latency" not in dump(a_report(found))


def test_two_classes_have_one_curve_and_more_have_all_together_and_the_worst() -> None:
    two = by_title(drawings(classified(2).answered), "ROC curve")
    four = by_title(drawings(classified(4).answered), "ROC curve")

    assert [series.name for series in two.series] == ["class 1, area 0.500"]
    assert [series.name.partition(",")[0] for series in four.series] == ["all classes together", "worst: class 1"]
    assert four.says.startswith("all classes together, area")


def test_huge_answers_of_a_regression_still_draw() -> None:
    measured = measure("regression", np.array([1e308, -1e308, 0.0]), np.array([[-1e308], [1e308], [1.0]]), ())

    found = drawings(measured.answered)

    assert measured.metrics["rmse"].value is None
    assert [each.title for each in found] == ["Answers against true values", "Residuals: answer minus true value"]
    assert found[1].series[0].points[0][1] is None
    report = a_report(Assessment(measured=measured, drawings=found, worst_rows=worst_rows(measured.answered)))
    assert read(dump(report)) == report


def test_reliability_says_where_the_model_is_surer_than_right() -> None:
    truth = np.array([0] * 80 + [1] * 20 + [1] * 100)
    scores = np.array([[0.96, 0.04]] * 100 + [[0.3, 0.7]] * 100)

    found = by_title(drawings(measure("classification", truth, scores, ()).answered), "Reliability")

    assert found.series[0].points == ((0.7, 1.0), (0.96, 0.8))
    assert "of 100 answers of which it is sure to 70 %, 100 % are right" in found.says


def test_quantiles_show_how_many_rows_lie_under_them() -> None:
    truth = np.arange(10.0)
    said = np.stack([np.full(10, 0.5), np.full(10, 8.5)], axis=1)

    found = by_title(drawings(measure("regression", truth, said, (), quantiles=(0.1, 0.9)).answered), "Quantiles")

    assert found.series[0].points == ((0.1, 0.1), (0.9, 0.9))


def test_several_labels_at_once_are_drawn() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    found = drawings(measure("multilabel", truth, np.array([[0.9, 0.2], [0.6, 0.7], [0.8, 0.4], [0.1, 0.3]]), ("a", "b")).answered)

    assert [series.name.partition(",")[0] for series in found[0].series] == ["all labels together", "worst: label a"]


def images(channels: int) -> Any:
    """Smooth ramps, one a row."""
    ramp = np.add.outer(np.arange(12.0), np.arange(12.0)) / 22
    return np.stack([np.repeat(np.roll(ramp, at)[..., np.newaxis], channels, 2) for at in range(2)])


TWO = (WorstRow(0, "1", "0 (90 %)", 2.3), WorstRow(1, "1", "0 (80 %)", 1.6))


@pytest.mark.parametrize(
    "rows",
    [images(1), images(3), images(1)[..., 0], images(1).reshape(2, 144), (images(1) * 255).astype(np.uint8)],
    ids=["grey", "colours", "no channels", "flat", "bytes"],
)
def test_rows_that_are_pictures_are_shown_as_such(rows: Any) -> None:
    shown = pictures(TWO, rows)

    assert [each.png[:8] for each in shown] == [b"\x89PNG\r\n\x1a\n"] * 2
    assert shown[0].caption == "Row 0: 1, answered 0 (90 %)"
    assert shown[0].alt == "Row 0 of the set, 12 by 12 pixels"


@pytest.mark.parametrize(
    "rows",
    [
        np.random.default_rng(1).normal(size=(2, 64)),
        np.abs(np.random.default_rng(1).normal(size=(2, 64))),
        np.ones((2, 10)),
        np.ones((2, 9)),
        np.array([[b"a"], [b"b"]]),
        np.full((2, 8, 8, 1), np.nan),
        np.ones((2, 8, 8, 4)),
    ],
    ids=["a table", "a table of a square", "ten columns", "too small", "texts", "no numbers", "four channels"],
)
def test_rows_that_are_no_pictures_are_not(rows: Any) -> None:
    assert pictures(TWO, rows) == []


def test_a_large_picture_is_shown_small() -> None:
    large = np.kron(images(3), np.ones((1, 50, 50, 1)))

    assert pictures(TWO, large)[0].alt.endswith("120 by 120 pixels")


def test_evenly_coloured_pictures_are_pictures() -> None:
    assert len(pictures(TWO, np.full((2, 8, 8, 1), 7.5))) == 2


def live_and_next() -> tuple[Manifest, Manifest]:
    store = MemoryStore()
    return put_run(store, "digits_worse", 1).manifest, put_run(store, "digits", 2, gates=[gate("accuracy", 0.9)]).manifest


def test_what_changed_since_the_live_model_is_told_with_both_values() -> None:
    story = Story()
    story.live(1)
    for generation in (2, 3):
        story.push(generation)
    story.trained(4)
    (work,) = story.open()
    live, own = live_and_next()

    found = changes(work, own, live)

    assert found is not None
    assert [each.sha for each in found.commits] == [commit_of(generation).sha for generation in (2, 3, 4)]
    assert found.more_commits == 0
    told = {change.what: (change.before, change.after) for change in found.made}
    assert told["epochs"] == ("3", "14")
    assert told["gates"] == ("", "accuracy min 0.9")
    assert "task" not in told
    assert "versions" not in told


def test_of_many_commits_the_newest_are_named() -> None:
    story = Story()
    story.live(1)
    for generation in range(2, MOST_COMMITS + 10):
        story.push(generation)
    story.trained(MOST_COMMITS + 10)

    (work,) = story.open()

    assert len(work.commits_between) == MOST_COMMITS
    assert work.more_commits == 9
    assert work.commits_between[-1] == commit_of(MOST_COMMITS + 10)


def test_a_rerun_and_a_first_model_have_nothing_in_between() -> None:
    story = Story()
    assert changes(a_work(), None, None) is None
    story.live(1)
    story.rerun(1, 2)
    story.trained(2)

    (work,) = story.open()

    assert [each.sha for each in work.commits_between] == [commit_of(2).sha]


def judgements(verdicts: Sequence[str]) -> list[Judgement]:
    story = Story()
    entry = story.evaluated(story.trained(1), "none")
    return [Judgement(("evaluated", 0, at), entry, verdict, "", "") for at, verdict in enumerate(verdicts)]


def changed(judgement: Judgement, **changes: Any) -> Judgement:
    entry: Any = judgement.entry
    return replace(judgement, entry=replace(entry, event=replace(entry.event, **changes)))


def test_only_verdicts_that_count_are_counted() -> None:
    registry = CollectorRegistry()

    Verdicts(registry).note(tuple(judgements(["valid", "invalid", "kept"])))

    assert 'pushline_verdicts_total{model="digits",reason="",verdict="accepted"} 1.0' in generate_latest(registry).decode()


def test_verdicts_that_refuse_in_a_row_are_counted_until_one_accepts() -> None:
    registry = CollectorRegistry()
    verdicts, (one,) = Verdicts(registry), judgements(["valid"])
    refusal = changed(one, verdict="inconclusive")

    said = []
    for judgement in (refusal, refusal, one, refusal):
        verdicts.note((judgement,))
        said.append(registry.get_sample_value("pushline_refused_verdicts_in_a_row", {"model": "digits"}))

    assert said == [1, 2, 0, 1]


def test_figures_are_shown_of_the_newest_verdict_and_none_that_a_repository_named() -> None:
    registry = CollectorRegistry()
    verdicts, (one,) = Verdicts(registry), judgements(["valid"])
    for figures in ({"accuracy": 0.5, "f1": 0.25, "recall.cat": 1.0, "profit": 3.0}, {"accuracy": 0.75}):
        verdicts.note((changed(one, metrics=tuple(Metric(name, value) for name, value in figures.items())),))

    shown = [line for line in generate_latest(registry).decode().splitlines() if line.startswith("pushline_evaluated_metric{")]
    assert shown == ['pushline_evaluated_metric{metric="accuracy",model="digits"} 0.75']
