"""What a classifier's answers add to the sums, and the metrics of these."""

from collections.abc import Iterator

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.measures import counts
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.areas import Areas
from pushline.evaluator.measures.bins import BINS, bin_of
from pushline.evaluator.measures.linear import of_areas, summed_areas
from pushline.evaluator.sums import Columns, Floats, Named, marks

TOPS = (3, 5)  # top_k of each, where there are more classes
SMALLEST = float(np.finfo(np.float64).eps)  # of a probability inside the logarithm, as scikit-learn has it


def columns(rows: Answered, found: Areas, place: slice) -> Columns:
    """What each row adds. `found` is of all rows; `place` is where these are among them."""
    classes = rows.scores.shape[1]
    said, correct = rows.said, rows.correct.astype(np.float64)
    sure = rows.scores.max(axis=1)
    losses, squared = log_losses(rows), brier(rows)
    return {
        "true": marks(rows.truth, classes),
        "said": marks(said, classes),
        "hit": marks(rows.truth, classes, correct),
        "log_loss": losses,
        "brier": squared,
        "log_loss_square": losses**2,
        "brier_square": squared**2,
        "gap": marks(bin_of(sure), BINS, correct - sure),
        **{f"top_{k}": (ranks < k).astype(np.float64) for ranks in _ranks(rows) for k in _tops(classes)},
        **of_areas(found, place),
    }


def metrics(sums: Named, labels: tuple[str, ...], found: Areas, count: int) -> dict[str, Floats]:
    rows = sums["true"].sum(axis=1)
    each = counts.per_class(sums)
    return {
        "accuracy": counts.ratio(sums["hit"].sum(axis=1), rows),
        "balanced_accuracy": _mean_of_defined(each["recall"]),
        **dict(counts.averages(sums, each)),
        **summed_areas(sums, found, rows, count),
        "log_loss": counts.ratio(sums["log_loss"][:, 0], rows),
        "brier": counts.ratio(sums["brier"][:, 0], rows),
        "ece": counts.ratio(np.abs(sums["gap"]).sum(axis=1), rows),
        **{f"top_{k}": counts.ratio(sums[f"top_{k}"][:, 0], rows) for k in _tops(len(labels))},
        **counts.named(each, labels),
    }


def beside(sums: Named) -> dict[str, Floats]:
    """Give the standard errors of means, and the calibration gap of each bin, (resamples, bins)."""
    rows = sums["true"].sum(axis=1)
    means = {name: counts.ratio(sums[name][:, 0], rows) for name in ("log_loss", "brier")}
    errors = {name: counts.mean_error(sums[f"{name}_square"][:, 0], mean, rows) for name, mean in means.items()}
    return errors | {"gap": counts.ratio(sums["gap"], rows[:, np.newaxis])}


def sides(rows: Answered) -> Iterator[tuple[Array, Array]]:
    """Each class against the rest; of two classes, the second alone."""
    classes = rows.scores.shape[1]
    for at in range(1, 2) if classes == 2 else range(classes):  # noqa: PLR2004 - one curve says it all
        yield rows.truth == at, rows.scores[:, at]


def log_losses(rows: Answered) -> Floats:
    shares = rows.scores[np.arange(rows.rows), rows.truth]
    return np.asarray(-np.log(np.clip(shares, SMALLEST, 1 - SMALLEST)))


def brier(rows: Answered) -> Floats:
    """Squared distance of the probabilities from the truth, over all classes; of two classes, of the second alone."""
    right = rows.scores[np.arange(rows.rows), rows.truth]
    if rows.scores.shape[1] == 2:  # noqa: PLR2004 - both are equally far off
        return np.asarray((1 - right) ** 2)
    return np.asarray(np.einsum("ij,ij->i", rows.scores, rows.scores) + 1 - 2 * right)


def _ranks(rows: Answered) -> Iterator[Array]:
    """How many classes come before the true one; of equally likely ones, the first."""
    if _tops(rows.scores.shape[1]):
        right = rows.scores[np.arange(rows.rows), rows.truth][:, np.newaxis]
        before = np.arange(rows.scores.shape[1]) < rows.truth[:, np.newaxis]
        yield np.count_nonzero((rows.scores > right) | ((rows.scores == right) & before), axis=1)


def _tops(classes: int) -> tuple[int, ...]:
    return tuple(k for k in TOPS if k < classes)


def _mean_of_defined(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return counts.ratio(np.nan_to_num(values).sum(axis=1), defined.sum(axis=1).astype(np.float64))
