"""Memory that parent and child share: large arrays lie there, and do not pass through the socket.

It has no name, so that nothing is left of it when both have ended, however they do. Rows lie in one part, which both map, the child
to read alone. Answers lie in another, which the child maps and the parent reads as a file: whatever the child does to it, a read
ends at its end, and never in a signal. Both are of a fixed size.
"""

import fcntl
import math
import mmap
import os
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FIXED_SIZE = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
READ_ALONE = 0x0010  # F_SEAL_FUTURE_WRITE, which Python's fcntl does not name: no new writer, and no hole may be made
ALIGNMENT = 64  # what TensorFlow takes without a copy


class Outside(Exception):
    """A place where nothing of the other side can be."""


class Shared(Protocol):
    @property
    def room_bytes(self) -> int: ...

    def put(self, place: int, array: Array) -> None:
        """Where the other side gets it from. The array is contiguous and fits. Raises OSError where there is no memory."""
        ...

    def get(self, place: int, dtype: str, shape: tuple[int, ...]) -> Array:
        """Raises Outside, OSError."""
        ...


class ParentsMemory:
    """Of `room_bytes` each way, none of it taken until it is used."""

    def __init__(self, room_bytes: int) -> None:
        """Raises OSError."""
        self.room_bytes, self._taken = room_bytes, 0
        self._rows = _made(room_bytes)
        self._answers = _made(room_bytes)
        self._map = mmap.mmap(self._rows, room_bytes)
        fcntl.fcntl(self._rows, fcntl.F_ADD_SEALS, READ_ALONE)
        self.descriptors = (self._rows, self._answers)

    def put(self, place: int, array: Array) -> None:
        end = place + array.nbytes
        if end > self._taken:  # what cannot be had is an error here, and would be a signal below
            os.posix_fallocate(self._rows, self._taken, end - self._taken)
            self._taken = end
        np.copyto(np.frombuffer(self._map, array.dtype, array.size, place).reshape(array.shape), array)

    def get(self, place: int, dtype: str, shape: tuple[int, ...]) -> Array:
        _check(place, shape, dtype, self.room_bytes)
        array = np.empty(shape, dtype)
        left = array.reshape(-1).view("uint8").data
        while left:
            done = os.preadv(self._answers, [left], place)
            if not done:
                raise Outside("it ended")
            left, place = left[done:], place + done
        return array

    def close(self) -> None:
        self._map.close()
        for descriptor in self.descriptors:
            os.close(descriptor)


class ChildsMemory:
    """The same memory. What get gives is the memory itself: it holds until the parent puts something else there."""

    def __init__(self, rows: int, answers: int) -> None:
        self._rows, self._answers = mmap.mmap(rows, 0, prot=mmap.PROT_READ), mmap.mmap(answers, 0)
        self.room_bytes = len(self._answers)
        for descriptor in (rows, answers):
            os.close(descriptor)

    def put(self, place: int, array: Array) -> None:
        np.copyto(np.frombuffer(self._answers, array.dtype, array.size, place).reshape(array.shape), array)

    def get(self, place: int, dtype: str, shape: tuple[int, ...]) -> Array:
        _check(place, shape, dtype, len(self._rows))
        return np.frombuffer(self._rows, dtype, math.prod(shape), place).reshape(shape)


def _made(room_bytes: int) -> int:
    descriptor = os.memfd_create("pushline-tensors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, room_bytes)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, FIXED_SIZE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(place: int, shape: tuple[int, ...], dtype: str, room_bytes: int) -> None:
    count = math.prod(shape) * np.dtype(dtype).itemsize
    if place < 0 or place % ALIGNMENT or place + count > room_bytes:
        raise Outside(f"{count} bytes at {place} of {room_bytes}")
