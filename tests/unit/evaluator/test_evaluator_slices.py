"""Which rows a slice has, what is found out on it, and what is refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pushline.evaluator.arrays import Array
from pushline.evaluator.measures.answered import Answered, answered
from pushline.evaluator.slice_findings import measure_slices, worst
from pushline.evaluator.slices import Slice, Table, read_slices, slices_of
from pushline.evaluator.verdict import NotJudgeable

AGE = np.array([10, 20, 30, 40, 50, 60])
TRUTH = np.array([0, 1, 2, 0, 1, 2])
ARRAYS: dict[str, Array] = {
    "x": np.arange(12.0).reshape(6, 2),
    "y": TRUTH,
    "age": AGE,
    "region": np.array([1, 1, 2, 2, 2, 3], np.int8),
    "city": np.array([b"Ulm", b"Bonn", b"Ulm", b"Bonn", b"Ulm", "Köln".encode()], "S8"),
    "many": np.arange(6) * 1.5,
    "square": np.ones((6, 2)),
    "short": np.ones(5),
}
LABELS = ("cat", "dog", "emu", "fox")


def said(right: Sequence[int]) -> Answered:
    """A classifier of four classes that is right on these rows."""
    shares = np.full((6, 4), 0.1)
    shares[np.arange(6), np.where(right, TRUTH, 3)] = 0.7
    return answered("classification", TRUTH, shares, LABELS)


def made(*texts: str, rows: Answered | None = None, **arrays: Any) -> list[Slice]:
    table = Table(ARRAYS | arrays, rows or said([1] * 6))
    return list(slices_of(read_slices(texts), table))


def rows_of(slices: Sequence[Slice]) -> dict[str, list[int]]:
    return {f"{each.by}={each.value}" if each.value else each.by: np.flatnonzero(each.chosen).tolist() for each in slices}


def test_labels_are_slices_by_name_and_one_that_never_occurs_is_empty() -> None:
    assert rows_of(made("label")) == {"label=cat": [0, 3], "label=dog": [1, 4], "label=emu": [2, 5], "label=fox": []}


def test_a_column_of_few_values_has_a_slice_for_each() -> None:
    assert rows_of(made("region", "city")) == {
        "region=1": [0, 1],
        "region=2": [2, 3, 4],
        "region=3": [5],
        "city=Bonn": [1, 3],
        "city=Köln": [5],
        "city=Ulm": [0, 2, 4],
    }


def test_a_column_of_the_inputs_is_cut_into_quartiles_where_it_has_many_values() -> None:
    x = np.arange(200.0).reshape(100, 2)
    rows = answered("regression", np.zeros(100), np.zeros(100))

    found = list(slices_of(read_slices(["x[1]"]), Table({"x": x}, rows)))

    assert [(each.value, int(each.chosen.sum())) for each in found] == [
        ("..49", 25),
        ("49..99", 25),
        ("99..149", 25),
        ("149..", 25),
    ]


def test_a_column_with_one_value_in_most_rows_has_fewer_quartiles_and_none_is_empty() -> None:
    values = np.concatenate([np.zeros(80), np.arange(1, 31)])
    rows = answered("regression", np.zeros(110), np.zeros(110))

    found = list(slices_of(read_slices(["v"]), Table({"v": values}, rows)))

    assert [(each.value, int(each.chosen.sum())) for each in found] == [("..0", 80), ("0..3", 3), ("3..", 27)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a: age < 30", [0, 1]),
        ("a: age <= 30 and region == 2", [2]),
        ("a: not (age < 30 or city == 'Bonn')", [2, 4, 5]),
        ("a: city != 'Ulm'", [1, 3, 5]),
        ("a: x[1] > 6.5", [3, 4, 5]),
        ("a: label == 'dog'", [1, 4]),
        ("a: label != 'dog'", [0, 2, 3, 5]),
        ("a: label >= 1", [1, 2, 4, 5]),
        ("a: age > 1000", []),
    ],
)
def test_a_predicate_chooses_rows(text: str, rows: list[int]) -> None:
    assert rows_of(made(text)) == {"a": rows}


def test_with_several_labels_at_once_a_row_is_in_the_slice_of_each() -> None:
    marks = np.array([[1, 1], [0, 1], [0, 0]])
    rows = answered("multilabel", marks, marks * 0.8, ("a", "b"))

    found = slices_of(read_slices(["label", "both: label == 'a' and label == 'b'"]), Table({}, rows))

    assert rows_of(found) == {"label=a": [0], "label=b": [0, 1], "both": [0]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "nothing is no array of it; there is age, city"),
        ("square", "array square has the shape (6, 2); one value is needed for each of the 6 rows"),
        ("short", "array short has the shape (5,)"),
        ("x", "array x has the shape (6, 2)"),
        ("x[2]", "x[2] is no column of array x, which has the shape (6, 2)"),
        ("age[0]", "age[0] is no column of array age"),
        ("z[0]", "z[0] is of an array z that is missing"),
        ("a: city == 3", "array city holds texts, and is compared with 3.0"),
        ("a: age == 'old'", "array age holds numbers, and is compared with 'old'"),
        ("a: label == 'cow'", '"cow" is no label; there is cat, dog, emu, fox'),
        ("a: age <", '"a: age <" is no slice'),
    ],
)
def test_what_the_set_does_not_have_is_refused_with_a_sentence(text: str, words: str) -> None:
    with pytest.raises(NotJudgeable) as raised:
        made(text)

    assert raised.value.verdict.reason == "slices"
    assert words in raised.value.verdict.sentence


def test_a_regression_has_no_labels_and_a_column_has_not_too_many_texts() -> None:
    numbers = answered("regression", np.zeros(6), np.zeros(6))
    with pytest.raises(NotJudgeable, match="a regression has no labels"):
        made("label", rows=numbers)
    many = np.array([f"name {at}" for at in range(201)])
    with pytest.raises(NotJudgeable, match="201 different texts"):
        list(slices_of(read_slices(["who"]), Table({"who": many}, answered("regression", np.zeros(201), np.zeros(201)))))


def test_a_slice_has_numbers_of_both_models_and_the_worst_one_is_known() -> None:
    candidate, champion = said([1, 1, 1, 1, 0, 0]), said([1, 1, 1, 1, 1, 0])

    found = measure_slices(made("label", "old: age > 45"), candidate, champion, {"accuracy": 0.1}, 0.95)

    told = {f"{each.by}={each.value}": each for each in found}
    accuracies = {name: each.metrics["accuracy"].value for name, each in told.items() if each.rows}
    assert accuracies == {"label=cat": 1.0, "label=dog": 0.5, "label=emu": 0.5, "old=": 0.0}
    assert told["old="].champion is not None
    assert told["old="].champion["accuracy"] == 0.5
    assert told["label=fox"].rows == 0
    assert dict(told["label=fox"].metrics) == {}
    lowest = worst(found, "accuracy")
    assert lowest is not None
    assert lowest.by == "old"


def test_p_values_are_corrected_over_the_slices_labels_among_themselves() -> None:
    rows = 400
    truth = np.arange(rows) % 4
    columns = {"half": np.arange(rows) // 200}
    right = np.ones(rows, np.bool_)
    wrong = right & ~((truth == 1) & (np.arange(rows) < 40))  # ten rows of one label

    def shares(correct: Array) -> Answered:
        scores = np.full((rows, 4), 0.1)
        scores[np.arange(rows), np.where(correct, truth, (truth + 1) % 4)] = 0.7
        return answered("classification", truth, scores)

    candidate, champion = shares(wrong), shares(right)
    table = Table(columns, candidate)
    few = measure_slices(slices_of(read_slices(["label"]), table), candidate, champion, {"accuracy": 0.0}, 0.95)
    more = measure_slices(slices_of(read_slices(["label", "half"]), table), candidate, champion, {"accuracy": 0.0}, 0.95)

    alone = {each.value: each.p_values["accuracy"] for each in few if each.p_values}
    assert alone["1"] == pytest.approx(4 * 0.0007827, rel=1e-3)  # Tango's z is -sqrt(10)
    assert alone["0"] == alone["2"] == alone["3"] == 1.0
    assert {each.value: each.p_values["accuracy"] for each in more if each.p_values and each.by == "label"} == alone
