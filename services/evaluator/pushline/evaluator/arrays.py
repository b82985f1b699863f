"""Reading .npz files that a stranger wrote: numbers only, bounded, never a pickled object, in batches of rows.

np.load believes a header's shape before it sees the data, so the members are read here by hand, each no larger than it says.
Nothing is taken for a size that is only claimed, and memory does not grow with the file unless an array is asked for as a whole.
"""

import errno
import math
import shutil
import struct
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

Array = npt.NDArray[Any]
MAX_ARRAYS = 64
HEADER_BYTES = 2**16
BATCH_BYTES = 2**22
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy's; zipfile unpacks the others whole, whatever size they claim
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class BadArrays(Exception):
    """The file is no .npz of plain arrays; the message says what is wrong, and with which array."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an array says of itself; `begins` is where its values do, in its member of the archive."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_columns: bool = False  # Fortran's order, in which the rows of several columns do not lie together
    begins: int = 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def batch_rows(self) -> int:
        return max(1, BATCH_BYTES // max(self.row_bytes, 1))


class LazyArrays(Mapping[str, Array]):
    """Arrays by name that need not be held: `[]` reads one as a whole, `batches` a few rows at a time."""

    def __contains__(self, name: object) -> bool:
        """Mapping's own would read the array to know."""
        return any(name == each for each in self)

    @abstractmethod
    def header(self, name: str) -> Header: ...

    @abstractmethod
    def batches(self, name: str, rows: int = 0) -> Iterator[Array]:
        """Give its rows in order, `rows` at a time (0: about BATCH_BYTES of them). None of it is the caller's to change."""
        ...


def header_of(arrays: Mapping[str, Array], name: str) -> Header:
    return arrays.header(name) if isinstance(arrays, LazyArrays) else Header(arrays[name].shape, arrays[name].dtype)


def batches_of(arrays: Mapping[str, Array], name: str, rows: int = 0) -> Iterator[Array]:
    if isinstance(arrays, LazyArrays):
        yield from arrays.batches(name, rows)
        return
    array, rows = arrays[name], rows or header_of(arrays, name).batch_rows
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def column_of(arrays: Mapping[str, Array], name: str, index: int) -> Array:
    """Give one column of an array of rows and columns, without holding the others."""
    return np.concatenate(
        [np.zeros(0, header_of(arrays, name).dtype), *(batch[:, index].copy() for batch in batches_of(arrays, name))]
    )


class ArrayFile(LazyArrays):
    """The arrays of an .npz file. Opening it raises BadArrays, and so does reading, as values are looked at only then.

    The file must stay as it is. Arrays are larger than `max_bytes` together in none that opens.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        with _readable(), zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_sizes(members, max_bytes)
            self._headers = {_name(member): _header(archive, member) for member in members}

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def header(self, name: str) -> Header:
        return self._headers[name]

    def __getitem__(self, name: str) -> Array:
        header = self._headers[name]
        with _readable(), zipfile.ZipFile(self._path) as archive, self._values(archive, name) as stream:
            data = _exactly(name, stream, header.size_bytes, header)
        return np.frombuffer(data, header.dtype).reshape(header.shape, order="F" if header.by_columns else "C")

    def batches(self, name: str, rows: int = 0) -> Iterator[Array]:
        with _readable(), zipfile.ZipFile(self._path) as archive:
            yield from self._batches(archive, name, rows)

    def side_by_side(self, rows: int) -> Iterator[dict[str, Array]]:
        """Give so many rows of all arrays at a time. Raises BadArrays where one has more rows than another."""
        with _readable(), zipfile.ZipFile(self._path) as archive:
            parts = [self._batches(archive, name, rows) for name in self]
            for each in zip(*parts, strict=True):
                yield dict(zip(self, each, strict=True))

    def _batches(self, archive: zipfile.ZipFile, name: str, rows: int) -> Iterator[Array]:
        header = self._headers[name]
        rows = rows or header.batch_rows
        with self._values(archive, name) as stream:
            if header.by_columns and header.ndim > 1:
                yield from _turned(name, stream, header, rows)
                return
            for start in range(0, header.rows, rows):
                count = min(rows, header.rows - start)
                data = _exactly(name, stream, count * header.row_bytes, header)
                yield np.frombuffer(data, header.dtype).reshape(count, *header.shape[1:])

    def _values(self, archive: zipfile.ZipFile, name: str) -> IO[bytes]:
        stream = archive.open(f"{name}.npy")
        stream.read(self._headers[name].begins)
        return stream


def read_arrays(path: Path, max_bytes: int) -> dict[str, Array]:
    """Give all arrays by name. Raises BadArrays, also where they would be larger than `max_bytes` together."""
    return dict(ArrayFile(path, max_bytes))


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz file. Unlike np.savez it takes any name, `file` too, and holds no more than a batch of what is lazy."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in arrays:
            header = header_of(arrays, name)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                if not header.shape:
                    npy.write_array(stream, arrays[name], allow_pickle=False)
                    continue
                _write_header(stream, header)
                for batch in batches_of(arrays, name):
                    stream.write(np.ascontiguousarray(batch).tobytes())


def write_parts(path: Path, parts: Iterable[Mapping[str, Array]], rows: int) -> None:
    """Write arrays of so many rows that come a few rows at a time. Raises BadArrays where parts do not fit together."""
    with ExitStack() as stack:
        spools: dict[str, tuple[Header, IO[bytes]]] = {}
        done = 0
        for part in parts:
            if not spools:
                spools = {name: _spool(stack, array, rows) for name, array in part.items()}
            _append(spools, part)
            done += len(next(iter(part.values())))
        if done != rows:
            raise BadArrays(f"there are {done} rows of answers to {rows}")
        _pack(path, spools)


def _spool(stack: ExitStack, array: Array, rows: int) -> tuple[Header, IO[bytes]]:
    file = stack.enter_context(TemporaryFile(dir="."))  # noqa: SIM115 - the stack closes it
    return Header((rows, *array.shape[1:]), array.dtype), file


def _append(spools: Mapping[str, tuple[Header, IO[bytes]]], part: Mapping[str, Array]) -> None:
    if set(part) != set(spools):
        raise BadArrays("some rows are answered by other outputs than the rest")
    for name, array in part.items():
        header, file = spools[name]
        if (array.shape[1:], array.dtype) != (header.shape[1:], header.dtype):
            raise BadArrays(f"{name} has the shape {array.shape} for some rows, and {header.shape[1:]} a row for the rest")
        file.write(np.ascontiguousarray(array).tobytes())


def _pack(path: Path, spools: Mapping[str, tuple[Header, IO[bytes]]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, (header, file) in spools.items():
            file.seek(0)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                _write_header(stream, header)
                shutil.copyfileobj(file, stream, BATCH_BYTES)


def _write_header(stream: IO[bytes], header: Header) -> None:
    described = {"descr": npy.dtype_to_descr(header.dtype), "fortran_order": False, "shape": header.shape}
    npy.write_array_header_1_0(stream, described)


@contextmanager
def _readable() -> Iterator[None]:
    """What the file is to blame for becomes BadArrays; what the disk is to blame for stays an OSError."""
    try:
        yield
    except UNREADABLE as error:
        raise BadArrays(f"not a readable .npz file: {error}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # places that no file has are asked for by a wrong directory
            raise
        raise BadArrays(f"not a readable .npz file: {error}") from error


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


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    name = _name(member)
    with archive.open(member) as stream:
        head = BytesIO(stream.read(HEADER_BYTES))
    shape, by_columns, dtype = _read_header(name, head)
    if dtype.hasobject:
        raise BadArrays(f"array {name} holds Python objects; save plain numbers")
    header = Header(shape, dtype, by_columns, head.tell())
    if not dtype.itemsize or member.file_size - header.begins != header.size_bytes:
        raise BadArrays(_not_held(name, header))
    return header


def _read_header(name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
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


def _exactly(name: str, stream: IO[bytes], count: int, header: Header) -> bytearray:
    """Grow with what comes, not by what was claimed."""
    data = bytearray()
    while len(data) < count and (more := stream.read(min(BATCH_BYTES, count - len(data)))):
        data += more
    if len(data) != count:
        raise BadArrays(_not_held(name, header))
    return data


def _not_held(name: str, header: Header) -> str:
    return f"array {name} does not hold the {header.shape} values of {header.dtype} that its header names"


def _turned(name: str, stream: IO[bytes], header: Header, rows: int) -> Iterator[Array]:
    """Give rows of what lies column by column: by way of a file, as all of it comes before the first row is whole."""
    with TemporaryFile() as file:
        shutil.copyfileobj(stream, file, BATCH_BYTES)
        if file.tell() != header.size_bytes:
            raise BadArrays(_not_held(name, header))
        if not header.size_bytes:
            return
        file.flush()
        lying = np.memmap(file, header.dtype, "r", 0, header.shape, "F")
        for start in range(0, header.rows, rows):
            yield np.ascontiguousarray(lying[start : start + rows])
