"""Verified copies on this replica's disk: `<folder>/<model>/state.json` and, under their digests, the files it needs.

state.json holds the followed record as it lies in the log, and the one before it. A record proves itself (its id is made of its
bytes), and it names the digest of every file; so nothing here is believed that does not verify.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pushline.line import topics
from pushline.line.codec import Undecodable, decode
from pushline.line.events import ModelDeployed
from pushline.line.ids import event_id
from pushline.line.records import Record
from pushline.predictor.ports import Deployment

SCHEMA = 1
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DiskCache:
    """Implements Copies. One process writes a folder; calls about one model come one after the other."""

    folder: Path

    def file(self, model: str, sha256: str) -> Path | None:
        path = self._files(model) / sha256
        with suppress(OSError):
            if path.is_file() and not path.is_symlink() and _sha256(path) == sha256:
                return path
        return None

    def place(self, model: str, sha256: str) -> Path:
        self._files(model).mkdir(parents=True, exist_ok=True)
        return self._files(model) / sha256

    def keep(self, deployment: Deployment, needed_bytes: int | None = None) -> None:
        current, previous = self._state(deployment.event.model)
        before = (current, previous)
        if needed_bytes is None:
            needed_bytes = next(
                (each.needed_bytes for each in before if each and _files(each.deployment) == _files(deployment)), None
            )
        if current is not None and current.deployment.id != deployment.id and _files(current.deployment) != _files(deployment):
            previous = current
        now = _plain(_Kept(deployment, needed_bytes))
        state = {"schema": SCHEMA, "current": now, "previous": _plain(previous) if previous else None}
        path = self._path(deployment.event.model)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(state, ensure_ascii=False, sort_keys=True).encode())

    def needed(self, deployment: Deployment) -> int | None:
        kept, _ = self._state(deployment.event.model)
        return kept.needed_bytes if kept is not None and kept.deployment.id == deployment.id else None

    def prune(self, model: str) -> None:
        needed = {name for kept in self._state(model) if kept is not None for name in _files(kept.deployment)}
        with suppress(OSError):
            for path in self._files(model).iterdir():
                if path.name not in needed:
                    path.unlink()

    def followed(self) -> Sequence[Deployment]:
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except OSError:
            return ()
        states = ((name, self._state(name)[0]) for name in names)
        return tuple(kept.deployment for name, kept in states if kept is not None and kept.deployment.event.model == name)

    def _state(self, model: str) -> "tuple[_Kept | None, _Kept | None]":
        try:
            state = json.loads(self._path(model).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None, None
        if not isinstance(state, dict) or state.get("schema") != SCHEMA:
            return None, None
        return _kept(state.get("current")), _kept(state.get("previous"))

    def _path(self, model: str) -> Path:
        return self.folder / model / "state.json"

    def _files(self, model: str) -> Path:
        return self.folder / model / "files"


@dataclass(frozen=True, slots=True)
class _Kept:
    deployment: Deployment
    needed_bytes: int | None  # of memory; a note that proves nothing


def _files(deployment: Deployment) -> frozenset[str]:
    return frozenset(
        sha256
        for serving in deployment.event.serving
        for sha256 in (serving.manifest_sha256, *(file.sha256 for file in serving.files))
    )


def plain(deployment: Deployment) -> dict[str, str]:
    """As JSON has it."""
    return {"id": deployment.id, "source": deployment.source, "value": deployment.value.decode()}


def _plain(kept: _Kept) -> dict[str, str | int | None]:
    return {**plain(kept.deployment), "needed_bytes": kept.needed_bytes}


def _kept(plain: Any) -> _Kept | None:  # noqa: ANN401 - whatever the file holds
    deployment = rebuilt(plain)
    needed = plain.get("needed_bytes") if deployment is not None else None
    return _Kept(deployment, needed if type(needed) is int and needed >= 0 else None) if deployment is not None else None


def rebuilt(plain: Any) -> Deployment | None:  # noqa: ANN401 - whatever the file holds
    """Rebuild a record, where what was kept proves itself; else None."""
    if not isinstance(plain, dict) or not all(isinstance(plain.get(name), str) for name in ("id", "source", "value")):
        return None
    headers = {
        "ce_specversion": "1.0",
        "ce_type": topics.DEPLOYED.ce_type,
        "ce_id": plain["id"],
        "ce_source": plain["source"],
    }
    record = Record(
        topic=topics.DEPLOYED.name,
        partition=0,
        offset=0,
        key=b"",
        value=plain["value"].encode(),
        headers=tuple((name, text.encode()) for name, text in headers.items()),
        timestamp_ms=0,
    )
    try:
        entry = decode(record)
        proven = event_id(entry.event.run_id, topics.DEPLOYED.name, entry.value) == entry.id
    except (Undecodable, ValueError):
        return None
    return cast("Deployment", entry) if proven and isinstance(entry.event, ModelDeployed) else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256", _bufsize=CHUNK_BYTES).hexdigest()


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_suffix(".new")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
