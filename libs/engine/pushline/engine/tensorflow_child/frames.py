"""What parent and child say to each other over a socket: a JSON object and arrays, their sizes in front. Neither side is believed.

A frame is the length of its JSON, the JSON, and the arrays that its `arrays` lists, one after the other, as they lie in memory.
"""

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Header = dict[str, Any]

LENGTH = struct.Struct("<I")
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS, MAX_RANK = 64, 16
DTYPES = frozenset(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split(),  # noqa: SIM905 - reads as a row
)


class BadFrame(Exception):
    """What came is no frame, or larger than allowed."""


class Ended(Exception):
    """The other side has closed."""


def send(to: socket.socket, header: Header, arrays: Mapping[str, Array] | None = None) -> None:
    """Raises OSError, TimeoutError by the socket's own timeout."""
    whole = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    listed = [[name, array.dtype.name, list(array.shape)] for name, array in whole.items()]
    text = json.dumps({**header, "arrays": listed}).encode()
    to.sendall(LENGTH.pack(len(text)) + text)
    for array in whole.values():
        if array.size:
            to.sendall(array.data.cast("B"))


def receive(source: socket.socket, max_bytes: int, deadline: float | None = None) -> tuple[Header, dict[str, Array]]:
    """Give the next frame. `deadline` is monotonic. Raises BadFrame, Ended, OSError, TimeoutError."""
    length = LENGTH.unpack(_exactly(source, LENGTH.size, deadline))[0]
    if length > MAX_HEADER_BYTES:
        raise BadFrame(f"a header of {length} bytes")
    try:
        header = json.loads(_exactly(source, length, deadline))
        listed = [(str(name), str(dtype), tuple(int(size) for size in shape)) for name, dtype, shape in header.pop("arrays")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadFrame(f"a header that cannot be read: {error!r}") from error
    _check(listed, max_bytes)
    return header, {name: _array(source, dtype, shape, deadline) for name, dtype, shape in listed}


def _check(listed: list[tuple[str, str, tuple[int, ...]]], max_bytes: int) -> None:
    if len(listed) > MAX_ARRAYS:
        raise BadFrame(f"{len(listed)} arrays")
    total = 0
    for name, dtype, shape in listed:
        if dtype not in DTYPES or len(shape) > MAX_RANK or any(size < 0 for size in shape):
            raise BadFrame(f"an array {name[:80]!r} of {dtype[:20]!r} {shape[:MAX_RANK]}")
        total += math.prod(shape) * np.dtype(dtype).itemsize
    if total > max_bytes:
        raise BadFrame(f"{total} bytes of arrays; at most {max_bytes} are taken")


def _array(source: socket.socket, dtype: str, shape: tuple[int, ...], deadline: float | None) -> Array:
    array = np.empty(shape, dtype)
    if array.size:
        _fill(source, array.data.cast("B"), deadline)
    return array


def _exactly(source: socket.socket, count: int, deadline: float | None) -> bytes:
    content = bytearray(count)
    _fill(source, memoryview(content), deadline)
    return bytes(content)


def _fill(source: socket.socket, room: memoryview, deadline: float | None) -> None:
    done = 0
    while done < len(room):
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            source.settimeout(left)
        got = source.recv_into(room[done:])
        if not got:
            raise Ended
        done += got
