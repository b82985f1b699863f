"""Is this file a whole Keras model in HDF5, all its data in it and of bounded size? h5py alone reads it; Keras is not called yet.

Only what Keras' own save writes gets through: groups and hard links in a tree, plain numbers, no filter but a few, no attribute or
configuration beyond a size, finite weights.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"\x89HDF\r\n\x1a\n"
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
KINDS = "fiub"
MAX_ITEMS = 50_000  # groups and data sets
MAX_DEPTH = 32
MAX_ATTRIBUTES = 100_000  # of all items together
MAX_ATTRIBUTE_VALUES = 100_000
MAX_CONFIG_BYTES = 16 * 1024 * 1024
MAX_CHUNKS = 100_000
MAX_RATIO = 200  # unpacked to packed bytes
SMALL_BYTES = 1024 * 1024  # may be packed as tightly as it likes
BLOCK_BYTES = 4 * 1024 * 1024


class Refused(Exception):
    """The file may not be opened; the message says why, and reads after "model.h5"."""


@dataclass(frozen=True)
class Found:
    """What Keras will be asked to open."""

    config: dict[str, Any]
    values: int  # numbers in all of its weights together


def inspect(path: Path, max_bytes: int) -> Found:
    """Raises Refused."""
    size = path.stat().st_size
    if size > max_bytes:
        raise Refused(f"has {size} bytes; {max_bytes} are allowed")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Refused("is no HDF5 file")
    import h5py  # noqa: PLC0415 heavy, and only here

    try:
        with h5py.File(path, "r") as file:
            return _Inspection(h5py, max_bytes).inspect(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise Refused(f"cannot be read: {' '.join(str(error).split())[:200]}") from error


class _Inspection:
    def __init__(self, h5py: Any, max_bytes: int) -> None:  # noqa: ANN401 the module, which has no types
        self._h5py, self._max_bytes = h5py, max_bytes
        self._seen: set[Any] = set()
        self._declared = self._attributes = 0

    def inspect(self, file: Any) -> Found:  # noqa: ANN401 h5py's
        values = 0
        for name, item in self._items(file, "", 0):
            if isinstance(item, self._h5py.Dataset):
                self._check_dataset(name, item)
                self._check_finite(name, item)
                values += item.size if name.startswith("/model_weights/") else 0
        if "model_weights" not in file or "model_config" not in file.attrs:
            raise Refused("is an HDF5 file, but no whole Keras model")
        return Found(self._config(file), values)

    def _items(self, group: Any, where: str, depth: int) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 h5py's
        """Everything below, once checked how it is linked; parents first."""
        self._count(group, where, depth)
        for name in group:
            link = group.get(name, getlink=True)
            if type(link) is not self._h5py.HardLink:
                raise Refused(f"links to elsewhere in {where}/{name[:80]}")
            item = group[name]
            if isinstance(item, self._h5py.Group):
                yield from self._items(item, f"{where}/{name}", depth + 1)
            elif isinstance(item, self._h5py.Dataset):
                self._count(item, f"{where}/{name}", depth)
                yield f"{where}/{name}", item
            else:
                raise Refused(f"holds something that is neither group nor data set in {where}/{name[:80]}")

    def _count(self, item: Any, where: str, depth: int) -> None:  # noqa: ANN401 h5py's
        info = self._h5py.h5o.get_info(item.id)
        if (info.fileno, info.addr) in self._seen:
            raise Refused(f"holds one thing under two names, {where[:200]} is one of them")
        self._seen.add((info.fileno, info.addr))
        self._attributes += self._h5py.h5a.get_num_attrs(item.id)
        if depth > MAX_DEPTH or len(self._seen) > MAX_ITEMS or self._attributes > MAX_ATTRIBUTES:
            raise Refused(f"has more than {MAX_ITEMS} items, {MAX_ATTRIBUTES} attributes or {MAX_DEPTH} levels")
        for number in range(self._h5py.h5a.get_num_attrs(item.id)):
            if math.prod(self._h5py.h5a.open(item.id, index=number).shape or (1,)) > MAX_ATTRIBUTE_VALUES:
                raise Refused(f"has an attribute of more than {MAX_ATTRIBUTE_VALUES} values in {where[:200] or '/'}")

    def _check_dataset(self, name: str, item: Any) -> None:  # noqa: ANN401 h5py's
        plan = item.id.get_create_plist()
        if item.is_virtual or item.external or plan.get_external_count():
            raise Refused(f"keeps the data of {name} in other files")
        if item.dtype.kind not in KINDS or item.dtype.subdtype is not None or not item.dtype.isnative:
            raise Refused(f"holds {item.dtype} in {name}, which are no plain numbers of this machine")
        for number in range(plan.get_nfilters()):
            if plan.get_filter(number)[0] not in FILTERS:
                raise Refused(f"needs the filter {plan.get_filter(number)[0]} for {name}; known are {', '.join(FILTERS.values())}")
        self._declared += math.prod(item.shape or ()) * item.dtype.itemsize
        if self._declared > self._max_bytes:
            raise Refused(f"declares more than {self._max_bytes} bytes of numbers, in {name} at the latest")
        self._check_storage(name, item, packed=bool(plan.get_nfilters()))

    def _check_storage(self, name: str, item: Any, packed: bool) -> None:  # noqa: ANN401 h5py's
        declared, stored = math.prod(item.shape or ()) * item.dtype.itemsize, item.id.get_storage_size()
        if (
            item.chunks
            and math.prod(math.ceil(size / part) for size, part in zip(item.shape, item.chunks, strict=True)) > MAX_CHUNKS
        ):
            raise Refused(f"cuts {name} into more than {MAX_CHUNKS} pieces")
        if packed and declared > SMALL_BYTES and declared > MAX_RATIO * stored:
            raise Refused(f"packs {declared} bytes of {name} into {stored}")
        if not packed and stored < declared:
            raise Refused(f"declares {declared} bytes in {name} and holds {stored}")

    def _check_finite(self, name: str, item: Any) -> None:  # noqa: ANN401 h5py's
        if item.dtype.kind != "f" or item.size == 0:
            return
        rows = max(1, BLOCK_BYTES // max(item.dtype.itemsize, item.nbytes // len(item))) if item.ndim else 1
        for start in range(0, len(item) if item.ndim else 1, rows):
            part = item[start : start + rows] if item.ndim else item[()]
            if not np.all(np.isfinite(part)):
                raise Refused(f"holds NaN or infinite values in {name}")

    def _config(self, file: Any) -> dict[str, Any]:  # noqa: ANN401 h5py's
        text = file.attrs["model_config"]
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        if not isinstance(text, str) or len(text) > MAX_CONFIG_BYTES:
            raise Refused(f"has a model_config that is no text of at most {MAX_CONFIG_BYTES} characters")
        config = json.loads(text)
        if not isinstance(config, dict):
            raise Refused("has a model_config that is no object")
        return config
