"""The tries of a run in the store: each says that it began before it does anything that could kill its process.

A trainer that lost its partition trains on. So whoever has the partition now begins a try of its own only when nobody else is at
work: the newest try is one of its own, was let go, or its progress has stood still for long.
"""

import json
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from pushline.line.patience import BEGUN_TRAINING
from pushline.objects import keys
from pushline.objects.store import ObjectMissing, Store, StoreError

MAX_TRIES = BEGUN_TRAINING.tries
STARTED, PROGRESS, LOG, HISTORY = "started", "progress.json", "log.txt", "history.json"
STANDS_STILL_SECONDS = BEGUN_TRAINING.first_seconds  # several heartbeats of live.py
LOOK_SECONDS = 1.0
_MAX_STARTED, _MAX_PROGRESS = 4096, 1024 * 1024
_LET_GO = b'{"state": "let_go"}'


@dataclass(frozen=True, slots=True)
class Try:
    """One try: the objects under its own prefix. Every call may raise StoreError."""

    store: Store
    model: str
    run_id: str
    name: str

    def put(self, name: str, data: bytes) -> None:
        self.store.put_bytes(keys.try_file(self.model, self.run_id, self.name, name), data)

    def let_go(self) -> None:
        """Note that this try was stopped in good order (a stop, a newer commit), so that it never counts as a crash."""
        with suppress(StoreError):
            self.put(STARTED, _LET_GO)


def begin(store: Store, model: str, run_id: str, owner: str) -> Try | None:
    """Begin the next try; None where enough have crashed. Raises StoreError."""
    names = _names(store, model, run_id)
    if sum(_started(store, model, run_id, name) != _LET_GO for name in names) >= MAX_TRIES:
        return None
    number = 1 + (keys.try_order(names[-1])[0] if names else 0)
    made = Try(store, model, run_id, f"{number}-{secrets.token_hex(4)}")
    made.put(STARTED, _begun_by(owner))
    return made


def resume(made: Try, owner: str) -> Try:
    """Go on with a try that was let go. Raises StoreError."""
    made.put(STARTED, _begun_by(owner))
    return made


def wait_for_others(store: Store, model: str, run_id: str, owner: str, cancelled: threading.Event) -> bool:
    """Return when no other owner is at work on the run, or it is cancelled; say whether any try was begun. Raises StoreError."""
    seen, since = None, time.monotonic()
    while not cancelled.is_set():
        names = _names(store, model, run_id)
        if not names:
            return False
        if _started(store, model, run_id, names[-1]) in (_LET_GO, _begun_by(owner)):
            return True
        shown = names[-1], newest_progress(store, model, run_id)
        if shown != seen:
            seen, since = shown, time.monotonic()
        elif time.monotonic() - since >= STANDS_STILL_SECONDS:
            return True
        cancelled.wait(LOOK_SECONDS)
    return True


def newest_progress(store: Store, model: str, run_id: str) -> bytes:
    """Give the newest try's progress as it lies there, b"" for none. Raises StoreError."""
    names = _names(store, model, run_id)
    with suppress(ObjectMissing):
        if names:
            return store.read_bytes(keys.try_file(model, run_id, names[-1], PROGRESS), _MAX_PROGRESS)
    return b""


def _names(store: Store, model: str, run_id: str) -> list[str]:
    """Give the tries that began, the newest last."""
    prefix = keys.tries(model, run_id)
    found = (key.removeprefix(prefix).partition("/") for key in store.list(prefix))
    return sorted((name for name, _, file in found if file == STARTED), key=keys.try_order)


def _started(store: Store, model: str, run_id: str, name: str) -> bytes:
    return store.read_bytes(keys.try_file(model, run_id, name, STARTED), _MAX_STARTED)


def _begun_by(owner: str) -> bytes:
    return json.dumps({"state": "started", "by": owner}).encode()
