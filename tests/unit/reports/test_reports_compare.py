"""Two reports side by side, and two documents of the same work that differ."""

from dataclasses import replace
from typing import Any

import pytest

from pushline.reports.compare import MOST_DIFFERENCES, compare, differences
from pushline.reports.compare_page import compare_page
from pushline.reports.findings import Estimate
from tests.fixtures.reports.complete import complete


def second() -> Any:
    metrics = {**complete().metrics, "accuracy": Estimate(0.96), "log_loss": Estimate(0.1), "f1": Estimate(0.9)}
    gates = tuple(replace(gate, passed=True, reason="") for gate in complete().gates)
    return replace(
        complete(), verdict="accepted", reason="", metrics=metrics, gates=gates, loss="mse", slices=complete().slices[:1]
    )


def test_metrics_say_which_way_they_changed_and_whether_that_is_better() -> None:
    found = {pair.name: pair for pair in compare(complete(), second()).metrics}

    assert found["accuracy"].change == pytest.approx(0.016)
    assert found["log_loss"].change == pytest.approx(-0.071)
    assert (found["accuracy"].better, found["log_loss"].better) == (True, True)
    assert (found["f1"].change, found["f1"].better) == (None, None)
    assert "recall.cat" not in found
    equal = {pair.name: (pair.change, pair.better) for pair in compare(complete(), complete()).metrics}
    assert equal["accuracy"] == (0, None)


def test_gates_slices_and_facts_stand_side_by_side() -> None:
    compared = compare(complete(), second())

    gates = {(pair.metric, pair.rule): (pair.first, pair.second) for pair in compared.gates}
    assert gates["recall.dog", "at least 0.95"] == ("refused", "passed")
    assert gates["accuracy", "may drop by at most 0.01"] == ("not decided", "passed")
    assert {pair.name: pair.second for pair in compared.slices}["young"] is None
    assert {fact.name for fact in compared.facts if fact.differs} == {"verdict", "reason", "loss"}


def test_curves_of_both_lie_over_each_other() -> None:
    compared = compare(complete(), second())

    assert [[series.name for series in drawing.series] for drawing in compared.drawings] == [
        ["first: class dog, area 0.981", "second: class dog, area 0.981"],
        ["first", "second"],
    ]


def test_the_page_says_that_two_sets_are_no_comparison() -> None:
    dataset = complete().dataset
    assert dataset is not None
    other = replace(complete(), dataset=replace(dataset, sha256="9" * 64))

    assert "different evaluation sets" in compare_page(compare(complete(), other)).decode()
    assert "different evaluation sets" not in compare_page(compare(complete(), complete())).decode()


def test_differences_name_field_and_both_values() -> None:
    first = {"a": 1, "b": {"c": [1, 2, {"d": None}]}, "same": [1], "gone": True}
    other = {"a": 1.5, "b": {"c": [1, 3, {"d": "x"}, 4]}, "same": [1], "new": "y"}

    assert differences(first, other) == [
        ("a", "1", "1.5"),
        ("b.c[1]", "2", "3"),
        ("b.c[2].d", "None", "x"),
        ("b.c[3]", "missing", "4"),
        ("gone", "True", "missing"),
        ("new", "missing", "y"),
    ]
    assert differences(first, first) == []


def test_many_differences_are_cut() -> None:
    assert len(differences(list(range(1000)), list(range(1, 1001)))) == MOST_DIFFERENCES
