"""Intervals: published figures, their coverage on simulated sets, and where there is none."""

from collections.abc import Callable

import numpy as np
import pytest

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import Estimate
from pushline.evaluator.known_metrics import INTERVALS, METRICS, is_error
from pushline.evaluator.measures import measure
from pushline.evaluator.measures.intervals import Parts, like_a_share, share, studentized
from pushline.evaluator.sums import MOST_GROUPS, group_of, weights

SETS, ROWS = 150, 200
LEAST = 0.9  # 95 % of 150 sets, give or take three standard errors
MOST = {"ece": 1.0}  # its interval is wider than it has to be
Answers = Callable[[np.random.Generator, int], tuple[Array, Array]]


# Newcombe 1998, table I: the score interval of 81 of 263, 15 of 148, 0 of 20 and 1 of 29.
@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_proportion_is_the_published_one(hits: int, rows: int, low: float, high: float) -> None:
    found = share(hits / rows, rows, 0.95)

    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def parts(value: float, rows: float, most: float = 1.0) -> Parts:
    return Parts(np.ones(1), np.array([value]), np.array([rows]), np.array([value * (1 - value) / rows]), most)


def test_one_part_without_spread_is_as_sure_as_its_rows() -> None:
    assert low(like_a_share(1.0, 0.0, parts(1.0, 20), 0.95)) == pytest.approx(low(share(1.0, 20, 0.95)))
    assert low(like_a_share(0.0, 0.0, parts(0.0, 20), 0.95)) == 0
    assert low(like_a_share(1.0, 0.0, parts(1.0, 20, 3.0), 0.95)) == pytest.approx(low(share(1.0, 60, 0.95)))


def test_a_spread_that_was_seen_counts_as_the_rows_that_would_have_it() -> None:
    assert low(like_a_share(0.5, 0.25 / 30, parts(0.5, 1e6), 0.95)) == pytest.approx(low(share(0.5, 30, 0.95)), abs=1e-4)


def test_a_class_without_rows_adds_nothing() -> None:
    some = Parts(np.array([0.5, 0.5]), np.array([0.8, 0.0]), np.array([1e6, 0.0]), np.zeros(2))

    assert like_a_share(0.4, 0.001, some, 0.95).low is not None
    assert like_a_share(0.4, 0.0, Parts(*np.zeros((4, 2))), 0.95) == Estimate(0.4)


def low(estimate: Estimate) -> float:
    assert estimate.low is not None
    return estimate.low


def test_losses_that_are_all_one_have_no_spread() -> None:
    assert studentized(2.0, 1e-9, np.full(10, 2.0), np.zeros(10), 0.95) == Estimate(2.0, 2.0, 2.0)


def test_a_skewed_mean_reaches_further_up_than_down() -> None:
    truth = np.concatenate([np.zeros(190), np.full(10, 3.0)])

    found = measure("regression", truth, np.zeros((200, 1)), ()).metrics["mae"]

    assert found.low is not None
    assert found.high is not None
    assert found.value == 0.15
    assert 0 < 0.15 - found.low < found.high - 0.15


def binary(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    truth = random.random(rows) < 0.3
    scores = random.normal(size=rows) + 1.5 * truth
    return truth.astype(np.int64), (1 / (1 + np.exp(1 - 1.2 * scores)))[:, np.newaxis]


def classes(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    truth = random.choice(6, rows, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
    scores = random.normal(size=(rows, 6))
    scores[np.arange(rows), truth] += 2.5
    return truth, scores


def labels(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    truth = random.random((rows, 3)) < [0.2, 0.5, 0.4]
    return truth.astype(np.int64), 1 / (1 + np.exp(-(random.normal(size=(rows, 3)) + 2 * truth - 1)))


def line(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    answers = random.normal(size=rows)
    return answers + 0.5 * random.normal(size=rows), answers[:, np.newaxis]


def between(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    middle = random.normal(size=(rows, 1))
    return middle[:, 0] + random.normal(size=rows), middle + random.uniform(1, 1.5, (rows, 1)) * np.array([[-1, 0, 1]])


@pytest.mark.parametrize(
    ("task", "make", "quantiles"),
    [
        ("classification", binary, ()),
        ("classification", classes, ()),
        ("multilabel", labels, ()),
        ("regression", line, ()),
        ("regression", between, (0.1, 0.5, 0.9)),
    ],
    ids=["two classes", "six classes", "three labels", "a line", "quantiles"],
)
def test_an_interval_holds_the_true_number_about_as_often_as_it_says(
    task: str, make: Answers, quantiles: tuple[float, ...]
) -> None:
    random = np.random.default_rng(7)
    true = measure(task, *make(random, 400_000), (), quantiles=quantiles).numbers
    names = [name for name in true if "." not in name and name not in ("mape", "top_5")]

    found = [measure(task, *make(random, ROWS), (), quantiles=quantiles).metrics for _ in range(SETS)]

    covered = {name: np.mean([_holds(each[name], true[name]) for each in found]) for name in names}
    assert {name: share for name, share in covered.items() if not LEAST <= share <= MOST.get(name, 0.995)} == {}


def _holds(estimate: Estimate, true: float | None) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    assert true is not None
    return estimate.low <= true <= estimate.high


def test_a_higher_confidence_gives_a_wider_interval() -> None:
    truth, answers = classes(np.random.default_rng(1), 300)

    narrow, wide = (measure("classification", truth, answers, (), confidence=sure).metrics for sure in (0.8, 0.99))

    assert all(wide[name].low <= narrow[name].low <= narrow[name].high <= wide[name].high for name in narrow)  # type: ignore[operator]  # none is None here


def test_the_same_answers_give_the_same_intervals() -> None:
    truth, answers = classes(np.random.default_rng(1), MOST_GROUPS + 500)

    assert measure("classification", truth, answers, ()).metrics == measure("classification", truth, answers, ()).metrics


def test_rows_in_groups_give_the_numbers_of_the_rows_and_nearly_their_intervals() -> None:
    truth, answers = classes(np.random.default_rng(1), 3 * MOST_GROUPS)

    found = measure("classification", truth, answers, ()).metrics

    assert found["accuracy"].value == np.mean(answers.argmax(axis=1) == truth)
    recall, accuracy = found["recall_weighted"], found["accuracy"]  # the same number, by bootstrap and by the score interval
    assert recall.low == pytest.approx(accuracy.low, abs=5e-4)
    assert recall.high == pytest.approx(accuracy.high, abs=5e-4)


def test_groups_of_rows_are_of_one_size_and_the_same_each_time() -> None:
    groups = group_of(3 * MOST_GROUPS)

    assert np.bincount(groups).tolist() == [3] * MOST_GROUPS
    assert (groups == group_of(3 * MOST_GROUPS)).all()
    assert (groups != np.sort(groups)).any()


def test_weights_are_poisson_of_mean_one() -> None:
    drawn = np.concatenate(list(weights(1_000, 300)))

    assert drawn.shape == (300, 1_000)
    shares = np.bincount(drawn.astype(np.int64).reshape(-1)) / drawn.size
    assert shares[:4] == pytest.approx(np.exp(-1) / np.array([1, 1, 2, 6]), abs=3e-3)
    assert abs(np.corrcoef(drawn[:, :50].T) - np.eye(50)).max() < 0.35


def test_a_class_own_figures_and_every_metric_in_the_table_know_their_direction_and_method() -> None:
    assert is_error("log_loss")
    assert is_error("pinball_loss.0.9")
    assert not is_error("recall.log_loss")
    assert INTERVALS.keys() == {metric.name for metric in METRICS}
