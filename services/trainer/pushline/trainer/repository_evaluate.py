"""[evaluate] of pushline.toml: what a model is judged by, beside its gates. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pushline.objects.metric_names import is_ours
from pushline.runtime.strict_table import StrictTable
from pushline.trainer.data import DataFile, parse_data

MAX_METRICS = 8
STORE = "s3://"
_FUNCTION = re.compile(r"python:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)  # as gates can name it


@dataclass(frozen=True, slots=True)
class EvaluateTable:
    dataset: str
    from_store: DataFile | None  # what the dataset is, where it lies in the store
    metrics: tuple[str, ...]


def read_evaluate(table: StrictTable, training_data: Sequence[DataFile]) -> EvaluateTable:
    """Read `dataset` and `metrics`; the other keys are the caller's. Raises WrongKey."""
    dataset = table.text("dataset", "")
    from_store = None
    if dataset.startswith(STORE):
        from_store = table.parsed("dataset", _in_store)
        if any(file.sha256 == from_store.sha256 for file in training_data):
            raise table.wrong("dataset", "train.data names the same file; no training may see what its model is judged by")
    elif dataset.startswith("python:"):
        if not _FUNCTION.fullmatch(dataset):
            raise table.wrong("dataset", f'"{dataset[:80]}" is not python:module:function')
    elif dataset:
        dataset = table.parsed("dataset", _npz)
    return EvaluateTable(dataset, from_store, _metrics(table))


def _metrics(table: StrictTable) -> tuple[str, ...]:
    functions = table.texts("metrics")
    if len(functions) > MAX_METRICS:
        raise table.wrong("metrics", f"names {len(functions)}; at most {MAX_METRICS} are computed")
    names: list[str] = []
    for function in functions:
        name = function.rpartition(":")[2]
        if not _FUNCTION.fullmatch(function) or not _METRIC.fullmatch(name):
            raise table.wrong("metrics", f'"{function[:80]}" is not python:module:function with a function in small letters')
        if is_ours(name):
            raise table.wrong("metrics", f'"{name}" is a metric of Pushline\'s own; give the function another name')
        names.append(name)
    if len(set(names)) != len(names):
        raise table.wrong("metrics", "has two functions of one name")
    return functions


def _in_store(text: str) -> DataFile:
    (file,) = parse_data((text,))
    return file


def _npz(text: str) -> str:
    if not text.endswith(".npz"):
        raise ValueError(f'"{text[:80]}" is neither an .npz file of the repository nor python:module:function nor in the store')
    return inside(text)


def inside(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or not text.isprintable() or text.startswith("-"):
        raise ValueError(f'"{text[:80]}" is no path inside the repository')
    return str(path)
