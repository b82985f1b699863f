"""Frames between the TensorFlow engine and its child: what is sent arrives, large or small; what cannot be is refused, not read."""

import ctypes
import errno
import json
import mmap
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pushline.engine.tensorflow_child.frames import DTYPES, LENGTH, SHARED_BYTES, BadFrame, Header, receive, send
from pushline.engine.tensorflow_child.shared import ALIGNMENT, Array, ChildsMemory, Outside, ParentsMemory

ROOM_BYTES, MAX_BYTES = 1 << 20, 1 << 24
PUNCH_HOLE, KEEP_SIZE = 2, 1


@dataclass
class Sides:
    """Both in this process, as two would be."""

    parent: socket.socket
    child: socket.socket
    memory: ParentsMemory
    mapped: ChildsMemory

    def there(self, arrays: dict[str, Array]) -> tuple[Header, dict[str, Array]]:
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(send, self.parent, {"say": "rows"}, arrays, self.memory)
            got = receive(self.child, MAX_BYTES, shared=self.mapped)
            sent.result()
        return got

    def back(self, arrays: dict[str, Array]) -> dict[str, Array]:
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(send, self.child, {}, arrays, self.mapped)
            got = receive(self.parent, MAX_BYTES, shared=self.memory)[1]
            sent.result()
        return got

    def claim(self, *listed: Any) -> None:
        text = json.dumps({"arrays": [listed]}).encode()
        self.child.sendall(LENGTH.pack(len(text)) + text)


@pytest.fixture
def sides() -> Iterator[Sides]:
    parent, child = socket.socketpair()
    memory = ParentsMemory(ROOM_BYTES)
    rows, answers = (os.dup(descriptor) for descriptor in memory.descriptors)
    with parent, child:
        yield Sides(parent, child, memory, ChildsMemory(rows, answers))
    memory.close()


def made(dtype: str, count: int) -> Array:
    return np.random.default_rng(7).integers(0, 2, count).astype(dtype)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_small_and_large_arrays_arrive_as_they_were_both_ways(sides: Sides, dtype: str) -> None:
    item = np.dtype(dtype).itemsize
    arrays = {
        "none": np.empty((0, 3), dtype),
        "one": made(dtype, 1).reshape(()),
        "small": made(dtype, SHARED_BYTES // item - 1),
        "large": made(dtype, SHARED_BYTES // item).reshape(2, -1),
        "odd": made(dtype, SHARED_BYTES // item + 3),
        "strided": made(dtype, SHARED_BYTES // item * 2)[::2],
    }

    header, there = sides.there(arrays)
    back = sides.back(arrays)

    assert header == {"say": "rows"}
    for got in (there, back):
        assert list(got) == list(arrays)
        for name, array in arrays.items():
            assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
            assert np.array_equal(got[name], array)


def test_only_large_arrays_lie_in_the_memory_and_the_child_reads_them_there(sides: Sides) -> None:
    _, got = sides.there({"small": made("uint8", SHARED_BYTES - 1), "large": made("uint8", SHARED_BYTES)})

    assert [array.flags.owndata for array in got.values()] == [True, False]
    assert not got["large"].flags.writeable
    assert sides.back({"large": made("uint8", SHARED_BYTES)})["large"].flags.owndata


def test_what_does_not_fit_goes_through_the_socket(sides: Sides) -> None:
    arrays = {name: made("uint8", ROOM_BYTES // 2 + size) for name, size in {"first": 0, "second": 1, "third": -64}.items()}

    _, there = sides.there(arrays)
    back = sides.back(arrays)

    assert [array.flags.owndata for array in there.values()] == [False, True, False]
    for got in (there, back):
        assert all(np.array_equal(got[name], array) for name, array in arrays.items())


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ([1], -ALIGNMENT),
        ([1], 1),
        ([1], ROOM_BYTES),
        ([ROOM_BYTES // 4 + 1], 0),
        ([ROOM_BYTES // 4], ALIGNMENT),
        ([1], 1 << 70),
    ],
)
def test_a_place_outside_is_refused(sides: Sides, shape: list[int], place: int) -> None:
    sides.claim("y", "float32", shape, place)

    with pytest.raises(BadFrame, match="where none can be"):
        receive(sides.parent, MAX_BYTES, shared=sides.memory)


@pytest.mark.parametrize(
    "listed",
    [
        ("y", "float32", [-1], 0),
        ("y", "float32", [1 << 70, 0], None),
        ("y", "float32", [MAX_BYTES], 0),
        ("y", "object", [1], 0),
        ("y", "float32", [1], "here"),
        ("y", "float32", [1]),
        ("y", "float32", [float("inf")], 0),
    ],
)
def test_an_array_that_cannot_be_is_refused(sides: Sides, listed: tuple[Any, ...]) -> None:
    sides.claim(*listed)

    with pytest.raises(BadFrame):
        receive(sides.parent, MAX_BYTES, shared=sides.memory)


def test_a_place_is_refused_where_nothing_is_shared(sides: Sides) -> None:
    sides.claim("y", "float32", [1], 0)

    with pytest.raises(BadFrame, match="there is none"):
        receive(sides.parent, MAX_BYTES)


def test_the_child_can_neither_write_rows_nor_make_a_hole_nor_change_a_size(sides: Sides) -> None:
    rows, answers = sides.memory.descriptors
    sides.there({"x": made("uint8", SHARED_BYTES)})

    with pytest.raises(PermissionError):
        os.pwrite(rows, b"x", 0)
    with pytest.raises(PermissionError):
        mmap.mmap(rows, ROOM_BYTES)
    assert punched(rows) == errno.EPERM
    for descriptor in (rows, answers):
        for size in (0, 2 * ROOM_BYTES):
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, size)


def test_a_hole_among_the_answers_reads_as_zeros(sides: Sides) -> None:
    sides.mapped.put(0, np.full(SHARED_BYTES, 7, "uint8"))
    assert punched(sides.memory.descriptors[1]) == 0

    got = sides.memory.get(0, "uint8", (SHARED_BYTES,))
    assert not got[: mmap.PAGESIZE].any()
    assert (got[mmap.PAGESIZE :] == 7).all()


def test_a_read_beyond_the_end_of_the_room_is_refused_on_either_side(sides: Sides) -> None:
    for side in (sides.memory, sides.mapped):
        with pytest.raises(Outside):
            side.get(ROOM_BYTES - ALIGNMENT, "uint8", (ALIGNMENT + 1,))


def punched(descriptor: int) -> int:
    """Give the error number of making a hole at the beginning."""
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.fallocate(descriptor, PUNCH_HOLE | KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(mmap.PAGESIZE))
    return ctypes.get_errno() if made else 0
