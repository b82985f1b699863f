"""Texts on their way between parent and child, packed into bytes: the length of each stands in front, as over the wire.

In arrays a text is an object of the type bytes; what passes through frames is an array of uint8, and its shape in the header.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .shared import Array

TEXT = "string"  # Keras' name of the dtype
LENGTH = struct.Struct("<I")


class BadTexts(Exception):
    """The bytes are not as many texts as were named."""


def pack(values: Iterable[bytes]) -> bytes:
    return b"".join([part for value in values for part in (LENGTH.pack(len(value)), value)])


def unpack(content: bytes, count: int) -> list[bytes]:
    """Raises BadTexts. Nothing is taken that is not there, whatever a length claims."""
    if count * LENGTH.size > len(content):
        raise BadTexts(f"{len(content)} bytes are too few for {count} texts, each with its length in 4 bytes in front")
    values: list[bytes] = []
    place = 0
    while place + LENGTH.size <= len(content) and len(values) < count:
        begin = place + LENGTH.size
        place = begin + LENGTH.unpack_from(content, place)[0]
        if place > len(content):
            raise BadTexts(f"text {len(values)} claims {place - begin} bytes; {len(content) - begin} are left")
        values.append(content[begin:place])
    if len(values) < count or place < len(content):
        raise BadTexts(f"{len(content)} bytes hold {len(values)} of {count} texts and {len(content) - place} bytes more")
    return values


def array_of(values: Sequence[bytes], shape: Sequence[int]) -> Array:
    """NOTE: NumPy's own guess would cut zeros from the ends of texts."""
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def hidden(arrays: Mapping[str, Array]) -> tuple[dict[str, list[int]], dict[str, Array]]:
    """Give the shapes of those that hold texts, and all arrays with texts packed."""
    shapes = {name: list(array.shape) for name, array in arrays.items() if array.dtype == object}
    packed = {name: np.frombuffer(pack(arrays[name].ravel().tolist()), np.uint8) for name in shapes}
    return shapes, {**arrays, **packed}


def shown(shapes: Mapping[str, Sequence[int]], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Take back what hidden did. Raises BadTexts."""
    texts = {name: array_of(unpack(arrays[name].tobytes(), math.prod(shape)), shape) for name, shape in shapes.items()}
    return {**arrays, **texts}
