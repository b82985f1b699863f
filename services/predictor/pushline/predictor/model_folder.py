"""A model that lies in a folder: manifest.json, and beside it the files that serve, each held against the digest it has there."""

import hashlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pushline.line.events import File
from pushline.objects import manifest
from pushline.objects.manifest import MAX_MANIFEST_BYTES, BadManifest, Manifest
from pushline.predictor import model_files
from pushline.predictor.adapters.litert_programs import check_program, needs, open_programs
from pushline.predictor.adapters.memory import tightest
from pushline.predictor.adapters.tensorflow_models import open_model
from pushline.predictor.errors import LoadRefused
from pushline.predictor.loading import bounds
from pushline.predictor.model_files import Found
from pushline.predictor.opening import Opening, named_problems
from pushline.predictor.prepared import ModelFiles, Prepared
from pushline.predictor.residents import Residents
from pushline.predictor.room import MemoryRoom
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.settings import ServingSettings

MANIFEST = "manifest.json"
NEVER_DEPLOYED = 0  # deployments are counted from 1


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """`opened` gives it ready to serve."""

    path: Path
    about: Manifest
    wanted: ModelFiles
    names: dict[str, str] = field(repr=False)  # SHA-256 → name of the file

    @classmethod
    def read(cls, path: Path) -> "ModelFolder":
        """Raises LoadRefused."""
        data = _bytes_of(path)
        try:
            about = manifest.load(data)
        except BadManifest as error:
            raise LoadRefused("bad_manifest", f"{path / MANIFEST} cannot be read: {error}") from error
        sha256 = hashlib.sha256(data).hexdigest()
        files = tuple(File(file.name, file.sha256, file.size) for file in about.files)
        names = {file.sha256: file.name for file in reversed(files)} | {sha256: MANIFEST}
        return cls(path, about, ModelFiles(about.model, about.run_id, about.digest, sha256, files), names)

    def opened(self, settings: ServingSettings) -> Loaded:
        """Verify, check, open and warm it up, as a predictor does with what was deployed. Raises LoadError."""
        found = model_files.find(self.wanted, self._verified, bounds(settings))
        prepared = self._prepared(found, settings)
        opening = Opening(open_programs, open_model(settings.tensorflow, settings.max_program_bytes))
        room = MemoryRoom(tightest, Residents(keeps=False))
        with room.held(lambda: prepared.needed_bytes):
            return opening(prepared, self._identity, None)

    def _prepared(self, found: Found, settings: ServingSettings) -> Prepared:
        check = partial(check_program, max_bytes=settings.max_program_bytes)
        with named_problems(found.manifest.engine):
            for path, _ in found.files if found.is_programs else ():
                check(path)
            return found.prepared(needs(found.manifest.engine, found.files, threads=settings.door.threads))

    @property
    def _identity(self) -> Identity:
        about = self.about
        return Identity(about.model, about.digest, about.commit.get("sha", ""), NEVER_DEPLOYED, about.run_id, event_id="")

    def _verified(self, _key: str, sha256: str, max_bytes: int) -> Path:
        """Give the file with this digest. Raises LoadRefused."""
        path = self.path / self.names[sha256]
        try:
            if path.stat().st_size > max_bytes:
                raise LoadRefused("too_large", f"{path} has {path.stat().st_size} bytes; at most {max_bytes} are read")
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise LoadRefused("object_missing", f"{path} cannot be read: {error.strerror or error}") from error
        if found != sha256:
            raise LoadRefused("digest_mismatch", f"{path} is not the file of {MANIFEST}: its SHA-256 is {found}, not {sha256}")
        return path


def _bytes_of(folder: Path) -> bytes:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)  # one more than is read as a manifest
    except OSError as error:
        raise LoadRefused("bad_manifest", f"{path} cannot be read: {error.strerror or error}") from error
