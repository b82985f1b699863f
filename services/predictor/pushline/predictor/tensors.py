"""From what a caller claims to arrays that fit the model. No claimed size is believed before the bytes are counted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from pushline.engine.engine import DYNAMIC, TEXT, Array, TensorSpec
from pushline.predictor import texts
from pushline.predictor.errors import BadRequest, NotFiniteInput, TooLarge

NUMERIC = frozenset(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split(),  # noqa: SIM905 - reads as a row
)
DTYPES = NUMERIC | {TEXT}
Numbers = npt.NDArray[np.number]
FINITE_PART = 120_000  # numbers: what is found out about each, a byte, is less than malloc asks the kernel for
# NumPy's own guess would make floats of 0 and 2**64 - 1.
WIDEST = {"u": np.uint64, "i": np.int64, "f": np.float64, "b": np.int64}
Scalars = Sequence[int] | Sequence[float] | Sequence[bool] | Sequence[bytes]


class Claim(NamedTuple):
    """A tensor as it came."""

    name: str | None  # None: the model's only input
    dtype: str | None  # NumPy's name; None: whatever the model takes, the values are plain numbers
    shape: tuple[int, ...]
    content: bytes | Scalars  # little-endian row-major bytes, or one number an element; of texts see texts.py


@dataclass(frozen=True, slots=True)
class Limits:
    max_rows: int
    refuse_non_finite: bool


def bind(claims: Sequence[Claim], specs: Sequence[TensorSpec], limits: Limits) -> dict[str, Array]:
    """Give the model's inputs, each with the same number of rows. Raises BadRequest naming the field, TooLarge."""
    if len(specs) == 1 and len(claims) == 1 and claims[0].name == specs[0].name:  # the most common question by far
        return {specs[0].name: to_array(claims[0], specs[0], limits)}
    named = _by_name(claims, specs)
    arrays = {spec.name: to_array(named[spec.name], spec, limits) for spec in specs}
    rows = {name: array.shape[0] for name, array in arrays.items() if array.ndim}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} has {count}" for name, count in rows.items())
        raise BadRequest("inputs", f"all inputs must have the same number of rows; {counts}")
    return arrays


def to_array(claim: Claim, spec: TensorSpec, limits: Limits) -> Array:
    if claim.dtype is not None and claim.dtype != spec.dtype:
        raise BadRequest(f"inputs.{spec.name}.datatype", f"is {_said(claim.dtype)}; the model takes {_said(spec.dtype)}")
    if not has_form(claim.shape, spec):
        sizes = f"is {_cut(claim.shape)}; the model takes {shape_text(spec.shape)}, each size above 0"
        raise BadRequest(f"inputs.{spec.name}.shape", sizes)
    array = _array(claim, spec, f"inputs.{spec.name}")
    if claim.shape and claim.shape[0] > limits.max_rows:
        raise TooLarge(f"inputs.{spec.name}.shape", f"has {claim.shape[0]} rows; the limit is {limits.max_rows} a request")
    check_finite(array, spec.name, limits)
    return array.reshape(claim.shape)


def fits(claim: Claim, spec: TensorSpec) -> bool:
    """Say whether any bytes of the claimed size are the input asked for: each value is checked in a bool alone."""
    fixed = spec.dtype not in ("bool", TEXT)
    return (claim.name, claim.dtype) == (spec.name, spec.dtype) and fixed and has_form(claim.shape, spec)


def _array(claim: Claim, spec: TensorSpec, where: str) -> Array:
    if spec.dtype == TEXT:
        return texts.array(claim.content, claim.shape, where)
    make = _from_bytes if isinstance(claim.content, bytes) else _from_numbers
    return make(claim, spec, math.prod(claim.shape), where)


def _said(dtype: str) -> str:
    return "BYTES" if dtype == TEXT else dtype


def check_finite(array: Array, name: str, limits: Limits) -> None:
    if limits.refuse_non_finite and not all_finite(array):
        raise not_finite(name)


def not_finite(name: str) -> NotFiniteInput:
    return NotFiniteInput(f"inputs.{name}.contents", "holds NaN or an infinity")


def all_finite(array: Array) -> bool:
    """Look at every number, a part at a time: what is found out about a part takes no memory that has to be asked for."""
    if array.dtype.kind != "f":
        return True
    if array.size <= FINITE_PART:
        return b"\0" not in np.isfinite(array).tobytes()  # a third of the time that all() takes
    flat = array.reshape(-1)
    return all(b"\0" not in np.isfinite(flat[at : at + FINITE_PART]).tobytes() for at in range(0, flat.size, FINITE_PART))


def shape_text(shape: Sequence[int]) -> str:
    return "(" + ", ".join("any" if size == DYNAMIC else str(size) for size in shape) + ")"


def _by_name(claims: Sequence[Claim], specs: Sequence[TensorSpec]) -> Mapping[str, Claim]:
    known = [spec.name for spec in specs]
    named: dict[str, Claim] = {}
    for claim in claims:
        name = _name_of(claim, known)
        if name not in known:
            raise BadRequest(f"inputs.{name[:80]}", f"is no input of the model; it takes {', '.join(known)}")
        if name in named:
            raise BadRequest(f"inputs.{name}", "comes twice")
        named[name] = claim
    for name in known:
        if name not in named:
            raise BadRequest(f"inputs.{name}", "is missing")
    return named


def _name_of(claim: Claim, known: Sequence[str]) -> str:
    if claim.name is not None:
        return claim.name
    if len(known) > 1:
        raise BadRequest("x", f"the model has several inputs; send {', '.join(known)} by name")
    return known[0]


def has_form(shape: Sequence[int], spec: TensorSpec) -> bool:
    if len(shape) != len(spec.shape):
        return False
    return all(got > 0 and size in (got, DYNAMIC) for got, size in zip(shape, spec.shape, strict=True))


def _cut(shape: tuple[int, ...]) -> str:
    text = shape_text(shape[:16])
    return text if len(shape) <= len(shape[:16]) else f"{text[:-1]}, … {len(shape)} in all)"


def _from_bytes(claim: Claim, spec: TensorSpec, count: int, where: str) -> Array:
    content = cast("bytes", claim.content)
    dtype = wire_dtype(spec.dtype)
    if len(content) != count * dtype.itemsize:
        raise BadRequest(f"{where}.contents", f"has {len(content)} bytes; shape and datatype need {count * dtype.itemsize}")
    if dtype.kind == "b":
        return _booleans(np.frombuffer(content, np.uint8), where)
    return np.frombuffer(content, dtype).astype(spec.dtype, copy=False)


@cache
def wire_dtype(name: str) -> np.dtype[np.generic]:
    return np.dtype(name).newbyteorder("<")


def _from_numbers(claim: Claim, spec: TensorSpec, count: int, where: str) -> Array:
    if len(claim.content) != count:
        raise BadRequest(f"{where}.contents", f"has {len(claim.content)} values; its shape needs {count}")
    dtype = np.dtype(spec.dtype)
    try:
        values: Numbers = np.array(claim.content, np.float64 if claim.dtype is None else WIDEST[dtype.kind])
    except OverflowError:
        raise BadRequest(f"{where}.contents", f"holds a number that does not fit {dtype.name}") from None
    if dtype.kind == "b":
        return _booleans(values, where)
    if dtype.kind in "iu":
        return _whole_numbers(values, dtype, where)
    return _floats(values, dtype, where)


def _booleans(values: Array, where: str) -> Array:
    if not np.isin(values, (0, 1)).all():
        raise BadRequest(f"{where}.contents", "holds something other than 0 and 1 for a bool")
    return values.astype(np.bool_)


def _whole_numbers(values: Numbers, dtype: np.dtype[np.generic], where: str) -> Array:
    bounds = np.iinfo(dtype.name)
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.trunc(values))).all():
        raise BadRequest(f"{where}.contents", f"holds a number that is not whole; the model takes {dtype.name}")
    # 2.0**63 rounds up from int64's maximum: compare floats below the next power of two.
    if not ((values >= bounds.min) & (values < bounds.max + 1 if values.dtype.kind == "f" else values <= bounds.max)).all():
        raise BadRequest(f"{where}.contents", f"holds a number that does not fit {dtype.name}")
    return values.astype(dtype)


def _floats(values: Array, dtype: np.dtype[np.generic], where: str) -> Array:
    with np.errstate(over="ignore"):
        array = values.astype(dtype)
    if (np.isinf(array) & np.isfinite(values)).any():
        raise BadRequest(f"{where}.contents", f"holds a number that does not fit {dtype.name}")
    return array
