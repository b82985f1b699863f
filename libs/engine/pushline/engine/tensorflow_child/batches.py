"""Files of arrays, read and written a few rows at a time: memory does not grow with them.

Unlike np.load and np.savez they take an array of any name, `file` too.
"""

import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from .shared import Array

BLOCK = 1 << 20
npy = np.lib.format


class Uneven(Exception):
    """Some rows are answered in another shape than the rest."""


def read(archive: zipfile.ZipFile, rows: int) -> Iterator[dict[str, Array]]:
    """Give so many rows of all arrays at a time, side by side; the file is the parent's own."""
    parts = {member.removesuffix(".npy"): _rows_of(archive, member, rows) for member in archive.namelist()}
    for each in zip(*parts.values(), strict=True):
        yield dict(zip(parts, each, strict=True))


def write(path: str, parts: Iterable[Mapping[str, Array]]) -> None:
    """Write what comes a few rows at a time. Raises Uneven, OSError."""
    with ExitStack() as stack:
        spools: dict[str, IO[bytes]] = {}
        forms: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        rows = 0
        for part in parts:
            if not spools:
                spools = {name: stack.enter_context(TemporaryFile(dir=".")) for name in part}
                forms = _forms(part)
            if _forms(part) != forms:
                raise Uneven("answers some rows in another shape than the rest")
            for name, array in part.items():
                spools[name].write(np.ascontiguousarray(array).tobytes())
            rows += len(next(iter(part.values())))
        _pack(path, spools, {name: ((rows, *shape), dtype) for name, (shape, dtype) in forms.items()})


def _forms(part: Mapping[str, Array]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    return {name: (array.shape[1:], array.dtype) for name, array in part.items()}


def _pack(path: str, spools: Mapping[str, IO[bytes]], forms: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in spools.items():
            shape, dtype = forms[name]
            file.seek(0)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                described = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                npy.write_array_header_1_0(stream, described)
                shutil.copyfileobj(file, stream, BLOCK)


def _rows_of(archive: zipfile.ZipFile, member: str, rows: int) -> Iterator[Array]:
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = read_header(stream)
        if by_columns and len(shape) > 1:
            whole = np.frombuffer(stream.read(), dtype).reshape(shape, order="F")
            yield from (whole[start : start + rows] for start in range(0, shape[0], rows))
            return
        row_bytes = int(np.prod(shape[1:])) * dtype.itemsize
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start)
            yield np.frombuffer(stream.read(count * row_bytes), dtype).reshape(count, *shape[1:])
