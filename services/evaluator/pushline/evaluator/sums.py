"""Metrics as functions of sums over rows, and their distribution under random weights of the rows (the bootstrap).

Every metric of a set is a function of a few sums: counts of (true class, said class), of squared errors, of a score's histogram. So
one weighting of the rows gives all metrics, and a thousand random ones give their distribution by one product of matrices. Two models
on the same rows are given the same weights, which makes the distribution of their difference the paired one.

Weights are Poisson(1), independent for each row, which resamples rows with replacement as well as the multinomial does (Hanley and
MacGibbon 2006; Chamandy et al., "Estimating uncertainty for massive data streams", 2012). Above MOST_GROUPS rows they are drawn for
random groups of rows: the groups' sums are as independent as the rows were.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]

RESAMPLES = 1_000
MOST_GROUPS = 10_000
AT_ONCE = 100  # resamples in one block, which bounds the memory
SEED = 20_240_229  # always the same: the same answers give the same interval


@dataclass(frozen=True, slots=True)
class Sums:
    """`rows` is (rows or groups, columns): what each adds to each sum.

    `metrics` takes sums (resamples, columns) and gives each metric as (resamples,), NaN where it is not defined.
    """

    rows: sparse.csr_matrix
    metrics: Callable[[Floats], dict[str, Floats]]

    def point(self) -> dict[str, float]:
        """Give every metric of all rows."""
        sums = np.asarray(self.rows.sum(axis=0), dtype=np.float64).reshape(1, -1)
        return {name: float(values[0]) for name, values in self.metrics(sums).items()}

    def under(self, weights: Floats) -> dict[str, Floats]:
        """Give every metric under weights (resamples, rows or groups)."""
        return self.metrics(np.ascontiguousarray((self.rows.T @ weights.T).T))

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Sums":
        """Give the metrics of some rows."""
        return Sums(self.rows[chosen], self.metrics)

    def grouped(self) -> "Sums":
        """Add rows up in random groups, the same for every set of as many rows; nothing changes where they are few."""
        count = self.rows.shape[0]
        if count <= MOST_GROUPS:
            return self
        group = np.random.default_rng(SEED).permutation(count) % MOST_GROUPS
        adding = sparse.csr_matrix((np.ones(count), (group, np.arange(count))), shape=(MOST_GROUPS, count))
        return Sums(adding @ self.rows, self.metrics)


def weights(groups: int, resamples: int = RESAMPLES) -> Iterator[Floats]:
    """Give blocks of random weights (resamples, groups), the same ones each time."""
    random = np.random.default_rng((SEED, groups))
    for done in range(0, resamples, AT_ONCE):
        yield random.poisson(1.0, (min(AT_ONCE, resamples - done), groups)).astype(np.float64)


def resampled(sums: Sums, resamples: int = RESAMPLES) -> dict[str, Floats]:
    """Give every metric under each of the random weightings, (resamples,); those of another model on the same rows belong to them."""
    grouped = sums.grouped()
    blocks = [grouped.under(block) for block in weights(grouped.rows.shape[0], resamples)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
