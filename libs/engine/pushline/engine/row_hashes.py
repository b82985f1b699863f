"""64-bit hashes of rows: the same for the same row wherever it is hashed, in a training's sandbox or over an evaluation set.

Needs NumPy alone and imports nothing of Pushline, as the trainer lays a copy beside its launcher. A row is its inputs, in whatever
order and shape they lie: the sum over their 64-bit words of a bijective mix with a factor for each place (multiply-xorshift), so
that rows that differ in one word never share a hash, and others do by chance alone, about n² / 2⁶⁵ times among n of them. It is no
cryptographic hash: who wants two rows to collide can have it.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Hashes = npt.NDArray[np.uint64]

MOST_ROWS = 1_000_000
MAGIC = b"PLROWS1\n"
HEAD = struct.Struct("<8sQ")  # magic, 1 where there were no other rows
MOST_BYTES = HEAD.size + 8 * MOST_ROWS
BLOCK_VALUES = 1 << 17  # numbers that are mixed at once, so that they stay in the processor's cache
EXACT = 1 << 24  # integers up to here are themselves as float32
HALF, THIRD = np.uint64(32), np.uint64(29)
GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # SplitMix64's
MASK = (1 << 64) - 1


class NotHashable(ValueError):
    """What is to be hashed is neither numbers nor texts in rows."""


@dataclass(frozen=True, slots=True)
class Known:
    """Rows that were looked at: their hashes without repeats, in rising order. `whole`: there were no others."""

    hashes: Hashes
    whole: bool


def of_rows(inputs: Iterable[Array]) -> Hashes:
    """Give a hash for each row of inputs, each (rows, …). Numbers count as float32, so that float64 and float32 of a row agree.

    Integers that float32 cannot hold count in full too; texts count by their UTF-8, zeros at the end left out. Raises NotHashable.
    """
    total = None
    for each in inputs:
        mixed = _finished(of_input(each))
        total = mixed if total is None else total + mixed
    if total is None:
        raise NotHashable("there are no inputs")
    return total


def of_input(array: Array) -> Hashes:
    if array.ndim == 0 or array.dtype.kind not in "biufSU":
        raise NotHashable(f"an array of {array.dtype} with the shape {array.shape} has no rows of numbers or texts")
    if array.dtype.kind in "SU":
        return _of_texts(array)
    width = int(np.prod(array.shape[1:]))
    step = max(1, BLOCK_VALUES // max(width, 1))
    blocks = [_of_numbers(array[at : at + step].reshape(-1, width)) for at in range(0, len(array), step)] if width else []
    return np.concatenate(blocks) if blocks else np.zeros(len(array), np.uint64)


def _of_numbers(block: Array) -> Hashes:
    with np.errstate(over="ignore"):
        plain = _even(np.array(block, np.float32, order="C"))
    plain += np.float32(0)  # there are two zeros
    found = _summed(plain.view(np.uint64), 0)
    if block.dtype.kind in "iu" and block.dtype.itemsize >= 4:  # noqa: PLR2004 - bytes
        large = (block > EXACT) | (block < -EXACT) if block.dtype.kind == "i" else block > EXACT
        if large.any():
            found += _summed(np.where(large, block.astype(np.int64), 0).view(np.uint64), 1)
    return found


def _even(block: Array) -> Array:
    return block if block.shape[1] % 2 == 0 else np.hstack([block, np.zeros((len(block), 1), block.dtype)])


def _of_texts(array: Array) -> Hashes:
    values = np.char.encode(array, "utf-8") if array.dtype.kind == "U" else array
    rows, width = len(values), int(np.prod(values.shape[1:]))
    if not rows or not width:
        return np.zeros(rows, np.uint64)
    size = -(-values.dtype.itemsize // 8) * 8
    words = np.ascontiguousarray(values.astype(f"S{size}")).view(np.uint64).reshape(rows * width, size // 8)
    return _summed(_finished(_summed(words, 2)).reshape(rows, width), 3)


def _summed(words: Hashes, lane: int) -> Hashes:
    """Mix each word with the factor of its place and add a row's up. A word of zeros adds nothing, wherever it stands."""
    mixed = words >> THIRD  # the low bits of small numbers' words are zeros, and would stay so
    mixed ^= words
    mixed *= _factors(words.shape[1], lane)
    mixed ^= mixed >> HALF
    total: Hashes = mixed.sum(axis=1, dtype=np.uint64)
    return total


def _finished(hashes: Hashes) -> Hashes:
    mixed = (hashes ^ (hashes >> THIRD)) * np.uint64(MIX_2)
    finished: Hashes = mixed ^ (mixed >> HALF)
    return finished


@lru_cache(maxsize=16)
def _factors(count: int, lane: int) -> Hashes:
    """Odd numbers out of SplitMix64, a stream for each lane."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(lane * MIX_1 & MASK)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(MIX_1)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(MIX_2)
    odd: Hashes = (state ^ (state >> np.uint64(31))) | np.uint64(1)
    return odd


def dump(known: Known) -> bytes:
    return HEAD.pack(MAGIC, known.whole) + known.hashes.astype("<u8").tobytes()


def load(data: bytes) -> Known:
    """Raises ValueError. The file is a stranger's: order and repeats are not believed."""
    if not HEAD.size <= len(data) <= MOST_BYTES or (len(data) - HEAD.size) % 8:
        raise ValueError(f"it has {len(data)} bytes, which no file of at most {MOST_ROWS} hashes has")
    magic, whole = HEAD.unpack_from(data)
    if magic != MAGIC or whole > 1:
        raise ValueError("it does not begin as a file of hashes does")
    return Known(np.unique(np.frombuffer(data, "<u8", offset=HEAD.size).astype(np.uint64)), bool(whole))


def repeated(hashes: Hashes) -> int:
    """Count the rows that stand more than once in there."""
    _, counts = np.unique(hashes, return_counts=True)
    return int(counts[counts > 1].sum())


def among(hashes: Hashes, known: Known) -> npt.NDArray[np.bool_]:
    """Say for each row whether it is known."""
    if not len(known.hashes):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(known.hashes, hashes), len(known.hashes) - 1)
    found: npt.NDArray[np.bool_] = known.hashes[places] == hashes
    return found
