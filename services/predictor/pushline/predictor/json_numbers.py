"""A list of numbers in JSON to bytes as the wire has them, quickly and as strictly as the long way: in doubt there is nothing.

simdjson gives floats without making a Python object of each, which is half of what orjson takes. Whole numbers go by orjson: what
is no whole number has to be told from one that is.
"""

import struct
from collections.abc import Callable
from typing import cast

import numpy as np
import orjson
import simdjson

from pushline.predictor.packed import CODES
from pushline.predictor.tensors import all_finite

MOST_BYTES = 64 << 10  # of a list that is read by simdjson, which keeps what memory the largest one took
Pack = Callable[[bytes], bytes | None]
_parser = simdjson.Parser(MOST_BYTES)  # NOTE: one that is in use by another thread raises RuntimeError


def pack(datatype: str, count: int) -> Pack:
    """Give what reads a list with its brackets: None where that is not as many plain numbers that fit the datatype, all finite."""
    if datatype in ("FP32", "FP64"):
        narrow = datatype == "FP32"
        return lambda text: _floats(text, count, narrow)
    whole = struct.Struct(f"<{count}{CODES[datatype]}")
    return lambda text: _whole(text, whole)


def _floats(text: bytes, count: int, narrow: bool) -> bytes | None:
    """NOTE: lists within the list would be taken for their numbers. What is no list of numbers, or too large, raises."""
    if text.find(b"[", 1) >= 0:
        return None
    try:
        wide = np.frombuffer(cast("simdjson.Array", _parser.parse(text)).as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, RuntimeError, AttributeError):
        return None
    if wide.size != count:
        return None
    if not narrow:
        return wide.tobytes()
    with np.errstate(over="ignore"):
        numbers = wide.astype("<f4")
    return numbers.tobytes() if all_finite(numbers) else None


def _whole(text: bytes, pack: struct.Struct) -> bytes | None:
    """NOTE: true and false would pass for numbers; each has a letter that no number has."""
    if b"r" in text or b"l" in text:
        return None
    try:
        return pack.pack(*orjson.loads(text))
    except (orjson.JSONDecodeError, struct.error, OverflowError, TypeError):
        return None
