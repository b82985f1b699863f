"""Which charts a report shows: how training went, and how the answers lie against the truth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn import metrics as sk

from pushline.evaluator.charts import Axis, Chart, Series, axis, lines, points
from pushline.evaluator.known_metrics import CLASSIFICATION, MULTILABEL, REGRESSION
from pushline.evaluator.measures import Answered, Measured

SHARE = (0.0, 1.0)
MAX_TRAINING_CHARTS = 4
MAX_DRAWN = 1_000_000  # answers; of more, every nth row is drawn: a curve has a point for each


def training(history: Mapping[str, Sequence[float | None]]) -> list[Chart]:
    """One chart for a metric and its val_ twin; loss first, as Keras reports it."""
    stems = list(dict.fromkeys(name.removeprefix("val_") for name in history if name not in ("lr", "learning_rate")))
    ordered = sorted(stems, key=lambda stem: stem != "loss")[:MAX_TRAINING_CHARTS]
    return [_training(stem, history) for stem in ordered if any(history.get(stem) or history.get(f"val_{stem}") or ())]


def _training(stem: str, history: Mapping[str, Sequence[float | None]]) -> Chart:
    named = {"training": history.get(stem), "validation": history.get(f"val_{stem}")}
    series = [Series(name, _epochs(values)) for name, values in named.items() if values]
    epochs = max(len(each.points) for each in series)
    values = [value for each in series for _, value in each.points]
    return lines(f"{stem} by epoch", series, Axis("epoch", 1, max(epochs, 2), whole=True), axis(stem, values))


def _epochs(values: Sequence[float | None]) -> list[tuple[float, float | None]]:
    return [(float(at), value) for at, value in enumerate(values, start=1)]


def answers(measured: Measured, labels: Sequence[str]) -> list[Chart]:
    drawn = _thinned(measured)
    if measured.task == REGRESSION:
        return _residuals(drawn)
    return [_roc(drawn, labels), _precision_recall(drawn, labels)]


def _thinned(measured: Measured) -> Answered:
    """Two classes both stay, however rare one is: a curve needs them."""
    given = measured.answered
    rows = np.arange(0, given.rows, max(1, math.ceil(given.scores.size / MAX_DRAWN)))
    if given.task == CLASSIFICATION and given.scores.shape[1] == 2:  # noqa: PLR2004 - as below
        rows = np.union1d(rows, np.unique(given.truth, return_index=True)[1])
    return given.only(rows)


def _residuals(measured: Answered) -> list[Chart]:
    truth, said = measured.truth.reshape(-1), measured.points.reshape(-1)
    x, y = axis("true value", truth.tolist()), axis("answer", [*said.tolist(), *truth.tolist()])
    both = (max(x.low, y.low), min(x.high, y.high))
    with np.errstate(over="ignore"):
        off = said - truth
    across = [(x.low, 0.0), (x.high, 0.0)]
    return [
        points(
            "Answers against true values", list(zip(truth.tolist(), said.tolist(), strict=True)), x, y, [(at, at) for at in both]
        ),
        points(
            "Residuals: answer minus true value",
            list(zip(truth.tolist(), off.tolist(), strict=True)),
            x,
            axis("residual", [*off.tolist(), 0.0]),
            across,
        ),
    ]


def _roc(measured: Answered, labels: Sequence[str]) -> Chart:
    found = []
    for name, truth, scores in _sides(measured, labels):
        false, true, _ = sk.roc_curve(truth, scores)
        found.append((float(sk.auc(false, true)), name, list(zip(false.tolist(), true.tolist(), strict=True))))
    x, y = Axis("false positive rate", *SHARE), Axis("true positive rate", *SHARE)
    return lines("ROC curve", _chosen(found, "area"), x, y, [(0.0, 0.0), (1.0, 1.0)])


def _precision_recall(measured: Answered, labels: Sequence[str]) -> Chart:
    found = []
    for name, truth, scores in _sides(measured, labels):
        precision, recall, _ = sk.precision_recall_curve(truth, scores)
        area = float(sk.average_precision_score(truth, scores))
        found.append((area, name, list(zip(recall.tolist()[:-1], precision.tolist()[:-1], strict=True))))
    return lines("Precision and recall", _chosen(found, "average precision"), Axis("recall", *SHARE), Axis("precision", *SHARE))


def _sides(measured: Answered, labels: Sequence[str]) -> list[tuple[str, Any, Any]]:
    """Each class (or label) against the rest; all of them together first. Of two classes, the second alone."""
    truth, shares = measured.truth, measured.scores
    names = list(labels) or [str(at) for at in range(shares.shape[1])]
    if measured.task == CLASSIFICATION and len(names) == 2:  # noqa: PLR2004 - one curve says it all
        return [(f"class {names[1]}", truth == 1, shares[:, 1])]
    marked = truth if measured.task == MULTILABEL else truth[:, np.newaxis] == np.arange(len(names))
    present = [at for at in range(len(names)) if marked[:, at].any()]
    each = [(f"class {names[at]}", marked[:, at], shares[:, at]) for at in present]
    return [("all classes together", marked.reshape(-1), shares.reshape(-1)), *each]


def _chosen(found: list[tuple[float, str, list[tuple[float, float]]]], word: str) -> list[Series]:
    """Show all classes together, and the worst one: ten lines on top of each other show nothing."""
    first, rest = found[0], found[1:]
    worst = [min(rest, key=lambda one: one[0])] if rest else []
    shown = [(first, ""), *((one, "worst: ") for one in worst)]
    return [Series(f"{prefix}{name}, {word} {area:.3f}", curve) for (area, name, curve), prefix in shown]
