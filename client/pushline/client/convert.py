"""From whatever NumPy takes for an array to an array of the model's dtype. Fractions are rounded to it; nothing else changes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pushline.client.answers import Array
from pushline.client.errors import BadRequest

Dtype = np.dtype[Any]
TEXT = np.dtype(object)  # each value is of the type bytes


def converted(name: str, value: npt.ArrayLike, wanted: Dtype) -> Array:
    """Raises BadRequest that names the input, for what is no array of numbers, or would become other numbers."""
    if wanted == TEXT:
        return _texts(name, value)
    array = _array(name, value, wanted)
    if array.dtype == wanted:
        return array
    if array.dtype.kind not in "biuf":
        raise _bad(name, f"holds {array.dtype.name}, not numbers")
    if wanted.kind == "b":
        return _booleans(name, array)
    return _whole(name, array, wanted) if wanted.kind in "iu" else _floats(name, array, wanted)


def packed(array: Array) -> bytes:
    """Give texts as the protocol has them: the length of each in 4 bytes in front."""
    return b"".join([part for text in array.ravel().tolist() for part in (len(text).to_bytes(4, "little"), text)])


def unpacked(raw: bytes) -> Array:
    """Raises ValueError."""
    found: list[bytes] = []
    place = 0
    while place < len(raw):
        end = place + 4 + int.from_bytes(raw[place : place + 4], "little")
        if end > len(raw):
            raise ValueError("a text ends behind the answer")
        found.append(raw[place + 4 : end])
        place = end
    array = np.empty(len(found), object)
    array[:] = found
    return array


def _texts(name: str, value: npt.ArrayLike) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise _bad(name, str(error)) from None
    texts = [each.encode() if isinstance(each, str) else each for each in array.ravel().tolist()]
    if array.dtype.kind not in "SUO" or not set(map(type, texts)) <= {bytes}:
        raise _bad(name, f"holds {array.dtype.name}; the model takes texts")
    made = np.empty(len(texts), object)
    made[:] = texts
    return made.reshape(array.shape)


def _array(name: str, value: npt.ArrayLike, wanted: Dtype) -> Array:
    try:
        array = np.asarray(value)
        if array.dtype.kind in "fO" and wanted.kind in "iu" and not isinstance(value, np.ndarray):
            return _whole_of_list(value, array, wanted)
    except OverflowError:
        raise _bad(name, f"holds a number that does not fit {wanted.name}") from None
    except ValueError as error:
        raise _bad(name, str(error)) from None
    return array


def _whole_of_list(value: npt.ArrayLike, array: Array, wanted: Dtype) -> Array:
    """NOTE: NumPy makes floats of a list like [1, 2**63 + 1], which are other numbers. Raises OverflowError."""
    each: Array = np.asarray(value, dtype=object)
    return each.astype(wanted) if all(isinstance(number, int) for number in each.flat) else array


def _booleans(name: str, array: Array) -> Array:
    if not np.isin(array, (0, 1)).all():
        raise _bad(name, "holds something other than 0 and 1; the model takes bool")
    return array.astype(np.bool_)


def _whole(name: str, array: Array, wanted: Dtype) -> Array:
    bounds = np.iinfo(wanted)
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.trunc(array))).all():
        raise _bad(name, f"holds a number that is not whole; the model takes {wanted.name}")
    if array.dtype.kind == "f":  # in 64 bits, as a float of 16 has no such bounds; 2.0**63 rounds up from int64's greatest
        values = array.astype(np.float64)
        fits = (values >= float(bounds.min)) & (values < float(bounds.max + 1))
    else:
        fits = (array >= bounds.min) & (array <= bounds.max)
    if not fits.all():
        raise _bad(name, f"holds a number that does not fit {wanted.name}")
    return array.astype(wanted)


def _floats(name: str, array: Array, wanted: Dtype) -> Array:
    with np.errstate(over="ignore"):
        floats = array.astype(wanted)
    if (np.isinf(floats) & np.isfinite(array)).any():
        raise _bad(name, f"holds a number that does not fit {wanted.name}")
    exact = 2 ** (np.finfo(wanted).nmant + 1)
    if array.dtype.kind in "iu":
        large = (array > exact) | (array < -exact)
        if large.any() and [int(number) for number in floats[large]] != array[large].tolist():
            raise _bad(name, f"holds whole numbers that {wanted.name} cannot hold exactly")
    return floats


def _bad(name: str, problem: str) -> BadRequest:
    return BadRequest("INVALID_ARGUMENT", f"{name}: {problem}")
