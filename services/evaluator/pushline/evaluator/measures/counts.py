"""Precision, recall and F1 out of counts: of rows that are of a class, that are said to be, and that are both."""

from collections.abc import Iterator, Sequence

import numpy as np

from pushline.evaluator.sums import Floats, Named

PER_CLASS = ("precision", "recall", "f1")


def ratio(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    nothing = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.asarray(np.divide(above, below, out=nothing, where=below > 0))


def mean_error(squares: Floats, mean: Floats, rows: Floats) -> Floats:
    """Give the standard error of a mean, from the sum of squares."""
    return np.asarray(np.sqrt(np.maximum(ratio(squares, rows) - mean**2, 0) / np.where(rows > 0, rows, np.nan)))


def per_class(sums: Named) -> dict[str, Floats]:
    """Each (resamples, classes): NaN where a class is never said (precision), never true (recall), or neither (F1)."""
    true, said, hit = sums["true"], sums["said"], sums["hit"]
    return {"precision": ratio(hit, said), "recall": ratio(hit, true), "f1": ratio(2 * hit, true + said)}


def averages(sums: Named, each: dict[str, Floats]) -> Iterator[tuple[str, Floats]]:
    """Macro and weighted means. As scikit-learn has it: over classes that are true or said, 0 where one alone is not defined."""
    true = sums["true"]
    occurs = true + sums["said"] > 0
    for name, values in each.items():
        filled = np.nan_to_num(values)
        yield name, ratio((filled * occurs).sum(axis=1), occurs.sum(axis=1).astype(np.float64))
        yield f"{name}_weighted", ratio((filled * true).sum(axis=1), true.sum(axis=1))


def named(each: dict[str, Floats], labels: Sequence[str]) -> dict[str, Floats]:
    """Each class's own figures, as name.label."""
    return {f"{name}.{label}": values[:, at] for name, values in each.items() for at, label in enumerate(labels)}
