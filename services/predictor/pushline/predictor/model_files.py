"""From what a deployed record names to the files that serve: the manifest says which; all are under their digests on this disk.

The same for what was just fetched and for what was followed before. Nothing native looks at a file here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pushline.objects import keys, manifest
from pushline.objects.manifest import MAX_MANIFEST_BYTES, BadManifest, Manifest
from pushline.predictor.errors import LoadPostponed, LoadRefused
from pushline.predictor.prepared import ModelFiles, Prepared

MODEL_FILE = "model.h5"
NO_TENSORFLOW = (
    "this model has no serving program and is served by TensorFlow, which this predictor does not have: "
    "set PUSHLINE_TENSORFLOW_PYTHON to a Python that has it"
)
Get = Callable[[str, str, int], Path]  # key, SHA-256 and most bytes of an object; gives it verified; raises LoadError


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of what this replica takes."""

    max_program_bytes: int
    has_tensorflow: bool


@dataclass(frozen=True, slots=True)
class Found:
    manifest: Manifest
    files: tuple[tuple[Path, int | None], ...]  # as Prepared has them

    @property
    def is_programs(self) -> bool:
        return self.manifest.engine == "litert"

    def prepared(self, needed_bytes: int) -> Prepared:
        found = self.manifest
        return Prepared(found.engine, self.files, found.task, found.labels, found.from_logits, needed_bytes)


def find(wanted: ModelFiles, get: Get, bounds: Bounds) -> Found:
    """Raises LoadError."""
    path = get(keys.manifest(wanted.model, wanted.run_id, wanted.manifest_sha256), wanted.manifest_sha256, MAX_MANIFEST_BYTES)
    found = _read(path)
    if (found.model, found.run_id, found.digest) != (wanted.model, wanted.run_id, wanted.digest):
        raise LoadRefused("bad_manifest", "the manifest is of another model, run or digest than the deployed record")
    if found.engine != "litert" and not bounds.has_tensorflow:
        raise LoadRefused("no_tensorflow", NO_TENSORFLOW)
    served = [(each.file, each.batch) for each in found.programs] if found.engine == "litert" else [(MODEL_FILE, None)]
    return Found(found, tuple((_file(name, wanted, get, bounds), batch) for name, batch in served))


def _read(path: Path) -> Manifest:
    try:
        return manifest.load(path.read_bytes())
    except BadManifest as error:
        raise LoadRefused("bad_manifest", f"the manifest cannot be read: {error}") from error
    except OSError as error:
        raise LoadPostponed("disk", f"the cache cannot be read: {error.strerror or error}") from error


def _file(name: str, wanted: ModelFiles, get: Get, bounds: Bounds) -> Path:
    for file in wanted.files:
        if file.name == name:
            return get(keys.model_file(wanted.model, file.sha256, name), file.sha256, bounds.max_program_bytes)
    raise LoadRefused("bad_manifest", f"the manifest's program {name[:80]!r} is not among the files of the deployed record")
