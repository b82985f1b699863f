"""The file model.h5: what it is, that it is a Keras model with finite weights, and the live model with just its weights."""

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np

from .result import Failed, what
from .watch import Watch, digest_of

HDF5 = b"\x89HDF\r\n\x1a\n"
BLOCK = 4 * 1024 * 1024


def take(path: Path, to: Path) -> None:
    """Copy a regular file, no link. Raises Failed, and FileNotFoundError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Failed("not_a_model", f"{path.name} is no regular file")
        with to.open("wb") as copy:
            shutil.copyfileobj(source, copy, BLOCK)


def take_model(path: Path, to: Path, script: str, watch: Watch) -> None:
    try:
        take(path, to)
    except FileNotFoundError as error:
        hint = f"; it saved {watch.last_path.name}" if watch.last_path else ""
        raise Failed("no_model", f"{script} ended without saving model.h5 in the folder that it runs in{hint}") from error
    except OSError as error:
        raise Failed("not_a_model", f"model.h5 is no regular file: {error.strerror}") from error
    _check(to)


def live_model(path: Path, watch: Watch, keras: Any) -> Any:  # noqa: ANN401 Keras'
    """The model that was saved as this file, with its weights; else what Keras makes of the file. Raises Failed."""
    digest = digest_of(path)
    for saved in (watch.saved_as_named, watch.saved_elsewhere):
        if saved is not None and saved.digest == digest:
            saved.model.set_weights(saved.weights)
            return saved.model
    if watch.saved_as_named is not None:
        try:
            watch.saved_as_named.model.load_weights(path)
        except Exception:  # noqa: BLE001, S110 any layer's code may refuse; the file as a whole is tried next
            pass
        else:
            return watch.saved_as_named.model
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise Failed(
            "not_servable", f"no model of the script was saved as this model.h5, and Keras cannot load it: {what(error)}"
        ) from error


def _check(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(HDF5)) != HDF5:
            raise Failed("not_a_model", "model.h5 is no HDF5 file; Keras writes one by model.save('model.h5')")
    import h5py  # noqa: PLC0415 heavy, and only needed here

    try:
        with h5py.File(path, "r") as file:
            if "model_weights" not in file or "keras_version" not in file.attrs:
                raise Failed("not_a_model", "model.h5 is an HDF5 file, but no whole Keras model")
            file["model_weights"].visititems(lambda name, item: _check_finite(name, item, h5py.Dataset))
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise Failed("not_a_model", f"model.h5 cannot be read: {what(error)}") from error


def _check_finite(name: str, item: Any, dataset: Any) -> None:  # noqa: ANN401 h5py's
    if not isinstance(item, dataset) or item.dtype.kind != "f" or item.size == 0:
        return
    rows = max(1, BLOCK // max(item.dtype.itemsize, item.nbytes // max(len(item), 1))) if item.ndim else 1
    for start in range(0, len(item) if item.ndim else 1, rows):
        part = item[start : start + rows] if item.ndim else item[()]
        if not np.all(np.isfinite(part)):
            raise Failed("non_finite_weights", f"model.h5 holds NaN or infinite values in {name}")
