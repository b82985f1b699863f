"""What a person wants predicted: numbers from JSON, CSV or an .npz, texts from JSON or an .npz, as arrays by input name."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pushline.cli.exits import Exit, Said

Array = npt.NDArray[Any]
ONE = "x"  # the input of a model that has one
MAX_BYTES = 64 * 1024 * 1024


def read_input(name: str, data: bytes, rows: int = 0) -> dict[str, Array]:
    """Tell the form by the name's ending, else by the first character. `rows` cuts. Raises Said."""
    try:
        arrays = _read(Path(name).suffix.lower(), data)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise Said(f"{name}: {error}", Exit.BAD_FILE) from None
    return {key: array[:rows] if rows and array.ndim else array for key, array in arrays.items()}


def _read(suffix: str, data: bytes) -> dict[str, Array]:
    if suffix == ".npz" or data.startswith(b"PK\x03\x04"):
        return _npz(data)
    text = data.decode("utf-8-sig")
    if suffix == ".csv":
        return {ONE: _csv(text)}
    if suffix == ".json" or text.lstrip()[:1] in {"[", "{"}:
        return _json(text)
    return {ONE: _csv(text)}


def _npz(data: bytes) -> dict[str, Array]:
    """`x`, or `x.<input>` for several inputs, as in an evaluation set; else every array under its own name. `y` is left out."""
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files if name != "y"}
    if not arrays:
        raise ValueError("holds no input array")
    return {name.removeprefix("x."): array for name, array in arrays.items()}


def _json(text: str) -> dict[str, Array]:
    value = json.loads(text)
    if isinstance(value, Mapping):
        named = value.get("inputs", value)
        if not isinstance(named, Mapping) or not named:
            raise ValueError('"inputs" must be an object of arrays by name')
        return {str(name): _rows(str(name), rows) for name, rows in named.items()}
    return {ONE: _rows(ONE, value)}


def _csv(text: str) -> Array:
    lines = [row for row in csv.reader(io.StringIO(text)) if row]
    if lines and not _is_numbers(lines[0]):
        lines = lines[1:]  # a head with names
    if not lines:
        raise ValueError("holds no rows")
    if len({len(row) for row in lines}) > 1:
        raise ValueError("its rows differ in length")
    return np.array([[float(cell) for cell in row] for row in lines])


def _is_numbers(cells: list[str]) -> bool:
    try:
        return bool([float(cell) for cell in cells])
    except ValueError:
        return False


def _rows(name: str, rows: object) -> Array:
    try:
        array = np.array(rows)
    except ValueError:
        raise ValueError(f"{name}: rows differ in length") from None
    texts = array.dtype.kind == "U" and set(map(type, np.array(rows, object).flat)) == {str}  # where NumPy made none of them
    if not (array.dtype.kind in "biuf" or texts) or array.size == 0:
        raise ValueError(f"{name}: neither numbers nor texts in rows of equal length")
    return array
