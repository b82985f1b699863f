"""The set that the model is judged by: the one that the repository names, else what the script gave Keras."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .freeze import Array, Frozen, batches_of, from_arrays, from_batches
from .result import Failed, what
from .watch import Watch

PYTHON = "python:"


def chosen(words: str | None, watch: Watch, model: Any) -> Frozen | None:  # noqa: ANN401 a Keras model
    """Raises Failed with the reason bad_dataset where the named one cannot be had."""
    if not words:
        return watch.dataset(model)
    try:
        return _called(words) if words.startswith(PYTHON) else _read(Path(words))
    except Exception as error:
        raise Failed("bad_dataset", f"the evaluation set {words} cannot be used: {what(error)}") from error


def write(inputs: Mapping[str, Array], frozen: Frozen, path: Path) -> None:
    x = {"x": next(iter(inputs.values()))} if len(inputs) == 1 else {f"x.{name}": array for name, array in inputs.items()}
    np.savez(path, allow_pickle=False, **x, **_targets(frozen.y), **frozen.columns)


def _targets(y: Any) -> dict[str, Array]:  # noqa: ANN401 an array, or a dict or list of some
    if isinstance(y, dict):
        return {"y": next(iter(y.values()))} if len(y) == 1 else {f"y.{name}": array for name, array in y.items()}
    if isinstance(y, list):
        return {"y": y[0]} if len(y) == 1 else {f"y.{number}": array for number, array in enumerate(y)}
    return {"y": y}


def _called(words: str) -> Frozen:
    module, _, function = words.removeprefix(PYTHON).rpartition(":")
    given = getattr(importlib.import_module(module), function)()
    if isinstance(given, dict) and "y" in given:
        return from_arrays(given["x"], given["y"], words, _columns(given))
    if isinstance(given, list | tuple):
        return from_arrays(given[0], given[1], words)
    batches = batches_of(given, None)
    if batches is None:
        raise ValueError("it returned neither (x, y) nor a data set")
    return from_batches(batches, words)


def _read(path: Path) -> Frozen:
    if not path.resolve().is_relative_to(Path.cwd()):
        raise ValueError("it lies outside the repository")
    with np.load(path, allow_pickle=False) as arrays:
        several = {name.removeprefix("x."): arrays[name] for name in arrays.files if name.startswith("x.")}
        return from_arrays(several or arrays["x"], arrays["y"], str(path), _columns(dict(arrays)))


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a set has beside x and y. Raises ValueError for a name that np.savez takes for itself."""
    if {"file", "allow_pickle"} & {*given}:
        raise ValueError("an array of it is called file or allow_pickle; call it otherwise")
    return {name: array for name, array in given.items() if name not in ("x", "y") and not name.startswith(("x.", "y."))}
