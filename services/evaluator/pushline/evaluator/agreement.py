"""Does the program say what model.h5 says? Its answers against Keras' own, whoever asked Keras (keras_says.py)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pushline.evaluator.arrays import Array
from pushline.evaluator.verdict import NotJudgeable

ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Agreement:
    """`difference` is the largest |program - Keras|; `share` the largest of it over what is allowed there, so 1 is the limit."""

    rows: int
    difference: float
    share: float


def compare(program: str, said: Mapping[str, Array], keras: Mapping[str, Array], tolerance: float) -> Agreement:
    """Allowed is tolerance * max(1, |Keras' answer|), value by value. Raises NotJudgeable."""
    if not keras:
        raise _disagrees(program, "Keras' own answers are missing")
    if set(said) != set(keras):
        raise _disagrees(program, f"it answers {_names(said)}, Keras {_names(keras)}")
    found = [_compare_one(program, name, said[name], keras[name], tolerance) for name in sorted(keras)]
    return Agreement(min(one.rows for one in found), max(one.difference for one in found), max(one.share for one in found))


def _compare_one(program: str, name: str, said: Array, keras: Array, tolerance: float) -> Agreement:
    rows = len(keras)
    if not rows or said[:rows].shape != keras.shape:
        raise _disagrees(program, f"its answers {name} have the shape {said.shape}, Keras' have {keras.shape}")
    difference = share = 0.0
    for at in range(0, rows, ROWS_AT_ONCE):
        some = slice(at, at + ROWS_AT_ONCE)
        apart, allowed = _apart(name, said[:rows][some], keras[some], tolerance)
        difference, share = max(difference, float(apart.max(initial=0))), max(share, float((apart / allowed).max(initial=0)))
    if not share <= 1:
        limit = f"allowed is {tolerance:g} times the answer's size, or {tolerance:g} below 1"
        raise _disagrees(program, f"{name} differs from Keras by up to {difference:.3g}; {limit}")
    return Agreement(rows, difference, share)


def _apart(name: str, said: Array, keras: Array, tolerance: float) -> tuple[Array, Array]:
    a, b = said.astype(np.float64), keras.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise NotJudgeable("not_finite", f"the model's answers {name} hold NaN or infinity")
    return np.abs(a - b), tolerance * np.maximum(1, np.abs(b))


def _disagrees(program: str, why: str) -> NotJudgeable:
    return NotJudgeable("program_disagrees", f"{program} does not agree with model.h5: {why}")


def _names(arrays: Mapping[str, Array]) -> str:
    return ", ".join(sorted(arrays)) or "nothing"
