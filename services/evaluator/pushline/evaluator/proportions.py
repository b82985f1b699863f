"""Two shares on the same rows: Tango's score interval for their difference, what a set can see of it, and McNemar's exact test.

Of `n` rows, `b` are right by the candidate alone, `c` by the live model alone. The difference of the shares is (b - c) / n. The
score test (Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design")
holds a difference d against it by the variance that the data have *if d is true*, so it says something of a set without one
discordant row too: there its interval is that of Wilson. Bounds are found where the statistic, which falls with d, crosses the
normal quantile.
"""

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest

_FAR = 1e6  # a statistic that no quantile reaches
_EXACT = 1e-12


@dataclass(frozen=True, slots=True)
class Discordance:
    """Of two classifiers on the same rows."""

    only_candidate: int
    only_champion: int
    rows: int

    @property
    def value(self) -> float:
        return (self.only_candidate - self.only_champion) / self.rows

    def statistic(self, difference: float) -> float:
        """Give Tango's z of a true difference: standard normal, if it is true."""
        apart = self.only_candidate - self.only_champion - self.rows * difference
        share = _restricted(self.only_candidate, self.only_champion, self.rows, difference)
        variance = self.rows * (2 * share + difference * (1 - difference))
        if variance <= _EXACT:
            return 0.0 if abs(apart) <= _EXACT * self.rows else math.copysign(_FAR, apart)
        return max(-_FAR, min(_FAR, apart / math.sqrt(variance)))

    def bound(self, confidence: float) -> float:
        """The one-sided lower bound at this confidence; at 1 - confidence it is the upper one at `confidence`."""
        quantile = float(ndtri(confidence))
        low, high = (-1.0, self.value) if quantile > 0 else (self.value, 1.0)
        if self.statistic(low) <= quantile:
            return low
        if self.statistic(high) >= quantile:
            return high
        return float(brentq(lambda at: self.statistic(at) - quantile, low, high, xtol=_EXACT))

    def p_below(self, difference: float) -> float:
        """One-sided p-value against a true difference of at least this."""
        return float(ndtr(self.statistic(difference)))

    def p_value(self) -> float:
        """Test by McNemar, exactly and two-sided, whether each of the two is as often right alone as the other."""
        discordant = self.only_candidate + self.only_champion
        return float(binomtest(self.only_candidate, discordant, 0.5).pvalue) if discordant else 1.0


def _restricted(b: float, c: float, n: float, difference: float) -> float:
    """The likeliest share of rows that the live model alone has right, if this difference is true (Tango's q21)."""
    middle = -b - c + (2 * n - b + c) * difference
    last = -c * difference * (1 - difference)
    return (math.sqrt(max(0.0, middle * middle - 8 * n * last)) - middle) / (4 * n)


def rows_to_see(drop: float, discordant_share: float, confidence: float, power: float) -> float:
    """How many rows two equally good models need to pass this max_drop with the probability `power`.

    `discordant_share` of the rows are answered rightly by one of them alone, half by each.
    """
    share = _restricted(discordant_share / 2, discordant_share / 2, 1.0, -drop)
    spread = math.sqrt(max(0.0, 2 * share - drop * (1 + drop)))
    return float(((ndtri(confidence) * spread + ndtri(power) * math.sqrt(discordant_share)) / drop) ** 2)


def visible_drop(rows: int, discordant_share: float, confidence: float, power: float) -> float:
    """The least max_drop that two equally good models pass on so many rows with the probability `power`."""
    least, most = 1e-9, 1.0
    if rows_to_see(most, discordant_share, confidence, power) > rows:
        return most
    return float(brentq(lambda drop: rows_to_see(drop, discordant_share, confidence, power) - rows, least, most, xtol=_EXACT))
