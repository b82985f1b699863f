"""Metrics as functions of sums over rows, and their distribution under random weights of the rows (the bootstrap).

Every metric of a set is a function of a few sums: counts of (true class, said class), of squared errors, of a row's influence on an
area. So one weighting of the rows gives all metrics, and a thousand random ones give their distribution by one product of matrices.
Two models on the same rows are given the same weights, which makes the distribution of their difference the paired one.

Weights are Poisson(1), independent for each row, which resamples rows with replacement as well as the multinomial does (Hanley and
MacGibbon 2006; Chamandy et al., "Estimating uncertainty for massive data streams", 2012). Above MOST_GROUPS rows they are drawn for
random groups of rows: the groups' sums are as independent as the rows were. Which group a row is in depends on its place and on the
number of rows alone, so that the groups of two models on the same rows are the same.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]

RESAMPLES = 1_000
MOST_GROUPS = 10_000
AT_ONCE = 100  # resamples in one block, which bounds the memory
ROWS_AT_ONCE = 65_536  # that become a matrix before they are added up, likewise
SEED = 20_240_229  # always the same: the same answers give the same interval

Columns = Mapping[str, sparse.csr_matrix | Floats]  # named parts, each (rows, its own width) or (rows,)
Named = Mapping[str, Floats]  # sums by the names of the parts, each (resamples, its width)


@dataclass(frozen=True, slots=True)
class Sums:
    """`rows` is (rows or groups, columns): what each adds to each sum.

    `metrics` takes sums (resamples, columns) and gives each metric as (resamples,), NaN where it is not defined. `again` builds the
    sums of some rows anew, from truth and answers: an area under the curve of some rows is no sum over the whole set's.
    """

    rows: sparse.csr_matrix
    metrics: Callable[[Floats], dict[str, Floats]]
    again: "Callable[[Chosen], Sums] | None" = None  # None: a row for each row, and plain sums alone
    beside: Callable[[Floats], dict[str, Floats]] | None = None  # what intervals need further: standard errors, parts of a metric

    def point(self) -> dict[str, float]:
        """Give every metric of all rows."""
        sums = np.asarray(self.rows.sum(axis=0), dtype=np.float64).reshape(1, -1)
        return {name: float(values[0]) for name, values in self.metrics(sums).items()}

    def under(self, weights: Floats) -> dict[str, Floats]:
        """Give every metric under weights (resamples, rows or groups)."""
        return self.metrics(self.total(weights))

    def total(self, weights: Floats) -> Floats:
        """Give the sums under weights, (resamples, columns)."""
        return np.ascontiguousarray((self.rows.T @ weights.T).T)

    def only(self, chosen: Chosen) -> "Sums":
        """Give the sums of some rows of the set; `chosen` has an entry for each of its rows, and at least one that is true."""
        return self.again(chosen) if self.again else Sums(self.rows[chosen], self.metrics)


@dataclass(frozen=True, slots=True)
class Functions:
    """Of named sums, as Sums has them of a row of numbers."""

    metrics: Callable[[Named], dict[str, Floats]]
    beside: Callable[[Named], dict[str, Floats]]


def sums_over(rows: int, columns: Callable[[slice], Columns], functions: Functions, again: Callable[[Chosen], Sums]) -> Sums:
    """Add up what `columns` gives for slices of the rows; the same parts, of the same widths, each time."""
    groups = group_of(rows)
    count = min(rows, MOST_GROUPS)
    total, parts = sparse.csr_matrix((count, 0)), {}
    for start in range(0, rows, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, rows)
        named = {name: _matrix(part) for name, part in columns(slice(start, stop)).items()}
        parts = _places(named)
        block = sparse.hstack(list(named.values()), format="csr")
        added = _adding(groups[start:stop], count) @ block if rows > MOST_GROUPS else block
        total = total + added if start else added
    return Sums(total, _of_named(functions.metrics, parts), again, _of_named(functions.beside, parts))


def _of_named(function: Callable[[Named], dict[str, Floats]], parts: Mapping[str, slice]) -> Callable[[Floats], dict[str, Floats]]:
    return lambda sums: function({name: sums[:, place] for name, place in parts.items()})


def group_of(rows: int) -> npt.NDArray[np.int32]:
    """Say which group each row is in; each row is a group where there are few."""
    place = np.arange(rows, dtype=np.int32)
    return place if rows <= MOST_GROUPS else np.random.default_rng(SEED).permutation(place) % MOST_GROUPS


def marks(at: npt.NDArray[np.integer], width: int, values: Floats | None = None) -> sparse.csr_matrix:
    """Give (rows, width) with one entry in each row, in the column that `at` names; 1 where no values are given."""
    filled = np.ones(len(at)) if values is None else values.copy()  # a matrix that drops its zeros moves what it was made of
    matrix = sparse.csr_matrix((filled, at, np.arange(len(at) + 1)), shape=(len(at), width))
    matrix.eliminate_zeros()
    return matrix


def _matrix(part: "sparse.csr_matrix | Floats") -> sparse.csr_matrix:
    return part if sparse.issparse(part) else sparse.csr_matrix(np.asarray(part, dtype=np.float64).reshape(len(part), -1))


def _places(named: Mapping[str, sparse.csr_matrix]) -> dict[str, slice]:
    ends = np.cumsum([matrix.shape[1] for matrix in named.values()]).tolist()
    return {name: slice(end - matrix.shape[1], end) for (name, matrix), end in zip(named.items(), ends, strict=True)}


def _adding(group: npt.NDArray[np.int32], groups: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), shape=(groups, len(group)))


def weights(groups: int, resamples: int = RESAMPLES) -> Iterator[Floats]:
    """Give blocks of random weights (resamples, groups), the same ones each time."""
    random = np.random.default_rng((SEED, groups))
    for done in range(0, resamples, AT_ONCE):
        drawn = random.integers(0, len(_POISSON), (min(AT_ONCE, resamples - done), groups), dtype=np.uint16)
        yield _POISSON[drawn].astype(np.float64)


def _poisson() -> npt.NDArray[np.uint8]:
    """Give Poisson(1) for each of 2**16 equally likely draws, which is ten times as fast as NumPy's, and right to 1 in 65,536."""
    shares = [math.exp(-1) / math.factorial(weight) for weight in range(9)]
    return np.repeat(np.arange(9, dtype=np.uint8), [round(share * 2**16) for share in shares])


_POISSON = _poisson()


def resampled(sums: Sums, resamples: int = RESAMPLES, names: Collection[str] | None = None) -> dict[str, Floats]:
    """Give metrics (all, or those named) under each of the random weightings, (resamples,).

    Those of another model on the same rows belong to them: the first number of one and of the other are under the same weights.
    """
    return drawn(sums, lambda total: _some(sums.metrics(total), names), resamples)


def drawn(sums: Sums, figures: Callable[[Floats], dict[str, Floats]], resamples: int = RESAMPLES) -> dict[str, Floats]:
    """Give figures of the sums under the same random weightings."""
    blocks = [figures(sums.total(block)) for block in weights(sums.rows.shape[0], resamples)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _some(values: dict[str, Floats], names: Collection[str] | None) -> dict[str, Floats]:
    return values if names is None else {name: values[name] for name in names if name in values}
