"""The manifest of a run: what the trainer made, written last, so that its presence means that everything is there."""

from dataclasses import dataclass

SCHEMA = 1
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
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
    dtype: str  # NumPy's name: float32, int64, …
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


@dataclass(frozen=True, slots=True)
class Dataset:
    """The frozen evaluation set: an .npz with the arrays x (or x.<input name> for several inputs) and y."""

    sha256: str
    size: int
    rows: int
    origin: str  # repository | store
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
    task: str  # classification | regression
    labels: tuple[str, ...]
    dataset: Dataset | None
    gates: tuple[Gate, ...]
    slices: tuple[str, ...]
    loss: str  # what compile() was given, by name; empty where it is unknown
    versions: dict[str, str]  # python, tensorflow, keras, numpy
    environment_sha256: str  # digest of the lock that made the training environment
    seeds: dict[str, int]
    history: dict[str, tuple[float | None, ...]]  # metric → value an epoch, as fit reported it; null where not finite
    seconds: float
    sandbox: str  # bubblewrap | off
