"""Hears deployed: fetch, verify, check, load and warm up what it names, beside whatever serves now; then follow it on disk.

Nothing here is served yet. The swap is the caller's, and so is the question whether this record is the one wanted (rollout.py).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pushline.engine.engine import BadProgram, Engine, EngineError, EngineUnavailable, Signature
from pushline.line.events import Serving
from pushline.objects import keys, manifest
from pushline.objects.manifest import MAX_MANIFEST_BYTES, BadManifest, Manifest
from pushline.objects.store import DigestMismatch, ObjectMissing, ObjectTooLarge, Store, StoreError
from pushline.predictor.errors import LoadError, LoadPostponed, LoadRefused
from pushline.predictor.ports import CheckProgram, Copies, Deployment, ModelNeeds, OpenModel, OpenPrograms, ProgramsNeed, Room
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import DTYPES

MODEL_FILE = "model.h5"
NO_TENSORFLOW = (
    "this model has no serving program and is served by TensorFlow, which this predictor does not have: "
    "set PUSHLINE_TENSORFLOW_PYTHON to a Python that has it"
)
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model needs in memory, before it is loaded, and the memory."""

    room: Room
    programs: ProgramsNeed
    model: ModelNeeds


@dataclass(frozen=True, slots=True)
class _Opening:
    what: str  # in words
    programs: Sequence[Path]  # to be checked first
    needed: Callable[[], int]
    opened: Callable[[], Engine]


@dataclass(frozen=True, slots=True)
class OnDeployed:
    store: Store
    copies: Copies
    check: CheckProgram
    open_programs: OpenPrograms
    needs: Needs
    max_program_bytes: int
    open_model: OpenModel | None = None  # None: there is no TensorFlow here

    def __call__(self, deployment: Deployment) -> Loaded:
        """Give it loaded and warm, followed on disk. Raises LoadError: nothing changed but files that may be there already."""
        loaded = self._load(deployment, may_fetch=True)
        try:
            self.copies.keep(deployment)
        except OSError as error:
            loaded.engine.close()
            raise LoadPostponed("disk", f"the cache cannot be written: {error.strerror or error}") from error
        return loaded

    def from_disk(self, deployment: Deployment) -> Loaded:
        """Give what this replica followed before, without broker or store. Raises LoadError."""
        return self._load(deployment, may_fetch=False)

    def _load(self, deployment: Deployment, may_fetch: bool) -> Loaded:
        serving = _live(deployment)
        fetch = _Files(self, deployment.event.model, may_fetch)
        found = _manifest(fetch(keys.manifest(fetch.model, serving.run_id, serving.manifest_sha256), serving.manifest_sha256))
        _check_names(found, deployment, serving)
        engine = self._open(self._opening(found, fetch, serving))
        identity = Identity(
            model=deployment.event.model,
            digest=serving.digest,
            commit=serving.commit.sha,
            deploy_seq=deployment.event.deploy_seq,
            run_id=serving.run_id,
            event_id=deployment.id,
        )
        return Loaded(identity, engine, found.task, found.labels, found.from_logits)

    def _opening(self, found: Manifest, fetch: "_Files", serving: Serving) -> _Opening:
        """Its files are here by then."""
        if found.engine == "litert":
            paths = [(fetch.program(program.file, serving), program.batch) for program in found.programs]
            programs = [path for path, _ in paths]
            return _Opening("the serving program", programs, lambda: self.needs.programs(paths), lambda: self.open_programs(paths))
        if self.open_model is None:
            raise LoadRefused("no_tensorflow", NO_TENSORFLOW)
        path, open_model = fetch.program(MODEL_FILE, serving), self.open_model
        return _Opening("the model", (), lambda: self.needs.model(path), lambda: open_model(path))

    def _open(self, opening: _Opening) -> Engine:
        what = opening.what
        try:
            for path in opening.programs:
                self.check(path)
            with self.needs.room.held(opening.needed):
                engine = opening.opened()
                try:
                    _warm_up(engine, what)
                except LoadError:
                    engine.close()
                    raise
        except BadProgram as error:
            raise LoadRefused("bad_program", f"{what} cannot be opened: {error}") from error
        except EngineUnavailable as error:
            raise LoadPostponed("engine", str(error)) from error
        except (MemoryError, OSError) as error:
            raise LoadPostponed("resources", f"this machine could not load {what}: {error}") from error
        return engine


@dataclass(frozen=True, slots=True)
class _Files:
    """Gives verified local files of one model: those on disk, else fetched."""

    tools: OnDeployed
    model: str
    may_fetch: bool

    def program(self, name: str, serving: Serving) -> Path:
        for file in serving.files:
            if file.name == name:
                return self(keys.model_file(self.model, file.sha256, name), file.sha256, self.tools.max_program_bytes)
        raise LoadRefused("bad_manifest", f"the manifest's program {name[:80]!r} is not among the files of the deployed record")

    def __call__(self, key: str, sha256: str, max_bytes: int = MAX_MANIFEST_BYTES) -> Path:
        found = self.tools.copies.file(self.model, sha256)
        if found is not None:
            return found
        if not self.may_fetch:
            raise LoadPostponed("cache", f"the copy of {key} on this disk is missing or damaged")
        try:
            place = self.tools.copies.place(self.model, sha256)
            self.tools.store.fetch_to(key, sha256, place, max_bytes)
        except (StoreError, OSError) as error:
            raise _as_load_error(error) from error
        return place


def _as_load_error(error: StoreError | OSError) -> LoadPostponed | LoadRefused:
    if isinstance(error, ObjectTooLarge):
        return LoadRefused("too_large", str(error))
    if isinstance(error, OSError):
        return LoadPostponed("disk", f"the cache cannot be written: {error.strerror or error}")
    reasons = {ObjectMissing: "object_missing", DigestMismatch: "digest_mismatch"}
    return LoadPostponed(reasons.get(type(error), "store"), str(error))


def _live(deployment: Deployment) -> Serving:
    if not MODEL_NAME.fullmatch(deployment.event.model):
        raise LoadRefused("bad_record", f"{deployment.event.model[:80]!r} is no model name")
    live = [serving for serving in deployment.event.serving if serving.mode == "live"]
    if len(live) != 1:
        raise LoadRefused("bad_record", f"the record names {len(live)} live models; this predictor serves exactly one")
    for sha256 in (live[0].digest, live[0].manifest_sha256, *(file.sha256 for file in live[0].files)):
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise LoadRefused("bad_record", f"{sha256[:80]!r} is no SHA-256")
    return live[0]


def _manifest(path: Path) -> Manifest:
    try:
        return manifest.load(path.read_bytes())
    except BadManifest as error:
        raise LoadRefused("bad_manifest", f"the manifest cannot be read: {error}") from error
    except OSError as error:
        raise LoadPostponed("disk", f"the cache cannot be read: {error.strerror or error}") from error


def _check_names(found: Manifest, deployment: Deployment, serving: Serving) -> None:
    wanted = (deployment.event.model, serving.run_id, serving.digest)
    if (found.model, found.run_id, found.digest) != wanted:
        raise LoadRefused("bad_manifest", "the manifest is of another model, run or digest than the deployed record")


def _warm_up(engine: Engine, what: str) -> None:
    try:
        _check_dtypes(engine.signature)
        engine.warm_up()
    except BadProgram as error:
        raise LoadRefused("bad_program", f"{what} cannot be opened: {error}") from error
    except EngineUnavailable as error:
        raise LoadPostponed("engine", str(error)) from error
    except EngineError as error:
        raise LoadRefused("warm_up", f"{what} does not answer: {error}") from error
    except (MemoryError, OSError) as error:
        raise LoadPostponed("resources", f"this machine could not load {what}: {error}") from error


def _check_dtypes(signature: Signature) -> None:
    for spec in (*signature.inputs, *signature.outputs):
        if spec.dtype not in DTYPES:
            raise BadProgram(f"{spec.name} is of type {spec.dtype}, which no door can carry")
