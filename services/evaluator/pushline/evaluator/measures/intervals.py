"""Two-sided confidence intervals of metrics. Pure arithmetic."""

import math
from statistics import NormalDist

import numpy as np

from pushline.evaluator.findings import Estimate
from pushline.evaluator.sums import Floats

LEAST_DEFINED = 0.9  # of the resamples: a metric that is less often defined has no interval
LEAST_DRAWS = 2


def share(value: float, rows: float, confidence: float) -> Estimate:
    """A proportion of independent rows: the score interval (Wilson 1927), which is sound near 0 and 1, where counts are small."""
    if not rows > 0:
        return Estimate(value)
    z = quantile(confidence)
    middle, room = value + z * z / (2 * rows), z * math.sqrt(value * (1 - value) / rows + (z / (2 * rows)) ** 2)
    scale = 1 + z * z / rows
    return Estimate(value, max(0.0, min(value, (middle - room) / scale)), min(1.0, max(value, (middle + room) / scale)))


def like_a_share(value: float, variance: float, least: float, confidence: float) -> Estimate:
    """A number between 0 and 1 whose variance is known: the score interval of as many rows as give a proportion that variance.

    `least` rows are taken where there is no variance to go by: at 0 and at 1.
    """
    return share(value, value * (1 - value) / variance if variance > 0 else least, confidence)


def f1_share(value: float, rows: float, confidence: float) -> Estimate:
    """F1 of one class. `rows` are of the class, or said to be; F1 is 2J / (1 + J) of the share J of these that are both."""
    jaccard = share(value / (2 - value), rows, confidence)
    ends = [None if end is None else 2 * end / (1 + end) for end in (jaccard.low, jaccard.high)]
    return Estimate(value, *ends)


def percentiles(value: float, drawn: Floats, confidence: float) -> Estimate:
    """Of the bootstrap's distribution (Efron and Tibshirani 1993, chapter 13)."""
    usable = defined(drawn)
    if usable is None:
        return Estimate(value)
    low, high = np.quantile(usable, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Estimate(value, min(value, low), max(value, high))


def reflected(value: float, drawn: Floats, confidence: float) -> Estimate:
    """Of the bootstrap's distribution, turned around the value (the basic interval), for what resampling shifts as sampling did."""
    turned = percentiles(value, 2 * value - drawn, confidence)
    return Estimate(value, None if turned.low is None else max(0.0, turned.low), turned.high)


def defined(drawn: Floats) -> Floats | None:
    """Give the finite ones; None where they are too few to say how the metric is distributed."""
    finite = drawn[np.isfinite(drawn)]
    return finite if len(finite) >= max(LEAST_DRAWS, LEAST_DEFINED * len(drawn)) else None


def quantile(confidence: float) -> float:
    """Of the normal distribution, two-sided."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
