"""The best answer that never looks at the input: what a first model has to beat."""

from dataclasses import replace

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.known_metrics import CLASSIFICATION, MULTILABEL
from pushline.evaluator.measures.answered import Answered


def best_constant(rows: Answered) -> Answered:
    """Give the same rows, all answered alike, by what is best in the task's first metric. Takes no memory for rows."""
    if rows.task == CLASSIFICATION:
        answer = (np.arange(rows.scores.shape[1]) == rows.counts.argmax()).astype(np.float64)
    elif rows.task == MULTILABEL:
        answer = _best_labels(rows).astype(np.float64)
    else:
        answer = np.resize(rows.truth.mean(axis=0), rows.scores.shape[1])
    return replace(rows, scores=np.broadcast_to(answer, rows.scores.shape))


@np.errstate(all="ignore")  # what overflows is not finite, and passes no gate
def constant_figure(rows: Answered) -> float:
    """Give its accuracy, micro F1 or RMSE."""
    if rows.task == CLASSIFICATION:
        return float(rows.counts.max() / rows.rows)
    if rows.task == MULTILABEL:
        said = _best_labels(rows)
        return float(2 * rows.counts[said].sum() / (rows.counts.sum() + rows.rows * said.sum()))
    return float(np.sqrt(np.mean((rows.truth - rows.truth.mean(axis=0)) ** 2)))


def _best_labels(rows: Answered) -> Array:
    """Mark the commonest labels, as many as give the best micro F1."""
    order = np.argsort(-rows.counts, kind="stable")
    hits, said = np.cumsum(rows.counts[order]), np.arange(1, len(order) + 1)
    best = int((2 * hits / (rows.counts.sum() + rows.rows * said)).argmax())
    return np.isin(np.arange(len(order)), order[: best + 1])
