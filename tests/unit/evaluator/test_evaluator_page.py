"""The page and its charts: odd histories and many classes still draw; numbers that are missing are shown as missing."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from pushline.evaluator.assessment import Assessment, Rules
from pushline.evaluator.charts import MAX_POINTS, Axis, Series, axis, lines, points, thinned
from pushline.evaluator.curves import answers, training
from pushline.evaluator.measures import measure
from pushline.evaluator.metrics import Verdicts
from pushline.evaluator.page import page
from pushline.evaluator.report import BadReport, build, dump, event_of, measured_json
from pushline.evaluator.verdict import Verdict
from pushline.line.ledger import Judgement
from tests.fixtures.evaluator.story import Story

finite = st.floats(allow_nan=False, allow_infinity=False)


def polylines(svg: str) -> list[str]:
    return [element.attrib["points"] for element in ET.fromstring(svg).iter("polyline")]  # noqa: S314 - our own


@given(st.lists(st.none() | finite, min_size=1, max_size=40))
def test_any_history_draws_inside_its_frame(values: list[float | None]) -> None:
    charts = training({"loss": values, "val_loss": values[:1]})

    for chart in charts:
        for line in polylines(str(chart.svg)):
            for point in line.split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= 460
                assert 0 <= y <= 280


def test_a_value_that_is_missing_breaks_the_line() -> None:
    chart = lines(
        "loss", [Series("training", [(1, 3.0), (2, 2.0), (3, None), (4, 1.0), (5, 0.5)])], Axis("epoch", 1, 5), Axis("loss", 0, 3)
    )

    assert len(polylines(str(chart.svg))) == 2


def test_a_single_epoch_is_a_point() -> None:
    (chart,) = training({"loss": [0.5]})

    assert "<circle" in str(chart.svg)


def test_validation_stands_beside_its_training_metric_and_learning_rates_are_left_out() -> None:
    charts = training({"accuracy": [0.5, 0.6], "val_accuracy": [0.4, 0.5], "learning_rate": [1, 1], "loss": [2, 1], "odd": []})

    assert [(chart.title, chart.legend) for chart in charts] == [
        ("loss by epoch", ("training",)),
        ("accuracy by epoch", ("training", "validation")),
    ]


def test_epochs_are_whole_numbers() -> None:
    assert Axis("epoch", 1, 2, whole=True).ticks() == [1, 2]


@given(st.lists(finite, min_size=1, max_size=30))
def test_ticks_lie_on_their_axis(values: list[float]) -> None:
    made = axis("y", values)

    assert made.low < made.high
    room = (made.high - made.low) * 1e-6
    assert all(made.low - room <= tick <= made.high + room for tick in made.ticks())
    assert len(made.ticks()) <= 12


def test_many_points_are_thinned_and_keep_their_ends() -> None:
    dots = [(float(at), float(at)) for at in range(10_000)]

    kept = thinned(dots)

    assert len(kept) == MAX_POINTS
    assert (kept[0], kept[-1]) == (dots[0], dots[-1])
    assert str(points("t", dots, axis("x", [0, 1e4]), axis("y", [0, 1e4]), [(0, 0), (1, 1)]).svg).count("<circle") == MAX_POINTS


def a_report(classes: int, **changes: Any) -> tuple[Mapping[str, Any], str]:
    truth = np.arange(3 * classes) % classes
    measured = measure("classification", truth, np.eye(classes)[(truth + (truth == 1)) % classes], ())
    work = Story()
    work.trained(1)
    (evaluation,) = work.open()
    found = Assessment(Verdict("rejected", "below_gate", "accuracy 0.5 is too low"), measured=measured)
    about = {"rows": len(truth), "origin": "store", "size": 10, "sha256": "a" * 64, "taken_from": "evaluate"}
    report = build(evaluation, None, found, Rules()) | {"dataset": about, "first_metric": "accuracy"} | changes
    return report, page(report, measured_json(None, measured), answers(measured, [])).decode()


def test_few_classes_show_their_matrix() -> None:
    _, shown = a_report(4)

    assert "Confusion matrix" in shown
    assert "Most confused" not in shown


def test_many_classes_show_what_is_confused_most() -> None:
    _, shown = a_report(40)

    assert "Confusion matrix" not in shown
    assert "<tr><td>1</td><td>2</td>" in shown


def test_huge_answers_of_a_regression_still_draw() -> None:
    measured = measure("regression", np.array([1e308, -1e308, 0.0]), np.array([[-1e308], [1e308], [1.0]]), ())

    assert measured.numbers["rmse"] is None
    assert len(answers(measured, ())) == 2


def test_two_classes_have_one_curve() -> None:
    _, shown = a_report(2)

    assert "class 1, area" in shown
    assert "worst" not in shown


def test_numbers_that_are_missing_are_shown_as_missing() -> None:
    report, _ = a_report(3)
    missing = {**report["metrics"], "accuracy": None}

    _, shown = a_report(3, metrics=missing)

    assert '<td>accuracy</td><td class="n">\N{EN DASH}</td>' in shown


@pytest.mark.parametrize(
    "wrong", [b"", b"[]", b"{", b'{"schema": 2}', b'{"schema": 1}', b"null", b"[" * 100_000, b'{"schema": 1, "gates": 5}']
)
def test_bytes_that_are_no_report_make_no_event(wrong: bytes) -> None:
    with pytest.raises(BadReport):
        event_of(wrong, "runs/report.json")


def test_a_report_makes_its_event_again() -> None:
    report, _ = a_report(3)

    event = event_of(dump(dict(report)), "runs/report.json")

    assert event == event_of(dump(dict(report)), "runs/report.json")
    assert (event.verdict, event.sentence) == ("rejected", "accuracy 0.5 is too low")
    assert [metric.name for metric in event.metrics] == ["accuracy"]


def judgements(verdicts: Sequence[str]) -> list[Judgement]:
    story = Story()
    entry = story.evaluated(story.trained(1), "none")
    return [Judgement(("evaluated", 0, at), entry, verdict, "", "") for at, verdict in enumerate(verdicts)]


def test_only_verdicts_that_count_are_counted() -> None:
    registry = CollectorRegistry()

    Verdicts(registry).note(tuple(judgements(["valid", "invalid", "kept"])))

    assert 'pushline_verdicts_total{model="digits",reason="",verdict="accepted"} 1.0' in generate_latest(registry).decode()
