"""Where the evaluation set is not in the sandbox: a few rows that the script gave Keras, and what Keras answers to them.

Who judges the model elsewhere holds the serving program against these.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .export import Answers, Exported, made_up
from .freeze import Array, Frozen, Nested, leaves, mapped, numeric_or_texts
from .interface import Interface, named

NAME = "proof.npz"
MAX_ROWS = 256
MAX_BYTES = 16 * 1024 * 1024


def rows_of(sample: Nested | None, interface: Interface) -> dict[str, Array] | None:
    """The rows of a sample by input; None where there is none, or none that fits."""
    if sample is None:
        return None
    try:
        x = mapped(numeric_or_texts, sample)
        row_bytes = sum(array[:1].nbytes for array in leaves(x))
        rows = max(1, min(MAX_ROWS, MAX_BYTES // max(row_bytes, 1)))
        return named(Frozen(mapped(lambda array: array[:rows], x), None, "fit"), interface)
    except ValueError:
        return None


def write(
    model: Any,  # noqa: ANN401 a Keras model
    interface: Interface,
    rows: Mapping[str, Array] | None,
    exported: Exported,
    out: Path,
) -> dict[str, Array]:
    """Give the answers by the program's names, as they stand in the file."""
    rows = rows or made_up(interface)
    answers = {exported.output_names[name]: array for name, array in Answers(model, interface)(rows).items()}
    inputs = {f"x.{exported.input_names[name]}": array for name, array in rows.items()}
    np.savez(out / NAME, allow_pickle=False, **inputs, **{f"y.{name}": array for name, array in answers.items()})
    return answers
