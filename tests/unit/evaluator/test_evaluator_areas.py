"""Areas under curves: DeLong's variance against its definition, influences against finite differences, and what bounds them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushline.evaluator.arrays import Array
from pushline.evaluator.measures.areas import areas, average_precision, roc_auc
from pushline.evaluator.sums import Floats

STEP = 1e-6
SETTINGS = settings(max_examples=40, deadline=None)


@st.composite
def scored(draw: st.DrawFn) -> tuple[Array, Array]:
    """At least two rows on each side; scores of few values tie."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = draw(st.integers(4, 30))
    positive = np.concatenate([[True, True, False, False], random.random(rows - 4) < 0.3])
    scores = random.integers(0, draw(st.sampled_from([2, 5, 1000])), rows) / 7
    return positive, scores


def delong(positive: Array, scores: Array) -> float:
    """The variance as the paper of 1988 defines it, over all pairs."""
    wins = np.sign(np.subtract.outer(scores[positive], scores[~positive])) / 2 + 0.5
    of_positive, of_negative = wins.mean(axis=1), wins.mean(axis=0)
    return float(of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative))


@SETTINGS
@given(scored())
def test_the_squared_influences_on_roc_auc_add_up_to_delongs_variance(given_rows: tuple[Array, Array]) -> None:
    positive, scores = given_rows

    area = areas([(positive, scores)]).roc

    assert area is not None
    assert area.variance == pytest.approx(delong(positive, scores), rel=1e-9, abs=1e-15)
    assert area.influence.sum() == pytest.approx(0, abs=1e-12)


@SETTINGS
@given(scored())
def test_the_covariance_of_two_models_is_delongs_too(given_rows: tuple[Array, Array]) -> None:
    positive, scores = given_rows
    other = np.roll(scores, 1)
    wins = [np.sign(np.subtract.outer(each[positive], each[~positive])) / 2 + 0.5 for each in (scores, other)]
    wanted = sum(np.cov(wins[0].mean(axis=axis), wins[1].mean(axis=axis))[0, 1] / wins[0].shape[1 - axis] for axis in (0, 1))

    one, two = areas([(positive, scores)]).roc, areas([(positive, other)]).roc

    assert one is not None
    assert two is not None
    assert float(one.influence @ two.influence) == pytest.approx(wanted, rel=1e-9, abs=1e-15)


@SETTINGS
@given(scored())
def test_the_influence_on_average_precision_is_its_derivative_by_a_rows_weight(given_rows: tuple[Array, Array]) -> None:
    positive, scores = given_rows

    area = areas([(positive, scores)]).precision

    assert area is not None
    assert area.value == pytest.approx(average_precision(positive, scores))
    assert area.influence == pytest.approx(_derivative(positive, scores), abs=1e-5)
    assert area.influence.sum() == pytest.approx(0, abs=1e-12)


def _derivative(positive: Array, scores: Array) -> Floats:
    heavier = np.ones(len(scores)) + STEP * np.eye(len(scores))
    lighter = 2 - heavier
    moved = [
        average_precision(positive, scores, up) - average_precision(positive, scores, down)
        for up, down in zip(heavier, lighter, strict=True)
    ]
    return np.array(moved) / (2 * STEP)


def test_scores_that_are_all_one_give_an_area_of_one_half() -> None:
    positive = np.array([True, False, True, False, False])

    found = areas([(positive, np.ones(5))])

    assert found.roc is not None
    assert found.precision is not None
    assert (found.roc.value, found.roc.variance) == (0.5, 0)
    assert found.precision.value == 0.4


def test_a_curve_with_one_side_alone_is_left_out_of_the_mean() -> None:
    positive, scores = np.array([True, False, True]), np.array([0.9, 0.1, 0.4])

    found = areas([(positive, scores), (np.zeros(3, bool), scores), (np.ones(3, bool), scores)])

    assert found.roc is not None
    assert found.roc.value == 1
    assert areas([(np.ones(3, bool), scores)]).roc is None


@pytest.mark.parametrize("factor", [1e-300, 1.0, 1e300])
def test_an_area_depends_on_the_order_of_the_scores_alone(factor: float) -> None:
    positive, scores = np.array([True, False, True, False]), np.array([3.0, 1.0, 2.0, 2.0])

    assert roc_auc(positive, scores * factor) == roc_auc(positive, scores) == 0.875
