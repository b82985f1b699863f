"""Do a caller's arrays fit a signature? For every engine alike."""

from collections.abc import Mapping

import numpy as np

from pushline.engine.engine import DYNAMIC, TEXT, Array, BadInput, Signature, TensorSpec


def concrete(spec: TensorSpec, rows: int) -> tuple[int, ...]:
    return (rows, *(1 if size == DYNAMIC else size for size in spec.shape[1:]))


def blank(spec: TensorSpec, rows: int) -> Array:
    """Rows of zeros, or of empty texts."""
    shape = concrete(spec, rows)
    return np.full(shape, b"", object) if spec.dtype == TEXT else np.zeros(shape, spec.dtype)


def check_inputs(signature: Signature, inputs: Mapping[str, Array]) -> int:
    """Give the number of rows. Raises BadInput."""
    names = {spec.name for spec in signature.inputs}
    for name in inputs:
        if name not in names:
            raise BadInput(name, f"the model has no such input; it has {', '.join(sorted(names))}")
    rows = {spec.name: _check_one(spec, inputs) for spec in signature.inputs}
    first = next(iter(rows))
    for name, count in rows.items():
        if count != rows[first]:
            raise BadInput(name, f"it has {count} rows, {first} has {rows[first]}")
    return rows[first]


def _check_one(spec: TensorSpec, inputs: Mapping[str, Array]) -> int:
    if spec.name not in inputs:
        raise BadInput(spec.name, "this input is missing")
    value = inputs[spec.name]
    if value.dtype != np.dtype(spec.dtype):
        raise BadInput(spec.name, f"its dtype is {value.dtype.name}, the model takes {spec.dtype}")
    fits = value.ndim == len(spec.shape) and all(want in (DYNAMIC, got) for want, got in zip(spec.shape, value.shape, strict=True))
    if not fits or 0 in value.shape:
        raise BadInput(spec.name, f"its shape is {list(value.shape)}, the model takes {list(spec.shape)} with at least one row")
    return len(value)
