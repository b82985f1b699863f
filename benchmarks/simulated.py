"""Pairs of models whose true difference is known, on the same simulated rows: what a trial of statistics needs.

Classifiers are drawn by what makes the difference: which share of the rows the first has right alone, and which the second. A pair
of regressions has errors of one kind that belong together, the first one's a little larger.
"""

from dataclasses import dataclass

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.measures.answered import Answered, answered

CLASSES = 4


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Both are right on the rest of the rows, but for `both_wrong` of them."""

    only_candidate: float
    only_champion: float
    both_wrong: float = 0.03
    name: str = "classifiers"

    @property
    def difference(self) -> float:
        """Of the accuracies, candidate minus champion."""
        return self.only_candidate - self.only_champion

    @property
    def discordant(self) -> float:
        return self.only_candidate + self.only_champion

    def draw(self, random: np.random.Generator, rows: int) -> tuple[Answered, Answered]:
        truth = random.choice(CLASSES, rows, p=[0.4, 0.3, 0.2, 0.1])
        luck = random.random(rows)
        ends = np.cumsum([self.only_candidate, self.only_champion, self.both_wrong])
        kind = np.searchsorted(ends, luck, side="right")  # 0: the candidate alone, 1: the champion alone, 2: neither, 3: both
        hard = random.normal(size=(rows, 1))  # what makes a row hard makes it hard for both
        both = [_shares(random, truth, right, hard) for right in ((kind == 0) | (kind == 3), (kind == 1) | (kind == 3))]
        candidate, champion = (answered("classification", truth, shares) for shares in both)
        return candidate, champion


@dataclass(frozen=True, slots=True)
class Regressions:
    worse: float  # how many times as large the candidate's errors are
    name: str = "regressions"

    def draw(self, random: np.random.Generator, rows: int) -> tuple[Answered, Answered]:
        truth = random.normal(20, 3, rows)
        alike = random.standard_t(6, rows)
        errors = (0.8 * alike + 0.6 * random.standard_t(6, rows) for _ in range(2))
        candidate, champion = (truth + scale * error for scale, error in zip((self.worse, 1.0), errors, strict=True))
        return answered("regression", truth, candidate[:, np.newaxis]), answered("regression", truth, champion[:, np.newaxis])


Pairs = Classifiers | Regressions


def _shares(random: np.random.Generator, truth: Array, right: Array, hard: Array) -> Array:
    """Give probabilities (rows, classes) whose largest is the true class's where a row is answered right, else another's."""
    rows = len(truth)
    scores = random.normal(size=(rows, CLASSES))
    order = np.argsort(scores, axis=1)
    wanted = np.where(right, truth, (truth + random.integers(1, CLASSES, rows)) % CLASSES)
    largest, at = order[:, -1], np.arange(rows)
    scores[at, largest], scores[at, wanted] = scores[at, wanted], scores[at, largest].copy()
    scores *= np.exp(0.3 * hard) * 2
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
