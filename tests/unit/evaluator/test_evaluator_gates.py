"""Gates fail closed: a table of what is refused, with the reason and the words that people read."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.evaluator.findings import Comparison, Difference, Estimate
from pushline.evaluator.gates import Champion, Evidence
from pushline.evaluator.verdict import conclude
from pushline.objects.manifest import Gate
from tests.fixtures.evaluator.evidence import (
    CLASSES,
    NUMBERS,
    UNMEASURED,
    WELL,
    Case,
    against,
    alike,
    candidate,
    estimates,
    judge,
    live,
    live_numbers,
    surely,
)
from tests.fixtures.evaluator.story import gate

NAN, INF = math.nan, math.inf


def eps(metric: str) -> Gate:
    return Gate(metric, 0.5, None, None, {"eps": 0.05}, "repository")


REFUSED = [
    Case("under the minimum", [gate("accuracy", 0.96)], CLASSES, "below_gate", "accuracy 0.95 is under the gate's minimum 0.96"),
    Case("above the maximum", [gate("log_loss", None, 0.1)], CLASSES, "above_gate", "log_loss 0.2 is above the gate's maximum 0.1"),
    Case("a NaN", [gate("accuracy", 0.5)], candidate(accuracy=NAN), "not_finite", "accuracy is missing or not finite"),
    Case("a NaN under a maximum", [gate("log_loss", None, 9)], candidate(log_loss=NAN), "not_finite", "log_loss is missing"),
    Case("a missing number", [gate("accuracy", 0.5)], candidate(accuracy=None), "not_finite", "accuracy is missing or not finite"),
    Case("infinity above a minimum", [gate("accuracy", 0.5)], candidate(accuracy=INF), "not_finite", "accuracy is missing"),
    Case(
        "minus infinity under a maximum", [gate("log_loss", None, 9)], candidate(log_loss=-INF), "not_finite", "log_loss is missing"
    ),
    Case("an unknown metric", [gate("acuracy", 0.5)], CLASSES, "unknown_gate", "gate acuracy is unknown; known here: accuracy, f1"),
    Case("a metric of the other task", [gate("rmse", None, 9)], CLASSES, "unknown_gate", "gate rmse is unknown"),
    Case("accuracy of a regression", [gate("accuracy", 0.5)], NUMBERS, "unknown_gate", "known here: mae, r2, rmse"),
    Case("a gate that comes later", [gate("robust_accuracy", 0.5)], CLASSES, "unknown_gate", "gate robust_accuracy is unknown"),
    Case(
        "a number that the gate does not take",
        [eps("accuracy")],
        CLASSES,
        "unknown_gate",
        "gate accuracy takes no eps; it takes min",
    ),
    Case("no number", [gate("accuracy")], CLASSES, "gate_without_number", "gate accuracy has no number; give min, max, max_drop,"),
    Case("a NaN minimum", [gate("accuracy", NAN)], CLASSES, "gate_not_finite", "a threshold that is no finite number"),
    Case("an infinite maximum", [gate("log_loss", None, INF)], CLASSES, "gate_not_finite", "no finite number"),
    Case("an infinite max_drop", [gate("accuracy", None, None, INF)], CLASSES, "gate_not_finite", "no finite number"),
    Case(
        "a drop",
        [gate("accuracy", None, None, 0.005)],
        live(accuracy=0.97),
        "worse_than_champion",
        "is 2 points under the live model's 0.97 on the same set; the drop is above 1.9 points (95 % sure), the gate allows 0.5",
    ),
    Case(
        "a rise of an error",
        [gate("log_loss", None, None, 0.05)],
        live(log_loss=0.1),
        "worse_than_champion",
        "is 0.1 above the live",
    ),
    Case(
        "max_drop below zero asks for a gain",
        [gate("accuracy", None, None, -0.01)],
        alike(live()),
        "worse_than_champion",
        "equals the live",
    ),
    Case(
        "a drop that this set cannot see",
        [gate("accuracy", None, None, 0.02)],
        live(0.03, accuracy=0.95),
        "set_cannot_tell",
        "but the drop may be as large as 3 points and the gate allows 2 points: this set cannot tell; its 360 rows can see "
        "a drop of 3.1 points with 95 %; about 880 rows or max_drop = 0.031 would settle it",
        "inconclusive",
    ),
    Case(
        "a drop that may be real",
        [gate("accuracy", None, None, 0.04)],
        live(0.02, accuracy=0.98),
        "set_cannot_tell",
        "so this one may be real; more rows would settle it",
        "inconclusive",
    ),
    Case(
        "max_drop of nothing between two models that are equally good by luck",
        [gate("f1", None, None, 0.0)],
        live(),
        "set_cannot_tell",
        "f1 0.93 equals the live model's 0.93 on the same set, but the drop may be as large as 0.1 points",
        "inconclusive",
    ),
    Case(
        "a difference without a spread",
        [gate("accuracy", None, None, 0.1)],
        replace(live(), comparison=Comparison({}, False, None)),
        "set_cannot_tell",
        "how sure that is cannot be said",
        "inconclusive",
    ),
    Case(
        "a minimum that is kept, but not for sure",
        [surely(gate("accuracy", 0.94))],
        CLASSES,
        "set_cannot_tell",
        "accuracy 0.95 lies between 0.93 and 0.97, so min 0.94 is kept, but not for sure",
        "inconclusive",
    ),
    Case("a minimum that is missed, asked for surely", [surely(gate("accuracy", 0.96))], CLASSES, "below_gate", "is under"),
    Case(
        "sure of a number without an interval",
        [surely(gate("accuracy", 0.5))],
        replace(CLASSES, candidate={"accuracy": Estimate(0.95)}),
        "not_finite",
        "accuracy has no confidence interval",
    ),
    Case(
        "sure of nothing", [surely(gate("accuracy", None, None, 0.1))], CLASSES, "unknown_gate", "takes no sure without min or max"
    ),
    Case(
        "a live model that cannot be measured",
        [gate("accuracy", None, None, 0.1)],
        replace(CLASSES, champion=UNMEASURED),
        "champion_not_comparable",
        "accuracy has nothing to be compared with: the live model cannot be measured",
        "inconclusive",
    ),
    Case(
        "a NaN of the live model",
        [gate("accuracy", None, None, 0.1)],
        live(accuracy=NAN),
        "champion_not_comparable",
        "the live model's accuracy on this set is missing or not finite",
        "inconclusive",
    ),
    Case(
        "a metric that the live model does not have",
        [gate("recall.7", None, None, 0.1)],
        replace(CLASSES, champion=Champion({"accuracy": 0.9})),
        "champion_not_comparable",
        "the live model's recall.7",
        "inconclusive",
    ),
    Case(
        "a failed minimum beside a live model that cannot be measured",
        [gate("accuracy", None, None, 0.1), gate("recall", 0.99)],
        replace(CLASSES, champion=UNMEASURED),
        "below_gate",
        "recall 0.93 is under the gate's minimum 0.99; 1 more gate refused (on a set)",
    ),
    Case(
        "a NaN against a live model",
        [gate("f1", None, None, 0.1)],
        replace(live(), candidate=estimates(WELL | {"f1": NAN})),
        "not_finite",
        "f1",
    ),
    Case("no gate, worse by more than 0.01", [], live(accuracy=0.965), "worse_than_champion", "the gate allows 1 point"),
    Case("no gate, an error more than 1 % higher", [], live_numbers(rmse=9.8), "worse_than_champion", "the gate allows 0.098"),
    Case("no gate, any error above none", [], live_numbers(rmse=0.0), "worse_than_champion", "the gate allows 0"),
    Case(
        "first model, better than a constant by luck",
        [],
        replace(CLASSES, over_constant=Difference(0.1, -0.01, 0.2, "score")),
        "set_cannot_tell",
        "the model may be no better than a constant, this set cannot tell",
        "inconclusive",
    ),
    Case(
        "first model, nothing known of the spread",
        [],
        replace(CLASSES, over_constant=None),
        "set_cannot_tell",
        "this set cannot tell",
        "inconclusive",
    ),
    Case(
        "no gate, live model unmeasured", [], replace(CLASSES, champion=UNMEASURED), "champion_not_comparable", "", "inconclusive"
    ),
    Case(
        "first model, as good as a constant", [], replace(CLASSES, constant=0.95), "not_better_than_constant", "constant predictor"
    ),
    Case(
        "first model, worse than a constant",
        [],
        replace(NUMBERS, constant=9.0),
        "not_better_than_constant",
        "no better than a constant",
    ),
    Case("first model, no constant", [], replace(CLASSES, constant=None), "not_finite", "accuracy is missing or not finite"),
    Case("first model, NaN", [], candidate(accuracy=NAN), "not_finite", "accuracy is missing or not finite"),
    Case(
        "first model with max_drop alone, no better than a constant",
        [gate("recall", None, None, 0.1)],
        replace(CLASSES, constant=0.99),
        "not_better_than_constant",
        "the best constant predictor has 0.99",
    ),
    Case(
        "a class that never occurs", [gate("recall.7", 0.5)], candidate(**{"recall.7": None}), "not_finite", "recall.7 is missing"
    ),
    Case(
        "the worst of two gates is told",
        [gate("accuracy", 0.99), gate("nonsense", 1)],
        CLASSES,
        "unknown_gate",
        "1 more gate refused",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_gate_refuses_and_says_why(case: Case) -> None:
    judged, verdict = judge(case.gates, case.evidence)

    assert (verdict.verdict, verdict.reason) == (case.verdict, case.reason)
    assert case.words in verdict.sentence
    assert not all(answer.result.passed for answer in judged)


PASSED = [
    ("at the minimum", [gate("accuracy", 0.95)], CLASSES, "accuracy 0.95 keeps to min 0.95"),
    ("at the maximum", [gate("log_loss", None, 0.2)], CLASSES, "log_loss 0.2 keeps to max 0.2"),
    (
        "a drop that is surely smaller than allowed",
        [gate("accuracy", None, None, 0.005)],
        live(accuracy=0.953),
        "is 0.3 points under the live model's 0.953 on the same set; any drop is under 0.4 points (95 % sure), the gate allows 0.5",
    ),
    (
        "an error that fell",
        [gate("log_loss", None, None, 0.0)],
        live(log_loss=0.3),
        "log_loss 0.2 is better than the live model's 0.3",
    ),
    ("the same again", [gate("accuracy", None, None, 0.0)], alike(live()), "the two models answer every row alike"),
    ("no gate, within 0.01", [], live(accuracy=0.955), "is 0.5 points under the live model's 0.955 on the same set; any drop"),
    ("no gate, an error within 1 %", [], live_numbers(rmse=9.95), "rmse 10 is 0.05 above the live model's 9.95"),
    (
        "an interval above the minimum",
        [surely(gate("accuracy", 0.93))],
        CLASSES,
        "lies between 0.93 and 0.97, all of which keeps to min 0.93",
    ),
    ("an interval below the maximum", [surely(gate("log_loss", None, 0.22))], CLASSES, "all of which keeps to max 0.22"),
    ("first model without a gate", [], CLASSES, "the model is better than a constant: accuracy 0.95"),
    (
        "a minimum does not need the live model",
        [gate("accuracy", 0.9)],
        replace(CLASSES, champion=UNMEASURED),
        "accuracy 0.95 keeps",
    ),
    ("a gate on one class", [gate("recall.7", 0.5)], CLASSES, "recall.7 0.5 keeps to min 0.5"),
]


@pytest.mark.parametrize(("name", "gates", "evidence", "words"), PASSED, ids=[case[0] for case in PASSED])
def test_a_gate_that_holds_is_passed_with_its_numbers(name: str, gates: list[Gate], evidence: Evidence, words: str) -> None:
    del name

    _, verdict = judge(gates, evidence)

    assert verdict.verdict == "accepted"
    assert verdict.reason == ""
    assert words in verdict.sentence
    assert verdict.sentence.endswith("(on a set)")


def test_max_drop_of_a_first_model_passes_with_a_sentence_and_the_default_applies_too() -> None:
    judged, verdict = judge([gate("accuracy", None, None, 0.1)], CLASSES)

    assert [answer.result.rule for answer in judged] == ["max_drop", "better_than_constant"]
    assert judged[0].result.sentence == "no model is live yet, so accuracy 0.95 has nothing to drop from"
    assert verdict.verdict == "accepted"


def test_a_minimum_beside_max_drop_of_a_first_model_needs_no_default() -> None:
    judged, _ = judge([gate("accuracy", 0.9, None, 0.1)], CLASSES)

    assert [answer.result.rule for answer in judged] == ["min", "max_drop"]


def test_numbers_that_are_not_finite_never_reach_the_event() -> None:
    judged, _ = judge([gate("accuracy", NAN), gate("recall", 0.5), gate("f1", None, None, 0.1)], candidate(recall=INF, f1=NAN))

    for answer in judged:
        numbers = (answer.result.threshold, answer.result.value, answer.result.champion)
        assert all(number is None or math.isfinite(number) for number in numbers)


def test_no_gate_at_all_accepts_nothing() -> None:
    assert conclude((), "(on a set)").verdict == "rejected"


numbers = st.none() | st.floats()


@given(value=numbers, before=numbers, minimum=numbers, maximum=numbers, drop=numbers)
def test_acceptance_always_means_that_every_comparison_holds(
    value: float | None, before: float | None, minimum: float | None, maximum: float | None, drop: float | None
) -> None:
    evidence = against(Evidence("classification", estimates({"accuracy": value}), None, None), {"accuracy": before})

    _, verdict = judge([gate("accuracy", minimum, maximum, drop)], evidence)

    if verdict.verdict == "accepted":
        assert value is not None
        assert math.isfinite(value)
        assert minimum is None or value >= minimum - 1e-6
        assert maximum is None or value <= maximum + 1e-6
        assert drop is None or (before is not None and before - value <= drop + 1e-6)


def test_the_decision_table() -> None:
    """Each row of conclude's docstring."""
    broken, poor, unsure, well = (
        judge([asked], live(0.03, accuracy=0.95))[0]
        for asked in (gate("nonsense", 1), gate("recall", 0.99), gate("accuracy", None, None, 0.02), gate("f1", 0.5))
    )
    assert conclude((), "").reason == "no_gate"
    assert conclude((*poor, *broken), "").reason == "unknown_gate"
    assert (conclude((*unsure, *poor), "").verdict, conclude((*unsure, *poor), "").reason) == ("rejected", "below_gate")
    assert (conclude((*well, *unsure), "").verdict, conclude((*well, *unsure), "").reason) == ("inconclusive", "set_cannot_tell")
    assert conclude(well, "").verdict == "accepted"
