"""How badly each row is answered, which rows are answered worst, and how far a model's probabilities can be believed."""

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import CalibrationBin, WorstRow
from pushline.evaluator.known_metrics import CLASSIFICATION, MULTILABEL, REGRESSION
from pushline.evaluator.measures import classification, multilabel, regression
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.bins import BINS, bin_of
from pushline.evaluator.sums import Floats

WORST = 12
MOST_NAMED = 4  # labels or columns of a row; of more, the rest is counted


@np.errstate(all="ignore")  # what overflows is infinitely bad
def row_losses(rows: Answered) -> Floats:
    """Give (rows,): log loss; of a regression the absolute error, of quantiles their loss, as the mean over columns."""
    if rows.task == CLASSIFICATION:
        return classification.log_losses(rows)
    if rows.task == MULTILABEL:
        return multilabel.log_losses(rows)
    return np.asarray((regression.pinball(rows) if rows.quantiles else np.abs(rows.scores - rows.truth)).mean(axis=1))


def worst_rows(rows: Answered, count: int = WORST) -> tuple[WorstRow, ...]:
    """Worst first; of equally bad rows the first ones."""
    losses = np.nan_to_num(row_losses(rows), nan=np.finfo(np.float64).max)
    count = min(count, rows.rows)
    least = np.partition(losses, rows.rows - count)[rows.rows - count]
    bad = np.flatnonzero(losses >= least)
    order = bad[np.argsort(-losses[bad], kind="stable")][:count]
    return tuple(WorstRow(int(row), _truth(rows, row), _said(rows, row), float(losses[row])) for row in order)


def calibration(rows: Answered) -> tuple[CalibrationBin, ...]:
    """Give the bins that are not empty: of the likeliest class's probability, or of every label's. A regression has none."""
    if rows.task == REGRESSION:
        return ()
    labelled = rows.task == MULTILABEL
    shares = (rows.scores if labelled else rows.scores.max(axis=1)).reshape(-1)
    right = (rows.truth if labelled else rows.correct).reshape(-1)
    at = bin_of(shares)
    counts, sure, hits = (np.bincount(at, values, BINS) for values in (np.ones(len(at)), shares, right))
    return tuple(
        CalibrationBin(place / BINS, (place + 1) / BINS, int(counts[place]), *_means(sure[place], hits[place], counts[place]))
        for place in np.flatnonzero(counts).tolist()
    )


def _means(sure: float, hits: float, count: float) -> tuple[float, float]:
    return float(sure / count), float(hits / count)


def _truth(rows: Answered, row: int) -> str:
    if rows.task == CLASSIFICATION:
        return rows.labels[int(rows.truth[row])]
    return _labels(rows, rows.truth[row]) if rows.task == MULTILABEL else _numbers(rows.truth[row])


def _said(rows: Answered, row: int) -> str:
    if rows.task == CLASSIFICATION:
        at = int(rows.scores[row].argmax())
        return f"{rows.labels[at]} ({rows.scores[row, at]:.1%})"
    return _labels(rows, rows.only(slice(row, row + 1)).said[0]) if rows.task == MULTILABEL else _numbers(rows.scores[row])


def _labels(rows: Answered, marks: Array) -> str:
    return _listed([label for label, marked in zip(rows.labels, marks, strict=True) if marked]) or "none"


def _numbers(values: Array) -> str:
    return _listed([f"{value:.6g}" for value in values.tolist()])


def _listed(texts: list[str]) -> str:
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
