"""Slices of the evaluation set: which rows each one has, and what both models are worth on these alone.

A column with few different values has a slice for each of them, one with more numbers than MOST_VALUES a slice for each quartile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pushline.evaluator.arrays import Array, column_of, header_of
from pushline.evaluator.known_metrics import MULTILABEL, REGRESSION
from pushline.evaluator.measures.answered import Answered
from pushline.evaluator.verdict import NotJudgeable
from pushline.objects.slices import LABEL, Both, Column, Compared, Condition, Either, Not, SliceSpec, parse_slices

Chosen = npt.NDArray[np.bool_]

MOST_VALUES = 20  # of numbers; of more, quartiles
MOST_TEXTS = 200
MOST_SLICES = 1_000

_OPERATORS: Mapping[str, Callable[[Array, float | str], Array]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


@dataclass(frozen=True, slots=True)
class Slice:
    """`value` is empty for a named predicate."""

    by: str
    value: str
    chosen: Chosen  # (rows,)


@dataclass(frozen=True, slots=True)
class Table:
    """The set as slices see it: its arrays by name, and the truth in the form that metrics take."""

    arrays: Mapping[str, Array]
    rows: Answered

    def column(self, column: Column) -> Array:
        """Give one value a row: numbers, or texts. Raises NotJudgeable naming the column."""
        if column.index is not None:
            return self._feature(column, column.index)
        array = self.arrays.get(column.name)
        if array is None:
            raise _bad(f"{column} is no array of it; there is {', '.join(sorted(self.arrays))}")
        if array.ndim != 1 or len(array) != self.rows.rows:
            raise _bad(f"array {column} has the shape {array.shape}; one value is needed for each of the {self.rows.rows} rows")
        return _texts(array)

    def _feature(self, column: Column, index: int) -> Array:
        if column.name not in self.arrays:
            raise _bad(f"{column} is of an array {column.name} that is missing; there is {', '.join(sorted(self.arrays))}")
        shape = header_of(self.arrays, column.name).shape
        if len(shape) != 2 or shape[0] != self.rows.rows or index >= shape[1]:  # noqa: PLR2004 - rows and columns
            raise _bad(f"{column} is no column of array {column.name}, which has the shape {shape}")
        return _texts(column_of(self.arrays, column.name, index))


def _texts(array: Array) -> Array:
    """Bytes as texts; numbers as they are."""
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def read_slices(texts: Sequence[str]) -> tuple[SliceSpec, ...]:
    """Raises NotJudgeable: the trainer read them before, but a manifest is believed by nobody."""
    try:
        return parse_slices(texts)
    except ValueError as error:
        raise _bad(str(error)) from error


def slices_of(specs: Sequence[SliceSpec], table: Table) -> tuple[Slice, ...]:
    """Raises NotJudgeable for what the set does not have."""
    found = tuple(each for spec in specs for each in _slices(spec, table))
    if len(found) > MOST_SLICES:
        raise _bad(f"there are {len(found)} slices; at most {MOST_SLICES} are judged")
    return found


def _slices(spec: SliceSpec, table: Table) -> Iterator[Slice]:
    if not isinstance(spec.by, Column):
        yield Slice(spec.name, "", _holds(spec.by, table))
    elif spec.by == Column(LABEL):
        yield from (Slice(spec.name, label, _of_label(at, table)) for at, label in enumerate(_labels(table)))
    else:
        yield from (Slice(spec.name, value, chosen) for value, chosen in _by_value(spec.by, table.column(spec.by)))


def _labels(table: Table) -> tuple[str, ...]:
    if table.rows.task == REGRESSION:
        raise _bad("label is of a classification; a regression has no labels")
    return table.rows.labels


def _of_label(at: int, table: Table) -> Chosen:
    truth = table.rows.truth
    return np.asarray(truth[:, at] > 0 if table.rows.task == MULTILABEL else truth == at)


def _by_value(column: Column, values: Array) -> Iterator[tuple[str, Chosen]]:
    different = np.unique(values)
    if len(different) > MOST_VALUES and values.dtype.kind in "biuf":
        yield from _quartiles(values)
        return
    if len(different) > MOST_TEXTS:
        raise _bad(f"array {column} has {len(different)} different texts; at most {MOST_TEXTS} are slices of their own")
    for value in different:
        yield _written(value), values == value


def _quartiles(values: Array) -> Iterator[tuple[str, Chosen]]:
    cuts = np.unique(np.quantile(values, (0.25, 0.5, 0.75), method="inverted_cdf"))
    ends = [None, *cuts.tolist(), None]
    for low, high in pairwise(ends):
        chosen = np.ones(len(values), np.bool_)
        if low is not None:
            chosen &= values > low
        if high is not None:
            chosen &= values <= high
        if chosen.any():
            yield f"{'' if low is None else _written(low)}..{'' if high is None else _written(high)}", chosen


def _written(value: object) -> str:
    return str(value) if isinstance(value, str) else f"{float(value):.6g}"  # type: ignore[arg-type]  # a number of NumPy's


def _holds(condition: Condition, table: Table) -> Chosen:
    match condition:
        case Not(of):
            return ~_holds(of, table)
        case Both(parts):
            return np.asarray(np.logical_and.reduce([_holds(part, table) for part in parts]))
        case Either(parts):
            return np.asarray(np.logical_or.reduce([_holds(part, table) for part in parts]))
        case Compared(column, operator, value):
            if column == Column(LABEL):
                return _label_is(operator, value, table)
            return _compare(column, table.column(column), operator, value)


def _compare(column: Column, values: Array, operator: str, wanted: float | str) -> Chosen:
    if (values.dtype.kind == "U") is not isinstance(wanted, str):
        kind = "texts" if values.dtype.kind == "U" else "numbers"
        raise _bad(f"array {column} holds {kind}, and is compared with {wanted!r}")
    return np.asarray(_OPERATORS[operator](values, wanted))


def _label_is(operator: str, wanted: float | str, table: Table) -> Chosen:
    """A label is compared by its name, or by the number of its class."""
    labels = _labels(table)
    if isinstance(wanted, str):
        if wanted not in labels:
            raise _bad(f'"{wanted}" is no label; there is {", ".join(labels[:20])}')
        is_it = _of_label(labels.index(wanted), table)
        return is_it if operator == "==" else ~is_it
    if table.rows.task == MULTILABEL:
        raise _bad("labels of a model with several at once are compared by name")
    return np.asarray(_OPERATORS[operator](table.rows.truth, wanted))


def _bad(sentence: str) -> NotJudgeable:
    return NotJudgeable("slices", f"the slices of the evaluation set cannot be made: {sentence}", detail=sentence)
