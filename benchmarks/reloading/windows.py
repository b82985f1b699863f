"""What happens in windows of a run: latencies and gaps after swaps beside those of windows without one (pure).

A window takes the calls that were due in it, and the answers that came in it. Latencies are counted in bins of half a percent, so
that a bootstrap over thousands of windows is one product of matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
SHORTEST_SECONDS, PER_BIN, BINS = 1e-5, 0.005, 3000  # up to 31 s
RESAMPLES = 2000
OK = 0


@dataclass(frozen=True)
class Run:
    """The samples of a generator, in the order of the schedule. `answered` is NaN where no answer came."""

    due: Array
    sent: Array
    answered: Array
    status: Array
    payload: Array
    order: Array  # numbers of calls, in the order of their ends
    connections: int

    @cached_property
    def latency(self) -> Array:
        """Seconds from the time when each call was due, forgiving nothing to who sent it late."""
        found: Array = self.answered - self.due
        return found

    @property
    def failed(self) -> int:
        return int(np.count_nonzero(self.status != OK))

    def between(self, begin: float, end: float) -> Array:
        """Latencies of the calls that were due in this time."""
        first, last = np.searchsorted(self.due, (begin, end))
        return self.latency[first:last]

    def longest_gap(self, begin: float, end: float) -> float:
        """Longest time in which no answer came, within the window and up to its ends."""
        came = self._came
        first, last = np.searchsorted(came, (begin, end))
        return float(np.diff(np.concatenate(([begin], came[first:last], [end]))).max())

    @cached_property
    def _came(self) -> Array:
        """In the order in which they came."""
        found: Array = self.answered[self.order]
        return found


@dataclass(frozen=True)
class Compared:
    """Windows after swaps and their controls, pair by pair."""

    pairs: int
    after_p99: float
    control_p99: float
    lower: float  # of the ratio, by bootstrap over the pairs
    upper: float
    after_gap: float  # the longest
    control_gap: float
    calls: int  # in the windows after swaps

    @property
    def ratio(self) -> float:
        return self.after_p99 / self.control_p99


def compared(run: Run, after: Sequence[float], controls: Sequence[float], seconds: float, seed: int = 1) -> Compared:
    counts = [np.array([_binned(run.between(begin, begin + seconds)) for begin in begins]) for begins in (after, controls)]
    ratios = _resampled(counts[0], counts[1], seed)
    gaps = [max(run.longest_gap(begin, begin + seconds) for begin in begins) for begins in (after, controls)]
    p99s = [float(quantile(each.sum(axis=0)[None, :], 0.99)[0]) for each in counts]
    lower, upper = np.quantile(ratios, (0.025, 0.975))
    return Compared(len(after), p99s[0], p99s[1], float(lower), float(upper), gaps[0], gaps[1], int(counts[0].sum()))


def quantile(counts: Array, share: float) -> Array:
    """Give the quantile of each row of binned latencies: the upper end of its bin."""
    sums = counts.cumsum(axis=1)
    place = (sums < share * sums[:, -1:]).sum(axis=1)
    found: Array = SHORTEST_SECONDS * (1 + PER_BIN) ** (place + 1.0)
    return found


def _binned(latencies: Array) -> Array:
    """Count by bin; what never came is in the last one."""
    seconds = np.nan_to_num(latencies, nan=np.inf).clip(SHORTEST_SECONDS, 1e6)
    bins = (np.log(seconds / SHORTEST_SECONDS) / np.log1p(PER_BIN)).astype(int)
    return np.bincount(bins.clip(0, BINS - 1), minlength=BINS)


def _resampled(after: Array, controls: Array, seed: int) -> Array:
    """Draw pairs with replacement, again and again; give the ratio of their p99 each time."""
    pairs = len(after)
    drawn = np.random.default_rng(seed).multinomial(pairs, np.full(pairs, 1 / pairs), RESAMPLES).astype(np.float32)
    found: Array = quantile(drawn @ after.astype(np.float32), 0.99) / quantile(drawn @ controls.astype(np.float32), 0.99)
    return found


def controls(quiet_from: float, count: int, seconds: float, seed: int = 1) -> list[float]:
    """Give the begins of so many windows, one behind the other, in any order: which one a swap is paired with is chance."""
    places = np.random.default_rng(seed).permutation(count)
    return [float(quiet_from + place * seconds) for place in places]


def went_back(run: Run, version: Array) -> int:
    """Count the answers by an older version than one that came before on the same connection."""
    found = 0
    came, status = version[run.payload[run.order]], run.status[run.order]
    for connection in range(run.connections):
        own = came[(run.order % run.connections == connection) & (status == OK)]
        found += int(np.count_nonzero(own < np.maximum.accumulate(own))) if len(own) else 0
    return found
