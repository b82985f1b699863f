"""Lists of numbers out of JSON, to bytes as the wire has them, in one step. What is unclear is said to be, not judged."""

import math
import struct
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

CODES = {
    "FP32": "f",
    "FP64": "d",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
}
MOST_DIMENSIONS = 8


class Unclear(Exception):
    """The values have to be looked at one by one."""


def packed(values: list[Any], shape: Sequence[int], datatype: str) -> bytes:
    """Give little-endian bytes of exactly what the shape says. Raises Unclear. True and false pass for 1 and 0."""
    code = CODES.get(datatype)
    if code is None or len(shape) > MOST_DIMENSIONS:
        raise Unclear
    numbers = _flat(values, shape)
    if len(numbers) != math.prod(shape):
        raise Unclear
    try:
        return struct.pack(f"<{len(numbers)}{code}", *numbers)  # half the time that array or NumPy takes
    except (struct.error, OverflowError):
        raise Unclear from None


def has_words(body: bytes) -> bool:
    """Say whether true or false may stand in it. Letters are looked for first: a word takes forty times as long to find."""
    return (b"r" in body and b"true" in body) or (b"l" in body and b"false" in body)


def _flat(level: list[Any], shape: Sequence[int]) -> list[Any]:
    """Raises Unclear where lists are not nested as the shape says. A flat list is taken as it is."""
    if not level or type(level[0]) is not list:
        return level
    count = 1
    for outer, inner in pairwise(shape):
        count *= outer
        if len(level) != count or not all(type(each) is list and len(each) == inner for each in level):
            raise Unclear
        level = level[0] if count == 1 else list(chain.from_iterable(level))
    return level
