"""Two-sided confidence intervals of metrics. Pure arithmetic."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pushline.evaluator.findings import Estimate
from pushline.evaluator.sums import Floats

LEAST_DEFINED = 0.9  # of the resamples: a metric that is less often defined has no interval
LEAST_DRAWS = 2
NO_SPREAD = 1e-7  # of the value: below this a standard error is rounding
SURE = 3.0  # standard errors from 0 at which a number's sign is taken for known


def share(value: float, rows: float, confidence: float) -> Estimate:
    """Of a proportion of independent rows: the score interval (Wilson 1927), sound near 0 and 1 and where counts are small."""
    if not rows > 0:
        return Estimate(value)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle, room = value + z * z / (2 * rows), z * math.sqrt(value * (1 - value) / rows + (z / (2 * rows)) ** 2)
    scale = 1 + z * z / rows
    return Estimate(value, max(0.0, min(value, (middle - room) / scale)), min(1.0, max(value, (middle + room) / scale)))


def f1_share(value: float, rows: float, confidence: float) -> Estimate:
    """Of F1 of one class. `rows` are of the class, or said to be; F1 is 2J / (1 + J) of the share J of these that are both."""
    jaccard = share(value / (2 - value), rows, confidence)
    ends = [None if end is None else 2 * end / (1 + end) for end in (jaccard.low, jaccard.high)]
    return Estimate(value, *ends)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a number between 0 and 1 is the weighted sum of, each (parts,). `rows` are those that a part rests on.

    `most` is how many rows one of these is worth at most: of a proportion 1.
    """

    weight: Floats
    value: Floats
    rows: Floats
    variance: Floats
    most: float = 1.0


def like_a_share(value: float, variance: float, parts: Parts, confidence: float) -> Estimate:
    """Of a number whose variance was estimated: the score interval of as many rows as give a proportion that variance.

    A part that is 0 or 1 by luck, on few rows, shows too little variance. So each is held against what it would have were one row
    more right and one more wrong (Laplace), and what is missing there is added.
    """
    at = parts.rows > 0
    weight, rows = parts.weight[at], parts.rows[at]
    smooth = (parts.value[at] * rows + 1) / (rows + 2)
    missing = np.maximum(smooth * (1 - smooth) / (rows * parts.most) - parts.variance[at], 0)
    middle, total = float(weight @ smooth), variance + float(weight**2 @ missing)
    return share(value, middle * (1 - middle) / total if total > 0 else 0.0, confidence)


def percentiles(value: float, drawn: Floats, confidence: float) -> Estimate:
    """Of the bootstrap's distribution (Efron and Tibshirani 1993, chapter 13)."""
    usable = defined(drawn)
    if usable is None:
        return Estimate(value)
    low, high = _ends(usable, confidence)
    return Estimate(value, min(value, low), max(value, high))


def studentized(value: float, error: float, drawn: Floats, errors: Floats, confidence: float) -> Estimate:
    """Of a mean that is not below 0: the bootstrap-t (the same book, chapter 12), which knows of skewness, as losses have it."""
    if error <= NO_SPREAD * value:
        return Estimate(value, value, value)
    usable = defined(np.divide(drawn - value, errors, out=np.full(len(drawn), np.nan), where=errors > 0))
    if usable is None or not math.isfinite(error):
        return Estimate(value)
    low, high = _ends(usable, confidence)
    return Estimate(value, max(0.0, min(value, value - high * error)), max(value, value - low * error))


def of_gaps(value: float, gaps: Floats, drawn: Floats, confidence: float) -> Estimate:
    """Of a sum of absolute gaps (calibration error). `gaps` is (bins,), `drawn` (resamples, bins).

    Noise makes such a sum larger, the more so the nearer the true gaps are to 0, and resampling adds its own. Above, it is bounded
    by the gaps with their signs, which sum up to no more. Below, a gap whose sign is not known counts with all of its noise.
    """
    noise = drawn[np.isfinite(drawn).all(axis=1)] - gaps
    if len(noise) < LEAST_DEFINED * len(drawn):
        return Estimate(value)
    signed, known = noise * np.sign(gaps), np.abs(gaps) > SURE * noise.std(axis=0)
    _, most = _ends(np.where(known, signed, np.abs(noise)).sum(axis=1), confidence)
    least, _ = _ends(signed.sum(axis=1), confidence)
    return Estimate(value, max(0.0, min(value, value - most)), min(1.0, max(value, value - least)))


def defined(drawn: Floats) -> Floats | None:
    """Give the finite ones; None where they are too few to say how the metric is distributed."""
    finite = drawn[np.isfinite(drawn)]
    return finite if len(finite) >= max(LEAST_DRAWS, LEAST_DEFINED * len(drawn)) else None


def _ends(drawn: Floats, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return low, high
