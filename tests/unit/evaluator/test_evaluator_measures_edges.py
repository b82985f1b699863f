"""Sets and answers at the edge: refused with a sentence, or measured with what can be said of them."""

import numpy as np
import pytest

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import Estimate, WorstRow
from pushline.evaluator.measures import answered, best_constant, calibration, measure, row_losses, sums_from, worst_rows
from pushline.evaluator.verdict import NotJudgeable

MARKS = np.array([[1, 0], [0, 1], [1, 1]])
SURE = np.array([[0.9, 0.2], [0.4, 0.8], [0.6, 0.3]])


@pytest.mark.parametrize(
    ("truth", "answers", "labels", "words"),
    [
        (MARKS[:, 0], SURE, (), "y has the shape (3,); the model's answers have (3, 2), and each label has a column in both"),
        (MARKS * 2, SURE, (), "y holds other values than 0 and 1"),
        (MARKS, SURE, ("a",), "pushline.toml names 1 labels, the model answers 2"),
        (MARKS[[0, 0, 0]], SURE, (), "y holds the same labels in every row"),
        (MARKS[:1], SURE[:1], (), "y holds the same labels in every row"),
    ],
)
def test_a_y_that_does_not_fit_several_labels_rejects_the_run(
    truth: Array, answers: Array, labels: tuple[str, ...], words: str
) -> None:
    with pytest.raises(NotJudgeable) as caught:
        measure("multilabel", truth, answers, labels)

    assert caught.value.verdict.reason == "dataset"
    assert words in str(caught.value)


def test_one_label_may_have_no_column_of_its_own() -> None:
    measured = measure("multilabel", np.array([0, 1, 1]), np.array([[0.1], [0.9], [0.4]]), ())

    assert measured.numbers["accuracy"] == 2 / 3


def test_answers_that_are_no_quantiles_of_the_named_ones_reject_the_run() -> None:
    with pytest.raises(NotJudgeable, match=r"answers have 3 columns, but pushline\.toml names 2 quantiles") as caught:
        measure("regression", np.ones(2), np.ones((2, 3)), (), quantiles=(0.1, 0.9))

    assert caught.value.verdict.reason == "quantiles"


def test_the_point_answer_of_quantiles_is_the_one_nearest_to_the_median() -> None:
    rows = answered("regression", np.ones(2), np.arange(6.0).reshape(2, 3), quantiles=(0.1, 0.4, 0.9))

    assert rows.points.tolist() == [[1.0], [4.0]]


def test_one_row_has_numbers_and_no_interval() -> None:
    measured = measure("regression", np.array([2.0]), np.array([[3.0]]), ())

    assert measured.metrics["rmse"] == Estimate(1.0)
    assert measured.metrics["r2"] == Estimate(None)


def test_a_set_that_is_answered_perfectly_is_not_perfectly_known() -> None:
    truth = np.repeat([0, 1, 2], [50, 30, 20])

    found = measure("classification", truth, np.eye(3)[truth], ()).metrics

    for name in ("accuracy", "balanced_accuracy", "f1", "recall_weighted", "roc_auc", "pr_auc", "recall.2"):
        low = found[name].low
        assert found[name].value == found[name].high == 1
        assert low is not None
        assert 0.8 < low < 0.99


def test_an_absolute_error_relative_to_zero_is_not_defined() -> None:
    found = measure("regression", np.array([0.0, 2.0]), np.array([[1.0], [1.0]]), ()).metrics

    assert found["mape"] == Estimate(None)
    assert found["mae"].value == 1


def test_numbers_that_overflow_are_not_there_and_the_others_are() -> None:
    truth = np.array([1e200, -1e200, 0.0, 1.0])

    found = measure("regression", truth, np.zeros((4, 1)), ()).metrics

    assert found["rmse"] == Estimate(None)
    assert found["mae"].value == pytest.approx(5e199)


def test_a_target_far_from_zero_keeps_its_digits() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=200)
    answers = truth + random.normal(size=200)

    near, far = (measure("regression", truth + shift, (answers + shift)[:, np.newaxis], ()).metrics for shift in (0.0, 1e9))

    assert far["r2"].value == pytest.approx(near["r2"].value, abs=1e-5)
    assert far["r2"].low == pytest.approx(near["r2"].low, abs=1e-5)


def test_of_equally_likely_classes_the_first_ones_count() -> None:
    truth = np.array([0, 2, 3, 5])

    found = measure("classification", truth, np.full((4, 6), 1 / 6), ()).numbers

    assert (found["accuracy"], found["top_3"], found["top_5"]) == (0.25, 0.5, 0.75)
    assert found["roc_auc"] == 0.5


def test_scores_that_are_all_one_have_an_area_of_one_half_and_an_interval() -> None:
    found = measure("classification", np.array([0, 1] * 20), np.full((40, 2), 0.5), ()).metrics["roc_auc"]

    assert found.value == 0.5
    assert found.low == pytest.approx(0.377, abs=1e-3)


@pytest.mark.parametrize(
    ("task", "truth", "answers", "first"),
    [
        ("classification", np.array([0, 1, 1]), SURE, "accuracy"),
        ("multilabel", np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.full((3, 3), 0.5), "f1_micro"),
        ("regression", np.array([1.0, 2.0, 6.0]), np.zeros((3, 1)), "rmse"),
        ("regression", np.array([[1.0, 5.0], [2.0, 5.0]]), np.zeros((2, 2)), "rmse"),
    ],
)
def test_the_best_constant_has_the_figure_that_is_said_of_it(task: str, truth: Array, answers: Array, first: str) -> None:
    constant = best_constant(answered(task, truth, answers))

    assert measure(task, truth, answers, ()).constant == pytest.approx(sums_from(constant).point()[first])


def test_no_constant_has_a_better_micro_f1_than_the_best() -> None:
    random = np.random.default_rng(3)
    truth = (random.random((50, 4)) < [0.6, 0.3, 0.2, 0.05]).astype(np.int64)
    every = [np.array([at >> bit & 1 for bit in range(4)], dtype=np.float64) for at in range(16)]

    scores = [measure("multilabel", truth, np.tile(marks, (50, 1)), ()).numbers["f1_micro"] for marks in every]

    assert measure("multilabel", truth, truth, ()).constant == pytest.approx(max(score for score in scores if score))


def test_the_worst_rows_come_first_and_equals_in_their_order() -> None:
    truth = np.array([0, 1, 1, 0, 1])
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.2, 0.8], [0.2, 0.8]])

    found = worst_rows(answered("classification", truth, shares, ("no", "yes")), 3)

    assert [(each.row, each.truth, each.said) for each in found] == [
        (1, "yes", "no (80.0%)"),
        (3, "no", "yes (80.0%)"),
        (2, "yes", "yes (60.0%)"),
    ]
    assert found[0].loss == found[1].loss == pytest.approx(-np.log(0.2))


def test_the_worst_rows_of_labels_and_numbers_are_written_out() -> None:
    labelled = worst_rows(answered("multilabel", np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]), np.full((2, 5), 0.4)), 2)
    (numbered,) = worst_rows(answered("regression", np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.5, 1.0]])), 1)

    assert [each.truth for each in labelled] == ["0, 1, 2, 3 and 1 more", "none"]
    assert numbered == WorstRow(1, "3, 4", "3.5, 1", 1.75)


def test_the_losses_of_rows_add_up_to_the_metric() -> None:
    random = np.random.default_rng(5)
    truth, answers = random.normal(size=30), random.normal(size=(30, 3))

    rows = answered("regression", truth, answers, quantiles=(0.1, 0.5, 0.9))

    assert row_losses(rows).mean() == pytest.approx(sums_from(rows).point()["pinball_loss"])


def test_the_bins_of_calibration_say_how_sure_the_model_is_and_how_often_it_is_right() -> None:
    truth, shares = np.array([0, 0, 1]), np.array([[0.65, 0.35], [0.61, 0.39], [0.98, 0.02]])

    low, high = calibration(answered("classification", truth, shares))

    assert (low.count, low.came_true) == (2, 1)
    assert low.probability == pytest.approx(0.63)
    assert (high.high, high.count, high.came_true) == (1, 1, 0)
    assert high.low == pytest.approx(14 / 15)
    assert calibration(answered("regression", truth, shares[:, :1])) == ()
