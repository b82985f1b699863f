"""Hears deployed: has what it names prepared, opens and warms it up beside whatever serves now, then follows it on disk.

Nothing here is served yet. The swap is the caller's, and so is the question whether this record is the one wanted (rollout.py).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from pushline.line.events import Serving
from pushline.predictor import model_files
from pushline.predictor.errors import LoadPostponed, LoadRefused
from pushline.predictor.model_files import Bounds
from pushline.predictor.opening import Opening, named_problems
from pushline.predictor.ports import Copies, Deployment, Live, Needs, Prepare, Room
from pushline.predictor.prepared import ModelFiles, Prepared
from pushline.predictor.residents import Residents
from pushline.predictor.serving import Identity, Loaded

MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class OnDeployed:
    prepare: Prepare
    copies: Copies
    room: Room
    opening: Opening
    needs: Needs
    residents: Residents
    live: Live
    bounds: Bounds

    def __call__(self, deployment: Deployment) -> Loaded:
        """Give it loaded and warm, followed on disk. Raises LoadError: nothing changed but files that may be there already."""
        wanted = _wanted(deployment)
        loaded = self._resident(deployment, wanted)
        needed = None
        if loaded is None:
            prepared = self.prepare.prepare(wanted)
            needed = prepared.needed_bytes
            with self.room.held(lambda: prepared.needed_bytes):
                self.prepare.try_out(prepared)
                loaded = self._opened(deployment, wanted, prepared)
        try:
            self.copies.keep(deployment, needed)
        except OSError as error:
            self.residents.discard(loaded)
            raise LoadPostponed("disk", f"the cache cannot be written: {error.strerror or error}") from error
        return loaded

    def from_disk(self, deployment: Deployment) -> Loaded:
        """Give what this replica followed before, without broker or store: it was tried then. Raises LoadError."""
        wanted = _wanted(deployment)
        loaded = self._resident(deployment, wanted)
        if loaded is not None:
            return loaded
        found = model_files.find(wanted, lambda key, sha256, _: self._on_disk(wanted.model, key, sha256), self.bounds)
        prepared = found.prepared(needed_bytes=0)
        with self.room.held(lambda: self._needed(deployment, prepared)):
            return self._opened(deployment, wanted, prepared)

    def rest(self) -> None:
        """Give back what is needed no more. Called now and then, off the request path."""
        self.prepare.rest()
        self.room.ease()

    def _resident(self, deployment: Deployment, wanted: ModelFiles) -> Loaded | None:
        open_already = self.residents.take(wanted)
        return replace(open_already, identity=_identity(deployment)) if open_already is not None else None

    def _opened(self, deployment: Deployment, wanted: ModelFiles, prepared: Prepared) -> Loaded:
        loaded = self.opening(prepared, _identity(deployment), self.live(wanted.model))
        self.residents.add(wanted, loaded)
        return loaded

    def _on_disk(self, model: str, key: str, sha256: str) -> Path:
        found = self.copies.file(model, sha256)
        if found is None:
            raise LoadPostponed("cache", f"the copy of {key} on this disk is missing or damaged")
        return found

    def _needed(self, deployment: Deployment, prepared: Prepared) -> int:
        """Give what was noted when it was followed, so that a start need not read the program for it."""
        noted = self.copies.needed(deployment)
        if noted is not None:
            return noted
        with named_problems(prepared.engine):
            return self.needs(prepared.engine, prepared.files)


def _wanted(deployment: Deployment) -> ModelFiles:
    """Raises LoadRefused."""
    if not MODEL_NAME.fullmatch(deployment.event.model):
        raise LoadRefused("bad_record", f"{deployment.event.model[:80]!r} is no model name")
    live = _live(deployment)
    if len(live) != 1:
        raise LoadRefused("bad_record", f"the record names {len(live)} live models; this predictor serves exactly one")
    for sha256 in (live[0].digest, live[0].manifest_sha256, *(file.sha256 for file in live[0].files)):
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise LoadRefused("bad_record", f"{sha256[:80]!r} is no SHA-256")
    return ModelFiles.of(deployment.event.model, live[0])


def _live(deployment: Deployment) -> list[Serving]:
    return [serving for serving in deployment.event.serving if serving.mode == "live"]


def _identity(deployment: Deployment) -> Identity:
    (serving,) = _live(deployment)
    return Identity(
        model=deployment.event.model,
        digest=serving.digest,
        commit=serving.commit.sha,
        deploy_seq=deployment.event.deploy_seq,
        run_id=serving.run_id,
        event_id=deployment.id,
    )
