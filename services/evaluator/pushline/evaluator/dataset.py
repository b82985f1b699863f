"""The frozen evaluation set: what the program is asked, and what it should have answered. Every doubt refuses the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pushline.evaluator.arrays import Array, BadArrays, read_arrays
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
    arrays: Mapping[str, Array]
    truth: Array
    rows: int


def bad(sentence: str) -> NotJudgeable:
    return NotJudgeable("dataset", f"the evaluation set cannot be used: {sentence}", detail=sentence)


def read_set(path: Path, about: Dataset, output: str, max_bytes: int) -> EvaluationSet:
    """`output` is the one that is measured: a set with several targets has its own as y.<output>, or first. Raises NotJudgeable."""
    try:
        arrays = read_arrays(path, max_bytes)
    except BadArrays as error:
        raise bad(str(error)) from error
    target = next((name for name in ("y", f"y.{output}", "y.0") if name in arrays), None)
    if target is None:
        raise bad(f"array y is missing; there is {_names(arrays)}")
    for name, array in arrays.items():
        _check_plain(name, array)
    rows = len(arrays[target])
    if rows == 0:
        raise bad("it is empty")
    if rows != about.rows:
        raise bad(f"it has {rows} rows, its manifest says {about.rows}")
    return EvaluationSet(arrays, arrays[target], rows)


def _check_plain(name: str, array: Array) -> None:
    if array.dtype.kind not in ("biufS" if name.startswith("x") else "biuf"):
        raise bad(f"array {name} is of type {array.dtype}; numbers are needed")
    if array.ndim == 0:
        raise bad(f"array {name} has no rows")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise bad(f"array {name} holds NaN or infinity")


def inputs_for(data: EvaluationSet, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Give the set's inputs as a program with these inputs takes them. Raises NotJudgeable naming the array."""
    return {spec.name: _fitted(name, array, spec, data.rows) for name, array, spec in _pairs(data.arrays, specs)}


def _pairs(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> Iterable[tuple[str, Array, TensorSpec]]:
    for spec in specs:
        names = [f"x.{spec.name}", "x"] if len(specs) == 1 else [f"x.{spec.name}"]
        name = next((name for name in names if name in arrays), None)
        if name is None:
            raise bad(f"array {' or '.join(names)} for the input {spec.name} is missing; there is {_names(arrays)}")
        yield name, arrays[name], spec


def _fitted(name: str, array: Array, spec: TensorSpec, rows: int) -> Array:
    if len(array) != rows:
        raise bad(f"array {name} has {len(array)} rows, y has {rows}")
    if array.ndim == 1 and len(spec.shape) == 2:  # noqa: PLR2004 - Keras too reads (n,) as (n, 1)
        array = array[:, np.newaxis]
    if not _fits(array.shape[1:], spec.shape[1:]):
        raise bad(f"array {name} has rows of shape {array.shape[1:]}, the model takes {_written(spec.shape[1:])}")
    if spec.dtype == TEXT and array.dtype.kind == "S":
        return array
    if spec.dtype == TEXT or array.dtype.kind == "S" or not np.can_cast(array.dtype, spec.dtype, "same_kind"):
        raise bad(f"array {name} is of type {array.dtype}, the model takes {spec.dtype}")
    needed = array.size * np.dtype(spec.dtype).itemsize
    if needed > MAX_INPUT_BYTES:
        raise bad(f"array {name} has {needed} bytes as {spec.dtype}; at most {MAX_INPUT_BYTES} are judged")
    with np.errstate(over="ignore"):
        fitted = np.ascontiguousarray(array, dtype=spec.dtype)
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
