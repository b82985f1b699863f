"""Gates on slices, on what serving costs, on the data and on the repository's own numbers: each fails closed too."""

from dataclasses import replace

import pytest

from pushline.evaluator.findings import DataFacts, Estimate, SliceFound
from tests.fixtures.evaluator.evidence import UNMEASURED, WELL, Case, against, alike, judge, live
from tests.fixtures.evaluator.story import gate


def sliced(value: str, rows: int, now: float | None, before: float, p_value: float) -> SliceFound:
    metrics = {"accuracy": Estimate(now)} if rows else {}
    return SliceFound("label", value, rows, metrics, {"accuracy": before}, None, {"accuracy": p_value})


GOOD, WORSE = sliced("1", 50, 0.98, 0.97, 1.0), sliced("3", 40, 0.6, 0.9, 0.001)
SLICED = replace(live(), slices=(GOOD, WORSE))
LEAST = replace(gate("accuracy", 0.5), slice_minimum=0.7)
DROP = replace(gate("accuracy", 0.5), slice_max_drop=0.05)
SLICES = [
    Case(
        "a slice under the minimum",
        [LEAST],
        SLICED,
        "below_gate",
        "accuracy[label=3] 0.6 on 40 rows is under the gate's minimum 0.7 for each slice",
    ),
    Case(
        "a slice that is surely worse than the live model",
        [DROP],
        SLICED,
        "worse_on_slice",
        "accuracy[label=3] 0.6 against the live model's 0.9 on the same 40 rows: a drop of 30 points, more than the 0.05",
    ),
    Case(
        "an empty slice",
        [LEAST],
        replace(SLICED, slices=(sliced("4", 0, None, 0.9, 1.0),)),
        "empty_slice",
        "has no row in this set",
    ),
    Case(
        "an empty slice against the live model",
        [DROP],
        replace(SLICED, slices=(sliced("4", 0, None, 0.9, 1.0),)),
        "empty_slice",
        "4",
    ),
    Case("no slice at all", [LEAST], replace(SLICED, slices=()), "no_slices", "there is no slice; name some in pushline.toml"),
    Case(
        "a metric that is not defined on a slice",
        [LEAST],
        replace(SLICED, slices=(sliced("1", 5, None, 0.9, 1.0),)),
        "not_finite",
        "accuracy[label=1] is not defined on the slice's 5 rows",
    ),
    Case(
        "a live model without a number on a slice",
        [DROP],
        replace(SLICED, slices=(replace(GOOD, champion=None, p_values=None),)),
        "champion_not_comparable",
        "the live model's accuracy[label=1] is missing",
        "inconclusive",
    ),
    Case(
        "slices beside a live model that cannot be measured",
        [DROP],
        replace(SLICED, champion=UNMEASURED),
        "champion_not_comparable",
        "no slice's accuracy has anything to be compared with",
        "inconclusive",
    ),
    Case(
        "a least number of errors on slices",
        [replace(gate("log_loss", None, 9), slice_minimum=0.1)],
        SLICED,
        "unknown_gate",
        "gate log_loss takes no slice_min",
    ),
]


@pytest.mark.parametrize("case", SLICES, ids=lambda case: case.name)
def test_a_gate_on_slices_refuses_and_names_the_slice(case: Case) -> None:
    _, verdict = judge(case.gates, case.evidence)

    assert (verdict.verdict, verdict.reason) == (case.verdict, case.reason)
    assert case.words in verdict.sentence


def test_a_slice_drop_that_is_not_shown_passes_and_the_worst_slice_is_named() -> None:
    unsure = replace(SLICED, slices=(GOOD, replace(WORSE, p_values={"accuracy": 0.2})))

    judged, verdict = judge([DROP, replace(LEAST, slice_minimum=0.6)], unsure)

    assert verdict.verdict == "accepted"
    told = {answer.result.rule: answer.result for answer in judged if answer.result.rule.startswith("slice")}
    assert {rule: result.metric for rule, result in told.items()} == dict.fromkeys(
        ("slice_min", "slice_max_drop"), "accuracy[label=3]"
    )
    assert "no drop of more than 0.05 is shown" in told["slice_max_drop"].sentence


def test_a_slice_gate_against_the_live_model_alone_leaves_the_default_in_force() -> None:
    worse = replace(SLICED, slices=(GOOD,))
    worse = replace(against(worse, WELL | {"accuracy": 0.99}), slices=(GOOD,))

    _, verdict = judge([replace(gate("accuracy"), slice_max_drop=0.05)], worse)

    assert verdict.reason == "worse_than_champion"


FACTS = DataFacts(100, {}, duplicates=0.1, leakage=0.3, leakage_known_rows=900)
UNKNOWN = replace(FACTS, duplicates=None, leakage=None, leakage_known_rows=0)
PAID = {"latency_p99_ms": (6.0, 2.0), "program_bytes": (1000.0, 900.0), "peak_memory_bytes": (None, 1.0)}
MEASURED = replace(live(), costs=PAID, facts=FACTS, own={"profit": 12.0, "odd": None})
OTHERS = [
    Case(
        "too slow",
        [gate("latency_p99_ms", None, 3)],
        MEASURED,
        "too_costly",
        "above max 3 and its tolerance of 50 %; measured.json",
    ),
    Case(
        "slower than the live model",
        [gate("latency_p99_ms", None, None, 1.0)],
        MEASURED,
        "too_costly",
        "latency_p99_ms is more than the live model's by more than max_drop 1 and its tolerance of 50 %",
    ),
    Case(
        "slower than a tolerance of its own allows",
        [replace(gate("latency_p99_ms", None, 5), tolerance=0.1)],
        MEASURED,
        "too_costly",
        "tolerance of 10 %",
    ),
    Case(
        "a larger file, for which there is no tolerance",
        [gate("program_bytes", None, 999)],
        MEASURED,
        "too_costly",
        "above max 999;",
    ),
    Case(
        "a cost that was not measured", [gate("latency_p50_ms", None, 3)], MEASURED, "not_finite", "latency_p50_ms was not measured"
    ),
    Case("a missing cost", [gate("peak_memory_bytes", None, 3)], MEASURED, "not_finite", "peak_memory_bytes was not measured"),
    Case("a least cost", [gate("latency_p99_ms", 3)], MEASURED, "unknown_gate", "gate latency_p99_ms takes no min; it takes max"),
    Case(
        "a cost of the live model that was not measured",
        [gate("latency_p99_ms", None, None, 1.0)],
        replace(MEASURED, costs={"latency_p99_ms": (1.0, None)}),
        "champion_not_comparable",
        "the live model's latency_p99_ms was not measured",
        "inconclusive",
    ),
    Case(
        "a tolerance alone", [replace(gate("program_bytes"), tolerance=0.1)], MEASURED, "gate_without_number", "give max, max_drop"
    ),
    Case(
        "a tolerance of a metric", [replace(gate("accuracy", 0.5), tolerance=0.1)], MEASURED, "unknown_gate", "takes no tolerance"
    ),
    Case(
        "too much leakage", [gate("leakage", None, 0.2)], MEASURED, "leakage", "30 % of the evaluation set's rows were given to fit"
    ),
    Case("unknown leakage", [gate("leakage", None, 0.2)], replace(MEASURED, facts=UNKNOWN), "not_finite", "leakage is not known"),
    Case(
        "no facts of the data",
        [gate("duplicates", None, 0.2)],
        replace(MEASURED, facts=None),
        "not_finite",
        "duplicates is not known",
    ),
    Case(
        "too many duplicates", [gate("duplicates", None, 0.05)], MEASURED, "duplicates", "10 % of the evaluation set's rows stand"
    ),
    Case("a drop of leakage", [gate("leakage", None, None, 0.1)], MEASURED, "unknown_gate", "gate leakage takes no max_drop"),
    Case(
        "no gate, mostly training data",
        [],
        replace(alike(MEASURED), facts=replace(FACTS, leakage=0.51)),
        "leakage",
        "the gate allows 50 %",
    ),
    Case("too little profit", [gate("profit", 13)], alike(MEASURED), "below_gate", "profit 12 is under the gate's minimum 13"),
    Case("a number of its own that is missing", [gate("odd", 1)], alike(MEASURED), "not_finite", "odd is missing"),
    Case(
        "a drop of a number of its own", [gate("profit", None, None, 1)], MEASURED, "unknown_gate", "gate profit takes no max_drop"
    ),
    Case(
        "a number of its own that is good does not stand for the default",
        [gate("profit", 1)],
        replace(against(MEASURED, WELL | {"accuracy": 0.99}), own=MEASURED.own),
        "worse_than_champion",
        "accuracy 0.95 is 4 points under",
    ),
    Case(
        "a cost that is kept does not stand for the default",
        [gate("program_bytes", None, 1000)],
        replace(against(MEASURED, WELL | {"accuracy": 0.99}), costs=PAID),
        "worse_than_champion",
        "accuracy 0.95 is 4 points under",
    ),
]


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.name)
def test_a_gate_on_costs_data_or_a_number_of_its_own_refuses_and_says_why(case: Case) -> None:
    _, verdict = judge(case.gates, case.evidence)

    assert (verdict.verdict, verdict.reason) == (case.verdict, case.reason)
    assert case.words in verdict.sentence


def test_what_serving_costs_never_stands_in_the_report() -> None:
    gates = [gate("latency_p99_ms", None, 4, 3.0), gate("program_bytes", None, 1000)]

    judged, verdict = judge(gates, alike(MEASURED))

    assert verdict.verdict == "accepted"
    costs = [answer.result for answer in judged if answer.result.metric in PAID]
    assert [(each.rule, each.threshold, each.value, each.champion) for each in costs] == [
        ("max", 4, None, None),
        ("max_drop", 3, None, None),
        ("max", 1000, None, None),
    ]
    assert not any("6" in each.sentence or "2.0" in each.sentence for each in costs)


def test_leakage_and_duplicates_within_their_gates_pass() -> None:
    judged, verdict = judge([gate("leakage", None, 0.3), gate("duplicates", None, 0.1), gate("accuracy", 0.5)], MEASURED)

    assert verdict.verdict == "accepted"
    assert judged[0].result.sentence == "leakage: 30 % of the evaluation set's rows were given to fit too, within the 30 % allowed"
