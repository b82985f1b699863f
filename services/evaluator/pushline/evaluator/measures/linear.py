"""Metrics that are no sums, as sums of influences: exact for the rows as they are, to first order under weights."""

from collections.abc import Iterator

import numpy as np

from pushline.evaluator.measures.areas import Area, Areas
from pushline.evaluator.sums import Columns, Floats, Named

NAMES = ("roc_auc", "pr_auc")


def present(found: Areas) -> Iterator[tuple[str, Area]]:
    return ((name, area) for name, area in zip(NAMES, (found.roc, found.precision), strict=True) if area is not None)


def of_areas(found: Areas, place: slice) -> Columns:
    return {name: area.influence[place] for name, area in present(found)}


def summed_areas(sums: Named, found: Areas, rows: Floats, count: int) -> dict[str, Floats]:
    """`rows` is the weight of all rows (resamples,), `count` how many there are. NaN where no curve has both sides."""
    nothing = {name: np.full(len(rows), np.nan) for name in NAMES}
    return nothing | {name: moved(area.value, sums[name][:, 0], rows, count) for name, area in present(found)}


def moved(value: float, influence: Floats, rows: Floats, count: int) -> Floats:
    """Give the metric under weights: its value, and the mean influence under them."""
    return np.asarray(value + np.divide(influence * count, rows, out=np.full(len(rows), np.nan), where=rows > 0))
