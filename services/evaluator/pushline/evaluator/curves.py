"""Which charts of a model's answers a report holds: how they lie against the truth, and whether it is as sure as it is right."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn import metrics as sk

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import CalibrationBin
from pushline.evaluator.known_metrics import CLASSIFICATION, MULTILABEL, REGRESSION
from pushline.evaluator.measures import Answered, calibration
from pushline.reports.charts import axis, thinned
from pushline.reports.report import Axis, Drawing, Series

ANSWERS, CALIBRATION = "Answers", "Calibration"  # headings
MAX_DRAWN = 200_000  # answers; of more, every nth row is drawn: a curve has a point for each
MOST_SIDES = 200  # classes whose own curves are looked at for the worst one
SHARE = (0.0, 1.0)
DIAGONAL = ((0.0, 0.0), (1.0, 1.0))
LEAST_IN_BIN = 5  # answers: fewer say nothing about how often such answers are right
TWO = 2  # classes, of which one curve says it all

Points = tuple[tuple[float, float | None], ...]


def drawings(answered: Answered) -> tuple[Drawing, ...]:
    drawn = _some(answered)
    if drawn.task == REGRESSION:
        quantiles = (_coverage(drawn),) if drawn.quantiles else ()
        return (*_residuals(drawn), *quantiles)
    return (_roc(drawn), _precision_recall(drawn), _reliability(answered))


def _some(answered: Answered) -> Answered:
    """Two classes both stay, however rare one is: a curve needs them."""
    rows = np.arange(0, answered.rows, max(1, math.ceil(answered.scores.size / MAX_DRAWN)))
    if answered.task == CLASSIFICATION and answered.scores.shape[1] == TWO:
        rows = np.union1d(rows, np.unique(answered.truth, return_index=True)[1])
    return answered.only(rows) if len(rows) < answered.rows else answered


def _residuals(answered: Answered) -> Iterator[Drawing]:
    truth, said = answered.truth.reshape(-1), answered.points.reshape(-1)
    x, y = axis("true value", truth.tolist()), axis("answer", [*said.tolist(), *truth.tolist()])
    low, high = max(x.low, y.low), min(x.high, y.high)
    with np.errstate(over="ignore"):
        off = said - truth
    says = "Each point is a row of the set; on the dashed line the answer is right."
    pairs = (Series("", _points(truth, said)),)
    yield Drawing(ANSWERS, "Answers against true values", "points", says, x, y, pairs, ((low, low), (high, high)))
    across = ((x.low, 0.0), (x.high, 0.0))
    says = "Each point is a row of the set; above the dashed line the answer is too high."
    apart = axis("residual", [*off.tolist(), 0.0])
    yield Drawing(
        ANSWERS, "Residuals: answer minus true value", "points", says, x, apart, (Series("", _points(truth, off)),), across
    )


def _coverage(answered: Answered) -> Drawing:
    """Of a good model as many rows lie under a quantile's answer as the quantile says."""
    under = (answered.truth <= answered.scores).mean(axis=0)
    found = tuple(zip(answered.quantiles, under.tolist(), strict=True))
    says = "; ".join(f"under the answer to {quantile:g} lie {100 * share:.3g} % of the rows" for quantile, share in found) + "."
    x, y = Axis("quantile", *SHARE), Axis("share of rows under its answer", *SHARE)
    return Drawing(CALIBRATION, "Quantiles", "lines", says, x, y, (Series("", found),), DIAGONAL)


@dataclass(frozen=True, slots=True)
class _Curve:
    name: str
    area: float
    points: Points


def _roc(answered: Answered) -> Drawing:
    def curve(name: str, truth: Array, scores: Array) -> _Curve:
        false, true, _ = sk.roc_curve(truth, scores)
        return _Curve(name, float(sk.auc(false, true)), _points(false, true))

    found = _chosen([curve(*side) for side in _sides(answered)], "area")
    x, y = Axis("false positive rate", *SHARE), Axis("true positive rate", *SHARE)
    return Drawing(ANSWERS, "ROC curve", "lines", _says(found), x, y, found, DIAGONAL)


def _precision_recall(answered: Answered) -> Drawing:
    def curve(name: str, truth: Array, scores: Array) -> _Curve:
        precision, recall, _ = sk.precision_recall_curve(truth, scores)
        return _Curve(name, float(sk.average_precision_score(truth, scores)), _points(recall[:-1], precision[:-1]))

    found = _chosen([curve(*side) for side in _sides(answered)], "average precision")
    x, y = Axis("recall", *SHARE), Axis("precision", *SHARE)
    return Drawing(ANSWERS, "Precision and recall", "lines", _says(found), x, y, found)


def _sides(answered: Answered) -> Iterator[tuple[str, Array, Array]]:
    """Each class against the rest; all of them together first. Of two classes, the second alone."""
    shares, names = answered.scores, answered.labels
    if answered.task == CLASSIFICATION and len(names) == TWO:
        yield f"class {names[1]}", answered.truth == 1, shares[:, 1]
        return
    word = "label" if answered.task == MULTILABEL else "class"
    marked = answered.truth > 0 if answered.task == MULTILABEL else answered.truth[:, np.newaxis] == np.arange(len(names))
    if not marked.any() or marked.all():
        return
    yield f"all {'labels' if word == 'label' else 'classes'} together", marked.reshape(-1), shares.reshape(-1)
    mixed = marked.any(axis=0) & ~marked.all(axis=0)
    for at in np.flatnonzero(mixed)[:MOST_SIDES].tolist():
        yield f"{word} {names[at]}", marked[:, at], shares[:, at]


def _chosen(found: list[_Curve], word: str) -> tuple[Series, ...]:
    """Show all classes together, and the worst one: ten lines on top of each other show nothing."""
    rest = found[1:]
    worst = [min(rest, key=lambda one: one.area)] if rest else []
    shown = [*((one, "") for one in found[:1]), *((one, "worst: ") for one in worst)]
    return tuple(Series(f"{prefix}{one.name}, {word} {one.area:.3f}", one.points) for one, prefix in shown)


def _says(series: Iterable[Series]) -> str:
    names = "; ".join(each.name for each in series)
    return f"{names}." if names else "No curve: the rows are all of one kind."


def _reliability(answered: Answered) -> Drawing:
    """How sure the model is of what it says, against how often it is right, in bins that hold a row at least."""
    every = calibration(answered)
    bins = [each for each in every if each.count >= LEAST_IN_BIN] or every
    worst = max(bins, key=lambda each: abs(each.probability - each.came_true) * each.count)
    off = (
        f"of {worst.count} answers of which it is sure to {100 * worst.probability:.0f} %, {100 * worst.came_true:.0f} % are right"
    )
    says = f"On the dashed line the model is right as often as it says. Farthest from it: {off}. Rare answers are left out."
    x, y = Axis("how sure the model is", *SHARE), Axis("how often it is right", *SHARE)
    return Drawing(CALIBRATION, "Reliability", "lines", says, x, y, (Series("", _bins(bins)),), DIAGONAL)


def _bins(bins: Iterable[CalibrationBin]) -> Points:
    return tuple((float(f"{each.probability:.6g}"), float(f"{each.came_true:.6g}")) for each in bins)


def _points(x: Array, y: Array) -> Points:
    """Give at most as many points as a chart draws, in six digits: nobody sees more."""
    with np.errstate(over="ignore"):
        pairs = list(zip(x.tolist(), (value if math.isfinite(value) else None for value in y.tolist()), strict=True))
    return tuple((float(f"{a:.6g}"), None if b is None else float(f"{b:.6g}")) for a, b in thinned(pairs))
