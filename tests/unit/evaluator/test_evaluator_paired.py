"""Two models on the same rows: each metric's difference by its method, what same answers mean, and what the set can see."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.simulated import Classifiers, Regressions
from pushline.evaluator.arrays import Array
from pushline.evaluator.comparison import compare, over_constant
from pushline.evaluator.measures.answered import Answered, answered
from pushline.evaluator.measures.constant import best_constant
from pushline.evaluator.measures.measure import measured
from pushline.evaluator.paired import difference, p_worse, pairs, side, side_of
from pushline.evaluator.sums import resampled

NAMES = ("accuracy", "balanced_accuracy", "f1", "precision", "roc_auc", "log_loss", "recall.1", "f1.2", "top_3")


def drawn(rows: int, models: Classifiers | Regressions | None = None, seed: int = 1) -> tuple[Answered, Answered]:
    return (models or Classifiers(0.05, 0.05)).draw(np.random.default_rng(seed), rows)


def two_classes(rows: int, lead: float, seed: int) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.4
    common = random.normal(size=rows)
    first, second = (np.round(lead * truth + common + random.normal(size=rows), 1) for _ in range(2))
    return truth, first, second


def brute_area(truth: Array, scores: Array) -> float:
    above = scores[truth][:, np.newaxis] - scores[~truth][np.newaxis, :]
    return float(np.mean(np.where(above == 0, 0.5, above > 0)))


def test_every_difference_is_that_of_the_two_models_numbers() -> None:
    candidate, champion = drawn(400)
    now, before = measured(candidate, 0.95).numbers, measured(champion, 0.95).numbers

    found = compare(side(candidate), side(champion), {}, 0.95, NAMES).differences

    assert set(found) == set(NAMES)
    for name, apart in found.items():
        after, was = now[name], before[name]
        assert after is not None
        assert was is not None
        assert apart.value == pytest.approx(after - was, abs=1e-12)
        assert apart.low is not None
        assert apart.high is not None
        assert apart.low < after - was < apart.high
    assert {name: apart.method for name, apart in found.items() if apart.method != "bootstrap"} == {
        "accuracy": "score",
        "recall.1": "score",
        "roc_auc": "delong",
    }


def test_the_bounds_of_an_area_are_delongs() -> None:
    """Against the covariance of the placements, summed pair by pair."""
    truth, first, second = two_classes(150, 1.0, 3)
    shares = [1 / (1 + np.exp(-scores)) for scores in (first, second)]
    candidate, champion = (answered("classification", truth.astype(int), each[:, np.newaxis]) for each in shares)
    placed = []
    for scores in (first, second):
        beats = np.where(scores[truth][:, None] == scores[~truth][None], 0.5, scores[truth][:, None] > scores[~truth][None])
        placed.append((beats.mean(axis=1), beats.mean(axis=0)))
    positive, negative = (placed[0][at] - placed[1][at] for at in (0, 1))
    error = math.sqrt(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative))
    apart = brute_area(truth, first) - brute_area(truth, second)

    found = difference(pairs(side(candidate), side(champion), ["roc_auc"])["roc_auc"], 0.9)

    assert found.value == pytest.approx(apart)
    assert (found.low, found.high) == pytest.approx((apart - norm.ppf(0.9) * error, apart + norm.ppf(0.9) * error))


def test_a_bootstrap_gives_both_models_the_same_weights() -> None:
    candidate, champion = drawn(300, Regressions(1.0))
    now, before = (resampled(side(rows).summed.sums, names=["mae"])["mae"] for rows in (candidate, champion))

    found = difference(pairs(side(candidate), side(champion), ["mae"])["mae"], 0.95)

    assert found.low == pytest.approx(np.quantile(now - before, 0.05), abs=0.05 * float(np.std(now - before)))
    assert np.std(now - before) < 0.9 * math.hypot(float(np.std(now)), float(np.std(before)))


def test_the_same_answers_to_the_bit_differ_by_nothing_and_pass_any_drop() -> None:
    candidate, _ = drawn(50)

    found = compare(side(candidate), side(candidate), {"accuracy": 0.0}, 0.95, NAMES)

    assert found.same_answers
    assert {(each.value, each.low, each.high, each.method) for each in found.differences.values()} == {
        (0.0, 0.0, 0.0, "same_answers")
    }
    assert found.discordant is not None
    assert (found.discordant.only_candidate, found.discordant.only_champion, found.discordant.p_value) == (0, 0, 1.0)
    assert found.power[0].sentence == "the two models answer every one of the 50 rows alike"


def test_two_models_that_are_right_on_the_same_rows_are_not_taken_for_the_same() -> None:
    candidate, champion = drawn(200, Classifiers(0.0, 0.0))

    found = compare(side(candidate), side(champion), {"accuracy": 0.01, "f1": 0.01}, 0.95)

    wilson = norm.ppf(0.95) ** 2 / (200 + norm.ppf(0.95) ** 2)
    assert not found.same_answers
    assert found.differences["accuracy"].low == pytest.approx(-wilson)
    low = found.differences["f1"].low
    assert low is not None
    assert low <= -wilson
    assert found.differences["f1"].value == pytest.approx(0.0, abs=0.02)


def test_what_one_of_the_two_does_not_have_is_left_out() -> None:
    candidate, champion = drawn(60)
    one_class = candidate.only(candidate.truth == 1), champion.only(champion.truth == 1)

    found = compare(side(one_class[0]), side(one_class[1]), {"accuracy": 0.1}, 0.95, ["roc_auc", "accuracy", "nothing"])

    assert set(found.differences) == {"accuracy"}


def test_more_rows_see_smaller_drops_and_the_rows_named_are_enough() -> None:
    drops = {"accuracy": 0.02}
    sides = {rows: [side(each) for each in drawn(rows)] for rows in (300, 3_000)}

    powers = {rows: compare(candidate, champion, drops, 0.95).power[0] for rows, (candidate, champion) in sides.items()}

    visible = {rows: power.visible_drop or math.nan for rows, power in powers.items()}
    assert visible[300] > 0.04
    assert visible[3_000] < 0.025
    assert powers[300].sentence.startswith(
        f"this set of 300 rows can see a drop of {100 * visible[300]:.3g} points in accuracy with 95 %"
    )
    assert powers[300].rows_needed == pytest.approx(300 * (visible[300] / 0.02) ** 2, rel=0.2)
    assert powers[3_000].rows_needed == pytest.approx(3_000 * (visible[3_000] / 0.02) ** 2, rel=0.2)


def test_a_class_of_its_own_needs_as_many_times_more_rows_of_the_whole_set() -> None:
    candidate, champion = drawn(400)

    (power,) = compare(side(candidate), side(champion), {"recall.3": 0.05}, 0.95).power

    assert power.rows_needed is not None
    assert power.visible_drop is not None
    assert power.rows_needed == pytest.approx(400 * (power.visible_drop / 0.05) ** 2, rel=0.5)


def test_an_error_may_rise_and_no_number_of_rows_shows_a_drop_of_nothing() -> None:
    candidate, champion = drawn(200, Regressions(1.0))

    rise, none = compare(side(candidate), side(champion), {"mae": 0.1, "rmse": 0.0}, 0.95).power

    assert "can see a rise of" in rise.sentence
    assert rise.rows_needed is not None
    assert none.rows_needed is None


@pytest.mark.parametrize("name", ["accuracy", "f1", "log_loss", "roc_auc"])
def test_a_p_value_is_small_exactly_where_the_bound_says_so(name: str) -> None:
    for seed in range(12):
        candidate, champion = drawn(300, Classifiers(0.01, 0.06), seed)
        pair = pairs(side(candidate), side(champion), [name])[name]
        error = name == "log_loss"
        least = pair.bound(0.95) if error else -pair.bound(0.05)  # surely at least so much worse

        assert p_worse(pair, least - 0.01, error=error) < 0.05 < p_worse(pair, least + 0.01, error=error)


def test_few_rows_that_all_say_the_same_are_no_proof() -> None:
    truth = np.array([1, 1, 1])
    right, wrong = (
        answered("classification", np.array([0, *truth]), np.array([[0.9, 0.1], *[row] * 3])) for row in ([0.2, 0.8], [0.7, 0.3])
    )
    pair = pairs(
        side(wrong.only(np.array([False, True, True, True]))), side(right.only(np.array([False, True, True, True]))), ["f1"]
    )["f1"]

    assert pair.value == -1.0
    assert p_worse(pair, 0.0, error=False) > 0.05


def test_a_first_model_is_held_against_the_best_constant_on_the_same_rows() -> None:
    candidate, _ = drawn(300)
    constant = best_constant(candidate)

    found = over_constant(side_of(measured(candidate, 0.95)), constant, 0.95)

    assert found is not None
    assert found.value == pytest.approx(candidate.correct.mean() - np.bincount(candidate.truth).max() / 300)
    assert found.method == "score"


def test_a_regression_is_held_against_the_mean() -> None:
    candidate, _ = drawn(300, Regressions(1.0))

    found = over_constant(side(candidate), best_constant(candidate), 0.95)

    assert found is not None
    assert found.high is not None
    assert found.value is not None
    assert found.value < found.high < 0
