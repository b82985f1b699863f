"""The frozen evaluation set: what the program is asked, and what it should have answered. Every doubt refuses the run.

Only what should have been answered is held. What the program is asked stays in the file and is read in batches of rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pushline.evaluator.arrays import Array, ArrayFile, BadArrays, Header, LazyArrays, batches_of, header_of
from pushline.evaluator.verdict import NotJudgeable
from pushline.objects.manifest import DYNAMIC, Dataset, TensorSpec

MAX_INPUT_BYTES = 2 * 2**30  # of one array as the model takes it: a set of small integers grows eightfold as float64
TEXT = "string"  # the dtype of inputs that are texts, as manifests have it
NO_SET = (
    "there is no evaluation set; let train.py call model.evaluate(x, y) or give fit validation_data, "
    'or name one in pushline.toml: [evaluate] dataset = "data/test.npz" with the arrays x and y'
)


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """`arrays` may be lazy (arrays.LazyArrays): `[]` reads one as a whole, `batches_of` a few rows at a time."""

    arrays: Mapping[str, Array]
    truth: Array
    rows: int

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of what should have been answered: y, or one y.<output> for each of several outputs."""
        return tuple(name for name in self.arrays if name == "y" or name.startswith("y."))

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of what the set has beside inputs and targets, one value a row: what slices can be made by."""
        others = (name for name in self.arrays if name not in self.targets and not (name == "x" or name.startswith("x.")))
        return tuple(name for name in others if header_of(self.arrays, name).shape == (self.rows,))


def bad(sentence: str) -> NotJudgeable:
    return NotJudgeable("dataset", f"the evaluation set cannot be used: {sentence}", detail=sentence)


def read_set(path: Path, about: Dataset, output: str, max_bytes: int) -> EvaluationSet:
    """`output` is the one that is measured: a set with several targets has its own as y.<output>, or first. Raises NotJudgeable."""
    try:
        arrays = ArrayFile(path, max_bytes)
        target = next((name for name in ("y", f"y.{output}", "y.0") if name in arrays), None)
        if target is None:
            raise bad(f"array y is missing; there is {_names(arrays)}")
        for name in arrays:
            _check_plain(name, arrays.header(name))
        rows = arrays.header(target).rows
        if rows == 0:
            raise bad("it is empty")
        if rows != about.rows:
            raise bad(f"it has {rows} rows, its manifest says {about.rows}")
        for name in arrays:
            _check_values(name, arrays.batches(name))
        return EvaluationSet(arrays, arrays[target], rows)
    except BadArrays as error:
        raise bad(str(error)) from error


def _check_plain(name: str, header: Header) -> None:
    if header.dtype.kind not in _kinds(name):
        raise bad(f"array {name} is of type {header.dtype}; numbers are needed")
    if header.ndim == 0:
        raise bad(f"array {name} has no rows")


def _kinds(name: str) -> str:
    """Inputs may be texts, and so may columns that are there for slices; what is answered is numbers."""
    stem = name.partition(".")[0]
    return {"x": "biufS", "y": "biuf"}.get(stem, "biufSU")


def _check_values(name: str, batches: Iterable[Array]) -> None:
    for batch in batches:  # all of them, numbers or not: what was cut short shows only at its end
        if batch.dtype.kind == "f" and not np.isfinite(batch).all():
            raise bad(f"array {name} holds NaN or infinity")


class Inputs(LazyArrays):
    """A set's rows by input, as a program takes them. Reading raises NotJudgeable where a value does not fit."""

    def __init__(self, arrays: Mapping[str, Array], found: Mapping[str, tuple[str, TensorSpec]], rows: int) -> None:
        """`found` says which array is which input."""
        self._arrays, self._found, self.rows = arrays, dict(found), rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def header(self, name: str) -> Header:
        array, spec = self._found[name]
        header = header_of(self._arrays, array)
        return Header(_raised(header.shape, spec), header.dtype if spec.dtype == TEXT else np.dtype(spec.dtype))

    def batches(self, name: str, rows: int = 0) -> Iterator[Array]:
        array, spec = self._found[name]
        try:
            for batch in batches_of(self._arrays, array, rows or self.header(name).batch_rows):
                yield _cast(array, batch.reshape(_raised(batch.shape, spec)), spec)
        except BadArrays as error:
            raise bad(str(error)) from error

    def __getitem__(self, name: str) -> Array:
        return np.concatenate(list(self.batches(name)))

    def at(self, rows: Array) -> dict[str, Array]:
        """Give some rows of each input; `rows` are their numbers, rising."""
        return {name: self._some(name, rows) for name in self}

    def _some(self, name: str, rows: Array) -> Array:
        step, parts, start = self.header(name).batch_rows, [], 0
        for batch in self.batches(name, step):
            chosen = rows[(rows >= start) & (rows < start + len(batch))] - start
            parts.append(batch[chosen])
            start += step
        return np.concatenate(parts)


def inputs_for(data: EvaluationSet, specs: Sequence[TensorSpec]) -> Inputs:
    """Give the set's inputs as a program with these inputs takes them. Raises NotJudgeable naming the array."""
    found = {spec.name: (name, spec) for name, spec in _pairs(data.arrays, specs)}
    for name, spec in found.values():
        _check_fits(name, header_of(data.arrays, name), spec, data.rows)
    return Inputs(data.arrays, found, data.rows)


def _pairs(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> Iterable[tuple[str, TensorSpec]]:
    for spec in specs:
        names = [f"x.{spec.name}", "x"] if len(specs) == 1 else [f"x.{spec.name}"]
        name = next((name for name in names if name in arrays), None)
        if name is None:
            raise bad(f"array {' or '.join(names)} for the input {spec.name} is missing; there is {_names(arrays)}")
        yield name, spec


def _check_fits(name: str, header: Header, spec: TensorSpec, rows: int) -> None:
    if header.rows != rows:
        raise bad(f"array {name} has {header.rows} rows, y has {rows}")
    shape = _raised(header.shape, spec)
    if not _fits(shape[1:], spec.shape[1:]):
        raise bad(f"array {name} has rows of shape {shape[1:]}, the model takes {_written(spec.shape[1:])}")
    is_text = header.dtype.kind == "S"
    if is_text and spec.dtype == TEXT:
        return
    if is_text or spec.dtype == TEXT or not np.can_cast(header.dtype, spec.dtype, "same_kind"):
        raise bad(f"array {name} is of type {header.dtype}, the model takes {spec.dtype}")
    needed = rows * header.row_bytes // header.dtype.itemsize * np.dtype(spec.dtype).itemsize
    if needed > MAX_INPUT_BYTES:
        raise bad(f"array {name} has {needed} bytes as {spec.dtype}; at most {MAX_INPUT_BYTES} are judged")


def _raised(shape: tuple[int, ...], spec: TensorSpec) -> tuple[int, ...]:
    return (*shape, 1) if len(shape) == 1 and len(spec.shape) == 2 else shape  # noqa: PLR2004 - Keras too reads (n,) as (n, 1)


def _cast(name: str, batch: Array, spec: TensorSpec) -> Array:
    if spec.dtype == TEXT:
        return batch
    with np.errstate(over="ignore"):
        fitted = np.ascontiguousarray(batch, dtype=spec.dtype)
    if fitted.dtype.kind == "f" and not np.isfinite(fitted).all():
        raise bad(f"array {name} has values too large for {spec.dtype}")
    return fitted


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(want in (DYNAMIC, size) for size, want in zip(shape, wanted, strict=True))


def _written(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join("any" if size == DYNAMIC else str(size) for size in shape) + ")"


def _names(arrays: Mapping[str, Array]) -> str:
    return ", ".join(sorted(arrays)) or "nothing"


def class_indices(truth: Array, shape: tuple[int, ...], labels: Sequence[str] = ()) -> Array:
    """Give y as class indices, one for each answer of a classifier whose answers have this shape. Raises NotJudgeable."""
    wide = shape[-1] > 1 and len(shape) > 1
    classes = shape[-1] if wide else 2
    wanted = shape[:-1] if len(shape) > 1 else shape
    indices = _one_hot(truth) if wide and truth.shape == shape else truth
    if indices.shape not in (wanted, (*wanted, 1)):
        raise bad(f"y has the shape {truth.shape}; the model's answers have {shape}")
    indices = indices.reshape(-1)
    if (indices != np.floor(indices)).any():
        raise bad("y holds fractions; class indices are needed")
    if indices.min() < 0 or indices.max() >= classes:
        raise bad(f"y holds labels from {indices.min():g} to {indices.max():g}; the model knows the classes 0 to {classes - 1}")
    if labels and len(labels) != classes:
        raise bad(f"pushline.toml names {len(labels)} labels, the model has {classes} classes")
    if len(np.unique(indices)) == 1:
        raise bad(f"y holds the class {indices[0]:g} alone; at least two classes are needed")
    return indices.astype(np.int64)


def _one_hot(truth: Array) -> Array:
    if not (np.isin(truth, (0, 1)).all() and (truth.sum(axis=-1) == 1).all()):
        raise bad("y has a column for each class, but not exactly one 1 in each row")
    return np.asarray(truth.argmax(axis=-1))


def label_marks(truth: Array, shape: tuple[int, ...], labels: Sequence[str] = ()) -> Array:
    """Give y as marks (rows, labels) of several labels a row, for answers of this shape. Raises NotJudgeable."""
    columns = shape[-1] if len(shape) > 1 else 1
    if truth.shape not in (shape, (*shape, 1)) and (*truth.shape, 1) != shape:
        raise bad(f"y has the shape {truth.shape}; the model's answers have {shape}, and each label has a column in both")
    if not np.isin(truth, (0, 1)).all():
        raise bad("y holds other values than 0 and 1; each label of a row is there or not")
    if labels and len(labels) != columns:
        raise bad(f"pushline.toml names {len(labels)} labels, the model answers {columns}")
    marks = truth.reshape(-1, columns).astype(bool)
    if (marks == marks[0]).all():
        raise bad("y holds the same labels in every row; at least one has to differ")
    return marks


def targets(truth: Array, shape: tuple[int, ...]) -> Array:
    """Give y as the numbers that a regression's answers of this shape are compared with: (rows, columns). Raises NotJudgeable."""
    columns = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    if len(truth) != shape[0] or truth.size != shape[0] * columns:
        raise bad(f"y has the shape {truth.shape}; the model's answers have {shape}")
    return truth.astype(np.float64).reshape(shape[0], columns)
