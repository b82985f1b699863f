"""Every metric against scikit-learn's, on random answers with ties, with weights of the rows, of every task."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from pushline.evaluator.arrays import Array
from pushline.evaluator.measures import Answered, answered, sums_from
from pushline.evaluator.measures.areas import average_precision, roc_auc
from pushline.evaluator.sums import Floats, Sums

SHARES = tuple(np.linspace(0, 1, 7))  # few values, so that scores tie
QUANTILES = (0.1, 0.5, 0.9)
EACH = ("precision", "recall", "f1")
SETTINGS = settings(max_examples=40, deadline=None)


@st.composite
def classified(draw: st.DrawFn, least: int = 2, most: int = 7) -> tuple[Answered, Floats]:
    classes, rows = draw(st.integers(least, most)), draw(st.integers(4, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    truth = np.concatenate([[0, 1], random.integers(0, draw(st.integers(2, classes)), rows - 2)])
    scores = random.choice(SHARES, (rows, classes)) if draw(st.booleans()) else random.random((rows, classes))
    return answered("classification", truth, (scores + 0.01) / (scores + 0.01).sum(axis=1, keepdims=True)), _weights(random, rows)


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Answered, Floats]:
    labels, rows = draw(st.integers(1, 5)), draw(st.integers(4, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    truth = random.random((rows, labels)) < draw(st.sampled_from([0.1, 0.5]))
    truth[0, 0], truth[1, 0] = True, False
    scores = random.choice(SHARES, (rows, labels)) if draw(st.booleans()) else random.random((rows, labels))
    return answered("multilabel", truth.astype(np.int64), scores), _weights(random, rows)


@st.composite
def numbers(draw: st.DrawFn, columns: int | None = None) -> tuple[Answered, Floats]:
    width, rows = columns or draw(st.sampled_from([1, 2, 20])), draw(st.integers(3, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale, shift = draw(st.sampled_from([1e-3, 1, 1e6])), draw(st.sampled_from([0, 5, -300]))
    truth = scale * (random.normal(size=(rows, 1 if columns else width)) + shift)
    answers = scale * (random.normal(size=(rows, width)) + shift)
    return answered("regression", truth, answers, quantiles=QUANTILES if columns else ()), _weights(random, rows)


def _weights(random: np.random.Generator, rows: int) -> Floats:
    return random.uniform(0.25, 4, rows)


def under(sums: Sums, weights: Floats) -> dict[str, float]:
    return {name: float(values[0]) for name, values in sums.under(weights[np.newaxis, :]).items()}


def hold(found: Mapping[str, float], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


@contextmanager
def quietly() -> Iterator[None]:
    """scikit-learn warns of classes that are said and never true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def averages(truth: Array, said: Array, weights: Floats | None, kinds: tuple[str, ...], labels: Any = None) -> dict[str, float]:
    wanted: dict[str, float] = {}
    for kind in kinds:
        found = sk.precision_recall_fscore_support(truth, said, average=kind, zero_division=0, sample_weight=weights, labels=labels)
        wanted |= {name if kind == "macro" else f"{name}_{kind}": value for name, value in zip(EACH, found[:3], strict=True)}
    return wanted


def own(truth: Array, said: Array, weights: Floats | None, count: int) -> dict[str, float]:
    found = sk.precision_recall_fscore_support(truth, said, labels=range(count), zero_division=np.nan, sample_weight=weights)
    return {f"{name}.{at}": values[at] for name, values in zip(EACH, found[:3], strict=True) for at in range(count)}


def of_classes(rows: Answered, weights: Floats | None) -> dict[str, Any]:
    truth, said, shares = rows.truth, rows.said, rows.scores
    count = shares.shape[1]
    with quietly():
        balanced = sk.balanced_accuracy_score(truth, said, sample_weight=weights)
    brier = (
        sk.brier_score_loss(truth, shares[:, 1], sample_weight=weights)
        if count == 2
        else sk.brier_score_loss(truth, shares, labels=range(count), sample_weight=weights)
    )
    return {
        "accuracy": sk.accuracy_score(truth, said, sample_weight=weights),
        "balanced_accuracy": balanced,
        "log_loss": sk.log_loss(truth, shares, labels=range(count), sample_weight=weights),
        "brier": brier,
        **averages(truth, said, weights, ("macro", "weighted")),
        **{name: value for name, value in own(truth, said, weights, count).items() if not np.isnan(value)},
    }


@SETTINGS
@given(classified())
def test_every_metric_of_a_classification_is_scikit_learns(given_rows: tuple[Answered, Floats]) -> None:
    rows, weights = given_rows
    sums = sums_from(rows)

    hold(sums.point(), of_classes(rows, None))
    hold(under(sums, weights), of_classes(rows, weights))


@SETTINGS
@given(classified())
def test_what_scikit_learn_does_not_define_is_not_a_number(given_rows: tuple[Answered, Floats]) -> None:
    rows, _ = given_rows

    point = sums_from(rows).point()

    wanted = own(rows.truth, rows.said, None, rows.scores.shape[1])
    assert [name for name in wanted if np.isnan(point[name])] == [name for name, value in wanted.items() if np.isnan(value)]


@SETTINGS
@given(classified(2, 2))
def test_the_areas_of_two_classes_are_scikit_learns(given_rows: tuple[Answered, Floats]) -> None:
    rows, _ = given_rows

    point = sums_from(rows).point()

    wanted = {
        "roc_auc": sk.roc_auc_score(rows.truth, rows.scores[:, 1]),
        "pr_auc": sk.average_precision_score(rows.truth, rows.scores[:, 1]),
    }
    hold(point, wanted)


@SETTINGS
@given(classified(3))
def test_the_areas_of_many_classes_are_scikit_learns_means_over_the_classes_that_occur(
    given_rows: tuple[Answered, Floats],
) -> None:
    rows, _ = given_rows
    present = [at for at in range(rows.scores.shape[1]) if 0 < np.count_nonzero(rows.truth == at) < rows.rows]

    point = sums_from(rows).point()

    wanted = {
        "roc_auc": np.mean([sk.roc_auc_score(rows.truth == at, rows.scores[:, at]) for at in present]),
        "pr_auc": np.mean([sk.average_precision_score(rows.truth == at, rows.scores[:, at]) for at in present]),
    }
    hold(point, wanted)
    if len(present) == rows.scores.shape[1]:
        hold(point, {"roc_auc": sk.roc_auc_score(rows.truth, rows.scores, multi_class="ovr", average="macro")})


@SETTINGS
@given(classified(2, 2))
def test_weighted_areas_are_scikit_learns(given_rows: tuple[Answered, Floats]) -> None:
    rows, weights = given_rows
    positive, scores = rows.truth == 1, rows.scores[:, 1]

    assert roc_auc(positive, scores, weights) == pytest.approx(sk.roc_auc_score(positive, scores, sample_weight=weights))
    assert average_precision(positive, scores, weights) == pytest.approx(
        sk.average_precision_score(positive, scores, sample_weight=weights)
    )


@SETTINGS
@given(classified(4), st.sampled_from([3, 5]))
def test_top_k_is_scikit_learns_where_no_scores_tie(given_rows: tuple[Answered, Floats], k: int) -> None:
    rows, weights = given_rows
    count = rows.scores.shape[1]
    assume(k < count and all(len(set(row)) == count for row in rows.scores.tolist()))
    sums = sums_from(rows)

    wanted = sk.top_k_accuracy_score(rows.truth, rows.scores, k=k, labels=range(count))
    weighted = sk.top_k_accuracy_score(rows.truth, rows.scores, k=k, labels=range(count), sample_weight=weights)
    hold(sums.point(), {f"top_{k}": wanted})
    hold(under(sums, weights), {f"top_{k}": weighted})


@SETTINGS
@given(classified())
def test_the_calibration_error_is_the_distance_in_each_of_fifteen_bins(given_rows: tuple[Answered, Floats]) -> None:
    rows, weights = given_rows
    sure, right = rows.scores.max(axis=1), rows.said == rows.truth
    edges = [(at / 15, (at + 1) / 15) for at in range(15)]
    inside = [(sure * 15 > low * 15) & (sure * 15 <= round(high * 15)) for low, high in edges]

    wanted = sum(
        weights[chosen].sum()
        / weights.sum()
        * abs(np.average(right[chosen], weights=weights[chosen]) - np.average(sure[chosen], weights=weights[chosen]))
        for chosen in inside
        if chosen.any()
    )
    hold(under(sums_from(rows), weights), {"ece": wanted})


def of_labels(rows: Answered, weights: Floats | None) -> dict[str, Any]:
    truth, said, shares = rows.truth, rows.said, rows.scores
    count = shares.shape[1]
    occurring = [at for at in range(count) if truth[:, at].any() or said[:, at].any()]
    each = range(count)
    truths, saids = (truth.astype(int), said.astype(int)) if count > 1 else (truth[:, 0].astype(int), said[:, 0].astype(int))
    wanted = {
        "accuracy": sk.accuracy_score(truths, saids, sample_weight=weights),
        "hamming_loss": sk.hamming_loss(truths, saids, sample_weight=weights),
        "log_loss": np.mean([sk.log_loss(truth[:, at], shares[:, at], labels=[0, 1], sample_weight=weights) for at in each]),
        "brier": np.mean([sk.brier_score_loss(truth[:, at], shares[:, at], pos_label=1, sample_weight=weights) for at in each]),
    }
    if count > 1:
        wanted |= averages(truths, saids, weights, ("macro",), labels=occurring)
        wanted |= averages(truths, saids, weights, ("weighted",))
        wanted |= {
            name: value for name, value in averages(truths, saids, weights, ("micro",)).items() if said.any() or "p" not in name
        }
        wanted |= {name: value for name, value in own(truths, saids, weights, count).items() if not np.isnan(value)}
    return wanted


@SETTINGS
@given(labelled())
def test_every_metric_of_several_labels_is_scikit_learns(given_rows: tuple[Answered, Floats]) -> None:
    rows, weights = given_rows
    sums = sums_from(rows)

    hold(sums.point(), of_labels(rows, None))
    hold(under(sums, weights), of_labels(rows, weights))


@SETTINGS
@given(labelled())
def test_the_areas_of_several_labels_are_scikit_learns_means(given_rows: tuple[Answered, Floats]) -> None:
    rows, _ = given_rows
    both = rows.truth.any(axis=0) & ~rows.truth.all(axis=0)

    wanted = {
        "roc_auc": sk.roc_auc_score(rows.truth[:, both], rows.scores[:, both], average="macro"),
        "pr_auc": sk.average_precision_score(rows.truth[:, both], rows.scores[:, both], average="macro"),
    }
    hold(sums_from(rows).point(), wanted)


def of_numbers(rows: Answered, weights: Floats | None) -> dict[str, Any]:
    truth, answers = rows.truth, rows.points
    return {
        "rmse": np.sqrt(sk.mean_squared_error(truth, answers, sample_weight=weights)),
        "mae": sk.mean_absolute_error(truth, answers, sample_weight=weights),
        "mape": sk.mean_absolute_percentage_error(truth, answers, sample_weight=weights),
        "r2": sk.r2_score(truth, answers, sample_weight=weights),
    }


@SETTINGS
@given(numbers())
def test_every_metric_of_a_regression_is_scikit_learns(given_rows: tuple[Answered, Floats]) -> None:
    rows, weights = given_rows
    sums = sums_from(rows)

    hold(sums.point(), of_numbers(rows, None))
    wanted = of_numbers(rows, weights)
    if rows.scores.shape[1] > 16:  # R² of many columns is summed to first order: exact for the rows as they are
        del wanted["r2"]
    hold(under(sums, weights), wanted)


@SETTINGS
@given(numbers(len(QUANTILES)))
def test_every_metric_of_quantiles_is_scikit_learns(given_rows: tuple[Answered, Floats]) -> None:
    rows, weights = given_rows
    truth, answers = rows.truth[:, 0], rows.scores
    low, high = answers.min(axis=1), answers.max(axis=1)

    found = under(sums_from(rows), weights)

    losses = [sk.mean_pinball_loss(truth, answers[:, at], sample_weight=weights, alpha=q) for at, q in enumerate(QUANTILES)]
    wanted = {
        **of_numbers(rows, weights),
        "pinball_loss": np.mean(losses),
        **{f"pinball_loss.{q}": loss for q, loss in zip(QUANTILES, losses, strict=True)},
        "coverage": np.average((low <= truth) & (truth <= high), weights=weights),
        "interval_width": np.average(high - low, weights=weights),
    }
    hold(found, wanted)


@SETTINGS
@given(st.one_of(classified(), labelled(), numbers(), numbers(len(QUANTILES))), st.integers(0, 2**32))
def test_some_rows_alone_have_the_metrics_of_a_set_of_these_rows(given_rows: tuple[Answered, Floats], seed: int) -> None:
    rows, _ = given_rows
    chosen = np.random.default_rng(seed).random(rows.rows) < 0.7
    chosen[:3] = True

    found = sums_from(rows).only(chosen).point()

    np.testing.assert_equal(found, sums_from(rows.only(chosen)).point())
