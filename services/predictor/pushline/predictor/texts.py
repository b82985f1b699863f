"""Inputs that are texts, not numbers: from what a caller claims to arrays of bytes. The core's tensors.py asks for it."""

import base64
import binascii
import math
from collections.abc import Sequence
from typing import cast

from pushline.engine.engine import Array
from pushline.engine.tensorflow_child.texts import BadTexts, array_of, unpack
from pushline.predictor.errors import BadRequest, TooLarge

MOST = 1 << 18  # texts in one input: each takes memory beyond its bytes, however short it is


def array(content: bytes | Sequence[object], shape: Sequence[int], where: str) -> Array:
    """`content` is a list of bytes, or bytes with the length of each text in front. Raises BadRequest, TooLarge."""
    count = math.prod(shape)
    if count > MOST:
        raise TooLarge(where, f"claims {count} texts; the limit is {MOST} in one input")
    values = _unpacked(content, count, where) if isinstance(content, bytes) else content
    if len(values) != count:
        raise BadRequest(f"{where}.contents", f"has {len(values)} texts; its shape needs {count}")
    if not set(map(type, values)) <= {bytes}:
        raise BadRequest(f"{where}.contents", "holds numbers; the model takes texts (BYTES), which the typed API has no field for")
    return array_of(cast("Sequence[bytes]", values), shape)


def utf8(values: Sequence[object], where: str) -> list[bytes]:
    """Give the bytes of texts out of JSON. Raises BadRequest."""
    if not set(map(type, values)) <= {str}:
        raise BadRequest(where, "holds something that is no text; the model takes texts")
    try:
        return [cast("str", value).encode() for value in values]
    except UnicodeEncodeError:
        raise BadRequest(where, "holds half of a character (a lone surrogate)") from None


def utf8_or_base64(values: Sequence[object], key: str, where: str) -> list[bytes]:
    """The same, where an object of this one key holds bytes in base64. Raises BadRequest."""
    found: list[bytes] = []
    for value in values:
        if isinstance(value, dict) and value.keys() == {key}:
            found.append(_base64(value[key], where))
        else:
            found += utf8([value], where)
    return found


def _unpacked(content: bytes, count: int, where: str) -> list[bytes]:
    try:
        return unpack(content, count)
    except BadTexts as error:
        raise BadRequest(f"{where}.contents", str(error)) from None


def _base64(text: object, where: str) -> bytes:
    try:
        return base64.b64decode(cast("str", text), validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise BadRequest(where, "holds a b64 that is no base64") from None
