"""Reading .npz files that a stranger wrote: numbers only, bounded, never a pickled object.

np.load believes a header's shape before it sees the data, so the members are read here by hand, each no larger than it says.
"""

import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

Array = npt.NDArray[Any]
MAX_ARRAYS = 64
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy's; zipfile unpacks the others whole, whatever size they claim
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class BadArrays(Exception):
    """The file is no .npz of plain arrays; the message says what is wrong, and with which array."""


def read_arrays(path: Path, max_bytes: int) -> dict[str, Array]:
    """Give the arrays by name. Raises BadArrays, also where they would be larger than `max_bytes` together."""
    data = BytesIO(path.read_bytes())  # so that an OSError from here on is the file's fault, not the disk's
    try:
        with zipfile.ZipFile(data) as archive:
            members = archive.infolist()
            _check_sizes(members, max_bytes)
            return {_name(member): _read(archive, member) for member in members}
    except UNREADABLE as error:
        raise BadArrays(f"not a readable .npz file: {error}") from error


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz file. Unlike np.savez it takes any name, `file` too."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                npy.write_array(stream, array, allow_pickle=False)


def _check_sizes(members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if len(members) > MAX_ARRAYS:
        raise BadArrays(f"{len(members)} arrays; at most {MAX_ARRAYS} are read")
    for member in members:
        if member.compress_type not in PACKED:
            raise BadArrays(f"{member.filename[:80]!r} is packed in a way that is not read here")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise BadArrays(f"{total} bytes of arrays; at most {max_bytes} are read")
    names = [_name(member) for member in members]
    if len(set(names)) != len(names):
        raise BadArrays("two arrays have one name")


def _name(member: zipfile.ZipInfo) -> str:
    if not member.filename.endswith(".npy"):
        raise BadArrays(f"{member.filename!r} is no array")
    return member.filename.removesuffix(".npy")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    name = _name(member)
    with archive.open(member) as stream:
        shape, fortran_order, dtype = _header(name, stream)
        data = stream.read()
    if dtype.hasobject:
        raise BadArrays(f"array {name} holds Python objects; save plain numbers")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise BadArrays(f"array {name} does not hold the {shape} values of {dtype} that its header names")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")


def _header(name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        reader = READERS.get(npy.read_magic(stream))
        if reader is None:
            raise BadArrays(f"array {name} is in a form that is not read here")
        shape, fortran_order, dtype = reader(stream)
    except (ValueError, TypeError, SyntaxError) as error:
        raise BadArrays(f"array {name} has no readable header: {error}") from error
    if any(not 0 <= size < 2**40 for size in shape):
        raise BadArrays(f"array {name} has the impossible shape {shape}")
    return shape, fortran_order, dtype
