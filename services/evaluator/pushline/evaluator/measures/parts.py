"""What the means over classes are made of, for their intervals."""

import numpy as np

from pushline.evaluator.known_metrics import MULTILABEL
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.measures.areas import Area
from pushline.evaluator.measures.intervals import Parts
from pushline.evaluator.sums import Floats

# An area is as sure as a proportion of at most this many times the rarer side's rows. Of ROC-AUC that is so for scores that say
# nothing, where it is the surest; of the average precision it is what gives intervals of few rows their coverage.
AREA_ROWS = {"roc_auc": 3.0, "pr_auc": 1.5}


def of_area(name: str, area: Area) -> Parts:
    value, variance, rows = (np.array(column, dtype=np.float64) for column in zip(*_curves(area), strict=True))
    return Parts(np.full(len(value), 1 / len(value)), value, rows, variance, AREA_ROWS[name])


def _curves(area: Area) -> list[tuple[float, float, int]]:
    return [(curve.value, curve.variance, curve.least) for curve in area.curves]


class Counts:
    """How many rows are of each class, said to be, and both; (classes,)."""

    def __init__(self, rows: Answered) -> None:
        self.rows = rows.rows
        self.true: Floats = rows.counts.astype(np.float64)
        width = len(self.true)
        if rows.task == MULTILABEL:
            said = rows.said
            counted = said.sum(axis=0), (said & rows.truth).sum(axis=0)
        else:
            counted = np.bincount(rows.said, minlength=width), np.bincount(rows.truth[rows.correct], minlength=width)
        self.said, self.hit = (np.asarray(each, dtype=np.float64) for each in counted)

    def own(self, stem: str) -> Floats:
        """Give how many rows each class's precision, recall or F1 is a share of."""
        found: dict[str, Floats] = {"precision": self.said, "recall": self.true, "f1": self.true + self.said - self.hit}
        return found[stem]

    def parts(self, name: str, value: float) -> Parts:
        """Of a mean over classes; of what is counted over all labels, one part."""
        stem, _, kind = name.partition("_")
        if kind in ("micro", "loss"):
            return _shares(np.ones(1), np.array([value]), np.array([float(self.rows)]))
        stem = "recall" if name == "balanced_accuracy" else stem
        rows = {"precision": self.said, "recall": self.true, "f1": (self.true + self.said) / 2}[stem]
        return _shares(self._weights(name), np.divide(self.hit, rows, out=np.zeros(len(rows)), where=rows > 0), rows)

    def _weights(self, name: str) -> Floats:
        if name.endswith("_weighted"):
            return np.asarray(self.true / self.true.sum())
        occurs = (self.true > 0 if name == "balanced_accuracy" else self.true + self.said > 0).astype(np.float64)
        return np.asarray(occurs / occurs.sum())


def _shares(weight: Floats, value: Floats, rows: Floats) -> Parts:
    return Parts(weight, value, rows, np.divide(value * (1 - value), rows, out=np.zeros(len(rows)), where=rows > 0))
