"""Copies of the data that a script gives Keras: arrays, nested ones, tf.data, Keras' own data sets, generators."""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_ROWS = 100_000
MAX_BYTES = 512 * 1024 * 1024
TEXT_KINDS = "SUO"  # of NumPy's dtypes

Array = npt.NDArray[Any]
Nested = Any  # an array, or a dict, list or tuple of Nested


@dataclass(frozen=True)
class Frozen:
    x: Nested
    y: Nested
    taken_from: str
    truncated: bool = False
    columns: Mapping[str, Array] = field(default_factory=dict)  # further arrays of the set, for slices

    @property
    def rows(self) -> int:
        return len(leaves(self.x)[0])


def leaves(nested: Nested) -> list[Any]:
    """In the order in which Keras and TensorFlow flatten: dictionaries by sorted key."""
    if isinstance(nested, dict):
        return [leaf for key in sorted(nested) for leaf in leaves(nested[key])]
    if isinstance(nested, list | tuple):
        return [leaf for part in nested for leaf in leaves(part)]
    return [nested]


def mapped(function: Callable[[Any], Any], nested: Nested) -> Nested:
    if isinstance(nested, dict):
        return {key: mapped(function, part) for key, part in nested.items()}
    if isinstance(nested, list | tuple):
        return [mapped(function, part) for part in nested]
    return function(nested)


def from_arrays(x: Nested, y: Nested, taken_from: str, columns: Mapping[str, Any] | None = None) -> Frozen:
    """Raises ValueError where there is nothing to judge by. `columns` are cut to the same rows."""
    if x is None or y is None:
        raise ValueError("the data has no targets")
    x, y = mapped(numeric_or_texts, x), mapped(_numeric, y)
    every = leaves(x) + leaves(y)
    rows = len(every[0])
    if rows == 0 or any(len(array) != rows for array in every):
        raise ValueError(f"the data has {[len(array) for array in every]} rows")
    fit = _rows_that_fit(every)
    kept = {name: np.asarray(column)[:fit].copy() for name, column in (columns or {}).items() if np.ndim(column)}
    x, y = mapped(lambda array: array[:fit].copy(), x), mapped(lambda array: array[:fit].copy(), y)
    return Frozen(x, y, taken_from, fit < rows, {name: numeric_or_texts(column) for name, column in kept.items()})


def from_batches(batches: Iterable[Any], taken_from: str) -> Frozen:
    kept: list[tuple[Nested, Nested]] = []
    rows, fit = 0, MAX_ROWS
    for batch in batches:
        kept.append(_pair(batch))
        every = leaves(kept[-1][0]) + leaves(kept[-1][1])
        fit = min(fit, _rows_that_fit(every))
        rows += len(every[0])
        if rows >= fit:
            break
    if not kept:
        raise ValueError("the data has no batches")
    frozen = from_arrays(_joined([x for x, _ in kept]), _joined([y for _, y in kept]), taken_from)
    return Frozen(frozen.x, frozen.y, taken_from, frozen.truncated or rows >= fit)


def batches_of(data: Any, steps: int | None) -> Iterator[Any] | None:  # noqa: ANN401 whatever a script passes
    """The batches of a data set that can be read more than once; None where the data is no such thing."""
    if isinstance(data, Generator) or _is_arrays(data):
        return None
    if hasattr(data, "__getitem__") and hasattr(data, "num_batches"):  # keras.utils.PyDataset
        count = data.num_batches if steps is None else steps
        return (data[number] for number in (range(count) if count else itertools.count()))
    if hasattr(data, "element_spec") or hasattr(data, "__iter__"):
        return itertools.islice(iter(data), steps)
    return None


class Recorded:
    """A generator that keeps a copy of the batches that pass through it; it can be read only once, by Keras."""

    def __init__(self, generator: Iterable[Any]) -> None:
        self._generator = generator
        self.seen: list[Any] = []
        self._rows = 0

    def batches(self) -> Generator[Any, None, None]:
        for batch in self._generator:
            if self._rows < MAX_ROWS:
                self.seen.append(batch)
                self._rows += len(leaves(batch)[0])
            yield batch


def _is_arrays(data: Any) -> bool:  # noqa: ANN401 whatever a script passes
    if isinstance(data, dict | list | tuple):
        return all(_is_arrays(part) for part in leaves(data))
    return hasattr(data, "__array__") or isinstance(data, int | float)


def _pair(batch: Any) -> tuple[Nested, Nested]:  # noqa: ANN401 whatever a data set yields
    if not isinstance(batch, list | tuple) or len(batch) < 2:  # noqa: PLR2004 inputs and targets
        raise ValueError("the data has no targets")
    return mapped(numeric_or_texts, batch[0]), mapped(_numeric, batch[1])


def _numeric(leaf: Any) -> Array:  # noqa: ANN401 whatever has numbers
    array = np.asarray(leaf)
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        raise ValueError(f"the data is of the kind {array.dtype}, not numbers in rows")
    return array


def numeric_or_texts(leaf: Any) -> Array:  # noqa: ANN401 whatever has numbers
    array = np.asarray(leaf)
    return _texts(array) if array.ndim and array.dtype.kind in TEXT_KINDS else _numeric(array)


def _texts(array: Array) -> Array:
    """In UTF-8, each as wide as the widest, cut to as many rows as there is room for: files of arrays hold no others unpickled."""
    values = [value.encode() if isinstance(value, str) else value for value in array.ravel().tolist()]
    if not set(map(type, values)) <= {bytes}:
        raise ValueError(f"the data is of the kind {array.dtype}, neither numbers nor texts in rows")
    row_bytes = max(map(len, values), default=0) * (len(values) // max(len(array), 1))
    rows = max(1, min(len(array), MAX_BYTES // max(row_bytes, 1)))
    return np.array(values[: rows * (len(values) // max(len(array), 1))], "S").reshape(rows, *array.shape[1:])


def _rows_that_fit(every: list[Array]) -> int:
    row_bytes = sum(array.nbytes // max(len(array), 1) for array in every)
    return max(1, min(MAX_ROWS, MAX_BYTES // max(row_bytes, 1)))


def _joined(parts: list[Nested]) -> Nested:
    first = parts[0]
    if isinstance(first, dict):
        return {key: _joined([part[key] for part in parts]) for key in first}
    if isinstance(first, list):
        return [_joined([part[index] for part in parts]) for index in range(len(first))]
    return np.concatenate(parts)
