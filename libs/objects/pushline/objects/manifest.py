"""The manifest of a run: what the trainer made, written last, so that its presence means that everything is there.

Reading is strict: a manifest was written by our own trainer, so what is missing or of a wrong type is a broken manifest. Fields
that this program does not know are ignored: a later one may write them.
"""

import json
import math
import re
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import cache
from typing import Any

SCHEMA = 1
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
ENGINES = ("litert", "tensorflow")
DYNAMIC = -1  # a dimension that the caller chooses; the first one of a tensor is its batch


class BadManifest(Exception):
    """The bytes are no manifest of this schema; the message names the field."""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class TensorSpec:
    name: str
    dtype: str  # NumPy's name: float32, int64, …; "string" for inputs that are texts
    shape: tuple[int, ...]  # DYNAMIC where open


@dataclass(frozen=True, slots=True)
class Program:
    """One flatbuffer of the serving program: with a dynamic batch, or for one batch size."""

    file: str  # name in `files`
    batch: int | None  # None: dynamic


@dataclass(frozen=True, slots=True)
class Gate:
    metric: str
    minimum: float | None
    maximum: float | None
    max_drop: float | None
    parameters: dict[str, float]  # further numbers of the gate, such as eps
    set_by: str  # operator | repository
    sure: bool = False  # minimum and maximum hold for the whole confidence interval, not for its middle alone
    slice_minimum: float | None = None  # of each slice
    slice_max_drop: float | None = None  # likewise, against the live model
    tolerance: float | None = None  # of a measured cost: the share of its limit that it may lie above it


@dataclass(frozen=True, slots=True)
class Dataset:
    """The frozen evaluation set: an .npz with the arrays x (or x.<input name> for several inputs) and y."""

    sha256: str
    size: int
    rows: int
    origin: str  # repository | store; what comes from the store was never shown to the training script
    taken_from: str  # evaluate | validation_data | validation_split | the [evaluate] dataset's own words


@dataclass(frozen=True, slots=True)
class Manifest:
    schema: int
    model: str
    run_id: str
    generation: int
    attempt: int
    commit: dict[str, str]
    digest: str  # SHA-256 of model.h5
    files: tuple[ManifestFile, ...]  # model.h5 first, then programs and what else is served or proves
    programs: tuple[Program, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    task: str  # classification | multilabel | regression
    labels: tuple[str, ...]
    dataset: Dataset | None
    gates: tuple[Gate, ...]
    slices: tuple[str, ...]
    from_logits: bool  # the outputs are scores before softmax or sigmoid
    loss: str  # what compile() was given, by name; empty where it is unknown
    versions: dict[str, str]  # python, tensorflow, keras, numpy
    environment_sha256: str  # digest of the lock that made the training environment
    seeds: dict[str, int]
    history: dict[str, tuple[float | None, ...]]  # metric → value an epoch, as fit reported it; null where not finite
    seconds: float
    sandbox: str  # bubblewrap | off
    engine: str = "litert"  # litert: `programs` serve; tensorflow: there are none, model.h5 itself is served
    confidence: float = 0.95  # of every interval, and of what is said about the live model
    quantiles: tuple[float, ...] = ()  # what the columns of a regression's answers are, where they are quantiles
    metrics: tuple[str, ...] = ()  # the repository's own: python:module:function, each run on labels and answers
    allow_breaking: bool = False  # inputs, outputs or labels may change against the live model


def dump(manifest: Manifest) -> bytes:
    """Give the bytes, the same for equal manifests. Raises BadManifest for what load would not read back."""
    try:
        data = json.dumps(asdict(manifest), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except ValueError as error:
        raise BadManifest(f"the manifest has no JSON form: {error}") from None
    load(data)
    return data


def load(data: bytes) -> Manifest:
    """Give the manifest, its fields checked. Raises BadManifest naming the field."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise BadManifest(f"the manifest has {len(data)} bytes; the limit is {MAX_MANIFEST_BYTES}")
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"the manifest is not JSON: {error}") from None
    if not isinstance(plain, dict):
        raise BadManifest("the manifest is not an object")
    if plain.get("schema") != SCHEMA:
        raise BadManifest(f"schema is {str(plain.get('schema'))[:20]}; this program reads {SCHEMA}")
    manifest: Manifest = _build(Manifest, plain, "")
    _check_names(manifest)
    return manifest


_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # becomes a file's name on a reader's disk
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _check_names(manifest: Manifest) -> None:
    names = [file.name for file in manifest.files]
    for index, file in enumerate(manifest.files):
        _demand(_PLAIN_NAME.fullmatch(file.name), f"files[{index}].name is no plain file name: {file.name[:80]!r}")
        _demand(_SHA256.fullmatch(file.sha256), f"files[{index}].sha256 is not 64 hexadecimal digits")
        _demand(file.size >= 0, f"files[{index}].size is below 0")
    _demand(len(set(names)) == len(names), "files names one file twice")
    for index, program in enumerate(manifest.programs):
        _demand(program.file in names, f"programs[{index}].file is {program.file[:80]!r}, which files does not have")
        _demand(program.batch is None or program.batch > 0, f"programs[{index}].batch is not above 0")
    _demand(manifest.engine in ENGINES, f"engine is {manifest.engine[:80]!r}; known are {', '.join(ENGINES)}")
    _demand(_SHA256.fullmatch(manifest.digest), "digest is not 64 hexadecimal digits")
    if manifest.dataset is not None:
        _demand(_SHA256.fullmatch(manifest.dataset.sha256), "dataset.sha256 is not 64 hexadecimal digits")
        _demand(manifest.dataset.size >= 0, "dataset.size is below 0")


def _demand(holds: object, sentence: str) -> None:
    if not holds:
        raise BadManifest(sentence)


@cache
def _shape(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


@cache
def _later(kind: type) -> frozenset[str]:
    """Fields that manifests written before them do not have."""
    return frozenset(field.name for field in fields(kind) if field.default is not MISSING)


def _build(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - driven by the dataclass's own types
    if isinstance(kind, types.UnionType):  # something | None
        return None if data is None else _build(typing.get_args(kind)[0], data, where)
    for fits, build in _BUILDERS:
        if fits(kind):
            return build(kind, data, where)
    return _scalar(kind, data, where)


def _object(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see _build
    _demand(isinstance(data, dict), f"{where} is not an object")
    shape, stem = _shape(kind), f"{where}." if where else ""
    for name in shape.keys() - data.keys() - _later(kind):
        raise BadManifest(f"{stem}{name} is missing")
    return kind(**{name: _build(hint, data[name], f"{stem}{name}") for name, hint in shape.items() if name in data})


def _list(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see _build
    _demand(isinstance(data, list), f"{where} is not a list")
    inner = typing.get_args(kind)[0]
    return tuple(_build(inner, item, f"{where}[{index}]") for index, item in enumerate(data))


def _mapping(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see _build
    _demand(isinstance(data, dict), f"{where} is not an object")
    inner = typing.get_args(kind)[1]
    return {name: _build(inner, item, f"{where}.{name[:80]}") for name, item in data.items()}


def _scalar(kind: Any, data: Any, where: str) -> Any:  # noqa: ANN401 - see _build
    if kind is float and type(data) in (int, float):
        _demand(abs(data) <= sys.float_info.max and not math.isnan(data), f"{where} is not finite")
        return float(data)
    _demand(type(data) is kind, f"{where} is not of type {kind.__name__}")
    return data


_BUILDERS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Any, str], Any]], ...] = (
    (is_dataclass, _object),
    (lambda kind: typing.get_origin(kind) is tuple, _list),
    (lambda kind: typing.get_origin(kind) is dict, _mapping),
)
