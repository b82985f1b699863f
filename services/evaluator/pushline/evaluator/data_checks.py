"""What is looked at before any metric: the labels, how many rows each class has, rows that repeat, rows that were trained on.

Shapes, types and values are looked at where the set is read (dataset.py). A row is its inputs as the model takes them. Which rows
the training was given is what the repository's sandbox says: a script that means to hide them can.
"""

from pathlib import Path

import numpy as np

from pushline.engine import row_hashes
from pushline.engine.row_hashes import Hashes, Known
from pushline.evaluator.arrays import Array
from pushline.evaluator.dataset import EvaluationSet, Inputs, bad
from pushline.evaluator.findings import DataFacts
from pushline.objects.manifest import Manifest

UNKNOWN = "which rows fit was given is not known, so leakage is not either"
MOST_CLASSES = 10_000
REGRESSION = "regression"


def examine(data: EvaluationSet, inputs: Inputs, about: Manifest, trained: Path | None) -> DataFacts:
    """`trained` is the file of what fit was given. Raises NotJudgeable: labels that pushline.toml does not name, values unfit."""
    hashes = hashes_of(inputs)
    counts = class_counts(data.truth, about)
    known, notes = _known(trained)
    leaked = None if known is None else float(row_hashes.among(hashes, known).mean())
    return DataFacts(
        rows=data.rows,
        class_counts=counts,
        duplicates=row_hashes.repeated(hashes) / data.rows,
        leakage=leaked,
        leakage_known_rows=0 if known is None else len(known.hashes),
        notes=notes,
    )


def hashes_of(inputs: Inputs) -> Hashes:
    total = np.zeros(inputs.rows, np.uint64)
    for name in inputs:
        at = 0
        for batch in inputs.batches(name):
            total[at : at + len(batch)] += row_hashes.of_rows([batch])
            at += len(batch)
    return total


def _known(path: Path | None) -> tuple[Known | None, tuple[str, ...]]:
    if path is None:
        return None, (UNKNOWN,)
    try:
        known = row_hashes.load(path.read_bytes())
    except ValueError as error:
        return None, (f"{UNKNOWN}: training_rows.bin cannot be read: {error}",)
    if known.whole:
        return known, ()
    return known, (
        f"not all rows that fit was given were looked at, but {len(known.hashes)} different ones: leakage may be higher",
    )


def class_counts(truth: Array, about: Manifest) -> dict[str, int]:
    """Give the rows of each class by its name, of those that occur. Nothing of a regression. Raises NotJudgeable."""
    if about.task == REGRESSION or not len(truth):
        return {}
    columns = truth.reshape(len(truth), -1)
    if columns.shape[1] > 1:
        found = {at: int(count) for at, count in enumerate((columns > 0).sum(axis=0)) if count}
    else:
        _check_labels(columns, about)
        values, counts = np.unique(columns, return_counts=True)
        found = {int(value): int(count) for value, count in zip(values, counts, strict=True) if value == np.floor(value)}
    if len(found) > MOST_CLASSES:
        return {}
    return {about.labels[at] if 0 <= at < len(about.labels) else str(at): count for at, count in sorted(found.items())}


def _check_labels(indices: Array, about: Manifest) -> None:
    names = len(about.labels)
    if names and (indices.min() < 0 or indices.max() >= names):
        found = f"labels from {indices.min():g} to {indices.max():g}"
        raise bad(f"y holds {found}; pushline.toml names {names} labels, 0 to {names - 1}")
