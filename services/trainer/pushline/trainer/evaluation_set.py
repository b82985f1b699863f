"""The evaluation set that a repository names in the store: fetched and looked at outside the sandbox, which never sees it.

It is an .npz of a stranger's, and NumPy is not at hand here: its headers are read by hand, bounded, and nothing is unpickled.
"""

import ast
import math
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pushline.trainer.data import DataFile, DataRefused
from pushline.trainer.failures import Failure

MAX_ARRAYS, MAX_HEADER, MAX_DIMENSIONS = 64, 10_000, 16
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LENGTHS = {1: struct.Struct("<H"), 2: struct.Struct("<I")}
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
_DTYPE = re.compile(r"[<>|=]?([a-zA-Z])([0-9]{0,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoreSet:
    """A set that was verified and looked at, on this machine until the run ends."""

    file: DataFile
    path: Path
    size: int
    rows: int


class _BadSet(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Array:
    shape: tuple[int, ...]
    kind: str
    size: int  # of one value, in bytes


def look_at(file: DataFile, path: Path) -> StoreSet:
    """Raises DataRefused with the reason bad_dataset where nothing can be judged by it."""
    try:
        rows = _rows_of(_arrays(path))
    except _BadSet as problem:
        sentence = f"The evaluation set {file.address} cannot be used: {problem}."
        raise DataRefused(Failure("bad_dataset", sentence)) from None
    return StoreSet(file, path, path.stat().st_size, rows)


def _arrays(path: Path) -> dict[str, _Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_ARRAYS:
                raise _BadSet(f"it has {len(members)} arrays, and at most {MAX_ARRAYS} are read")
            names = [member.filename for member in members]
            if len(set(names)) != len(names):
                raise _BadSet("two of its arrays have one name")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except UNREADABLE as error:
        raise _BadSet(f"it is no readable .npz file ({str(error)[:200]})") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Array:
    name = member.filename[:80]
    if not name.endswith(".npy") or member.compress_type not in PACKED:
        raise _BadSet(f"{name!r} in it is no array as NumPy writes them")
    with archive.open(member) as stream:
        shape, descr, begins = _header(name, stream)
    found = _DTYPE.fullmatch(descr)
    if found is None or found[1] == "O":
        raise _BadSet(f"array {name.removesuffix('.npy')} is of the type {descr[:40]!r}; plain numbers are needed")
    array = _Array(shape, found[1], int(found[2] or 1) * (4 if found[1] == "U" else 1))
    if member.file_size != begins + math.prod(shape) * array.size:
        raise _BadSet(f"array {name.removesuffix('.npy')} does not hold the {shape} values that its header names")
    return array


def _header(name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], str, int]:
    """Give shape, dtype and where the values begin."""
    magic = stream.read(8)
    length = LENGTHS.get(magic[6]) if len(magic) == 8 and magic[:6] == b"\x93NUMPY" else None  # noqa: PLR2004 - as long as it is
    if length is None:
        raise _BadSet(f"{name!r} in it has no header that is read here")
    (size,) = length.unpack(stream.read(length.size))
    if size > MAX_HEADER:
        raise _BadSet(f"{name!r} in it has a header of {size} bytes")
    try:
        said = ast.literal_eval(stream.read(size).decode("latin1").strip())
        shape, descr = tuple(said["shape"]), said["descr"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        raise _BadSet(f"{name!r} in it has no readable header") from None
    if len(shape) > MAX_DIMENSIONS or any(type(each) is not int or not 0 <= each < 2**40 for each in shape):
        raise _BadSet(f"{name!r} in it has an impossible shape")
    return shape, str(descr), 8 + length.size + size


def _rows_of(arrays: dict[str, _Array]) -> int:
    inputs = [name for name in arrays if name == "x" or name.startswith("x.")]
    targets = [name for name in arrays if name == "y" or name.startswith("y.")]
    for names, wanted in ((inputs, "x (or x.<input> for several inputs)"), (targets, "y")):
        if not names:
            raise _BadSet(f"array {wanted} is missing; there is {', '.join(sorted(arrays))[:200] or 'nothing'}")
    for name in (*inputs, *targets):
        kinds = "biufS" if name in inputs else "biuf"
        if arrays[name].kind not in kinds or not arrays[name].shape:
            raise _BadSet(f"array {name} holds no rows of numbers")
    rows = {name: arrays[name].shape[0] for name in (*inputs, *targets)}
    count = rows[targets[0]]
    if count == 0:
        raise _BadSet("it is empty")
    for name, other in rows.items():
        if other != count:
            raise _BadSet(f"array {name} has {other} rows, {targets[0]} has {count}")
    return count
