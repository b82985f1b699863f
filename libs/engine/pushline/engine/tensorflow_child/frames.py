"""What parent and child say to each other: a JSON object and arrays, their sizes in front. Neither side is believed.

A frame is the length of its JSON, the JSON, and those arrays that its `arrays` lists without a place, one after the other, as they
lie in memory. The others lie in memory that both sides share, each at its place there.
"""

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .shared import ALIGNMENT, Array, Outside, Shared

Header = dict[str, Any]
Listed = tuple[str, str, tuple[int, ...], int | None]  # name, dtype, shape, and place in shared memory

LENGTH = struct.Struct("<I")
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS, MAX_RANK, MAX_SIZE = 64, 16, 1 << 40
SHARED_BYTES = 128 * 1024  # arrays from this size on are shared; below, it costs as much as the socket
DTYPES = frozenset(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split(),  # noqa: SIM905 - reads as a row
)


class BadFrame(Exception):
    """What came is no frame, or larger than allowed."""


class Ended(Exception):
    """The other side has closed."""


def send(to: socket.socket, header: Header, arrays: Mapping[str, Array] | None = None, shared: Shared | None = None) -> None:
    """Raises OSError, TimeoutError by the socket's own timeout."""
    whole = {name: np.asarray(array, order="C") for name, array in (arrays or {}).items()}
    places = _places(whole, shared)
    for name, place in places.items():
        if shared is not None:
            shared.put(place, whole[name])
    listed = [[name, array.dtype.name, list(array.shape), places.get(name)] for name, array in whole.items()]
    text = json.dumps({**header, "arrays": listed}).encode()
    to.sendall(LENGTH.pack(len(text)) + text)
    for name, array in whole.items():
        if array.size and name not in places:
            to.sendall(array.data.cast("B"))


def _places(arrays: Mapping[str, Array], shared: Shared | None) -> dict[str, int]:
    """Of the arrays that are large enough and fit in what is left of the room."""
    places: dict[str, int] = {}
    place = 0
    for name, array in arrays.items():
        if shared is not None and array.nbytes >= SHARED_BYTES and place + array.nbytes <= shared.room_bytes:
            places[name] = place
            place += math.ceil(array.nbytes / ALIGNMENT) * ALIGNMENT
    return places


def receive(
    source: socket.socket, max_bytes: int, deadline: float | None = None, shared: Shared | None = None
) -> tuple[Header, dict[str, Array]]:
    """Give the next frame. `deadline` is monotonic. Raises BadFrame, Ended, OSError, TimeoutError."""
    length = LENGTH.unpack(_exactly(source, LENGTH.size, deadline))[0]
    if length > MAX_HEADER_BYTES:
        raise BadFrame(f"a header of {length} bytes")
    try:
        header = json.loads(_exactly(source, length, deadline))
        listed = [_listed(*each) for each in header.pop("arrays")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise BadFrame(f"a header that cannot be read: {error!r}") from error
    _check(listed, max_bytes)
    return header, {each[0]: _array(source, each, deadline, shared) for each in listed}


def _listed(name: object, dtype: object, shape: Any, place: Any) -> Listed:  # noqa: ANN401 - a stranger's JSON
    return str(name), str(dtype), tuple(int(size) for size in shape), None if place is None else int(place)


def _check(listed: list[Listed], max_bytes: int) -> None:
    if len(listed) > MAX_ARRAYS:
        raise BadFrame(f"{len(listed)} arrays")
    total = 0
    for name, dtype, shape, _ in listed:
        if dtype not in DTYPES or len(shape) > MAX_RANK or not all(0 <= size <= MAX_SIZE for size in shape):
            raise BadFrame(f"an array {name[:80]!r} of {dtype[:20]!r} {shape[:MAX_RANK]}")
        total += math.prod(shape) * np.dtype(dtype).itemsize
    if total > max_bytes:
        raise BadFrame(f"{total} bytes of arrays; at most {max_bytes} are taken")


def _array(source: socket.socket, listed: Listed, deadline: float | None, shared: Shared | None) -> Array:
    name, dtype, shape, place = listed
    if place is not None:
        return _shared_array(shared, name, dtype, shape, place)
    array = np.empty(shape, dtype)
    if array.size:
        _fill(source, array.data.cast("B"), deadline)
    return array


def _shared_array(shared: Shared | None, name: str, dtype: str, shape: tuple[int, ...], place: int) -> Array:
    if shared is None:
        raise BadFrame(f"an array {name[:80]!r} in shared memory, and there is none")
    try:
        return shared.get(place, dtype, shape)
    except Outside as error:
        raise BadFrame(f"an array {name[:80]!r} where none can be: {error}") from error


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
